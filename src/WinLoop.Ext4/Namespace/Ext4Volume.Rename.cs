using WinLoop.Ext4.Directories;
using WinLoop.Ext4.Format;
using WinLoop.Ext4.Inodes;
using WinLoop.Ext4.Journal;
using WinLoop.Ext4.Namespace;
using WinLoop.Ext4.Orphans;

namespace WinLoop.Ext4;

// renameat2. Between directories one rename runs at a time, so that the tree above stands still while
// ancestors are compared.
public sealed partial class Ext4Volume
{
    private readonly Lock _renameLock = new();

    /// <summary>renameat2.</summary>
    public void Rename(Inode oldDirectory, ReadOnlySpan<byte> oldName, Inode newDirectory, ReadOnlySpan<byte> newName,
        RenameFlags flags, Caller caller)
    {
        Inode? source = null, target = null;
        bool isCross = !ReferenceEquals(oldDirectory, newDirectory);
        try
        {
            RequireWritable();
            RequireDirectory(oldDirectory);
            RequireDirectory(newDirectory);
            NameRules.RequireChangeable(oldName, Errno.EBUSY);
            NameRules.RequireChangeable(newName, (flags & RenameFlags.NoReplace) != 0 ? Errno.EEXIST : Errno.EBUSY);
            if ((flags & ~(RenameFlags.NoReplace | RenameFlags.Exchange | RenameFlags.Whiteout)) != 0 ||
                ((flags & RenameFlags.Exchange) != 0 && (flags & ~RenameFlags.Exchange) != 0))
            {
                throw new Ext4Exception(Errno.EINVAL);
            }
            RequireRooted(oldDirectory);
            RequireRooted(newDirectory);
            if (isCross)
            {
                LockOrder.EnteringRename();
                _renameLock.Enter();
            }
            try
            {
                (Inode first, Inode second) = isCross ? ParentsInLockOrder(oldDirectory, newDirectory) : (oldDirectory, oldDirectory);
                first.Lock.EnterWrite();
                if (isCross)
                {
                    second.Lock.EnterWrite();
                }
                try
                {
                    RenameLocked(oldDirectory, oldName, newDirectory, newName, flags, caller, ref source, ref target);
                }
                finally
                {
                    if (isCross)
                    {
                        second.Lock.ExitWrite();
                    }
                    first.Lock.ExitWrite();
                }
            }
            finally
            {
                if (isCross)
                {
                    _renameLock.Exit();
                }
            }
        }
        catch (Exception e) when (OnFailure(e))
        {
            throw;
        }
        finally
        {
            ReleaseIfHeld(source);
            ReleaseIfHeld(target);
        }
    }

    private void RenameLocked(Inode oldDirectory, ReadOnlySpan<byte> oldName, Inode newDirectory, ReadOnlySpan<byte> newName,
        RenameFlags flags, Caller caller, ref Inode? source, ref Inode? target)
    {
        RequireParent(oldDirectory, removes: true);
        RequireParent(newDirectory, removes: false);
        source = FindForRemoval(oldDirectory, oldName);
        target = Directories.TryFind(newDirectory, newName, out DirectoryEntry entry) ? GetNamed(newDirectory, entry.Inode) : null;
        bool isExchange = (flags & RenameFlags.Exchange) != 0;
        if (target is null && isExchange)
        {
            throw new Ext4Exception(Errno.ENOENT);
        }
        if (target is not null && (flags & RenameFlags.NoReplace) != 0)
        {
            throw new Ext4Exception(Errno.EEXIST);
        }
        if (ReferenceEquals(source, target))
        {
            return; // two names of one inode: POSIX says that nothing happens
        }
        CheckLoops(oldDirectory, newDirectory, source, target, isExchange);
        RequireChild(oldDirectory, source);
        if (target is not null)
        {
            RequireChild(newDirectory, target);
        }
        if (target is not null && !isExchange)
        {
            if (target.IsDirectory != source.IsDirectory)
            {
                throw new Ext4Exception(target.IsDirectory ? Errno.EISDIR : Errno.ENOTDIR);
            }
            RequireParent(newDirectory, removes: true);
        }
        (Inode first, Inode? second) = InLockOrder(source, target);
        first.Lock.EnterWrite();
        second?.Lock.EnterWrite();
        try
        {
            RequireUnprotected(source);
            if (target is not null)
            {
                RequireUnprotected(target);
            }
            if (isExchange)
            {
                ExchangeEntries(oldDirectory, oldName, newDirectory, newName, source, target!);
            }
            for (bool isRetry = false; !isExchange; isRetry = true)
            {
                try
                {
                    MoveEntry(oldDirectory, oldName, newDirectory, newName, source, target, (flags & RenameFlags.Whiteout) != 0, caller);
                    return;
                }
                catch (Ext4Exception e) when (e.Errno == Errno.ENOSPC && !isRetry && HasPendingSpace)
                {
                    Journal.Commit(Journal.RunningTid);
                }
            }
        }
        finally
        {
            second?.Lock.ExitWrite();
            first.Lock.ExitWrite();
        }
    }

    private void MoveEntry(Inode oldDirectory, ReadOnlySpan<byte> oldName, Inode newDirectory, ReadOnlySpan<byte> newName,
        Inode source, Inode? target, bool leavesWhiteout, Caller caller)
    {
        bool movesDirectory = source.IsDirectory && !ReferenceEquals(oldDirectory, newDirectory);
        if (target is { IsDirectory: true } && !Directories.IsEmpty(target))
        {
            throw new Ext4Exception(Errno.ENOTEMPTY);
        }
        if (movesDirectory && target is null)
        {
            RequireRoomForLink(newDirectory);
        }
        DirectoryEntryType type = DirectoryEntryTypes.FromMode(source.Mode);
        using Handle handle = Journal.Start(DirectoryStore.AddCredits + (3 * DirectoryStore.RemoveCredits) +
            NewInodeCredits + OrphanStore.Credits + 6);
        Inode? whiteout = leavesWhiteout ? NewInode(handle, oldDirectory, InodeMode.CharDevice, caller) : null;
        if (target is null)
        {
            try
            {
                Directories.Add(handle, newDirectory, newName, source.Number, type);
            }
            catch (Ext4Exception) when (whiteout is not null)
            {
                Undo(handle, whiteout);
                throw;
            }
        }
        else
        {
            Directories.Replace(handle, newDirectory, newName, source.Number, type);
        }
        if (whiteout is not null)
        {
            InodeCodec.EncodeDevice(whiteout, 0);
            Inodes.Write(handle, whiteout);
            Directories.Replace(handle, oldDirectory, oldName, whiteout.Number, DirectoryEntryType.CharDevice);
            Inodes.Release(whiteout, 1);
        }
        else
        {
            Directories.Remove(handle, oldDirectory, oldName);
        }
        if (movesDirectory)
        {
            Directories.SetParent(handle, source, newDirectory.Number);
            RemoveSubdirectory(oldDirectory);
            if (target is null)
            {
                AddSubdirectory(newDirectory);
            }
            Inodes.Write(handle, newDirectory);
        }
        else if (source.IsDirectory && target is not null)
        {
            RemoveSubdirectory(oldDirectory);
        }
        Inodes.Write(handle, oldDirectory);
        if (target is { IsDirectory: true })
        {
            DropDirectory(handle, target);
        }
        else if (target is not null)
        {
            DropLink(handle, target);
        }
        source.ChangeTime = Clamp(source, Timestamp.Now);
        Inodes.Write(handle, source);
    }

    private void ExchangeEntries(Inode oldDirectory, ReadOnlySpan<byte> oldName, Inode newDirectory, ReadOnlySpan<byte> newName,
        Inode source, Inode target)
    {
        bool isCross = !ReferenceEquals(oldDirectory, newDirectory);
        bool movesCount = isCross && source.IsDirectory != target.IsDirectory;
        if (movesCount)
        {
            RequireRoomForLink(source.IsDirectory ? newDirectory : oldDirectory);
        }
        using Handle handle = Journal.Start((4 * DirectoryStore.RemoveCredits) + 6);
        Directories.Replace(handle, newDirectory, newName, source.Number, DirectoryEntryTypes.FromMode(source.Mode));
        Directories.Replace(handle, oldDirectory, oldName, target.Number, DirectoryEntryTypes.FromMode(target.Mode));
        if (isCross && source.IsDirectory)
        {
            Directories.SetParent(handle, source, newDirectory.Number);
        }
        if (isCross && target.IsDirectory)
        {
            Directories.SetParent(handle, target, oldDirectory.Number);
        }
        if (movesCount)
        {
            RemoveSubdirectory(source.IsDirectory ? oldDirectory : newDirectory);
            AddSubdirectory(source.IsDirectory ? newDirectory : oldDirectory);
            Inodes.Write(handle, oldDirectory);
            Inodes.Write(handle, newDirectory);
        }
        Timestamp now = Timestamp.Now;
        source.ChangeTime = Clamp(source, now);
        target.ChangeTime = Clamp(target, now);
        Inodes.Write(handle, source);
        Inodes.Write(handle, target);
    }

    // A directory may not move into itself, and a directory on the way to the other name is never empty.
    private void CheckLoops(Inode oldDirectory, Inode newDirectory, Inode source, Inode? target, bool isExchange)
    {
        bool isCross = !ReferenceEquals(oldDirectory, newDirectory);
        if (source.IsDirectory && (ReferenceEquals(source, newDirectory) || (isCross && IsAncestor(source, newDirectory))))
        {
            throw new Ext4Exception(Errno.EINVAL);
        }
        if (target is { IsDirectory: true } && (ReferenceEquals(target, oldDirectory) || (isCross && IsAncestor(target, oldDirectory))))
        {
            throw new Ext4Exception(isExchange ? Errno.EINVAL : Errno.ENOTEMPTY);
        }
    }

    /// <summary>
    /// Locks of directories are taken from the root downwards, so what is changed must be in one tree: on a damaged image
    /// two directories may contain each other, and two threads that come from either side would wait for ever. Looked at
    /// once for each inode in the cache; no rename takes a directory out of the tree.
    /// </summary>
    /// <exception cref="Ext4CorruptException">The parents do not lead to the root.</exception>
    private void RequireRooted(Inode directory)
    {
        if (directory.IsRooted)
        {
            return;
        }
        LockOrder.EnteringRename();
        lock (_renameLock)
        {
            try
            {
                IsAncestor(null, directory);
            }
            // Removed meanwhile, and its parents with it; the operation will say so.
            catch (Ext4CorruptException) when (directory.Links == 0)
            {
                return;
            }
            directory.IsRooted = directory.Links != 0;
        }
    }

    /// <summary>A directory is locked only below the parent it names itself.</summary>
    /// <exception cref="Ext4CorruptException">It is a directory and has another parent, or is the parent.</exception>
    private void RequireChild(Inode directory, Inode child)
    {
        if (child.IsDirectory && (ReferenceEquals(child, directory) || child.Number == RootInode || Directories.GetParent(child) != directory.Number))
        {
            throw new Ext4CorruptException($"directory inode {directory.Number}", $"contains inode {child.Number}, which has another parent");
        }
    }

    /// <summary>True if <paramref name="ancestor"/> lies on the way from <paramref name="directory"/> to the root.</summary>
    /// <param name="ancestor">Null to look for nothing, and see that there is a way, as far as it is not known.</param>
    /// <param name="directory">Where to begin.</param>
    private bool IsAncestor(Inode? ancestor, Inode directory)
    {
        if (ancestor?.Number == RootInode)
        {
            return directory.Number != RootInode;
        }
        Inode current = directory;
        Inode? held = null;
        try
        {
            // A tree may be as deep as there are inodes. A cycle comes back to where the walk was at the last power of two.
            uint mark = current.Number;
            long steps = 0, power = 1;
            while (current.Number != RootInode && (ancestor is not null || !current.IsRooted))
            {
                uint parent = Directories.GetParent(current);
                if (parent == ancestor?.Number)
                {
                    return true;
                }
                if (parent == mark || parent == current.Number)
                {
                    throw new Ext4CorruptException($"directory inode {directory.Number}", "does not lead to the root");
                }
                if (++steps == power)
                {
                    (mark, steps, power) = (parent, 0, power * 2);
                }
                Inode next = GetNamed(current, parent);
                ReleaseIfHeld(held);
                held = current = next;
            }
            return false;
        }
        finally
        {
            ReleaseIfHeld(held);
        }
    }

    // The ancestor first; unrelated directories by number.
    private (Inode First, Inode Second) ParentsInLockOrder(Inode a, Inode b)
    {
        bool bFirst = IsAncestor(b, a) || (!IsAncestor(a, b) && b.Number < a.Number);
        return bFirst ? (b, a) : (a, b);
    }

    // Directories before others, then by number; the caller holds their parents.
    private static (Inode First, Inode? Second) InLockOrder(Inode source, Inode? target)
    {
        if (target is null)
        {
            return (source, null);
        }
        bool sourceFirst = source.IsDirectory != target.IsDirectory ? source.IsDirectory : source.Number < target.Number;
        return sourceFirst ? (source, target) : (target, source);
    }
}
