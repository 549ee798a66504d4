using System.Buffers.Binary;
using System.Numerics;
using WinLoop.Storage;

namespace WinLoop.Images.Vmdk;

/// <summary>What a sparse extent is made with (SparseExtentHeader.flags).</summary>
[Flags]
internal enum SparseFlags : uint
{
    None = 0,
    NewLineTest = 1,
    RedundantTables = 2,
    ZeroedGrains = 4,
    Compressed = 0x10000,
    Markers = 0x20000,
    Known = NewLineTest | RedundantTables | ZeroedGrains | Compressed | Markers,
}

/// <summary>The first sector of a hosted sparse extent (SparseExtentHeader). All numbers are little-endian, and count sectors
/// of 512 bytes.</summary>
internal sealed record SparseHeader
{
    /// <summary>Bytes of a header, and of a sector.</summary>
    public const int Size = 512;

    /// <summary>Where the byte is that is 1 while the extent is written to.</summary>
    public const int UncleanShutdownAt = 72;

    /// <summary>Entries of a grain table.</summary>
    public const int TableEntries = 512;

    /// <summary>The largest number of grains: 16 TiB in grains of 64 KiB. The tables are read as a whole.</summary>
    public const long MaxGrains = 1L << 28;

    private const int VersionAt = 4;
    private const int FlagsAt = 8;
    private const int CapacityAt = 12;
    private const int GrainSizeAt = 20;
    private const int DescriptorOffsetAt = 28;
    private const int DescriptorSizeAt = 36;
    private const int TableEntriesAt = 44;
    private const int RedundantDirectoryAt = 48;
    private const int DirectoryAt = 56;
    private const int OverheadAt = 64;
    private const int NewLinesAt = 73;
    private const int AlgorithmAt = 77;
    private const ulong DirectoryAtEnd = ulong.MaxValue;
    private const ulong MinGrain = 8;
    // All known writers make 128. A large one would cost that much for a write of a byte.
    private const ulong MaxGrain = 1 << 11;

    /// <summary>What a file with a sparse extent begins with.</summary>
    public static ReadOnlySpan<byte> Magic => "KDMV"u8;

    private static ReadOnlySpan<byte> NewLines => "\n \r\n"u8;

    /// <summary>Of the format: 1, 2 (with zeroed grains) or 3 (with change tracking).</summary>
    public uint Version { get; init; } = 1;

    /// <summary>See <see cref="SparseFlags"/>.</summary>
    public SparseFlags Flags { get; init; }

    /// <summary>Sectors of the extent.</summary>
    public long Capacity { get; init; }

    /// <summary>Sectors of a grain, a power of two.</summary>
    public int GrainSize { get; init; }

    /// <summary>First sector of the descriptor; 0: it has none.</summary>
    public long DescriptorOffset { get; init; }

    /// <summary>Sectors of the descriptor.</summary>
    public long DescriptorSize { get; init; }

    /// <summary>First sector of the grain directory.</summary>
    public long Directory { get; init; }

    /// <summary>First sector of the redundant grain directory, if there is one.</summary>
    public long RedundantDirectory { get; init; }

    /// <summary>Sectors of the metadata at the beginning.</summary>
    public long Overhead { get; init; }

    /// <summary>Grains of the extent; the last one may be short.</summary>
    public long GrainCount => (Capacity + GrainSize - 1) / GrainSize;

    /// <summary>Entries of the grain directory.</summary>
    public int DirectoryEntries => (int)((GrainCount + TableEntries - 1) / TableEntries);

    /// <summary>Grains are compressed, each behind a marker.</summary>
    public bool IsCompressed => (Flags & SparseFlags.Compressed) != 0;

    /// <summary>Whether the grain tables are there twice.</summary>
    public bool HasRedundantTables => (Flags & SparseFlags.RedundantTables) != 0;

    /// <summary>Reads and checks the header of a file, and the footer if that counts.</summary>
    public static SparseHeader Read(IBlockDevice file)
    {
        byte[] bytes = new byte[Size];
        if (file.Length < Size)
        {
            throw VmdkError.Damaged($"the extent has only {file.Length} bytes");
        }

        file.Read(bytes, 0);
        SparseHeader header = Parse(bytes, file.Length, out bool isAtEnd);
        return isAtEnd ? ReadFooter(file, header) : header;
    }

    /// <summary>The bytes of a new extent's header.</summary>
    public byte[] ToBytes()
    {
        byte[] bytes = new byte[Size];
        Magic.CopyTo(bytes);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(VersionAt), Version);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(FlagsAt), (uint)Flags);
        BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(CapacityAt), Capacity);
        BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(GrainSizeAt), GrainSize);
        BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(DescriptorOffsetAt), DescriptorOffset);
        BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(DescriptorSizeAt), DescriptorSize);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(TableEntriesAt), TableEntries);
        BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(RedundantDirectoryAt), RedundantDirectory);
        BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(DirectoryAt), Directory);
        BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(OverheadAt), Overhead);
        NewLines.CopyTo(bytes.AsSpan(NewLinesAt));
        return bytes;
    }

    private static SparseHeader Parse(ReadOnlySpan<byte> bytes, long fileLength, out bool isAtEnd)
    {
        if (!bytes.StartsWith(Magic))
        {
            throw VmdkError.Damaged("a sparse extent does not begin with KDMV");
        }

        uint version = BinaryPrimitives.ReadUInt32LittleEndian(bytes[VersionAt..]);
        var flags = (SparseFlags)BinaryPrimitives.ReadUInt32LittleEndian(bytes[FlagsAt..]);
        ulong capacity = BinaryPrimitives.ReadUInt64LittleEndian(bytes[CapacityAt..]);
        ulong grain = BinaryPrimitives.ReadUInt64LittleEndian(bytes[GrainSizeAt..]);
        ushort algorithm = BinaryPrimitives.ReadUInt16LittleEndian(bytes[AlgorithmAt..]);
        CheckKind(version, flags, BinaryPrimitives.ReadUInt32LittleEndian(bytes[TableEntriesAt..]), algorithm);
        if ((flags & SparseFlags.NewLineTest) != 0 && !bytes.Slice(NewLinesAt, NewLines.Length).SequenceEqual(NewLines))
        {
            throw VmdkError.Damaged("it was copied as a text: its line ends have changed");
        }

        bool isCompressed = (flags & SparseFlags.Compressed) != 0;
        if (!BitOperations.IsPow2(grain))
        {
            throw VmdkError.Damaged($"grains of {grain} sectors cannot be");
        }

        if (grain is < MinGrain or > MaxGrain)
        {
            throw VmdkError.Unsupported($"grains of {grain} sectors; they may have {MinGrain} to {MaxGrain}");
        }

        if (capacity == 0)
        {
            throw VmdkError.Unsupported("a sparse extent without a capacity (a descriptor in the place of an extent)");
        }

        if (capacity > (ulong)(VmdkExtentLine.MaxDiskSize / 512) || (capacity + grain - 1) / grain > MaxGrains)
        {
            throw VmdkError.Unsupported($"a sparse extent of {capacity} sectors in grains of {grain}: too large");
        }

        ulong directory = BinaryPrimitives.ReadUInt64LittleEndian(bytes[DirectoryAt..]);
        isAtEnd = isCompressed && directory == DirectoryAtEnd;
        ulong descriptor = BinaryPrimitives.ReadUInt64LittleEndian(bytes[DescriptorOffsetAt..]);
        ulong descriptorSize = BinaryPrimitives.ReadUInt64LittleEndian(bytes[DescriptorSizeAt..]);
        if (descriptor != 0)
        {
            CheckPlace("descriptor", descriptor, descriptorSize, fileLength);
        }

        var header = new SparseHeader
        {
            Version = version,
            Flags = flags,
            Capacity = (long)capacity,
            GrainSize = (int)grain,
            DescriptorOffset = (long)descriptor,
            DescriptorSize = descriptor == 0 ? 0 : (long)descriptorSize,
        };
        ulong sectors = ((ulong)header.DirectoryEntries * sizeof(uint) + Size - 1) / Size;
        ulong redundant = BinaryPrimitives.ReadUInt64LittleEndian(bytes[RedundantDirectoryAt..]);
        if (!isAtEnd)
        {
            CheckPlace("grain directory", directory, sectors, fileLength);
        }

        if (header.HasRedundantTables && !isCompressed)
        {
            CheckPlace("redundant grain directory", redundant, sectors, fileLength);
        }

        return header with
        {
            Directory = isAtEnd ? 0 : (long)directory,
            RedundantDirectory = header.HasRedundantTables && !isCompressed ? (long)redundant : 0,
        };
    }

    private static void CheckKind(uint version, SparseFlags flags, uint tableEntries, ushort algorithm)
    {
        if (version is < 1 or > 3)
        {
            throw VmdkError.Unsupported($"version {version} of the sparse extent");
        }

        if ((flags & ~SparseFlags.Known) != 0)
        {
            throw VmdkError.Unsupported($"a sparse extent with the flags 0x{(uint)flags:x}");
        }

        if (tableEntries != TableEntries)
        {
            throw VmdkError.Unsupported($"grain tables of {tableEntries} entries; they have {TableEntries}");
        }

        bool isCompressed = (flags & SparseFlags.Compressed) != 0, hasMarkers = (flags & SparseFlags.Markers) != 0;
        if (isCompressed != hasMarkers)
        {
            throw VmdkError.Unsupported(isCompressed ? "compressed grains without markers" : "markers without compression");
        }

        if (isCompressed && algorithm != 1)
        {
            throw VmdkError.Unsupported($"compression algorithm {algorithm}; 1 (deflate) is the only one");
        }
    }

    private static void CheckPlace(string what, ulong start, ulong sectors, long fileLength)
    {
        // The numbers in the tables have 32 bits, so nothing lies behind 2 TiB.
        ulong limit = Math.Min((ulong)fileLength / Size, uint.MaxValue);
        if (start == 0 || start > limit || sectors > limit - start)
        {
            throw VmdkError.Damaged($"the {what} at sector {start} with {sectors} sectors does not lie in the file ({fileLength} bytes)");
        }
    }

    /// <summary>A file that was written as a stream ends with a footer marker, a header that knows where the directory is, and a
    /// marker for the end.</summary>
    private static SparseHeader ReadFooter(IBlockDevice file, SparseHeader header)
    {
        const int FooterMarker = 3;
        byte[] end = new byte[3 * Size];
        if (file.Length < header.DescriptorOffset + end.Length + Size)
        {
            throw VmdkError.Damaged("the stream has no end; its download may have been cut");
        }

        file.Read(end, file.Length - end.Length);
        if (BinaryPrimitives.ReadUInt32LittleEndian(end.AsSpan(8)) != 0 || BinaryPrimitives.ReadUInt32LittleEndian(end.AsSpan(12)) != FooterMarker
            || !end.AsSpan(Size, Magic.Length).SequenceEqual(Magic) || end.AsSpan(2 * Size, 16).ContainsAnyExcept((byte)0))
        {
            throw VmdkError.Damaged("the stream has no footer at its end; its download may have been cut");
        }

        SparseHeader footer = Parse(end.AsSpan(Size, Size), file.Length, out bool isAtEnd);
        if (isAtEnd || footer.Capacity != header.Capacity || footer.GrainSize != header.GrainSize || footer.Flags != header.Flags)
        {
            throw VmdkError.Damaged("header and footer contradict each other");
        }

        return header with { Directory = footer.Directory };
    }
}
