using System.Buffers.Binary;

namespace WinLoop.Images.Vhdx;

/// <summary>One of the two headers (MS-VHDX, 2.2.2).</summary>
internal readonly record struct VhdxHeader
{
    private const uint Signature = 0x64616568; // "head"
    private const int ChecksumAt = 4;
    private const int SequenceAt = 8;
    private const int FileWriteAt = 16;
    private const int DataWriteAt = 32;
    private const int LogAt = 48;
    private const int LogVersionAt = 64;
    private const int VersionAt = 66;
    private const int LogLengthAt = 68;
    private const int LogOffsetAt = 72;

    /// <summary>The valid header with the larger number counts.</summary>
    public ulong Sequence { get; init; }

    /// <summary>New with every opening that changes the file in any way.</summary>
    public Guid FileWriteGuid { get; init; }

    /// <summary>New with every opening that changes what the disk holds; children know their parent by it.</summary>
    public Guid DataWriteGuid { get; init; }

    /// <summary>Which entries of the log count; empty: none, the log need not be looked at.</summary>
    public Guid LogGuid { get; init; }

    /// <summary>0; anything else forbids the replay.</summary>
    public ushort LogVersion { get; init; }

    /// <summary>1.</summary>
    public ushort Version { get; init; }

    /// <summary>Bytes of the log.</summary>
    public uint LogLength { get; init; }

    /// <summary>First byte of the log.</summary>
    public ulong LogOffset { get; init; }

    /// <summary>Reads one; false: it is not valid, as after a write that did not end.</summary>
    public static bool TryRead(ReadOnlySpan<byte> bytes, out VhdxHeader header)
    {
        header = default;
        if (BinaryPrimitives.ReadUInt32LittleEndian(bytes) != Signature
            || BinaryPrimitives.ReadUInt32LittleEndian(bytes[ChecksumAt..]) != Crc32C.OfStructure(bytes[..VhdxLayout.HeaderSize]))
        {
            return false;
        }

        header = new VhdxHeader
        {
            Sequence = BinaryPrimitives.ReadUInt64LittleEndian(bytes[SequenceAt..]),
            FileWriteGuid = new Guid(bytes.Slice(FileWriteAt, 16)),
            DataWriteGuid = new Guid(bytes.Slice(DataWriteAt, 16)),
            LogGuid = new Guid(bytes.Slice(LogAt, 16)),
            LogVersion = BinaryPrimitives.ReadUInt16LittleEndian(bytes[LogVersionAt..]),
            Version = BinaryPrimitives.ReadUInt16LittleEndian(bytes[VersionAt..]),
            LogLength = BinaryPrimitives.ReadUInt32LittleEndian(bytes[LogLengthAt..]),
            LogOffset = BinaryPrimitives.ReadUInt64LittleEndian(bytes[LogOffsetAt..]),
        };
        return true;
    }

    /// <summary>Writes it with its checksum.</summary>
    public void WriteTo(Span<byte> bytes)
    {
        bytes = bytes[..VhdxLayout.HeaderSize];
        bytes.Clear();
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, Signature);
        BinaryPrimitives.WriteUInt64LittleEndian(bytes[SequenceAt..], Sequence);
        FileWriteGuid.TryWriteBytes(bytes[FileWriteAt..]);
        DataWriteGuid.TryWriteBytes(bytes[DataWriteAt..]);
        LogGuid.TryWriteBytes(bytes[LogAt..]);
        BinaryPrimitives.WriteUInt16LittleEndian(bytes[LogVersionAt..], LogVersion);
        BinaryPrimitives.WriteUInt16LittleEndian(bytes[VersionAt..], Version);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes[LogLengthAt..], LogLength);
        BinaryPrimitives.WriteUInt64LittleEndian(bytes[LogOffsetAt..], LogOffset);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes[ChecksumAt..], Crc32C.OfStructure(bytes));
    }
}
