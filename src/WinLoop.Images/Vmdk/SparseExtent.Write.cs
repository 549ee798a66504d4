using WinLoop.Storage;

namespace WinLoop.Images.Vmdk;

/// <summary>Changes of the extent.</summary>
internal sealed partial class SparseExtent
{
    // The file grows in steps, because each one is a change of the host's metadata.
    private const int GrowthSize = 1 << 20;

    private readonly Lock _mapLock = new();
    // In sectors: where the next grain comes, on a border of grains.
    private long _end;
    // What the file has from the beginning, behind its last grain, may hold anything.
    private readonly long _usedEnd;
    private bool _hasGrown;
    private bool _isDirty;
    private int[] _parts = [];
    private byte[] _content = [];
    private byte[]? _copy;

    /// <inheritdoc/>
    public override void Write(ReadOnlySpan<byte> buffer, long offset, WriteTag tag)
    {
        while (!buffer.IsEmpty)
        {
            (long grain, int inside, int part) = Locate(offset, buffer.Length);
            uint sector = _tables[grain];
            if (sector <= GrainTables.Zeroed)
            {
                sector = Map(grain);
            }

            part = ExtendRun(grain, sector, part, buffer.Length, mapsNew: true);
            _file.Write(buffer[..part], (sector * 512L) + inside, tag);
            Volatile.Write(ref _isDirty, true);
            buffer = buffer[part..];
            offset += part;
        }
    }

    /// <summary>Makes durable what was written, and only then the tables that name the new grains.</summary>
    public override void Flush()
    {
        // Taken before the flush: a write that ends later sets it again.
        if (!Interlocked.Exchange(ref _isDirty, false))
        {
            return;
        }

        int count;
        lock (_mapLock)
        {
            count = _tables.TakeDirty(ref _parts, ref _content);
        }

        _file.Flush();
        if (count == 0)
        {
            return;
        }

        for (int i = 0; i < count; i++)
        {
            _tables.Write(_file, _parts[i], _content.AsSpan(i * SparseHeader.Size, SparseHeader.Size));
        }

        _file.Flush();
    }

    /// <summary>Grains keep their place in the file; the file gets holes there if it can.</summary>
    public override void Discard(long offset, long length)
    {
        ForMapped(offset, length, static (file, at, part, _) => file.Discard(at, part), default);
        Volatile.Write(ref _isDirty, true);
    }

    /// <inheritdoc/>
    public override void WriteZeroes(long offset, long length, WriteTag tag)
    {
        if (_parent is null)
        {
            ForMapped(offset, length, static (file, at, part, tag) => file.WriteZeroes(at, part, tag), tag);
        }
        else
        {
            ZeroOverParent(offset, length, tag);
        }

        Volatile.Write(ref _isDirty, true);
    }

    /// <summary>Gives back what the file has grown too much, and says that it was closed in order.</summary>
    public override void Finish()
    {
        if (_hasGrown)
        {
            _file.SetLength(_end * 512);
        }

        WriteUnclean(0);
        _file.Flush();
    }

    /// <summary>The redundant tables are mended, and the header says that the extent is in use, before anything else changes:
    /// after a cut VMware checks the extent then.</summary>
    protected override void BeginCore()
    {
        _tables.MendRedundant(_file);
        WriteUnclean(1);
        _file.Flush();
    }

    private void WriteUnclean(byte value)
    {
        Span<byte> header = stackalloc byte[SparseHeader.Size];
        _file.Read(header, 0);
        header[SparseHeader.UncleanShutdownAt] = value;
        _file.Write(header, 0, WriteTag.Superblock);
    }

    /// <summary>The place of a grain, made if it has none yet. It reads as zeroes.</summary>
    private uint Map(long grain)
    {
        lock (_mapLock)
        {
            uint sector = _tables[grain];
            if (sector <= GrainTables.Zeroed)
            {
                bool showsParent = sector == GrainTables.Unused && _parent is not null;
                sector = Allocate();
                if (showsParent)
                {
                    CopyParent(grain, sector);
                }

                _tables.Set(grain, sector);
            }

            return sector;
        }
    }

    /// <summary>A new grain of a delta link holds what showed there before, and only then has a place in the tables.</summary>
    private void CopyParent(long grain, uint sector)
    {
        const int Piece = 65536;
        _copy ??= new byte[Math.Min(Piece, GrainSize)];
        for (int done = 0; done < GrainSize; done += _copy.Length)
        {
            _parent!.Read(_copy, (grain << _grainShift) + done);
            _file.Write(_copy, (sector * 512L) + done, WriteTag.Metadata);
        }
    }

    /// <summary>Without a grain of its own the parent would show. A grain that exists only as zeroes takes the place of a
    /// whole one: other programs know entries of zeroed grains in some files only.</summary>
    private void ZeroOverParent(long offset, long length, WriteTag tag)
    {
        while (length > 0)
        {
            (long grain, int inside, int part) = Locate(offset, length);
            uint sector = _tables[grain];
            if (sector != GrainTables.Zeroed)
            {
                _file.WriteZeroes(((sector == GrainTables.Unused ? Map(grain) : sector) * 512L) + inside, part, tag);
            }

            offset += part;
            length -= part;
        }
    }

    private uint Allocate()
    {
        long start = _end * 512, end = start + GrainSize;
        if (end / 512 > uint.MaxValue)
        {
            throw new BlockDeviceException(BlockDeviceError.NoSpace, "the VMDK cannot get any larger");
        }

        if (end > _file.Length)
        {
            _file.SetLength(Math.Max(end, start + GrowthSize));
            _hasGrown = true;
        }

        if (start < _usedEnd)
        {
            _file.WriteZeroes(start, Math.Min(end, _usedEnd) - start, WriteTag.Metadata);
        }

        _end = end / 512;
        return (uint)(start / 512);
    }
}
