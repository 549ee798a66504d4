using System.Buffers.Binary;

namespace WinLoop.Images.Vhdx;

/// <summary>
/// The header of an entry of the log (MS-VHDX, 2.3.1.1). An entry is this header with its descriptors, padded to a whole
/// sector, and then a data sector for each data descriptor.
/// </summary>
/// <param name="Start">Its first byte in the log.</param>
/// <param name="Length">Its bytes, a multiple of the sector; it may go on at the beginning of the log.</param>
/// <param name="Tail">Where in the log the oldest entry is that has to be replayed with this one.</param>
/// <param name="Sequence">One more than that of the entry before it; from 1 on.</param>
/// <param name="DescriptorCount">How many descriptors it has.</param>
/// <param name="FlushedFileLength">The file was at least this long on the disk when it was written.</param>
/// <param name="FileLength">The file has to be at least this long for what the entry says.</param>
internal readonly record struct LogEntry(
    int Start, int Length, int Tail, ulong Sequence, int DescriptorCount, ulong FlushedFileLength, ulong FileLength)
{
    /// <summary>Bytes of the header.</summary>
    public const int HeaderSize = 64;

    /// <summary>Bytes of a descriptor.</summary>
    public const int DescriptorSize = 32;

    /// <summary>Descriptors that have room in the entry's first sector.</summary>
    public const int FirstSectorDescriptors = (VhdxLayout.Sector - HeaderSize) / DescriptorSize;

    /// <summary>"loge".</summary>
    public const uint Signature = 0x65676F6C;

    private const int LengthAt = 8;
    private const int TailAt = 12;
    private const int SequenceAt = 16;
    private const int CountAt = 24;
    private const int GuidAt = 32;
    private const int FlushedAt = 48;
    private const int LastAt = 56;

    /// <summary>Sectors of the header and the descriptors.</summary>
    public int DescriptorSectors => (int)((HeaderSize + ((long)DescriptorCount * DescriptorSize) + VhdxLayout.Sector - 1) / VhdxLayout.Sector);

    /// <summary>Reads the header of an entry that has the log's guid and fits into the log; its content is not looked at.</summary>
    public static bool TryRead(ReadOnlySpan<byte> sector, int start, int logLength, Guid guid, out LogEntry entry)
    {
        entry = default;
        if (BinaryPrimitives.ReadUInt32LittleEndian(sector) != Signature || new Guid(sector.Slice(GuidAt, 16)) != guid)
        {
            return false;
        }

        uint length = BinaryPrimitives.ReadUInt32LittleEndian(sector[LengthAt..]);
        uint tail = BinaryPrimitives.ReadUInt32LittleEndian(sector[TailAt..]);
        ulong sequence = BinaryPrimitives.ReadUInt64LittleEndian(sector[SequenceAt..]);
        uint count = BinaryPrimitives.ReadUInt32LittleEndian(sector[CountAt..]);
        if (length == 0 || length > logLength || length % VhdxLayout.Sector != 0
            || tail >= logLength || tail % VhdxLayout.Sector != 0 || sequence == 0 || count > length / DescriptorSize)
        {
            return false;
        }

        entry = new LogEntry(start, (int)length, (int)tail, sequence, (int)count,
            BinaryPrimitives.ReadUInt64LittleEndian(sector[FlushedAt..]), BinaryPrimitives.ReadUInt64LittleEndian(sector[LastAt..]));
        return entry.DescriptorSectors <= length / VhdxLayout.Sector;
    }

    /// <summary>Writes the header without its checksum.</summary>
    public void WriteTo(Span<byte> sector, Guid guid)
    {
        sector[..HeaderSize].Clear();
        BinaryPrimitives.WriteUInt32LittleEndian(sector, Signature);
        BinaryPrimitives.WriteInt32LittleEndian(sector[LengthAt..], Length);
        BinaryPrimitives.WriteInt32LittleEndian(sector[TailAt..], Tail);
        BinaryPrimitives.WriteUInt64LittleEndian(sector[SequenceAt..], Sequence);
        BinaryPrimitives.WriteInt32LittleEndian(sector[CountAt..], DescriptorCount);
        guid.TryWriteBytes(sector[GuidAt..]);
        BinaryPrimitives.WriteUInt64LittleEndian(sector[FlushedAt..], FlushedFileLength);
        BinaryPrimitives.WriteUInt64LittleEndian(sector[LastAt..], FileLength);
    }
}
