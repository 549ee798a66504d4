using System.Buffers.Binary;
using System.Numerics;
using System.Text;
using WinLoop.Storage;

namespace WinLoop.Images.Vdi;

/// <summary>What kind of disk a header says it is.</summary>
internal enum VdiType : uint
{
    /// <summary>Blocks get a place when they are written first.</summary>
    Dynamic = 1,
    /// <summary>All blocks have a place from the beginning on.</summary>
    Fixed = 2,
    /// <summary>Changes that are thrown away, over a parent.</summary>
    Undo = 3,
    /// <summary>Changes, over a parent.</summary>
    Differencing = 4,
}

/// <summary>The header of version 1.1, the first 512 bytes of the file ("VDI" of VirtualBox). All numbers are little-endian.</summary>
internal sealed record VdiHeader
{
    /// <summary>Bytes of the header with its padding.</summary>
    public const int Size = 512;

    /// <summary>Blocks have 1 MiB in all files that are known; this leaves room, and keeps the map small.</summary>
    public const int DefaultBlockSize = 1 << 20;

    /// <summary>The largest disk: 16 Mi blocks, whose map has 64 MiB.</summary>
    public const int MaxBlocks = 1 << 24;

    private const int MinBlockSize = 64 << 10;
    private const int MaxBlockSize = 64 << 20;
    private const int SignatureAt = 0x40;
    private const int VersionAt = 0x44;
    private const int HeaderSizeAt = 0x48;
    private const int TypeAt = 0x4C;
    private const int MapOffsetAt = 0x154;
    private const int DataOffsetAt = 0x158;
    private const int SectorSizeAt = 0x168;
    private const int DiskSizeAt = 0x170;
    private const int BlockSizeAt = 0x178;
    private const int BlockExtraAt = 0x17C;
    private const int BlocksAt = 0x180;
    private const int AllocatedAt = 0x184;
    private const int IdAt = 0x188;
    private const int SnapshotIdAt = 0x198;
    private const int ParentIdAt = 0x1A8;
    private const uint Signature = 0xBEDA107F;
    private const uint KnownVersion = 0x00010001;
    private const uint HeaderSize = 0x190;

    /// <summary>Kind of the disk.</summary>
    public VdiType Type { get; init; } = VdiType.Dynamic;

    /// <summary>Where the block map is.</summary>
    public long MapOffset { get; init; }

    /// <summary>Where the first block is.</summary>
    public long DataOffset { get; init; }

    /// <summary>Bytes of the disk.</summary>
    public long DiskSize { get; init; }

    /// <summary>Bytes of a block.</summary>
    public int BlockSize { get; init; } = DefaultBlockSize;

    /// <summary>Bytes before each block, of no meaning here.</summary>
    public int BlockExtra { get; init; }

    /// <summary>Blocks of the disk.</summary>
    public int Blocks => (int)((DiskSize + BlockSize - 1) / BlockSize);

    /// <summary>More places than blocks come from writers that were cut off; none leaves so many.</summary>
    public uint MaxPlaces => ((uint)Blocks * 2) + 1024;

    /// <summary>Whether a file begins like one.</summary>
    public static bool Matches(ReadOnlySpan<byte> bytes) => BinaryPrimitives.ReadUInt32LittleEndian(bytes[SignatureAt..]) == Signature;

    /// <summary>Reads and checks a header.</summary>
    /// <param name="bytes">The first <see cref="Size"/> bytes.</param>
    /// <param name="fileLength">Bytes of the file.</param>
    public static VdiHeader Read(ReadOnlySpan<byte> bytes, long fileLength)
    {
        uint version = BinaryPrimitives.ReadUInt32LittleEndian(bytes[VersionAt..]);
        if (version != KnownVersion)
        {
            throw VdiError.Unsupported($"version {version >> 16}.{version & 0xFFFF} of the format");
        }

        var type = (VdiType)BinaryPrimitives.ReadUInt32LittleEndian(bytes[TypeAt..]);
        if (type is VdiType.Undo or VdiType.Differencing || bytes.Slice(ParentIdAt, 16).ContainsAnyExcept((byte)0))
        {
            throw VdiError.Unsupported("a differencing VDI (a snapshot, one with a parent); clone it in VirtualBox to one without");
        }

        if (type is not (VdiType.Dynamic or VdiType.Fixed))
        {
            throw VdiError.Unsupported($"a disk of type {(uint)type}");
        }

        uint sector = BinaryPrimitives.ReadUInt32LittleEndian(bytes[SectorSizeAt..]);
        if (sector != BlockMap.SectorSize)
        {
            throw VdiError.Unsupported($"sectors of {sector} bytes");
        }

        return Check(bytes, type, fileLength);
    }

    /// <summary>Makes the bytes of a new disk's header.</summary>
    public byte[] ToBytes(uint allocated)
    {
        byte[] bytes = new byte[Size];
        Encoding.ASCII.GetBytes("<<< WinLoop Virtual Disk Image >>>\n").CopyTo(bytes, 0);
        Write(bytes, SignatureAt, Signature);
        Write(bytes, VersionAt, KnownVersion);
        Write(bytes, HeaderSizeAt, HeaderSize);
        Write(bytes, TypeAt, (uint)Type);
        Write(bytes, MapOffsetAt, (uint)MapOffset);
        Write(bytes, DataOffsetAt, (uint)DataOffset);
        Write(bytes, SectorSizeAt, BlockMap.SectorSize);
        BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(DiskSizeAt), DiskSize);
        Write(bytes, BlockSizeAt, (uint)BlockSize);
        Write(bytes, BlocksAt, (uint)Blocks);
        SetAllocated(bytes, allocated);
        Guid.NewGuid().TryWriteBytes(bytes.AsSpan(IdAt));
        Guid.NewGuid().TryWriteBytes(bytes.AsSpan(SnapshotIdAt));
        return bytes;
    }

    /// <summary>How many blocks a header says have a place.</summary>
    public static uint Allocated(ReadOnlySpan<byte> bytes) => BinaryPrimitives.ReadUInt32LittleEndian(bytes[AllocatedAt..]);

    /// <summary>Changes that number.</summary>
    public static void SetAllocated(Span<byte> bytes, uint allocated) => BinaryPrimitives.WriteUInt32LittleEndian(bytes[AllocatedAt..], allocated);

    private static VdiHeader Check(ReadOnlySpan<byte> bytes, VdiType type, long fileLength)
    {
        ulong size = BinaryPrimitives.ReadUInt64LittleEndian(bytes[DiskSizeAt..]);
        uint block = BinaryPrimitives.ReadUInt32LittleEndian(bytes[BlockSizeAt..]);
        uint extra = BinaryPrimitives.ReadUInt32LittleEndian(bytes[BlockExtraAt..]);
        uint count = BinaryPrimitives.ReadUInt32LittleEndian(bytes[BlocksAt..]);
        uint map = BinaryPrimitives.ReadUInt32LittleEndian(bytes[MapOffsetAt..]);
        uint data = BinaryPrimitives.ReadUInt32LittleEndian(bytes[DataOffsetAt..]);
        if (!BitOperations.IsPow2(block) || block < BlockMap.SectorSize)
        {
            throw VdiError.Damaged($"blocks of {block} bytes cannot be");
        }

        if (block is < MinBlockSize or > MaxBlockSize || extra % BlockMap.SectorSize != 0 || extra > block)
        {
            throw VdiError.Unsupported($"blocks of {block} bytes, {extra} more before each; they may have {MinBlockSize} to {MaxBlockSize}");
        }

        if (size == 0 || size % BlockMap.SectorSize != 0)
        {
            throw VdiError.Damaged($"a disk of {size} bytes cannot be");
        }

        if (size > (ulong)block * MaxBlocks)
        {
            throw VdiError.Unsupported($"a disk of {size} bytes; with such blocks it may have {(ulong)block * MaxBlocks}");
        }

        ulong blocks = (size + block - 1) / block;
        if (count < blocks)
        {
            throw VdiError.Damaged($"the block map has {count} entries, the disk {blocks} blocks");
        }

        ulong mapEnd = map + (blocks * sizeof(uint));
        if (map < Size || map % BlockMap.SectorSize != 0 || data % BlockMap.SectorSize != 0 || mapEnd > data || data > (ulong)fileLength)
        {
            throw VdiError.Damaged($"the block map at {map} or the blocks at {data} are not where they can be (the file has {fileLength} bytes)");
        }

        return new VdiHeader { Type = type, MapOffset = map, DataOffset = data, DiskSize = (long)size, BlockSize = (int)block, BlockExtra = (int)extra };
    }

    private static void Write(byte[] bytes, int at, uint value) => BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(at), value);
}
