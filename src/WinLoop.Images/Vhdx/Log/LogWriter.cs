using System.Buffers.Binary;
using WinLoop.Storage;

namespace WinLoop.Images.Vhdx;

/// <summary>
/// Writes entries of the log. Every entry is a sequence of its own: what the entry before it says has reached its place,
/// durably, before the next one is written. The two newest entries take turns in the two halves of the log, so that the
/// older one is whole while the newer one is being written. Not for several threads.
/// </summary>
internal sealed class LogWriter
{
    /// <summary>The most sectors that an entry changes; with its first sector it has room in half of the smallest log.</summary>
    public const int MaxSectors = LogEntry.FirstSectorDescriptors;

    private readonly IGrowableDevice _file;
    private readonly long _offset;
    private readonly int _half;
    private readonly byte[] _entry = new byte[(1 + MaxSectors) * VhdxLayout.Sector];
    private ulong _sequence;

    /// <summary>Writes into the log of a header, under a new guid, which the header does not name yet.</summary>
    public LogWriter(IGrowableDevice file, in VhdxHeader header)
    {
        _file = file;
        _offset = (long)header.LogOffset;
        _half = (int)(Math.Min(header.LogLength, VhdxLayout.MaxLogLength) / 2);
    }

    /// <summary>Which entries are this writer's.</summary>
    public Guid Guid { get; } = Guid.NewGuid();

    /// <summary>Writes an entry; durable after the next flush.</summary>
    /// <param name="offsets">Where in the file the sectors belong, at most <see cref="MaxSectors"/>.</param>
    /// <param name="sectors">Their content.</param>
    /// <param name="fileLength">The length of the file, which must be durable.</param>
    public void Write(ReadOnlySpan<long> offsets, ReadOnlySpan<byte> sectors, long fileLength)
    {
        _sequence++;
        int start = _sequence % 2 == 1 ? 0 : _half;
        var header = new LogEntry(start, (1 + offsets.Length) * VhdxLayout.Sector, start, _sequence, offsets.Length, (ulong)fileLength, (ulong)fileLength);
        Span<byte> entry = _entry.AsSpan(0, header.Length);
        entry[..VhdxLayout.Sector].Clear();
        header.WriteTo(entry, Guid);
        for (int i = 0; i < offsets.Length; i++)
        {
            LogDescriptor.Encode(
                sectors.Slice(i * VhdxLayout.Sector, VhdxLayout.Sector), offsets[i], _sequence,
                entry.Slice(LogEntry.HeaderSize + (i * LogEntry.DescriptorSize), LogEntry.DescriptorSize),
                entry.Slice((1 + i) * VhdxLayout.Sector, VhdxLayout.Sector));
        }

        BinaryPrimitives.WriteUInt32LittleEndian(entry[4..], Crc32C.OfStructure(entry));
        _file.Write(entry, _offset + start, WriteTag.JournalDescriptor);
    }
}
