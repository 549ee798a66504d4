using WinLoop.Ext4.Cache;
using WinLoop.Ext4.Format;

namespace WinLoop.Ext4.Directories;

/// <summary>
/// Lists directories. A position says where to go on and stays true while names come and go:
/// 0 and 1 stand for "." and "..", 2 for the first name. Behind that a directory that is, or may become, an
/// htree is in the order of its hashes (a split moves names between blocks, never between hashes), and a
/// linear one in the order of its bytes (its names never move).
/// </summary>
/// <remarks>A hash position is 3 + (hash / 2 · 2^32 + minor hash), below 2^63. The tree's leaves are taken in
/// order and sorted one by one, or together where names of one hash go on from leaf to leaf.</remarks>
internal sealed class DirectoryLister(DirectoryBlocks blocks)
{
    private const ulong FirstKeyPosition = 3;
    // Leaves that are sorted together; more of one hash can only come from somebody who computed it.
    private const int MaximumRun = 16;
    // Names of one position that are given again together when the last of them did not fit.
    private const int MaximumGroup = 8;

    /// <summary>See <see cref="DirectoryStore.List"/>.</summary>
    public void List(Inode directory, ulong position, DirectoryEntrySink sink)
    {
        if (directory.Links == 0)
        {
            return; // removed while somebody has it open
        }
        uint count = blocks.Count(directory);
        if (position < 2 && !ListDots(directory, position, sink))
        {
            return;
        }
        if (position < 3 && count > 1)
        {
            // In the order of the hashes every block would be a read of its own.
            blocks.Prefetch(directory, count);
        }
        position = Math.Max(position, 2);
        if (blocks.IsIndexed(directory))
        {
            if (TryListTree(directory, position, sink))
            {
                return;
            }
        }
        else if (blocks.HasIndexes && count == 1)
        {
            using var page = new DirectoryPage(blocks, directory, blocks.DefaultVersion);
            page.Add(0, blocks.Read(directory, 0, BufferKind.DirectoryLeaf));
            page.Sort(0, ulong.MaxValue);
            Emit(page, KeyOf(position), sink);
            return;
        }
        ListLinear(directory, count, position, sink);
    }

    private bool ListDots(Inode directory, ulong position, DirectoryEntrySink sink)
    {
        uint parent;
        using (MetadataBuffer buffer = blocks.ReadLinear(directory, 0))
        {
            parent = blocks.View(directory, 0, buffer).ReadDots(out _);
        }
        return (position > 0 || sink("."u8, directory.Number, DirectoryEntryType.Directory, 1)) &&
               sink(".."u8, parent, DirectoryEntryType.Directory, 2);
    }

    private static ulong KeyOf(ulong position) => position <= FirstKeyPosition ? 0 : position - FirstKeyPosition;

    // False, before anything was listed, if the index is damaged.
    private bool TryListTree(Inode directory, ulong position, DirectoryEntrySink sink)
    {
        ulong key = KeyOf(position);
        var path = new HtreePath(blocks, directory);
        try
        {
            if (!path.TryOpen() || !path.TryDescend(DirectoryPage.HashOfKey(key)))
            {
                return false;
            }
            using var page = new DirectoryPage(blocks, directory, path.Version);
            // A tree has no more leaves than the directory has blocks.
            for (uint visited = 0; visited < path.BlockCount;)
            {
                uint low = path.LeafKey;
                uint high;
                bool hasNext;
                page.Clear();
                do
                {
                    if (page.Leaves > 0 && !path.TryAdvance())
                    {
                        throw path.Damage();
                    }
                    page.Add(path.Leaf, blocks.Read(directory, path.Leaf, BufferKind.DirectoryLeaf));
                    visited++;
                    hasNext = path.TryPeekNext(out high);
                    if (hasNext && high < low)
                    {
                        throw new Ext4CorruptException($"directory inode {directory.Number}", "the keys of its index are not in order");
                    }
                }
                while (hasNext && (high & 1) != 0 && page.Leaves < MaximumRun);
                page.Sort(low, hasNext ? high : ulong.MaxValue);
                if (!Emit(page, key, sink) || !hasNext)
                {
                    return true;
                }
                if (!path.TryAdvance())
                {
                    throw path.Damage();
                }
            }
            return true;
        }
        finally
        {
            path.Dispose();
        }
    }

    // False if the sink is full.
    private static bool Emit(DirectoryPage page, ulong from, DirectoryEntrySink sink)
    {
        ReadOnlySpan<ulong> keys = page.Keys;
        int inGroup = 0;
        for (int i = page.FirstFrom(from); i < keys.Length; i++)
        {
            ulong key = keys[i];
            inGroup = i > 0 && keys[i - 1] == key ? inGroup + 1 : 1;
            // Going on from the same position again gives the whole group again, and loses no name.
            bool isLastOfGroup = i + 1 == keys.Length || keys[i + 1] != key || inGroup >= MaximumGroup;
            ReadOnlySpan<byte> name = page.Entry(i, out DirectoryRecord entry);
            if (!sink(name, entry.Inode, entry.Type, key + FirstKeyPosition + (isLastOfGroup ? 1u : 0u)))
            {
                return false;
            }
        }
        return true;
    }

    private void ListLinear(Inode directory, uint count, ulong position, DirectoryEntrySink sink)
    {
        ulong blockSize = (ulong)blocks.Format.BlockSize;
        if (position / blockSize >= count)
        {
            return;
        }
        for (uint logical = (uint)(position / blockSize); logical < count; logical++)
        {
            using MetadataBuffer buffer = blocks.ReadLinear(directory, logical);
            DirectoryBlock block = blocks.View(directory, logical, buffer);
            ulong start = logical * blockSize;
            int offset = 0;
            if (logical == 0)
            {
                block.ReadDots(out offset);
            }
            // From the block's start, because the entry at the position may be part of another one by now.
            while (block.MoveNext(ref offset, out DirectoryRecord entry))
            {
                if (start + (ulong)entry.Offset < position)
                {
                    continue;
                }
                ReadOnlySpan<byte> name = block.Name(entry);
                DirectoryPage.CheckName(directory, name);
                if (!sink(name, entry.Inode, entry.Type, start + (ulong)offset))
                {
                    return;
                }
            }
        }
    }
}
