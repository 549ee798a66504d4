using System.Diagnostics.CodeAnalysis;
using WinLoop.Ext4.Allocation;
using WinLoop.Ext4.Cache;
using WinLoop.Ext4.Format;
using WinLoop.Ext4.Journal;
using static System.Buffers.Binary.BinaryPrimitives;

namespace WinLoop.Ext4.Extents;

/// <summary>
/// The block maps of ext2 and ext3: 12 direct pointers in i_block, then an indirect, a double and a triple
/// indirect block. Read as runs, freed and moved; never extended.
/// </summary>
internal sealed partial class BlockMap(Ext4Volume volume)
{
    private const int DirectBlocks = 12;
    private const int Levels = 3;

    private int PointerBits => volume.Geometry.BlockSizeBits - 2;

    /// <summary>The run from <paramref name="logical"/> on, as far as one pointer block tells.</summary>
    public ExtentMapping Map(Inode inode, uint logical)
    {
        ReadOnlySpan<byte> area = inode.Block;
        if (logical < DirectBlocks)
        {
            return Run(inode, area[..(DirectBlocks * 4)], logical, logical, DirectBlocks);
        }
        ulong inside = logical - DirectBlocks;
        for (int level = 1; level <= Levels; level++)
        {
            ulong covered = 1UL << (level * PointerBits);
            if (inside < covered)
            {
                return Walk(inode, ReadUInt32LittleEndian(area[((DirectBlocks + level - 1) * 4)..]), level, inside, logical);
            }
            inside -= covered;
        }
        return new ExtentMapping(logical, 0, ExtentNode.LogicalEnd - logical, ExtentState.Hole);
    }

    private ExtentMapping Walk(Inode inode, uint block, int level, ulong inside, uint logical)
    {
        while (true)
        {
            if (block == 0)
            {
                ulong rest = (1UL << (level * PointerBits)) - inside;
                return new ExtentMapping(logical, 0, (uint)Math.Min(rest, ExtentNode.LogicalEnd - logical), ExtentState.Hole);
            }
            Check(inode, block, 1);
            using MetadataBuffer buffer = volume.Cache.Read(block, BufferKind.Raw);
            if (--level == 0)
            {
                uint perBlock = 1u << PointerBits;
                return Run(inode, buffer.Data, (uint)inside, logical, perBlock);
            }
            int index = (int)(inside >> (level * PointerBits));
            inside &= (1UL << (level * PointerBits)) - 1;
            block = ReadUInt32LittleEndian(buffer.Data[(index * 4)..]);
        }
    }

    private ExtentMapping Run(Inode inode, ReadOnlySpan<byte> pointers, uint index, uint logical, uint count)
    {
        uint limit = Math.Min(count - index, ExtentNode.LogicalEnd - logical);
        uint first = ReadUInt32LittleEndian(pointers[((int)index * 4)..]);
        uint length = 1;
        while (length < limit)
        {
            uint next = ReadUInt32LittleEndian(pointers[((int)(index + length) * 4)..]);
            if (first == 0 ? next != 0 : next != (ulong)first + length)
            {
                break;
            }
            length++;
        }
        if (first == 0)
        {
            return new ExtentMapping(logical, 0, length, ExtentState.Hole);
        }
        Check(inode, first, length);
        return new ExtentMapping(logical, first, length, ExtentState.Written);
    }

    private void Check(Inode inode, uint block, uint count)
    {
        bool isJournal = inode.Number == volume.Superblock.JournalInode;
        if (!volume.Geometry.IsValidRange(block, count) || (!isJournal && volume.Groups.IsSystemZone(block, count)))
        {
            throw new Ext4CorruptException($"inode {inode.Number}, block map", $"blocks {block}+{count} cannot belong to a file");
        }
    }

    /// <summary>Frees the blocks of [first, last]; see <see cref="ExtentTree.Remove"/>.</summary>
    public void Remove([NotNull] ref Handle? handle, Inode inode, uint first, uint last)
    {
        ArgumentNullException.ThrowIfNull(handle);
        for (int level = Levels; level > 0; level--)
        {
            ulong start = DirectBlocks;
            for (int below = 1; below < level; below++)
            {
                start += 1UL << (below * PointerBits);
            }
            int at = (DirectBlocks + level - 1) * 4;
            uint block = ReadUInt32LittleEndian(Area(inode)[at..]);
            if (block != 0 && start <= last && RemoveBelow(ref handle, inode, block, level, start, first, last))
            {
                FreeNode(ref handle, inode, block);
                WriteUInt32LittleEndian(Area(inode)[at..], 0);
            }
        }
        RemovePointers(ref handle, inode, null, 0, DirectBlocks, first, last);
    }

    // The depth is that of the format, not what the disk says. True if nothing is left below the block.
    private bool RemoveBelow([NotNull] ref Handle? handle, Inode inode, uint block, int level, ulong start, uint first, uint last)
    {
        ArgumentNullException.ThrowIfNull(handle);
        Check(inode, block, 1);
        using MetadataBuffer buffer = volume.Cache.Read(block, BufferKind.Raw);
        int perBlock = 1 << PointerBits;
        if (level == 1)
        {
            RemovePointers(ref handle, inode, buffer, start, perBlock, first, last);
        }
        else
        {
            ulong step = 1UL << ((level - 1) * PointerBits);
            for (int i = perBlock - 1; i >= 0; i--)
            {
                ulong at = start + ((ulong)i * step);
                uint child = ReadUInt32LittleEndian(buffer.Data[(i * 4)..]);
                if (child != 0 && at <= last && at + step > first && RemoveBelow(ref handle, inode, child, level - 1, at, first, last))
                {
                    FreeNode(ref handle, inode, child);
                    handle.Join(buffer);
                    WriteUInt32LittleEndian(buffer.Data[(i * 4)..], 0);
                }
            }
        }
        return buffer.Data.IndexOfAnyExcept((byte)0) < 0;
    }

    private void FreeNode([NotNull] ref Handle? handle, Inode inode, uint block)
    {
        volume.Extents.EnsureCredits(ref handle, inode, BlockAllocator.CreditsPerGroup + 2);
        volume.Blocks.Free(handle, inode, block, 1, isMetadata: true);
    }

    // Frees what a block of pointers (null: the direct ones in the inode) points to, run by run from the end.
    private void RemovePointers([NotNull] ref Handle? handle, Inode inode, MetadataBuffer? buffer, ulong start, int count, uint first, uint last)
    {
        ArgumentNullException.ThrowIfNull(handle);
        Geometry geometry = volume.Geometry;
        int end = (int)Math.Min((ulong)count, last < start ? 0 : last - start + 1);
        int begin = first <= start ? 0 : (int)Math.Min((ulong)count, first - start);
        while (end > begin)
        {
            Span<byte> pointers = buffer is null ? Area(inode) : buffer.Data;
            uint block = ReadUInt32LittleEndian(pointers[((end - 1) * 4)..]);
            uint length = 1;
            while (block != 0 && end - 1 - (int)length >= begin && length < block &&
                   ReadUInt32LittleEndian(pointers[((end - 1 - (int)length) * 4)..]) == block - length)
            {
                length++;
            }
            if (block != 0)
            {
                uint from = block - length + 1;
                Check(inode, from, length);
                int groups = (int)(geometry.GroupOfBlock(block) - geometry.GroupOfBlock(from) + 1);
                volume.Extents.EnsureCredits(ref handle, inode, (BlockAllocator.CreditsPerGroup * groups) + 2);
                volume.Blocks.Free(handle, inode, from, length, isMetadata: !inode.IsRegular);
                if (buffer is not null)
                {
                    handle.Join(buffer);
                }
                pointers.Slice((end - (int)length) * 4, (int)length * 4).Clear();
            }
            end -= (int)length;
        }
    }

    private static Span<byte> Area(Inode inode) => inode.Block;
}
