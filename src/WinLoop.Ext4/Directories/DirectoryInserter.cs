using System.Buffers;
using WinLoop.Ext4.Cache;
using WinLoop.Ext4.Format;
using WinLoop.Ext4.Journal;

namespace WinLoop.Ext4.Directories;

/// <summary>
/// Adds names: into a block with room, else into a new block or by growing the index. The directory is
/// locked exclusive.
/// </summary>
/// <remarks>Growing goes in steps of one new block each (root, node, leaf), and the directory is sound after
/// every one of them. So a full volume may end it between any two, and no step has to be taken back.</remarks>
internal sealed class DirectoryInserter(DirectoryBlocks blocks)
{
    private readonly DirectoryFormat _format = blocks.Format;

    /// <summary>Adds a name that is not there.</summary>
    /// <exception cref="Ext4Exception">ENOSPC; the name is not added, and no other is lost.</exception>
    /// <exception cref="Ext4CorruptException">The index or a block is damaged; nothing has changed.</exception>
    public void Add(Handle handle, Inode directory, ReadOnlySpan<byte> name, uint inode, DirectoryEntryType type)
    {
        if (!blocks.IsIndexed(directory))
        {
            if (TryAddLinear(handle, directory, name, inode, type))
            {
                return;
            }
            MakeIndexed(handle, directory);
        }
        AddIndexed(handle, directory, name, inode, type);
    }

    // False if the directory is one full block and is to be indexed.
    private bool TryAddLinear(Handle handle, Inode directory, ReadOnlySpan<byte> name, uint inode, DirectoryEntryType type)
    {
        uint count = blocks.Count(directory);
        bool mayIndex = count == 1 && blocks.HasIndexes;
        for (uint logical = directory.InsertHint < count ? directory.InsertHint : 0; logical < count; logical++)
        {
            using MetadataBuffer buffer = blocks.Read(directory, logical, BufferKind.DirectoryLeaf);
            // Byte positions must not move; in one-block directories of an indexing volume there are none.
            if (TryInsert(handle, directory, logical, buffer, name, inode, type, mayCompact: mayIndex))
            {
                directory.InsertHint = logical;
                return true;
            }
        }
        if (mayIndex)
        {
            return false;
        }
        using MetadataBuffer added = blocks.Append(handle, directory, BufferKind.DirectoryLeaf, out uint last);
        DirectoryBlockWriter.Format(added.Data, _format);
        DirectoryBlockWriter.Insert(blocks.View(directory, last, added), _format, 0, name, inode, type);
        directory.InsertHint = last;
        return true;
    }

    private void AddIndexed(Handle handle, Inode directory, ReadOnlySpan<byte> name, uint inode, DirectoryEntryType type)
    {
        var path = new HtreePath(blocks, directory);
        try
        {
            if (!path.TryOpen())
            {
                throw path.Damage();
            }
            uint hash = blocks.Hash.Compute(path.Version, name, out _);
            if (!path.TryDescend(hash))
            {
                throw path.Damage();
            }
            uint leaf = path.Leaf;
            using MetadataBuffer buffer = blocks.Read(directory, leaf, BufferKind.DirectoryLeaf);
            if (TryInsert(handle, directory, leaf, buffer, name, inode, type, mayCompact: true))
            {
                return;
            }
            MakeRoomForPair(handle, directory, ref path);
            SplitLeaf(handle, directory, ref path, buffer, hash, name, inode, type);
        }
        finally
        {
            path.Dispose();
        }
    }

    private bool TryInsert(Handle handle, Inode directory, uint logical, MetadataBuffer buffer, ReadOnlySpan<byte> name, uint inode,
        DirectoryEntryType type, bool mayCompact)
    {
        DirectoryBlock block = blocks.View(directory, logical, buffer);
        int need = DirectoryFormat.Need(name.Length);
        int offset = block.FindRoom(need, out int used);
        if (offset < 0)
        {
            if (!mayCompact || used + need > block.End)
            {
                return false;
            }
            // There is room, in pieces.
            handle.Join(buffer);
            DirectoryBlockWriter.Compact(block);
            offset = block.FindRoom(need, out _);
        }
        handle.Join(buffer);
        DirectoryBlockWriter.Insert(block, _format, offset, name, inode, type);
        return true;
    }

    // Moves the names of a one-block directory to a first leaf; its block becomes the root.
    private void MakeIndexed(Handle handle, Inode directory)
    {
        using MetadataBuffer root = blocks.Read(directory, 0, BufferKind.DirectoryLeaf);
        DirectoryBlock block = blocks.View(directory, 0, root);
        uint parent = block.ReadDots(out int first);
        using MetadataBuffer leaf = blocks.Append(handle, directory, BufferKind.DirectoryLeaf, out uint logical);
        DirectoryBlockWriter.Format(leaf.Data, _format);
        int at = 0, last = 0, from = first;
        while (block.MoveNext(ref from, out DirectoryRecord entry))
        {
            last = at;
            at = DirectoryBlockWriter.Append(leaf.Data, at, block, entry.Offset);
        }
        DirectoryBlockWriter.SetLength(leaf.Data, last, _format.Usable - last);
        handle.Join(root);
        HtreeNode.FormatRoot(root.Data, _format, directory.Number, parent, blocks.DefaultVersion, logical);
        DirectoryBlocks.ChangeKind(root, BufferKind.HtreeRoot);
        directory.Flags |= InodeFlags.Index;
        directory.InsertHint = 0;
        blocks.Save(handle, directory);
    }

    // Sees to it that the deepest index block of the path can take another pair.
    private void MakeRoomForPair(Handle handle, Inode directory, ref HtreePath path)
    {
        if (AreAllFull(ref path) && path.Levels >= blocks.MaximumLevels)
        {
            throw new Ext4Exception(Errno.ENOSPC, "The directory's index is full.");
        }
        while (IsFull(ref path, path.Levels))
        {
            int level = path.Levels;
            while (level > 0 && IsFull(ref path, level - 1))
            {
                level--;
            }
            if (level == 0)
            {
                GrowRoot(handle, directory, ref path);
            }
            else
            {
                SplitNode(handle, directory, ref path, level);
            }
        }
    }

    private bool IsFull(ref HtreePath path, int level) => path[level].Count >= HtreeNode.Limit(_format, path[level].PairsAt);

    private bool AreAllFull(ref HtreePath path)
    {
        int level = path.Levels;
        while (level >= 0 && IsFull(ref path, level))
        {
            level--;
        }
        return level < 0;
    }

    // The root's pairs go to a new node; the root points at it alone.
    private void GrowRoot(Handle handle, Inode directory, ref HtreePath path)
    {
        MetadataBuffer root = path[0].Buffer!;
        MetadataBuffer node = blocks.Append(handle, directory, BufferKind.HtreeNode, out uint logical);
        handle.Join(root);
        HtreeNode.FormatNode(node.Data, _format);
        HtreeNode.CopyPairs(root.Data, HtreeNode.RootPairs, 0, node.Data);
        HtreeNode.SetOnlyPair(root.Data, HtreeNode.RootPairs, logical);
        HtreeNode.SetLevels(root.Data, path.Levels + 1);
        path.PushRoot(node, logical);
    }

    // The upper half of a node's pairs goes to a new one; the path follows its leaf.
    private void SplitNode(Handle handle, Inode directory, ref HtreePath path, int level)
    {
        HtreeFrame frame = path[level];
        MetadataBuffer parent = path[level - 1].Buffer!;
        int stay = frame.Count / 2;
        MetadataBuffer node = blocks.Append(handle, directory, BufferKind.HtreeNode, out uint logical);
        handle.Join(frame.Buffer!);
        handle.Join(parent);
        uint key = HtreeNode.Key(frame.Buffer!.Data, frame.PairsAt, stay);
        HtreeNode.FormatNode(node.Data, _format);
        HtreeNode.CopyPairs(frame.Buffer.Data, frame.PairsAt, stay, node.Data);
        HtreeNode.Truncate(frame.Buffer.Data, frame.PairsAt, stay);
        HtreeNode.InsertAfter(parent.Data, path[level - 1].PairsAt, path[level - 1].Index, key, logical);
        if (frame.Index >= stay)
        {
            path.Replace(level, node, logical, frame.Index - stay);
            path[level - 1].Index++;
        }
        else
        {
            node.Dispose();
        }
    }

    // The names with the higher hashes go to a new leaf; then there is room for the new name in either.
    private void SplitLeaf(Handle handle, Inode directory, ref HtreePath path, MetadataBuffer buffer, uint hash,
        ReadOnlySpan<byte> name, uint inode, DirectoryEntryType type)
    {
        uint logical = path.Leaf;
        ulong[] rented = ArrayPool<ulong>.Shared.Rent(_format.BlockSize / DirectoryFormat.MinimumEntry);
        try
        {
            DirectoryBlock block = blocks.View(directory, logical, buffer);
            Span<ulong> order = SortByHash(block, path.Version, rented);
            int split = FindSplit(order);
            uint key = HashOf(order[split]);
            uint continued = HashOf(order[split - 1]) == key ? 1u : 0;

            using MetadataBuffer added = blocks.Append(handle, directory, BufferKind.DirectoryLeaf, out uint newLogical);
            HtreeFrame frame = path[path.Levels];
            handle.Join(buffer);
            handle.Join(frame.Buffer!);
            DirectoryBlockWriter.Format(added.Data, _format);
            int at = 0, last = 0;
            foreach (ulong item in order[split..])
            {
                last = at;
                at = DirectoryBlockWriter.Append(added.Data, at, block, OffsetOf(item));
            }
            DirectoryBlockWriter.SetLength(added.Data, last, _format.Usable - last);
            foreach (ulong item in order[split..])
            {
                block.Data.Slice(OffsetOf(item), sizeof(uint)).Clear();
            }
            DirectoryBlockWriter.Compact(block);
            HtreeNode.InsertAfter(frame.Buffer!.Data, frame.PairsAt, frame.Index, key | continued, newLogical);

            DirectoryBlock target = hash >= key ? blocks.View(directory, newLogical, added) : block;
            int room = target.FindRoom(DirectoryFormat.Need(name.Length), out _);
            DirectoryBlockWriter.Insert(target, _format, room, name, inode, type);
        }
        finally
        {
            ArrayPool<ulong>.Shared.Return(rented);
        }
    }

    private Span<ulong> SortByHash(in DirectoryBlock block, HtreeHashVersion version, ulong[] order)
    {
        int count = 0, offset = 0;
        while (block.MoveNext(ref offset, out DirectoryRecord entry))
        {
            uint hash = blocks.Hash.Compute(version, block.Name(entry), out _);
            order[count++] = (ulong)hash << 32 | (uint)entry.Offset << 16 | (uint)DirectoryFormat.Need(entry.NameLength);
        }
        Span<ulong> sorted = order.AsSpan(0, count);
        sorted.Sort();
        return sorted;
    }

    // Half of the block by size moves, rounded to the nearer entry. A leaf is split only if the live names and
    // the new one overfill it, so at the smallest block size there are three names at least, and some stay.
    private int FindSplit(ReadOnlySpan<ulong> order)
    {
        int moved = 0;
        int split = order.Length;
        while (split > 1)
        {
            int size = (int)(order[split - 1] & 0xFFFF);
            if (moved + (size / 2) > _format.BlockSize / 2)
            {
                break;
            }
            moved += size;
            split--;
        }
        return split;
    }

    private static uint HashOf(ulong item) => (uint)(item >> 32);

    private static int OffsetOf(ulong item) => (int)(item >> 16 & 0xFFFF);
}
