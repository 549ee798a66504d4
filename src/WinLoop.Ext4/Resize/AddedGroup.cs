using WinLoop.Ext4.Allocation;
using WinLoop.Ext4.Format;

namespace WinLoop.Ext4.Resize;

/// <summary>A group that a growth adds.</summary>
/// <param name="Number">Group number.</param>
/// <param name="Blocks">Its blocks; fewer than the others' in the last group only.</param>
internal sealed record AddedGroup(uint Number, uint Blocks)
{
    /// <summary>Its descriptor; checksums are the writer's.</summary>
    public GroupState State;
}

/// <summary>
/// Where the metadata of added groups goes: a flex group's bitmaps and inode tables one after the other at the start
/// of what is added of it, behind the copies of the superblock. All of it lies in blocks that were no part of the volume.
/// </summary>
internal sealed class GroupPlacement
{
    private readonly Geometry _geometry;
    private readonly List<BlockRun> _taken = [];

    private GroupPlacement(Geometry resized) => _geometry = resized;

    /// <summary>Places the metadata of some groups.</summary>
    /// <param name="resized">The size with them.</param>
    /// <param name="first">The first.</param>
    /// <param name="end">The group behind the last.</param>
    public static List<AddedGroup> Place(Geometry resized, uint first, uint end)
    {
        var groups = new List<AddedGroup>((int)(end - first));
        for (uint group = first; group < end; group++)
        {
            groups.Add(new AddedGroup(group, resized.BlocksInGroup(group)));
        }
        for (int at = 0; at < groups.Count;)
        {
            uint flex = groups[at].Number / resized.GroupsPerFlex;
            int next = at + 1;
            while (next < groups.Count && groups[next].Number / resized.GroupsPerFlex == flex)
            {
                next++;
            }
            List<AddedGroup> batch = groups.GetRange(at, next - at);
            var placement = new GroupPlacement(resized);
            if (!placement.TryPack(batch))
            {
                // A short last group makes the room too small for one piece; each group holds its own then.
                placement = new GroupPlacement(resized);
                placement.Spread(batch);
            }
            placement.Count(batch);
            at = next;
        }
        return groups;
    }

    private bool TryPack(List<AddedGroup> batch)
    {
        AddCopies(batch);
        ulong cursor = _geometry.GroupStart(batch[0].Number);
        ulong end = _geometry.GroupStart(batch[^1].Number) + batch[^1].Blocks;
        foreach (AddedGroup group in batch)
        {
            group.State.BlockBitmap = Take(ref cursor, 1, end);
        }
        foreach (AddedGroup group in batch)
        {
            group.State.InodeBitmap = Take(ref cursor, 1, end);
        }
        foreach (AddedGroup group in batch)
        {
            group.State.InodeTable = Take(ref cursor, _geometry.InodeTableBlocks, end);
            if (group.State.InodeTable == 0)
            {
                return false;
            }
        }
        return true;
    }

    private void Spread(List<AddedGroup> batch)
    {
        AddCopies(batch);
        foreach (AddedGroup group in batch)
        {
            ulong cursor = _geometry.GroupStart(group.Number);
            ulong end = cursor + group.Blocks;
            group.State.BlockBitmap = Take(ref cursor, 1, end);
            group.State.InodeBitmap = Take(ref cursor, 1, end);
            group.State.InodeTable = Take(ref cursor, _geometry.InodeTableBlocks, end);
            if (group.State.InodeTable == 0)
            {
                throw new Ext4Exception(Errno.ENOSPC, $"group {group.Number} is too small for its own metadata");
            }
        }
    }

    private void AddCopies(List<AddedGroup> batch)
    {
        foreach (AddedGroup group in batch)
        {
            if (_geometry.HasSuperblock(group.Number))
            {
                ulong start = _geometry.GroupStart(group.Number);
                _taken.Add(new BlockRun(start, start + 1 + _geometry.DescriptorBlocks + _geometry.ReservedDescriptorBlocks));
            }
        }
    }

    // The next run of free blocks from the cursor on; 0 if it would not end before `end`.
    private ulong Take(ref ulong cursor, uint count, ulong end)
    {
        ulong start = cursor;
        for (bool moved = true; moved;)
        {
            moved = false;
            foreach (BlockRun run in _taken)
            {
                if (start < run.End && run.Start < start + count)
                {
                    start = run.End;
                    moved = true;
                }
            }
        }
        if (start + count > end)
        {
            return 0;
        }
        _taken.Add(new BlockRun(start, start + count));
        // Bitmaps may fill the gap before a copy that a table does not fit into.
        cursor = start + count;
        return start;
    }

    private void Count(List<AddedGroup> batch)
    {
        bool hasFlags = _geometry.HasMetadataChecksums || _geometry.HasGdtChecksums;
        foreach (AddedGroup group in batch)
        {
            ulong start = _geometry.GroupStart(group.Number);
            ulong used = 0;
            foreach (BlockRun run in _taken)
            {
                ulong from = Math.Max(run.Start, start), to = Math.Min(run.End, start + group.Blocks);
                used += to > from ? to - from : 0;
            }
            group.State.FreeBlocks = (uint)(group.Blocks - used);
            group.State.FreeInodes = _geometry.InodesPerGroup;
            if (hasFlags)
            {
                // No inode of the group is in use, and the table was zeroed. Its bitmap of inodes is computed by all.
                group.State.InodeTableUnused = _geometry.InodesPerGroup;
                group.State.Flags = GroupFlags.InodeUninit | GroupFlags.InodeZeroed;
            }
        }
    }

    /// <summary>Sets the bits of a group's used blocks: fixed metadata of all added groups, and what is behind its end.</summary>
    public static void FillBitmap(Geometry resized, List<AddedGroup> groups, AddedGroup group, Span<byte> bitmap)
    {
        Span<ulong> words = System.Runtime.InteropServices.MemoryMarshal.Cast<byte, ulong>(bitmap);
        words.Clear();
        ulong start = resized.GroupStart(group.Number);
        if (resized.HasSuperblock(group.Number))
        {
            Set(words, start, 1u + resized.DescriptorBlocks + resized.ReservedDescriptorBlocks);
        }
        uint flex = group.Number / resized.GroupsPerFlex;
        foreach (AddedGroup other in groups)
        {
            if (other.Number / resized.GroupsPerFlex == flex)
            {
                Set(words, other.State.BlockBitmap, 1);
                Set(words, other.State.InodeBitmap, 1);
                Set(words, other.State.InodeTable, resized.InodeTableBlocks);
            }
        }
        Bitmap.Set(words, (int)group.Blocks, (bitmap.Length * 8) - (int)group.Blocks);

        void Set(Span<ulong> target, ulong block, uint count)
        {
            ulong from = Math.Max(block, start), to = Math.Min(block + count, start + group.Blocks);
            if (to > from)
            {
                Bitmap.Set(target, (int)(from - start), (int)(to - from));
            }
        }
    }
}
