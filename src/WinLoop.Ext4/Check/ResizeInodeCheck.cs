using WinLoop.Ext4.Format;
using static System.Buffers.Binary.BinaryPrimitives;

namespace WinLoop.Ext4.Check;

/// <summary>
/// Inode 7 holds the reserved descriptor blocks: its double-indirect block lists those of group 0, and each of
/// these lists its copies in the groups with a backup.
/// </summary>
internal sealed class ResizeInodeCheck(CheckState state)
{
    private const uint Number = 7;
    private const int DoubleIndirect = 13, Pointers = 15;

    private byte[] _top = [], _block = [], _inode = [];

    public void Run()
    {
        Geometry geometry = state.Geometry;
        Array.Resize(ref _inode, geometry.InodeSize);
        if (!state.TryReadInode(Number, _inode))
        {
            return; // the table's place was reported
        }
        ReadOnlySpan<byte> area = _inode.AsSpan(InodeRecord.BlockAreaAt, Pointers * sizeof(uint));
        if (!geometry.Has(CompatFeatures.ResizeInode))
        {
            if (area.IndexOfAnyExcept((byte)0) >= 0)
            {
                Add("has blocks, but the volume has no resize inode");
            }
            return;
        }
        uint top = ReadUInt32LittleEndian(area[(DoubleIndirect * sizeof(uint))..]);
        bool isShaped = (ReadUInt16LittleEndian(_inode) & InodeMode.TypeMask) == InodeMode.Regular &&
            ReadUInt16LittleEndian(_inode.AsSpan(InodeRecord.LinksAt)) != 0 && geometry.IsValidRange(top, 1) &&
            area[..(DoubleIndirect * sizeof(uint))].IndexOfAnyExcept((byte)0) < 0 &&
            ReadUInt32LittleEndian(area[((Pointers - 1) * sizeof(uint))..]) == 0 &&
            ReadUInt32LittleEndian(_inode.AsSpan(InodeRecord.FileAclAt)) == 0 && Size() <= LargestSize(geometry);
        if (!isShaped)
        {
            Add("the resize inode is damaged");
            return;
        }
        if (_top.Length != geometry.BlockSize)
        {
            _top = new byte[geometry.BlockSize];
            _block = new byte[geometry.BlockSize];
        }
        if (!state.TryRead(0, _top, top, Number))
        {
            return;
        }
        if (CountListed() != geometry.ReservedDescriptorBlocks)
        {
            Add($"the resize inode lists {CountListed()} blocks, {geometry.ReservedDescriptorBlocks} are reserved");
            return;
        }
        uint perBlock = (uint)geometry.BlockSize / sizeof(uint);
        ulong expected = geometry.FirstDataBlock + 1ul + geometry.DescriptorBlocks;
        for (uint i = 0; i < geometry.ReservedDescriptorBlocks; i++, expected++)
        {
            uint slot = (geometry.DescriptorBlocks + i) % perBlock;
            if (ReadUInt32LittleEndian(_top.AsSpan((int)slot * sizeof(uint))) != expected)
            {
                Add($"the resize inode does not list block {expected}");
                return;
            }
            if (!geometry.IsValidRange(expected, 1) || !state.TryRead(0, _block, expected, Number) || !ListsCopies(expected))
            {
                return;
            }
        }
    }

    private ulong Size() => ReadUInt32LittleEndian(_inode.AsSpan(InodeRecord.SizeAt)) |
        ((ulong)ReadUInt32LittleEndian(_inode.AsSpan(InodeRecord.SizeHighAt)) << 32);

    // What a double indirect block reaches.
    private static ulong LargestSize(Geometry geometry)
    {
        ulong perBlock = (ulong)geometry.BlockSize / sizeof(uint);
        return (DoubleIndirect - 1 + perBlock + (perBlock * perBlock)) << geometry.BlockSizeBits;
    }

    private int CountListed()
    {
        int count = 0;
        for (int at = 0; at < _top.Length; at += sizeof(uint))
        {
            count += ReadUInt32LittleEndian(_top.AsSpan(at)) == 0 ? 0 : 1;
        }
        return count;
    }

    private bool ListsCopies(ulong block)
    {
        Geometry geometry = state.Geometry;
        int at = 0;
        for (uint group = 1; group < geometry.GroupCount && at < geometry.BlockSize; group++)
        {
            if (!geometry.HasSuperblock(group))
            {
                continue;
            }
            if (ReadUInt32LittleEndian(_block.AsSpan(at)) != block + ((ulong)group * geometry.BlocksPerGroup))
            {
                Add($"block {block} of the resize inode does not list its copy in group {group}");
                return false;
            }
            at += sizeof(uint);
        }
        return true;
    }

    private void Add(string text) => state.Findings.Add(0, FindingCode.ResizeInode, text, Number);
}
