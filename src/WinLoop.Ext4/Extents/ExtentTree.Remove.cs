using System.Diagnostics.CodeAnalysis;
using WinLoop.Ext4.Allocation;
using WinLoop.Ext4.Format;
using WinLoop.Ext4.Journal;

namespace WinLoop.Ext4.Extents;

// Unmapping, and moving extents for collapse and insert range. These may need more blocks than one
// transaction takes; the tree is valid at every restart.
internal sealed partial class ExtentTree
{
    // What a long operation asks for at a time.
    private const int StepCredits = 64;

    /// <summary>
    /// Unmaps and frees the blocks of [first, last], from the end towards the start, restarting the handle
    /// when it runs out of credits; the tree is valid and the inode written at every restart.
    /// </summary>
    /// <param name="handle">An open handle; another one after a restart. Null only if a restart failed.</param>
    /// <param name="inode">The inode.</param>
    /// <param name="first">First logical block.</param>
    /// <param name="last">Last logical block.</param>
    /// <exception cref="Ext4Exception">ENOSPC: a hole inside one extent needs a new node; nothing was changed.</exception>
    public void Remove([NotNull] ref Handle? handle, Inode inode, uint first, uint last)
    {
        ArgumentNullException.ThrowIfNull(handle);
        inode.CachedExtent.Clear();
        if (inode.HasExtents)
        {
            uint end = last == ExtentNode.LogicalEnd ? last : last + 1;
            while (end > first)
            {
                end = RemoveInLeaf(ref handle, inode, first, end);
            }
        }
        else
        {
            _blockMap.Remove(ref handle, inode, first, last);
        }
        inode.DataSyncTid = handle.Tid;
        volume.Inodes.Write(handle, inode);
    }

    /// <summary>The most blocks that a <see cref="Remove"/> of everything at or behind <paramref name="first"/>
    /// would join, if that is easy to tell and few; otherwise −1.</summary>
    internal int RemoveCredits(Inode inode, uint first)
    {
        const int Few = 96;
        if (!inode.HasExtents || CheckedRoot(inode) is not { Depth: 0 } root)
        {
            return -1;
        }
        int credits = 1;
        for (int i = 0; i < root.Count; i++)
        {
            ExtentMapping extent = root.Extent(i);
            if (extent.End > first)
            {
                credits += FreeCredits(extent.Physical, extent.Length);
            }
        }
        return credits <= Math.Min(Few, volume.Journal.MaxCredits / 2) ? credits : -1;
    }

    // Returns the end of what is left to do.
    private uint RemoveInLeaf([NotNull] ref Handle? handle, Inode inode, uint first, uint end)
    {
        ArgumentNullException.ThrowIfNull(handle);
        ExtentPath path = Find(inode, end - 1);
        try
        {
            uint start = path[path.Depth].Start;
            if (path.LeafIndex < 0)
            {
                // Nothing in this leaf; nothing at all if the search was led here for want of a lower key.
                return start < end ? start : first;
            }
            while (path.LeafIndex >= 0)
            {
                ExtentNode leaf = path.Leaf;
                int at = path.LeafIndex;
                ExtentMapping extent = leaf.Extent(at);
                if (extent.End <= first)
                {
                    end = first;
                    break;
                }
                uint from = Math.Max(extent.Logical, first);
                uint to = Math.Min(extent.End, end);
                bool isInside = from > extent.Logical && to < extent.End;
                int credits = FreeCredits(extent.PhysicalOf(from), to - from) + (3 * path.Depth) + 2;
                EnsureCredits(ref handle, inode, isInside ? credits + InsertCredits : credits);
                if (isInside)
                {
                    EnsureRoom(handle, ref path, 1, to, keepPrevious: true);
                    leaf = path.Leaf;
                    at = path.LeafIndex;
                }
                path.Join(handle, path.Depth);
                // Refuses, before anything else changes, what is free already.
                volume.Blocks.Free(handle, inode, extent.PhysicalOf(from), to - from, isMetadata: !inode.IsRegular);
                if (from > extent.Logical)
                {
                    leaf.SetExtent(at, extent with { Length = from - extent.Logical });
                    if (isInside)
                    {
                        InsertBehind(handle, ref path, extent.From(to));
                    }
                    end = first;
                    break;
                }
                if (to < extent.End)
                {
                    leaf.SetExtent(at, extent.From(to));
                    CorrectFirstKey(handle, ref path, at);
                }
                else
                {
                    leaf.RemoveAt(at);
                    if (leaf.Count == 0)
                    {
                        RemoveEmptyLeaf(handle, ref path);
                        return start;
                    }
                    CorrectFirstKey(handle, ref path, at);
                }
                path[path.Depth].Index--;
                end = from;
            }
            ShrinkRootIfPossible(ref handle, ref path);
            return Math.Min(end, start);
        }
        finally
        {
            path.Dispose();
        }
    }

    private void ShrinkRootIfPossible([NotNull] ref Handle? handle, ref ExtentPath path)
    {
        ArgumentNullException.ThrowIfNull(handle);
        if (path.Depth > 0 && path.Node(0).Count == 1 && path.Node(1).Count <= ExtentNode.RootCapacity)
        {
            EnsureCredits(ref handle, path.Inode, (BlockAllocator.CreditsPerGroup * path.Depth) + 1);
            ShrinkRoot(handle, ref path);
        }
    }

    /// <summary>Splits the extent that reaches over the border of two logical blocks, if there is one.</summary>
    internal void SplitAt(Handle handle, Inode inode, uint border)
    {
        inode.CachedExtent.Clear();
        ExtentPath path = Find(inode, border);
        try
        {
            int at = path.LeafIndex;
            if (at < 0)
            {
                return;
            }
            ExtentMapping extent = path.Leaf.Extent(at);
            if (extent.Logical < border && extent.End > border)
            {
                EnsureRoom(handle, ref path, 1, border, keepPrevious: true);
                ReplaceCurrent(handle, ref path, extent with { Length = border - extent.Logical });
                InsertBehind(handle, ref path, extent.From(border));
            }
        }
        finally
        {
            path.Dispose();
        }
    }

    /// <summary>Moves every extent at or behind <paramref name="from"/> towards the start, into a hole of
    /// <paramref name="count"/> blocks before it. Restarts the handle as <see cref="Remove"/> does.</summary>
    internal void ShiftLeft([NotNull] ref Handle? handle, Inode inode, uint from, uint count)
    {
        ArgumentNullException.ThrowIfNull(handle);
        inode.CachedExtent.Clear();
        while (from < ExtentNode.LogicalEnd)
        {
            ExtentPath path = Find(inode, from);
            try
            {
                uint next = path[path.Depth].End;
                ExtentNode leaf = path.Leaf;
                int at = path.LeafIndex;
                if (at < 0 || leaf.Key(at) < from)
                {
                    at++;
                }
                if (at < leaf.Count)
                {
                    EnsureCredits(ref handle, inode, path.Depth + 2);
                    path.Join(handle, path.Depth);
                    for (int i = at; i < leaf.Count; i++)
                    {
                        leaf.SetKey(i, leaf.Key(i) - count);
                    }
                    CorrectFirstKey(handle, ref path, at);
                    if (at > 0 && CanJoin(leaf.Extent(at - 1), leaf.Extent(at)))
                    {
                        leaf.SetExtent(at - 1, Joined(leaf.Extent(at - 1), leaf.Extent(at)));
                        leaf.RemoveAt(at);
                    }
                }
                from = next;
            }
            finally
            {
                path.Dispose();
            }
        }
        inode.DataSyncTid = handle.Tid;
        volume.Inodes.Write(handle, inode);
    }

    /// <summary>Moves every extent at or behind <paramref name="from"/> towards the end by
    /// <paramref name="count"/> blocks; none may reach over <paramref name="from"/>. Restarts the handle as
    /// <see cref="Remove"/> does.</summary>
    internal void ShiftRight([NotNull] ref Handle? handle, Inode inode, uint from, uint count)
    {
        ArgumentNullException.ThrowIfNull(handle);
        inode.CachedExtent.Clear();
        uint end = ExtentNode.LogicalEnd;
        while (end > from)
        {
            ExtentPath path = Find(inode, end - 1);
            try
            {
                ExtentNode leaf = path.Leaf;
                int last = path.LeafIndex;
                uint start = path[path.Depth].Start;
                if (start >= end)
                {
                    break; // there is no lower leaf
                }
                end = start;
                if (last < 0)
                {
                    continue;
                }
                int at = from == 0 ? 0 : leaf.Find(from - 1) + 1;
                if (at > last)
                {
                    break;
                }
                EnsureCredits(ref handle, inode, path.Depth + 2);
                path.Join(handle, path.Depth);
                for (int i = last; i >= at; i--)
                {
                    leaf.SetKey(i, leaf.Key(i) + count);
                }
                CorrectFirstKey(handle, ref path, at);
                if (at > 0)
                {
                    break;
                }
            }
            finally
            {
                path.Dispose();
            }
        }
        inode.DataSyncTid = handle.Tid;
        volume.Inodes.Write(handle, inode);
    }

    /// <summary>The end of the last extent; 0 without any.</summary>
    internal uint LastBlock(Inode inode)
    {
        ExtentPath path = Find(inode, ExtentNode.LogicalEnd - 1);
        try
        {
            return path.LeafIndex >= 0 ? path.Leaf.Extent(path.LeafIndex).End : 0;
        }
        finally
        {
            path.Dispose();
        }
    }

    private int FreeCredits(ulong start, uint count)
    {
        Geometry geometry = volume.Geometry;
        return BlockAllocator.CreditsPerGroup * (int)(geometry.GroupOfBlock(start + count - 1) - geometry.GroupOfBlock(start) + 1);
    }

    // Between two steps of a long operation: makes sure that the next step has room in its transaction.
    internal void EnsureCredits([NotNull] ref Handle? handle, Inode inode, int credits)
    {
        if (handle!.Credits >= credits)
        {
            return;
        }
        int ask = Math.Max(credits, Math.Min(StepCredits, volume.Journal.MaxCredits / 2));
        if (handle.TryExtend(ask))
        {
            return;
        }
        inode.DataSyncTid = handle.Tid;
        volume.Inodes.Write(handle, inode);
        Handle full = handle;
        handle = null;
        full.Dispose();
        handle = volume.Journal.Start(ask);
    }
}
