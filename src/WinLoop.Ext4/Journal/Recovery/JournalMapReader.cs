using System.Buffers;
using WinLoop.Ext4.Format;
using WinLoop.Storage;
using static System.Buffers.Binary.BinaryPrimitives;

namespace WinLoop.Ext4.Journal.Recovery;

/// <summary>
/// Finds the journal's blocks before anything else of the volume can be trusted: reads the journal inode
/// straight from its group's inode table and walks its extents or block map. Falls back to the copy of the
/// mapping in the superblock (s_jnl_blocks) when the inode is damaged.
/// </summary>
internal sealed class JournalMapReader
{
    private const int MaximumDepth = 5;
    private const uint MaximumBlocks = 10_240_000; // mke2fs accepts no larger journal
    private const int ExtentHeaderSize = 12, ExtentEntrySize = 12;
    private const ushort ExtentMagic = 0xF30A;
    private const int InitialisedMaximum = 32768;
    private const int DirectBlocks = 12;

    private readonly IBlockDevice _device;
    private readonly Geometry _geometry;
    private readonly uint _inodeSeed;
    private readonly bool _hasExtentChecksums;
    private readonly uint _blocks;
    private readonly List<JournalMap.Run> _runs = [];
    private uint _next;

    private JournalMapReader(IBlockDevice device, Geometry geometry, uint inodeSeed, bool hasExtentChecksums, uint blocks)
    {
        _device = device;
        _geometry = geometry;
        _inodeSeed = inodeSeed;
        _hasExtentChecksums = hasExtentChecksums;
        _blocks = blocks;
    }

    /// <summary>Finds the blocks of the volume's internal journal.</summary>
    /// <exception cref="Ext4NotSupportedException">The journal is on another device.</exception>
    /// <exception cref="Ext4CorruptException">Neither the inode nor its copy in the superblock is usable.</exception>
    public static JournalMap Read(IBlockDevice device, Geometry geometry, Superblock superblock)
    {
        uint number = superblock.JournalInode;
        if (number == 0)
        {
            // s_journal_dev names a device of whoever wrote the image: never opened.
            throw new Ext4NotSupportedException("external journal",
                "The journal of this volume is on another device; only internal journals are supported.");
        }
        try
        {
            return FromInode(device, geometry, number);
        }
        catch (Ext4CorruptException) when (superblock.JournalBackupType == 1)
        {
            try
            {
                return FromBackup(device, geometry, number, superblock.JournalBlocks);
            }
            catch (Ext4CorruptException)
            {
                // The inode's own damage is the better message.
            }
            throw;
        }
    }

    private static JournalMap FromInode(IBlockDevice device, Geometry geometry, uint number)
    {
        if (number > geometry.InodesCount)
        {
            throw new Ext4CorruptException("superblock", $"s_journal_inum is {number}");
        }
        byte[] raw = new byte[geometry.InodeSize];
        uint index = (number - 1) % geometry.InodesPerGroup;
        ulong table = InodeTableOf(device, geometry, geometry.GroupOfInode(number));
        if (!geometry.IsValidRange(table, geometry.InodeTableBlocks))
        {
            throw Damaged($"its inode table is at block {table}");
        }
        ulong at = (table << geometry.BlockSizeBits) + ((ulong)index * (uint)geometry.InodeSize);
        device.Read(raw, (long)at);
        int extra = InodeRecord.ExtraSize(raw);
        uint seed = geometry.InodeSeed(number, ReadUInt32LittleEndian(raw.AsSpan(InodeRecord.GenerationAt)));
        if (geometry.HasMetadataChecksums && !InodeRecord.VerifyChecksum(raw, seed, extra))
        {
            throw Damaged("wrong checksum");
        }
        if ((ReadUInt16LittleEndian(raw.AsSpan(InodeRecord.ModeAt)) & InodeMode.TypeMask) != InodeMode.Regular ||
            ReadUInt16LittleEndian(raw.AsSpan(InodeRecord.LinksAt)) == 0)
        {
            throw Damaged("not a regular file in use");
        }
        var flags = (InodeFlags)ReadUInt32LittleEndian(raw.AsSpan(InodeRecord.FlagsAt));
        ulong size = ReadUInt32LittleEndian(raw.AsSpan(InodeRecord.SizeAt)) |
                     (ulong)ReadUInt32LittleEndian(raw.AsSpan(InodeRecord.SizeHighAt)) << 32;
        var reader = new JournalMapReader(device, geometry, seed, geometry.HasMetadataChecksums, BlocksOf(geometry, size));
        return reader.Walk(raw.AsSpan(InodeRecord.BlockAreaAt, 60), (flags & InodeFlags.Extents) != 0);
    }

    // The copy carries neither flags nor a generation: the shape tells extents, their checksums go unverified.
    private static JournalMap FromBackup(IBlockDevice device, Geometry geometry, uint number, ReadOnlySpan<byte> copy)
    {
        ulong size = ReadUInt32LittleEndian(copy[64..]) | (ulong)ReadUInt32LittleEndian(copy[60..]) << 32;
        var reader = new JournalMapReader(device, geometry, number, hasExtentChecksums: false, BlocksOf(geometry, size));
        return reader.Walk(copy[..60], ReadUInt16LittleEndian(copy) == ExtentMagic);
    }

    private static ulong InodeTableOf(IBlockDevice device, Geometry geometry, uint group)
    {
        uint tableBlock = group / (uint)geometry.DescriptorsPerBlock;
        ulong block = ((ulong)Superblock.Offset >> geometry.BlockSizeBits) + 1 + tableBlock;
        if (geometry.Has(IncompatFeatures.MetaBg) && tableBlock != 0)
        {
            throw new Ext4NotSupportedException("meta_bg", "The journal inode lies in a group whose descriptor is placed by meta_bg.");
        }
        Span<byte> raw = stackalloc byte[64];
        raw.Clear();
        int size = Math.Min(geometry.DescriptorSize, 64);
        long at = (long)(block << geometry.BlockSizeBits) + ((long)(group % (uint)geometry.DescriptorsPerBlock) * geometry.DescriptorSize);
        if (!geometry.IsValidRange(block, 1))
        {
            throw Damaged($"its group descriptor is at block {block}");
        }
        device.Read(raw[..size], at);
        return new GroupDescriptor(raw[..size]).InodeTable;
    }

    private static uint BlocksOf(Geometry geometry, ulong size)
    {
        ulong blocks = size >> geometry.BlockSizeBits;
        return blocks is > 1 and <= MaximumBlocks && blocks < geometry.BlocksCount
            ? (uint)blocks
            : throw Damaged($"its size is {size} bytes");
    }

    private JournalMap Walk(ReadOnlySpan<byte> area, bool hasExtents)
    {
        if (hasExtents)
        {
            WalkExtents(area);
        }
        else
        {
            WalkBlockMap(area);
        }
        if (_next < _blocks)
        {
            throw Damaged($"log block {_next} is not mapped");
        }
        return new JournalMap(_runs);
    }

    // Depth first with one buffer per level. Every leaf entry must continue where the last one ended, and
    // every node must have an entry, so the walk is bounded by the number of blocks.
    private void WalkExtents(ReadOnlySpan<byte> root)
    {
        var nodes = new byte[MaximumDepth + 1][];
        Span<int> entry = stackalloc int[MaximumDepth + 1];
        nodes[0] = root.ToArray();
        CheckNode(nodes[0], depth: -1, isRoot: true);
        int rootDepth = ReadUInt16LittleEndian(nodes[0].AsSpan(6));
        int level = 0;
        while (level >= 0 && _next < _blocks)
        {
            byte[] node = nodes[level];
            if (entry[level] >= ReadUInt16LittleEndian(node.AsSpan(2)))
            {
                level--;
                continue;
            }
            ReadOnlySpan<byte> item = node.AsSpan(ExtentHeaderSize + (entry[level]++ * ExtentEntrySize), ExtentEntrySize);
            if (level == rootDepth)
            {
                AddExtent(item);
                continue;
            }
            ulong child = ReadUInt32LittleEndian(item[4..]) | (ulong)ReadUInt16LittleEndian(item[8..]) << 32;
            level++;
            nodes[level] ??= new byte[_geometry.BlockSize];
            entry[level] = 0;
            ReadBlock(child, nodes[level]);
            CheckNode(nodes[level], rootDepth - level, isRoot: false);
        }
    }

    private void CheckNode(ReadOnlySpan<byte> node, int depth, bool isRoot)
    {
        int entries = ReadUInt16LittleEndian(node[2..]), max = ReadUInt16LittleEndian(node[4..]);
        int found = ReadUInt16LittleEndian(node[6..]);
        int room = (node.Length - ExtentHeaderSize) / ExtentEntrySize;
        if (ReadUInt16LittleEndian(node) != ExtentMagic || entries == 0 || entries > max || max > room ||
            (isRoot ? found > MaximumDepth : found != depth))
        {
            throw Damaged("an extent node is malformed");
        }
        if (!isRoot && _hasExtentChecksums)
        {
            int at = ExtentHeaderSize + (max * ExtentEntrySize);
            if (at + 4 > node.Length || ReadUInt32LittleEndian(node[at..]) != Crc32C.Compute(_inodeSeed, node[..at]))
            {
                throw Damaged("an extent node has a wrong checksum");
            }
        }
    }

    private void AddExtent(ReadOnlySpan<byte> item)
    {
        uint logical = ReadUInt32LittleEndian(item);
        uint length = ReadUInt16LittleEndian(item[4..]);
        ulong physical = ReadUInt32LittleEndian(item[8..]) | (ulong)ReadUInt16LittleEndian(item[6..]) << 32;
        if (logical != _next || length is 0 or > InitialisedMaximum)
        {
            throw Damaged($"log block {_next} is not mapped");
        }
        Add(physical, length);
    }

    private void WalkBlockMap(ReadOnlySpan<byte> area)
    {
        uint perBlock = (uint)_geometry.BlockSize / 4;
        var cached = new byte[3][];
        Span<ulong> cachedBlock = stackalloc ulong[3];
        Span<uint> path = stackalloc uint[3];
        while (_next < _blocks)
        {
            if (_next < DirectBlocks)
            {
                Add(ReadUInt32LittleEndian(area[((int)_next * 4)..]), 1);
                continue;
            }
            // Which of the three trees, and the indexes on the way down in it.
            ulong index = _next - DirectBlocks;
            int levels = 1;
            ulong span = perBlock;
            while (index >= span && levels < 3)
            {
                index -= span;
                span *= perBlock;
                levels++;
            }
            for (int i = levels - 1; i >= 0; i--)
            {
                path[i] = (uint)(index % perBlock);
                index /= perBlock;
            }
            if (index != 0)
            {
                throw Damaged("too large for a block map");
            }
            ulong block = ReadUInt32LittleEndian(area[((DirectBlocks + levels - 1) * 4)..]);
            for (int i = 0; i < levels; i++)
            {
                // Levels are counted from the data up, so that a tree of another height reuses nothing wrong.
                int slot = levels - 1 - i;
                cached[slot] ??= new byte[_geometry.BlockSize];
                if (cachedBlock[slot] != block || block == 0)
                {
                    ReadBlock(block, cached[slot]);
                    cachedBlock[slot] = block;
                }
                block = ReadUInt32LittleEndian(cached[slot].AsSpan((int)path[i] * 4));
            }
            Add(block, 1);
        }
    }

    private void Add(ulong physical, uint length)
    {
        length = Math.Min(length, _blocks - _next);
        // Block 0 and the superblock's own block are never a journal's.
        if (physical <= (ulong)Superblock.Offset >> _geometry.BlockSizeBits || !_geometry.IsValidRange(physical, length))
        {
            throw Damaged($"log block {_next} is mapped to block {physical}");
        }
        if (_runs.Count > 0 && _runs[^1] is var last && last.Physical + last.Count == physical)
        {
            _runs[^1] = last with { Count = last.Count + length };
        }
        else
        {
            _runs.Add(new JournalMap.Run(_next, physical, length));
        }
        _next += length;
    }

    private void ReadBlock(ulong block, Span<byte> buffer)
    {
        if (block == 0 || !_geometry.IsValidRange(block, 1))
        {
            throw Damaged($"a mapping block is at {block}");
        }
        _device.Read(buffer, (long)(block << _geometry.BlockSizeBits));
    }

    private static Ext4CorruptException Damaged(string what) => new("journal inode", what);
}
