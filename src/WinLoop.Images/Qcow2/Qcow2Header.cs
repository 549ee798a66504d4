using System.Buffers.Binary;
using System.Text;
using WinLoop.Storage;

namespace WinLoop.Images.Qcow2;

/// <summary>The header of a qcow2 file (interop/qcow2.txt, "Header"): its numbers are big-endian, and are checked here
/// against the format and against the file.</summary>
internal sealed record Qcow2Header
{
    /// <summary>"QFI" and 0xFB.</summary>
    public const uint Magic = 0x514649FB;

    /// <summary>Bytes that hold all fields, in one sector, so that a change of several is not torn.</summary>
    public const int SectorSize = 512;

    /// <summary>Bytes of the header of version 2.</summary>
    public const int Version2Size = 72;

    /// <summary>Bytes of the header of version 3 without and with the compression type.</summary>
    public const int Version3Size = 104, Version3FullSize = 112;

    /// <summary>Smallest and largest cluster, as a power of two.</summary>
    public const int MinClusterBits = 9, MaxClusterBits = 21;

    /// <summary>Largest tables that are accepted, in bytes. Other programs have the same limits.</summary>
    public const int MaxL1Size = 32 << 20, MaxRefcountTableSize = 8 << 20;

    /// <summary>Longest name of a backing file, in bytes.</summary>
    public const int MaxBackingName = 1023;

    public const int VersionAt = 4, BackingOffsetAt = 8, BackingSizeAt = 16, ClusterBitsAt = 20, SizeAt = 24, CryptMethodAt = 32;
    public const int L1SizeAt = 36, L1OffsetAt = 40, RefcountTableOffsetAt = 48, RefcountTableClustersAt = 56, SnapshotCountAt = 60;
    public const int SnapshotsOffsetAt = 64, IncompatibleAt = 72, CompatibleAt = 80, AutoclearAt = 88, RefcountOrderAt = 96;
    public const int HeaderLengthAt = 100, CompressionTypeAt = 104;

    /// <summary>2 or 3.</summary>
    public int Version { get; init; } = 3;

    /// <summary>Cluster size as a power of two.</summary>
    public int ClusterBits { get; init; } = 16;

    /// <summary>Bytes of the disk.</summary>
    public long Size { get; init; }

    /// <summary>Entries of the L1 table, and its first byte.</summary>
    public int L1Count { get; init; }

    /// <summary>First byte of the L1 table.</summary>
    public long L1Offset { get; init; }

    /// <summary>First byte of the refcount table. Not checked: only writing needs it.</summary>
    public ulong RefcountTableOffset { get; init; }

    /// <summary>Clusters of the refcount table. Not checked.</summary>
    public uint RefcountTableClusters { get; init; }

    /// <summary>Bits of a refcount as a power of two, 0 to 6.</summary>
    public int RefcountOrder { get; init; } = 4;

    /// <summary>Internal snapshots.</summary>
    public uint SnapshotCount { get; init; }

    /// <summary>Incompatible features; only <see cref="Qcow2Feature.Dirty"/> and <see cref="Qcow2Feature.Corrupt"/> can be set.</summary>
    public ulong Incompatible { get; init; }

    /// <summary>Compatible features.</summary>
    public ulong Compatible { get; init; }

    /// <summary>Features that a writer which does not know them turns off.</summary>
    public ulong Autoclear { get; init; }

    /// <summary>Bytes of the header; the extensions begin there.</summary>
    public int HeaderLength { get; init; }

    /// <summary>The backing file as the file names it; null: there is none.</summary>
    public string? BackingName { get; init; }

    /// <summary>What the header extensions say.</summary>
    public Qcow2Extensions Extensions { get; init; } = Qcow2Extensions.None;

    /// <summary>Bytes of a cluster.</summary>
    public int ClusterSize => 1 << ClusterBits;

    /// <summary>Reads and checks the header.</summary>
    /// <exception cref="ImageFormatException">It is damaged, or asks for something that is not there.</exception>
    public static Qcow2Header Read(IBlockDevice file)
    {
        if (file.Length < Version2Size)
        {
            throw Qcow2Error.Damaged($"the file has only {file.Length} bytes");
        }

        byte[] bytes = new byte[SectorSize];
        file.Read(bytes.AsSpan(0, (int)Math.Min(SectorSize, file.Length)), 0);
        uint version = Word(bytes, VersionAt);
        if (version is not (2 or 3))
        {
            throw Qcow2Error.Unsupported($"version {version} of the format; 2 and 3 are known");
        }

        uint clusterBits = Word(bytes, ClusterBitsAt);
        if (clusterBits is < MinClusterBits or > MaxClusterBits)
        {
            throw Qcow2Error.Damaged($"clusters of 2^{clusterBits} bytes cannot be");
        }

        var header = new Qcow2Header
        {
            Version = (int)version,
            ClusterBits = (int)clusterBits,
            RefcountTableOffset = Long(bytes, RefcountTableOffsetAt),
            RefcountTableClusters = Word(bytes, RefcountTableClustersAt),
            SnapshotCount = Word(bytes, SnapshotCountAt),
            HeaderLength = Version2Size,
        };
        byte[] first = new byte[(int)Math.Min(header.ClusterSize, file.Length)];
        file.Read(first, 0);
        if (version == 3)
        {
            header = header.WithVersion3(bytes);
        }

        header = header.WithBacking(bytes, first, out int end);
        header = header with { Extensions = Qcow2Extensions.Read(first, header.HeaderLength, end) };
        Qcow2Feature.Check(header, bytes[CompressionTypeAt], Word(bytes, CryptMethodAt));
        return header.WithDisk(bytes, file.Length);
    }

    /// <summary>Bytes of the disk that one L1 entry stands for, as a power of two.</summary>
    public static int L1Shift(int clusterBits) => (2 * clusterBits) - 3;

    private Qcow2Header WithVersion3(byte[] bytes)
    {
        uint length = Word(bytes, HeaderLengthAt), order = Word(bytes, RefcountOrderAt);
        if (length < Version3Size || length > ClusterSize || length % 8 != 0)
        {
            throw Qcow2Error.Damaged($"a header of {length} bytes cannot be");
        }

        if (order > 6)
        {
            throw Qcow2Error.Damaged($"refcounts of 2^{order} bits cannot be");
        }

        if (length <= CompressionTypeAt)
        {
            bytes[CompressionTypeAt] = 0;
        }

        return this with
        {
            HeaderLength = (int)length,
            RefcountOrder = (int)order,
            Incompatible = Long(bytes, IncompatibleAt),
            Compatible = Long(bytes, CompatibleAt),
            Autoclear = Long(bytes, AutoclearAt),
        };
    }

    private Qcow2Header WithBacking(byte[] bytes, byte[] first, out int extensionsEnd)
    {
        ulong offset = Long(bytes, BackingOffsetAt);
        uint size = Word(bytes, BackingSizeAt);
        extensionsEnd = first.Length;
        if (Version == 2)
        {
            bytes[CompressionTypeAt] = 0; // not a field there
        }

        if (offset == 0)
        {
            return this;
        }

        if (size is 0 or > MaxBackingName || offset < (ulong)HeaderLength || offset > (ulong)first.Length || size > (ulong)first.Length - offset)
        {
            throw Qcow2Error.Damaged($"the name of its backing file, {size} bytes at {offset}, is not in the first cluster");
        }

        extensionsEnd = (int)offset;
        string name = Encoding.UTF8.GetString(first.AsSpan((int)offset, (int)size));
        return name.Contains('\0', StringComparison.Ordinal)
            ? throw Qcow2Error.Damaged("the name of its backing file has a zero in it")
            : this with { BackingName = name };
    }

    private Qcow2Header WithDisk(byte[] bytes, long fileLength)
    {
        ulong size = Long(bytes, SizeAt), l1Offset = Long(bytes, L1OffsetAt);
        uint l1Count = Word(bytes, L1SizeAt);
        if (size % 512 != 0)
        {
            throw Qcow2Error.Unsupported($"a disk of {size} bytes, which is not a multiple of 512");
        }

        int shift = L1Shift(ClusterBits);
        ulong needed = (size >> shift) + ((size & ((1UL << shift) - 1)) != 0 ? 1UL : 0);
        if (size > long.MaxValue || needed > MaxL1Size / sizeof(ulong))
        {
            throw Qcow2Error.Unsupported($"a disk of {size} bytes with clusters of {ClusterSize}; its L1 table would have more than {MaxL1Size} bytes");
        }

        if (l1Count < needed || l1Count > MaxL1Size / sizeof(ulong))
        {
            throw Qcow2Error.Damaged($"the L1 table has {l1Count} entries, the disk needs {needed}, and there may be {MaxL1Size / sizeof(ulong)}");
        }

        ulong l1Size = l1Count * (ulong)sizeof(ulong);
        if (l1Count > 0 && (l1Offset == 0 || l1Offset % (ulong)ClusterSize != 0 || l1Offset > (ulong)fileLength || l1Size > (ulong)fileLength - l1Offset))
        {
            throw Qcow2Error.Damaged($"the L1 table, {l1Size} bytes at {l1Offset}, is not in the file ({fileLength} bytes) or not at a cluster");
        }

        return this with { Size = (long)size, L1Count = (int)l1Count, L1Offset = (long)l1Offset };
    }

    private static uint Word(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadUInt32BigEndian(bytes[at..]);

    private static ulong Long(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadUInt64BigEndian(bytes[at..]);
}
