using WinLoop.Ext4.Allocation;
using WinLoop.Ext4.Extents;
using WinLoop.Ext4.Format;
using WinLoop.Ext4.Journal;

namespace WinLoop.Ext4.Files;

// fallocate and its modes.
internal sealed partial class FileStore
{
    /// <summary>fallocate(2); a file system without a page cache has nothing to flush before any of it.</summary>
    /// <exception cref="Ext4Exception">EINVAL: not aligned, or a range the mode does not take; EFBIG; ENOSPC;
    /// EOPNOTSUPP: an unknown combination, or a block-mapped file.</exception>
    public void Allocate(Inode inode, AllocateMode mode, long offset, long length, Caller caller)
    {
        if (offset < 0 || length <= 0)
        {
            throw new Ext4Exception(Errno.EINVAL);
        }
        bool isKnown = mode is AllocateMode.Default or AllocateMode.KeepSize or AllocateMode.CollapseRange or AllocateMode.InsertRange or
            (AllocateMode.PunchHole | AllocateMode.KeepSize) or AllocateMode.ZeroRange or (AllocateMode.ZeroRange | AllocateMode.KeepSize);
        if (!isKnown || (!inode.HasExtents && (mode & AllocateMode.PunchHole) == 0))
        {
            throw new Ext4Exception(Errno.EOPNOTSUPP);
        }
        if (offset > MaxSize(inode) - length)
        {
            throw new Ext4Exception(Errno.EFBIG);
        }
        inode.Lock.EnterWrite();
        try
        {
            RequireAlive(inode);
            bool keepSize = (mode & AllocateMode.KeepSize) != 0;
            switch (mode & ~AllocateMode.KeepSize)
            {
                case AllocateMode.PunchHole:
                    PunchHole(inode, offset, Math.Min(offset + length, (inode.Size + _blockSize - 1) & -_blockSize));
                    break;
                case AllocateMode.ZeroRange:
                    ZeroRange(inode, offset, offset + length, keepSize, caller);
                    break;
                case AllocateMode.CollapseRange:
                    CollapseRange(inode, offset, length);
                    CommitMove();
                    break;
                case AllocateMode.InsertRange:
                    InsertRange(inode, offset, length);
                    CommitMove();
                    break;
                default:
                    Preallocate(inode, offset, offset + length, keepSize, caller);
                    break;
            }
        }
        finally
        {
            inode.Lock.ExitWrite();
        }
    }

    // Maps every hole of the range to unwritten blocks. Each chunk is a transaction of its own, the size
    // follows chunk by chunk.
    private void Preallocate(Inode inode, long offset, long end, bool keepSize, Caller caller)
    {
        uint logical = BlockOf(offset), behind = BlocksUpTo(end);
        RequireSpace(inode, logical, behind, caller);
        if (!keepSize && end > inode.Size)
        {
            ZeroTail(inode, end);
        }
        while (logical < behind)
        {
            ExtentMapping run = volume.Extents.Map(inode, logical).From(logical);
            uint length = Math.Min(run.Length, behind - logical);
            if (run.State == ExtentState.Hole)
            {
                length = FillHoleUnwritten(inode, logical, Math.Min(length, ExtentNode.MaxUnwritten), keepSize ? 0 : end, caller);
            }
            logical += length;
        }
        using Handle handle = volume.Journal.Start(InodeCredits);
        Finish(handle, inode, keepSize ? 0 : end, Now(inode));
    }

    // A failure in the middle leaves blocks behind; so what cannot succeed fails before.
    private void RequireSpace(Inode inode, uint logical, uint behind, Caller caller)
    {
        ulong missing = 0;
        while (logical < behind)
        {
            ExtentMapping run = volume.Extents.Map(inode, logical).From(logical);
            uint length = Math.Min(run.Length, behind - logical);
            missing += run.State == ExtentState.Hole ? length : 0;
            logical += length;
        }
        if (missing > volume.Blocks.FreeBlocksFor(caller))
        {
            throw new Ext4Exception(Errno.ENOSPC);
        }
    }

    private uint FillHoleUnwritten(Inode inode, uint logical, uint wanted, long sizeLimit, Caller caller)
    {
        for (bool isRetry = false; ; isRetry = true)
        {
            BlockReservation blocks = volume.Blocks.Reserve(inode, logical, volume.Extents.Goal(inode, logical), wanted, caller);
            try
            {
                using Handle handle = volume.Journal.Start(WriteCredits);
                volume.Extents.InsertMapping(handle, inode, new ExtentMapping(logical, blocks.Physical, blocks.Length, ExtentState.Unwritten));
                BlockReservation taken = blocks;
                blocks = default;
                volume.Blocks.Commit(handle, inode, taken);
                Finish(handle, inode, Math.Min(sizeLimit, BytesTo(logical + taken.Length)), default);
                return taken.Length;
            }
            catch (Ext4Exception e) when (e.Errno == Errno.ENOSPC && !isRetry)
            {
                // No block for a tree node.
            }
            finally
            {
                if (blocks.Length != 0)
                {
                    volume.Blocks.Cancel(blocks);
                }
            }
            volume.Blocks.DropPreallocation(inode);
            volume.Journal.Commit(volume.Journal.RunningTid);
        }
    }

    private void PunchHole(Inode inode, long offset, long end)
    {
        if (offset >= end)
        {
            // Nothing to punch behind the end; the times change nonetheless, as with Linux since 6.14.
            using Handle touch = volume.Journal.Start(InodeCredits);
            Finish(touch, inode, 0, Now(inode));
            return;
        }
        volume.Blocks.DropPreallocation(inode);
        ZeroPartialBlocks(inode, offset, end);
        uint first = BlocksUpTo(offset), behind = BlockOf(end);
        Handle? handle = volume.Journal.Start(InodeCredits + ExtentTree.InsertCredits);
        try
        {
            if (first < behind)
            {
                volume.Extents.Remove(ref handle, inode, first, behind - 1);
                volume.Extents.EnsureCredits(ref handle, inode, InodeCredits);
            }
            Finish(handle, inode, 0, Now(inode));
        }
        finally
        {
            handle?.Dispose();
        }
    }

    // Valid blocks become unwritten ones where they are, holes are allocated.
    private void ZeroRange(Inode inode, long offset, long end, bool keepSize, Caller caller)
    {
        RequireSpace(inode, BlockOf(offset), BlocksUpTo(end), caller);
        if (!keepSize && end > inode.Size)
        {
            ZeroTail(inode, end);
        }
        ZeroPartialBlocks(inode, offset, end);
        uint logical = BlocksUpTo(offset), behind = BlockOf(end);
        while (logical < behind)
        {
            ExtentMapping run = volume.Extents.Map(inode, logical).From(logical);
            uint length = Math.Min(Math.Min(run.Length, behind - logical), ExtentNode.MaxUnwritten);
            if (run.State == ExtentState.Written)
            {
                using Handle handle = volume.Journal.Start(ExtentTree.InsertCredits + InodeCredits);
                volume.Extents.Convert(handle, inode, logical, length, ExtentState.Unwritten);
                Finish(handle, inode, 0, Now(inode));
            }
            logical += length;
        }
        Preallocate(inode, offset, end, keepSize, caller);
    }

    private void ZeroPartialBlocks(Inode inode, long offset, long end)
    {
        long firstWhole = (offset + _blockSize - 1) & -_blockSize;
        ZeroWritten(inode, offset, Math.Min(firstWhole, end));
        if (end > firstWhole)
        {
            ZeroWritten(inode, end & -_blockSize, end);
        }
    }

    // Takes the range out of the file. A crash in the middle leaves a valid file whose tail has moved in part.
    private void CollapseRange(Inode inode, long offset, long length)
    {
        RequireAligned(offset, length);
        if (offset + length >= inode.Size)
        {
            throw new Ext4Exception(Errno.EINVAL);
        }
        volume.Blocks.DropPreallocation(inode);
        uint first = BlockOf(offset), count = BlockOf(length);
        Handle? handle = volume.Journal.Start(InodeCredits + ExtentTree.InsertCredits);
        try
        {
            volume.Extents.Remove(ref handle, inode, first, first + count - 1);
            volume.Extents.ShiftLeft(ref handle, inode, first + count, count);
            volume.Extents.EnsureCredits(ref handle, inode, InodeCredits);
            SetSize(handle, inode, inode.Size - length);
            Finish(handle, inode, 0, Now(inode));
        }
        finally
        {
            handle?.Dispose();
        }
    }

    // Opens a hole in the file. The size grows first, so that no valid block is ever behind the end.
    private void InsertRange(Inode inode, long offset, long length)
    {
        RequireAligned(offset, length);
        if (offset >= inode.Size)
        {
            throw new Ext4Exception(Errno.EINVAL);
        }
        uint first = BlockOf(offset), count = BlockOf(length);
        if (inode.Size > MaxSize(inode) - length || volume.Extents.LastBlock(inode) > ExtentNode.LogicalEnd - count)
        {
            throw new Ext4Exception(Errno.EFBIG);
        }
        volume.Blocks.DropPreallocation(inode);
        ZeroTail(inode, long.MaxValue);
        Handle? handle = volume.Journal.Start(InodeCredits + ExtentTree.InsertCredits);
        try
        {
            volume.Extents.SplitAt(handle, inode, first);
            Finish(handle, inode, inode.Size + length, Now(inode));
            volume.Extents.ShiftRight(ref handle, inode, first, count);
        }
        finally
        {
            handle?.Dispose();
        }
    }

    // A block that has moved is written in place, and until the move is durable it is a block of another part of the file after
    // a power cut. So the caller, who still has the lock, waits for that.
    private void CommitMove() => volume.Journal.Commit(volume.Journal.RunningTid);

    private void RequireAligned(long offset, long length)
    {
        if (((offset | length) & (_blockSize - 1)) != 0)
        {
            throw new Ext4Exception(Errno.EINVAL);
        }
    }
}
