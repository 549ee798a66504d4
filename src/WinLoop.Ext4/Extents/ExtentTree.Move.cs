using WinLoop.Ext4.Cache;
using WinLoop.Ext4.Format;
using WinLoop.Ext4.Journal;

namespace WinLoop.Ext4.Extents;

// Moving a file's blocks and the nodes of its tree to other places: its content stays.
internal sealed partial class ExtentTree
{
    /// <summary>The most blocks that moving one node joins: the node, the one above it, bitmaps, descriptors, the inode.</summary>
    private const int MoveNodeCredits = 8;

    /// <summary>Lets a part of one extent be mapped to other blocks, which hold the same content. The caller writes the inode.</summary>
    /// <param name="handle">An open handle with <see cref="InsertCredits"/>.</param>
    /// <param name="inode">The inode.</param>
    /// <param name="part">What is mapped now; inside one extent.</param>
    /// <param name="physical">The new first block.</param>
    /// <exception cref="Ext4Exception">ENOSPC: no block for a new node; nothing was changed.</exception>
    internal void Relocate(Handle handle, Inode inode, in ExtentMapping part, ulong physical)
    {
        inode.CachedExtent.Clear();
        ExtentPath path = Find(inode, part.Logical);
        try
        {
            int at = path.LeafIndex;
            ExtentMapping extent = at >= 0 ? path.Leaf.Extent(at) : default;
            if (part.Logical < extent.Logical || part.End > extent.End || extent.PhysicalOf(part.Logical) != part.Physical)
            {
                throw Corrupt(inode, $"logical block {part.Logical} is not where it was");
            }
            ConvertPart(handle, ref path, extent, part with { Physical = physical });
            inode.DataSyncTid = handle.Tid;
        }
        finally
        {
            path.Dispose();
        }
    }

    /// <summary>Moves all blocks of a file with a block map that lie at or behind a block; see <see cref="BlockMap.MoveFrom"/>.</summary>
    internal void MoveBlockMapFrom(Inode inode, ulong limit, Action<ulong, ulong, uint> copy) => _blockMap.MoveFrom(inode, limit, copy);

    /// <summary>True if a node of the tree lies at or behind a block.</summary>
    internal bool HasNodeFrom(Inode inode, ulong limit)
    {
        for (uint logical = 0; logical < ExtentNode.LogicalEnd;)
        {
            ExtentPath path = Find(inode, logical);
            try
            {
                for (int level = 1; level <= path.Depth; level++)
                {
                    if (path[level].Buffer!.Block >= limit)
                    {
                        return true;
                    }
                }
                logical = path[path.Depth].End;
            }
            finally
            {
                path.Dispose();
            }
        }
        return false;
    }

    /// <summary>Moves every node of the tree that lies at or behind a block, each in a handle of its own, to where the
    /// allocator has room.</summary>
    /// <exception cref="Ext4Exception">ENOSPC; what was moved stays moved.</exception>
    internal void MoveNodesFrom(Inode inode, ulong limit)
    {
        for (uint logical = 0; logical < ExtentNode.LogicalEnd;)
        {
            ExtentPath path = Find(inode, logical);
            try
            {
                for (int level = 1; level <= path.Depth; level++)
                {
                    if (path[level].Buffer!.Block >= limit)
                    {
                        using Handle handle = volume.Journal.Start(MoveNodeCredits);
                        MoveNode(handle, ref path, level);
                        volume.Inodes.Write(handle, inode);
                    }
                }
                logical = path[path.Depth].End;
            }
            finally
            {
                path.Dispose();
            }
        }
    }

    private void MoveNode(Handle handle, ref ExtentPath path, int level)
    {
        Inode inode = path.Inode;
        MetadataBuffer old = path[level].Buffer!;
        ulong block = volume.Blocks.AllocateMetadata(handle, inode, volume.Geometry.GroupStart(volume.Geometry.GroupOfInode(inode.Number)));
        MetadataBuffer moved = volume.Cache.GetNew(block, BufferKind.ExtentNode, inode.ChecksumSeed);
        handle.Join(moved);
        old.Data.CopyTo(moved.Data);
        moved.IsStructureChecked = true;
        path.Join(handle, level - 1);
        ExtentNode parent = path.Node(level - 1);
        int at = path[level - 1].Index;
        parent.SetIndex(at, parent.Key(at), block);
        volume.Blocks.Free(handle, inode, old.Block, 1, isMetadata: true);
        path.Replace(level, moved, path[level].Index, path[level].Start);
    }
}
