using WinLoop.Ext4.Format;
using static System.Buffers.Binary.BinaryPrimitives;

namespace WinLoop.Ext4.Check;

// Files without extents: twelve pointers, then trees of one, two and three levels.
internal sealed partial class BlockWalker
{
    private void WalkMap(ReadOnlySpan<byte> area)
    {
        ulong perBlock = (ulong)state.Geometry.BlockSize / sizeof(uint);
        for (int i = 0; i < DirectPointers; i++)
        {
            TakePointer((ulong)i, ReadUInt32LittleEndian(area[(i * sizeof(uint))..]));
        }
        ulong logical = DirectPointers;
        ulong span = 1;
        for (int height = 1; height <= MapLevels; height++)
        {
            span *= perBlock;
            uint root = ReadUInt32LittleEndian(area[((DirectPointers - 1 + height) * sizeof(uint))..]);
            if (root != 0)
            {
                WalkTree(root, height, logical, perBlock);
            }
            logical += span;
        }
    }

    private void WalkTree(uint root, int height, ulong logical, ulong perBlock)
    {
        if (!EnterMapBlock(root, height, isTop: true))
        {
            return;
        }
        for (int level = height; level <= height;)
        {
            if (_next[level] >= (int)perBlock)
            {
                level++;
                continue;
            }
            uint pointer = ReadUInt32LittleEndian(_nodes[level].AsSpan(_next[level]++ * sizeof(uint)));
            if (level == 1)
            {
                TakePointer(logical++, pointer);
            }
            else if (pointer != 0 && EnterMapBlock(pointer, level - 1, isTop: false))
            {
                level--;
            }
            else
            {
                logical += level == 2 ? perBlock : perBlock * perBlock;
            }
        }
    }

    private bool EnterMapBlock(uint block, int level, bool isTop)
    {
        if (!EnterNode(block, "indirect", isTop) || !Read(Buffer(level), block))
        {
            return false;
        }
        _next[level] = 0;
        return true;
    }

    private void TakePointer(ulong logical, uint block)
    {
        if (block == 0)
        {
            return;
        }
        if (!state.Geometry.IsValidRange(block, 1))
        {
            Problem(FindingCode.BlockRange, $"logical block {logical} is block {block}, outside the volume", block);
            return;
        }
        Take(logical, block, 1, isWritten: true);
    }
}
