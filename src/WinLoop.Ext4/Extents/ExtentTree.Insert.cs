using WinLoop.Ext4.Format;
using WinLoop.Ext4.Journal;

namespace WinLoop.Ext4.Extents;

// New extents, and changes between unwritten and written.
internal sealed partial class ExtentTree
{
    /// <summary>Maps a hole to blocks, merging with the neighbours where it can. Splits nodes and grows the
    /// tree as needed; adds the blocks of new nodes (not the mapped ones) to <see cref="Inode.Sectors"/>.</summary>
    /// <param name="handle">An open handle with <see cref="InsertCredits"/>.</param>
    /// <param name="inode">The inode.</param>
    /// <param name="extent">1 to 32,768 blocks (32,767 if unwritten) inside one hole.</param>
    /// <exception cref="Ext4Exception">ENOSPC: no block for a new node; nothing was changed.</exception>
    public void Insert(Handle handle, Inode inode, in ExtentMapping extent)
    {
        InsertMapping(handle, inode, extent);
        volume.Inodes.Write(handle, inode);
    }

    /// <summary><see cref="Insert"/> for a caller that goes on changing the inode and writes it itself.</summary>
    internal void InsertMapping(Handle handle, Inode inode, in ExtentMapping extent)
    {
        if (extent.State == ExtentState.Hole || extent.Length == 0 || extent.Length > ExtentNode.MaxLength(extent.State) ||
            extent.Length > ExtentNode.LogicalEnd - extent.Logical)
        {
            throw new ArgumentOutOfRangeException(nameof(extent), extent, "Not an extent.");
        }
        ExtentPath path = Find(inode, extent.Logical);
        try
        {
            ExtentNode leaf = path.Leaf;
            int at = path.LeafIndex;
            ExtentMapping left = at >= 0 ? leaf.Extent(at) : default;
            ExtentMapping right = at + 1 < leaf.Count ? leaf.Extent(at + 1) : default;
            if ((at >= 0 && left.End > extent.Logical) || (right.Length != 0 && right.Logical < extent.End) || path[path.Depth].End < extent.End)
            {
                throw Corrupt(inode, $"logical blocks {extent.Logical}..{extent.End - 1} are mapped already");
            }
            bool joinsLeft = CanJoin(left, extent);
            bool joinsRight = CanJoin(extent, right);
            ExtentMapping result = extent;
            if (joinsLeft)
            {
                path.Join(handle, path.Depth);
                result = Joined(left, extent);
                if (joinsRight && CanJoin(result, right))
                {
                    result = Joined(result, right);
                    leaf.RemoveAt(at + 1);
                    leaf.SetExtent(at, result);
                    ShrinkRoot(handle, ref path);
                }
                else
                {
                    leaf.SetExtent(at, result);
                }
            }
            else if (joinsRight)
            {
                path.Join(handle, path.Depth);
                result = Joined(extent, right);
                leaf.SetExtent(at + 1, result);
                CorrectFirstKey(handle, ref path, at + 1);
            }
            else
            {
                EnsureRoom(handle, ref path, 1, extent.Logical, keepPrevious: false);
                InsertBehind(handle, ref path, extent);
                CorrectFirstKey(handle, ref path, path.LeafIndex + 1);
            }
            inode.CachedExtent.Set(result);
            inode.DataSyncTid = handle.Tid;
        }
        finally
        {
            path.Dispose();
        }
    }

    /// <summary>Turns (part of) unwritten extents into written ones; already written parts are left.</summary>
    /// <remarks><see cref="InsertCredits"/> are enough for a range inside one extent.</remarks>
    /// <exception cref="Ext4Exception">ENOSPC: no block for a new node; what is behind the last extent that
    /// was converted is unchanged.</exception>
    public void MarkWritten(Handle handle, Inode inode, uint logical, uint length)
    {
        Convert(handle, inode, logical, length, ExtentState.Written);
        volume.Inodes.Write(handle, inode);
    }

    /// <summary>Changes the state of a mapped range; the caller writes the inode.</summary>
    internal void Convert(Handle handle, Inode inode, uint logical, uint length, ExtentState state)
    {
        while (length > 0)
        {
            ExtentPath path = Find(inode, logical);
            try
            {
                int at = path.LeafIndex;
                if (at < 0 || path.Leaf.Extent(at).End <= logical)
                {
                    throw Corrupt(inode, $"logical block {logical} is not mapped");
                }
                ExtentMapping extent = path.Leaf.Extent(at);
                uint count = Math.Min(length, extent.End - logical);
                if (extent.State != state)
                {
                    count = Math.Min(count, ExtentNode.MaxLength(state));
                    ConvertPart(handle, ref path, extent, extent.From(logical) with { Length = count, State = state });
                    inode.DataSyncTid = handle.Tid;
                }
                logical += count;
                length -= count;
            }
            finally
            {
                path.Dispose();
            }
        }
    }

    // Puts `part` in the place of the part of `old`, the path's extent, that it covers.
    private void ConvertPart(Handle handle, ref ExtentPath path, in ExtentMapping old, in ExtentMapping part)
    {
        int level = path.Depth;
        ExtentNode leaf = path.Leaf;
        int at = path.LeafIndex;
        ExtentMapping before = old with { Length = part.Logical - old.Logical };
        ExtentMapping after = old.From(part.End);
        ExtentMapping left = at > 0 ? leaf.Extent(at - 1) : default;
        ExtentMapping right = at + 1 < leaf.Count ? leaf.Extent(at + 1) : default;
        ExtentMapping result = part;
        if (before.Length == 0 && after.Length == 0)
        {
            path.Join(handle, level);
            leaf.SetExtent(at, part);
            if (CanJoin(result, right))
            {
                result = Joined(result, right);
                leaf.RemoveAt(at + 1);
                leaf.SetExtent(at, result);
            }
            if (CanJoin(left, result))
            {
                result = Joined(left, result);
                leaf.RemoveAt(at);
                leaf.SetExtent(at - 1, result);
            }
            ShrinkRoot(handle, ref path);
        }
        else if (before.Length == 0 && CanJoin(left, part))
        {
            // A file that is written from front to back into preallocated blocks: the border moves.
            path.Join(handle, level);
            result = Joined(left, part);
            leaf.SetExtent(at - 1, result);
            leaf.SetExtent(at, after);
        }
        else if (after.Length == 0 && CanJoin(part, right))
        {
            path.Join(handle, level);
            result = Joined(part, right);
            leaf.SetExtent(at, before);
            leaf.SetExtent(at + 1, result);
        }
        else
        {
            EnsureRoom(handle, ref path, before.Length != 0 && after.Length != 0 ? 2 : 1, part.Logical, keepPrevious: true);
            if (before.Length != 0)
            {
                ReplaceCurrent(handle, ref path, before);
                InsertBehind(handle, ref path, part);
                path[path.Depth].Index++;
            }
            else
            {
                ReplaceCurrent(handle, ref path, part);
            }
            if (after.Length != 0)
            {
                InsertBehind(handle, ref path, after);
            }
        }
        path.Inode.CachedExtent.Set(result);
    }

    private static void ReplaceCurrent(Handle handle, ref ExtentPath path, in ExtentMapping extent)
    {
        path.Join(handle, path.Depth);
        path.Leaf.SetExtent(path.LeafIndex, extent);
    }

    private static void InsertBehind(Handle handle, ref ExtentPath path, in ExtentMapping extent)
    {
        path.Join(handle, path.Depth);
        ExtentNode leaf = path.Leaf;
        leaf.MakeRoom(path.LeafIndex + 1);
        leaf.SetExtent(path.LeafIndex + 1, extent);
    }

    private static void CorrectFirstKey(Handle handle, ref ExtentPath path, int changed)
    {
        if (changed == 0)
        {
            CorrectKeys(handle, ref path, path.Depth);
        }
    }

    private static bool CanJoin(in ExtentMapping left, in ExtentMapping right) =>
        left.Length != 0 && right.Length != 0 && left.State == right.State && left.End == right.Logical &&
        left.Physical + left.Length == right.Physical && left.Length + right.Length <= ExtentNode.MaxLength(left.State);

    private static ExtentMapping Joined(in ExtentMapping left, in ExtentMapping right) =>
        left with { Length = left.Length + right.Length };
}
