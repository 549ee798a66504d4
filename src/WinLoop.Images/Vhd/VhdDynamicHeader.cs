using System.Buffers.Binary;
using System.Numerics;
using WinLoop.Storage;

namespace WinLoop.Images.Vhd;

/// <summary>The header of a dynamic disk (Dynamic Disk Header Format).</summary>
internal sealed record VhdDynamicHeader
{
    /// <summary>Bytes of a header.</summary>
    public const int Size = 1024;

    /// <summary>Blocks are known from 512 KiB to 2 MiB; this leaves room, and keeps the table small.</summary>
    public const int MinBlockSize = 512 * 1024;

    /// <summary>See <see cref="MinBlockSize"/>.</summary>
    public const int MaxBlockSize = 256 * 1024 * 1024;

    private const int NextAt = 8;
    private const int TableOffsetAt = 16;
    private const int VersionAt = 24;
    private const int EntriesAt = 28;
    private const int BlockSizeAt = 32;
    private const int ChecksumAt = 36;

    private static ReadOnlySpan<byte> Cookie => "cxsparse"u8;

    /// <summary>Where the block allocation table is.</summary>
    public long TableOffset { get; init; }

    /// <summary>Entries of the table.</summary>
    public uint EntryCount { get; init; }

    /// <summary>Bytes of a block's content.</summary>
    public int BlockSize { get; init; }

    /// <summary>Reads and checks the header that a footer refers to.</summary>
    public static VhdDynamicHeader Read(IBlockDevice file, VhdFooter footer)
    {
        if (footer.DataOffset > (ulong)file.Length || (ulong)file.Length - footer.DataOffset < Size)
        {
            throw VhdError.Damaged($"its header at {footer.DataOffset} is past the end of the file ({file.Length} bytes)");
        }

        byte[] bytes = new byte[Size];
        file.Read(bytes, (long)footer.DataOffset);
        if (!bytes.AsSpan(0, 8).SequenceEqual(Cookie)
            || BinaryPrimitives.ReadUInt32BigEndian(bytes.AsSpan(ChecksumAt)) != VhdFooter.Sum(bytes, ChecksumAt))
        {
            throw VhdError.Damaged("the header of the dynamic disk is damaged");
        }

        uint version = BinaryPrimitives.ReadUInt32BigEndian(bytes.AsSpan(VersionAt));
        ulong table = BinaryPrimitives.ReadUInt64BigEndian(bytes.AsSpan(TableOffsetAt));
        uint entries = BinaryPrimitives.ReadUInt32BigEndian(bytes.AsSpan(EntriesAt));
        uint block = BinaryPrimitives.ReadUInt32BigEndian(bytes.AsSpan(BlockSizeAt));
        if (version != VhdFooter.KnownVersion)
        {
            throw VhdError.Unsupported($"version {version >> 16}.{version & 0xFFFF} of the header");
        }

        if (!BitOperations.IsPow2(block) || block % VhdFooter.Size != 0)
        {
            throw VhdError.Damaged($"blocks of {block} bytes cannot be");
        }

        if (block is < MinBlockSize or > MaxBlockSize)
        {
            throw VhdError.Unsupported($"blocks of {block} bytes; they may have {MinBlockSize} to {MaxBlockSize}");
        }

        ulong blocks = (footer.CurrentSize + block - 1) / block;
        if (entries < blocks)
        {
            throw VhdError.Damaged($"the block allocation table has {entries} entries, the disk {blocks} blocks");
        }

        if (table % VhdFooter.Size != 0 || table > (ulong)file.Length || (blocks * sizeof(uint)) > (ulong)file.Length - table)
        {
            throw VhdError.Damaged($"the block allocation table at {table} ends past the end of the file ({file.Length} bytes), or is not aligned");
        }

        return new VhdDynamicHeader { TableOffset = (long)table, EntryCount = entries, BlockSize = (int)block };
    }

    /// <summary>Makes the bytes of a new disk's header.</summary>
    public byte[] ToBytes()
    {
        byte[] bytes = new byte[Size];
        Cookie.CopyTo(bytes);
        BinaryPrimitives.WriteUInt64BigEndian(bytes.AsSpan(NextAt), VhdFooter.NoData);
        BinaryPrimitives.WriteInt64BigEndian(bytes.AsSpan(TableOffsetAt), TableOffset);
        BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(VersionAt), VhdFooter.KnownVersion);
        BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(EntriesAt), EntryCount);
        BinaryPrimitives.WriteInt32BigEndian(bytes.AsSpan(BlockSizeAt), BlockSize);
        BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(ChecksumAt), VhdFooter.Sum(bytes, ChecksumAt));
        return bytes;
    }
}
