using WinLoop.Ext4.Cache;
using WinLoop.Ext4.Format;
using WinLoop.Ext4.Journal;

namespace WinLoop.Ext4.Extents;

// The shape of the tree: splitting full nodes, growing and shrinking the root, keys in the parents.
internal sealed partial class ExtentTree
{
    /// <summary>
    /// Makes room for entries behind the path's extent, by splitting nodes from the leaf up to the first one
    /// that has room. Either everything is done or, when blocks for new nodes are missing, nothing.
    /// </summary>
    /// <param name="handle">An open handle.</param>
    /// <param name="path">Leads to the leaf; afterwards to the leaf with room, its index still on the same extent
    /// (−1 if the new entries come first in their leaf).</param>
    /// <param name="entries">1 or 2.</param>
    /// <param name="key">Logical block of the first new entry; the key of a leaf that holds only new ones.</param>
    /// <param name="keepPrevious">The path's extent has to be in the same leaf as the new entries.</param>
    private void EnsureRoom(Handle handle, ref ExtentPath path, int entries, uint key, bool keepPrevious)
    {
        int level = path.Depth, nodes = 0, want = entries;
        bool growsRoot = false;
        while (path.Node(level).Count + want > path.Node(level).Max)
        {
            nodes++;
            if (level == 0)
            {
                growsRoot = true;
                break;
            }
            level--;
            want = 1;
        }
        if (nodes == 0)
        {
            return;
        }
        if (growsRoot && path.Depth == ExtentNode.MaxDepth)
        {
            throw new Ext4Exception(Errno.ENOSPC, $"inode {path.Inode.Number}: the extent tree cannot grow any deeper");
        }
        Span<ulong> blocks = stackalloc ulong[ExtentNode.MaxDepth + 1];
        AllocateNodes(handle, ref path, blocks[..nodes]);
        int used = 0;
        if (growsRoot)
        {
            GrowRoot(handle, ref path, blocks[used++]);
        }
        if (used == nodes)
        {
            return;
        }
        uint rightKey = SplitLeaf(handle, ref path, blocks[used], key, keepPrevious, out bool isRight);
        ulong child = blocks[used++];
        for (level = path.Depth - 1; used < nodes; level--)
        {
            rightKey = SplitIndex(handle, ref path, level, blocks[used], rightKey, child, ref isRight);
            child = blocks[used++];
        }
        path.Join(handle, level);
        ExtentNode parent = path.Node(level);
        int at = path[level].Index + 1;
        parent.MakeRoom(at);
        parent.SetIndex(at, rightKey, child);
        if (isRight)
        {
            path[level].Index = at;
        }
    }

    private void AllocateNodes(Handle handle, ref ExtentPath path, scoped Span<ulong> blocks)
    {
        Inode inode = path.Inode;
        ulong goal = path[path.Depth].Buffer is { } leaf
            ? leaf.Block + 1
            : volume.Geometry.GroupStart(volume.Geometry.GroupOfInode(inode.Number));
        int taken = 0;
        try
        {
            for (; taken < blocks.Length; taken++)
            {
                blocks[taken] = volume.Blocks.AllocateMetadata(handle, inode, goal);
                goal = blocks[taken] + 1;
            }
        }
        catch
        {
            while (taken-- > 0)
            {
                volume.Blocks.Free(handle, inode, blocks[taken], 1, isMetadata: true);
            }
            throw;
        }
    }

    private MetadataBuffer NewNode(Handle handle, Inode inode, ulong block, int depth, Span<byte> entries)
    {
        MetadataBuffer buffer = volume.Cache.GetNew(block, BufferKind.ExtentNode, inode.ChecksumSeed);
        handle.Join(buffer);
        var node = new ExtentNode(buffer.Data);
        node.Initialize(ExtentNode.Capacity(volume.Geometry.BlockSize), depth);
        node.Count = entries.Length / ExtentNode.EntrySize;
        entries.CopyTo(node.Entries(0, node.Count));
        buffer.IsStructureChecked = true;
        return buffer;
    }

    // The root's entries move to a block of their own, the root keeps one entry for it.
    private void GrowRoot(Handle handle, ref ExtentPath path, ulong block)
    {
        ExtentNode root = path.Node(0);
        int depth = root.Depth;
        uint key = root.Key(0);
        MetadataBuffer buffer = NewNode(handle, path.Inode, block, depth, root.Entries(0, root.Count));
        root.Entries(0, root.Count).Clear();
        root.Initialize(ExtentNode.RootCapacity, depth + 1);
        root.Count = 1;
        root.SetIndex(0, key, block);
        path.PushBelowRoot(buffer);
        path[1].Start = key;
    }

    // Returns the key of the new right leaf, which still has to enter the parent.
    private uint SplitLeaf(Handle handle, ref ExtentPath path, ulong block, uint key, bool keepPrevious, out bool isRight)
    {
        int level = path.Depth;
        path.Join(handle, level);
        ExtentNode leaf = path.Leaf;
        int count = leaf.Count;
        int at = path.LeafIndex + 1;
        // Files mostly grow at one end: then the old leaf stays full and the new one starts empty.
        int border = at == count ? (keepPrevious ? count - 1 : count) : at == 0 ? 0 : count / 2;
        MetadataBuffer right = NewNode(handle, path.Inode, block, 0, leaf.Entries(border, count - border));
        leaf.Count = border;
        uint rightKey = border < count ? new ExtentNode(right.Data).Key(0) : key;
        isRight = at > border || border == count;
        if (isRight)
        {
            path.Replace(level, right, at - border - 1, rightKey);
        }
        else
        {
            path[level].End = rightKey;
            right.Dispose();
        }
        return rightKey;
    }

    // Splits a full index node and puts the entry for a split child into the proper half. Returns the key of
    // the new right node, which still has to enter the parent.
    private uint SplitIndex(Handle handle, ref ExtentPath path, int level, ulong block, uint childKey, ulong child, ref bool isRight)
    {
        path.Join(handle, level);
        ExtentNode node = path.Node(level);
        int count = node.Count;
        int at = path[level].Index + 1;
        int border = at == count ? count : count / 2;
        MetadataBuffer buffer = NewNode(handle, path.Inode, block, node.Depth, node.Entries(border, count - border));
        var right = new ExtentNode(buffer.Data);
        node.Count = border;
        if (at > border || border == count)
        {
            right.MakeRoom(at - border);
            right.SetIndex(at - border, childKey, child);
        }
        else
        {
            node.MakeRoom(at);
            node.SetIndex(at, childKey, child);
        }
        uint rightKey = right.Key(0);
        int followed = isRight ? at : at - 1;
        isRight = followed >= node.Count;
        if (isRight)
        {
            path.Replace(level, buffer, followed - node.Count, rightKey);
        }
        else
        {
            path[level].Index = followed;
            path[level].End = rightKey;
            buffer.Dispose();
        }
        return rightKey;
    }

    // Brings the keys above a node whose first entry changed back in line: they are always equal.
    private static void CorrectKeys(Handle handle, ref ExtentPath path, int level)
    {
        for (; level > 0; level--)
        {
            uint key = path.Node(level).Key(0);
            ExtentNode parent = path.Node(level - 1);
            int at = path[level - 1].Index;
            if (parent.Key(at) == key)
            {
                return;
            }
            path.Join(handle, level - 1);
            parent.SetKey(at, key);
            path[level].Start = key;
            if (at != 0)
            {
                return;
            }
        }
    }

    // Frees the path's leaf, which has become empty, and every node above that becomes empty by it. The path
    // must not be used afterwards.
    private void RemoveEmptyLeaf(Handle handle, ref ExtentPath path)
    {
        int level = path.Depth;
        while (level > 0 && path.Node(level).Count == 0)
        {
            volume.Blocks.Free(handle, path.Inode, path[level].Buffer!.Block, 1, isMetadata: true);
            level--;
            path.Join(handle, level);
            path.Node(level).RemoveAt(path[level].Index);
        }
        ExtentNode node = path.Node(level);
        if (node.Count > 0)
        {
            // Every key above may have been that of the entry that is gone.
            CorrectKeys(handle, ref path, level);
        }
        else if (level == 0)
        {
            node.Initialize(ExtentNode.RootCapacity, 0);
        }
    }

    // Pulls the only node under the root into the root while its entries fit there.
    private void ShrinkRoot(Handle handle, ref ExtentPath path)
    {
        while (path.Depth > 0 && path.Node(0).Count == 1 && path.Node(1).Count is > 0 and <= ExtentNode.RootCapacity)
        {
            ExtentNode root = path.Node(0);
            ExtentNode child = path.Node(1);
            volume.Blocks.Free(handle, path.Inode, path[1].Buffer!.Block, 1, isMetadata: true);
            root.Initialize(ExtentNode.RootCapacity, child.Depth);
            root.Count = child.Count;
            child.Entries(0, child.Count).CopyTo(root.Entries(0, child.Count));
            path.PullIntoRoot();
        }
    }
}
