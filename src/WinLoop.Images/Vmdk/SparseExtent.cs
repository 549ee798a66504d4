using System.Numerics;
using WinLoop.Storage;

namespace WinLoop.Images.Vmdk;

/// <summary>An extent that holds only grains which were written. There is no log: a new grain is durable before a table names
/// it, and tables are changed in whole sectors, so that at every moment a grain is there or it is not.</summary>
/// <remarks>Locks: the disk's flush lock, then the map lock. Grains that are in the file are read and written without one.</remarks>
internal sealed partial class SparseExtent : VmdkExtent
{
    private readonly IGrowableDevice _file;
    private readonly GrainTables _tables;
    private readonly VmdkParent? _parent;
    private readonly int _grainShift;

    private SparseExtent(IGrowableDevice file, SparseHeader header, GrainTables tables, long end, long length, VmdkParent? parent)
        : base(length)
    {
        _parent = parent;
        _file = file;
        _tables = tables;
        _grainShift = BitOperations.Log2((uint)header.GrainSize) + 9;
        _end = (end + header.GrainSize - 1) / header.GrainSize * header.GrainSize;
        _usedEnd = file.Length;
        ReadOnlyReason = file.IsReadOnly ? "the file of an extent cannot be written" : Reason(header, tables);
    }

    /// <inheritdoc/>
    public override string? ReadOnlyReason { get; }

    private int GrainSize => 1 << _grainShift;

    /// <summary>Reads the tables and checks that no two structures overlap.</summary>
    /// <param name="file">The file; the extent owns it if this succeeds.</param>
    /// <param name="header">Its header.</param>
    /// <param name="length">Bytes of the extent; not more than its capacity.</param>
    /// <param name="isForWriting">The redundant tables are checked, too.</param>
    /// <param name="parent">What shows where there is no grain; null: zeroes.</param>
    public static SparseExtent Open(IGrowableDevice file, SparseHeader header, long length, bool isForWriting, VmdkParent? parent)
    {
        GrainTables tables = GrainTables.Read(file, header, isForWriting);
        return new SparseExtent(file, header, tables, GrainLayoutCheck.FindEnd(file, header, tables), length, parent);
    }

    /// <inheritdoc/>
    public override void Read(Span<byte> buffer, long offset)
    {
        while (!buffer.IsEmpty)
        {
            (long grain, int inside, int part) = Locate(offset, buffer.Length);
            uint sector = _tables[grain];
            if (sector > GrainTables.Zeroed)
            {
                part = ExtendRun(grain, sector, part, buffer.Length, mapsNew: false);
                _file.Read(buffer[..part], (sector * 512L) + inside);
            }
            else if (sector == GrainTables.Unused && _parent is not null)
            {
                _parent.Read(buffer[..part], offset);
            }
            else
            {
                buffer[..part].Clear();
            }

            buffer = buffer[part..];
            offset += part;
        }
    }

    /// <inheritdoc/>
    public override void Prefetch(long offset, long length) => ForMapped(offset, length, static (file, at, part, _) => file.Prefetch(at, part), default);

    /// <inheritdoc/>
    public override void Forget(long offset, long length) => ForMapped(offset, length, static (file, at, part, _) => file.Forget(at, part), default);

    /// <inheritdoc/>
    public override long ZeroRun(long offset, long length) => _parent is null ? _tables.ZeroRun(offset, length, _grainShift) : 0;

    /// <inheritdoc/>
    public override void Dispose() => _file.Dispose();

    private static string? Reason(SparseHeader header, GrainTables tables)
    {
        if (header.Version == 3)
        {
            return "version 3 of the format has change tracking, which would miss what is written here";
        }

        return tables.Places.Contains(0u) || tables.RedundantPlaces.Contains(0u) ? "some of its grain tables are not there" : null;
    }

    private void ForMapped(long offset, long length, Action<IGrowableDevice, long, long, WriteTag> action, WriteTag tag)
    {
        while (length > 0)
        {
            (long grain, int inside, int part) = Locate(offset, length);
            if (_tables[grain] is var sector && sector > GrainTables.Zeroed)
            {
                action(_file, (sector * 512L) + inside, part, tag);
            }

            offset += part;
            length -= part;
        }
    }

    /// <summary>Grains that lie one behind the other in the file go in one request.</summary>
    /// <param name="grain">The first of them.</param>
    /// <param name="sector">Where it is.</param>
    /// <param name="part">Bytes up to its end.</param>
    /// <param name="wanted">Bytes of the request.</param>
    /// <param name="mapsNew">Grains that have no place get one.</param>
    /// <returns>Bytes up to the end of the run, or of the request.</returns>
    private int ExtendRun(long grain, uint sector, int part, int wanted, bool mapsNew)
    {
        long expected = sector;
        while (part < wanted)
        {
            expected += GrainSize / 512;
            uint next = _tables[++grain];
            if (next <= GrainTables.Zeroed && mapsNew)
            {
                next = Map(grain);
            }

            if (next != expected)
            {
                break;
            }

            part = (int)Math.Min((long)part + GrainSize, wanted);
        }

        return part;
    }

    private (long Grain, int Inside, int Part) Locate(long offset, long length)
    {
        int inside = (int)(offset & (GrainSize - 1));
        return (offset >> _grainShift, inside, (int)Math.Min(GrainSize - inside, length));
    }
}
