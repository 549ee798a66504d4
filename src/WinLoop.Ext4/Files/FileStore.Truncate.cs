using WinLoop.Ext4.Extents;
using WinLoop.Ext4.Format;
using WinLoop.Ext4.Journal;
using WinLoop.Ext4.Orphans;

namespace WinLoop.Ext4.Files;

// Changing the size and freeing everything.
internal sealed partial class FileStore
{
    /// <summary>Sets the size and frees the blocks behind it, also those allocated behind an unchanged end; the
    /// caller holds the inode lock exclusive and no handle.</summary>
    /// <exception cref="Ext4Exception">EFBIG.</exception>
    public void TruncateLocked(Inode inode, long size)
    {
        RequireAlive(inode);
        if (size < 0)
        {
            throw new Ext4Exception(Errno.EINVAL);
        }
        if (size > MaxSize(inode))
        {
            throw new Ext4Exception(Errno.EFBIG);
        }
        if (size > inode.Size)
        {
            ZeroTail(inode, size);
            using Handle handle = volume.Journal.Start(InodeCredits);
            SetSize(handle, inode, size);
            SetTimes(inode, Now(inode));
            volume.Inodes.Write(handle, inode);
            return;
        }
        volume.Blocks.DropPreallocation(inode);
        // Before the size shrinks: who grows the file later, with whatever driver, counts on zeroes there.
        ZeroWritten(inode, size, (size + _blockSize - 1) & -_blockSize);
        Shrink(inode, size, setsTimes: true);
    }

    /// <summary>Frees everything of an inode whose links are 0; the caller holds the lock and no handle.</summary>
    public void FreeAllBlocksLocked(Inode inode)
    {
        bool hasBlocks = inode.IsRegular || inode.IsDirectory || (inode.IsSymlink && !Ext4Volume.IsFastSymlink(inode));
        if (hasBlocks && (inode.Size != 0 || inode.Sectors != 0))
        {
            volume.Blocks.DropPreallocation(inode);
            Shrink(inode, 0, setsTimes: false);
        }
    }

    private void Shrink(Inode inode, long size, bool setsTimes)
    {
        uint first = BlocksUpTo(size);
        int credits = volume.Extents.RemoveCredits(inode, first);
        // What needs more than one transaction is finished after a crash by way of the orphan list.
        bool needsOrphan = credits < 0 && !inode.IsOrphan;
        Handle? handle = volume.Journal.Start(InodeCredits + OrphanStore.Credits + Math.Max(credits, 0));
        try
        {
            SetSize(handle, inode, size);
            if (setsTimes)
            {
                SetTimes(inode, Now(inode));
            }
            if (needsOrphan)
            {
                volume.Orphans.Add(handle, inode);
                volume.Inodes.Write(handle, inode);
            }
            volume.Extents.Remove(ref handle, inode, first, ExtentNode.LogicalEnd - 1);
            if (needsOrphan)
            {
                volume.Extents.EnsureCredits(ref handle, inode, OrphanStore.Credits + 1);
                volume.Orphans.Remove(handle, inode);
                volume.Inodes.Write(handle, inode);
            }
        }
        finally
        {
            handle?.Dispose();
        }
    }
}
