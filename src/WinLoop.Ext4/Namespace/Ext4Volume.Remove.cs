using WinLoop.Ext4.Directories;
using WinLoop.Ext4.Format;
using WinLoop.Ext4.Journal;
using WinLoop.Ext4.Namespace;
using WinLoop.Ext4.Orphans;

namespace WinLoop.Ext4;

// Link, unlink and rmdir.
public sealed partial class Ext4Volume
{
    /// <summary>Adds a name for an inode that is not a directory.</summary>
    public void Link(Inode inode, Inode directory, ReadOnlySpan<byte> name)
    {
        try
        {
            RequireWritable();
            RequireDirectory(directory);
            NameRules.RequireChangeable(name, Errno.EEXIST);
            if (inode.IsDirectory)
            {
                throw new Ext4Exception(Errno.EPERM);
            }
            directory.Lock.EnterWrite();
            inode.Lock.EnterWrite();
            try
            {
                for (bool isRetry = false; ; isRetry = true)
                {
                    try
                    {
                        LinkLocked(inode, directory, name);
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
                inode.Lock.ExitWrite();
                directory.Lock.ExitWrite();
            }
        }
        catch (Exception e) when (OnFailure(e))
        {
            throw;
        }
    }

    private void LinkLocked(Inode inode, Inode directory, ReadOnlySpan<byte> name)
    {
        RequireParent(directory, removes: false);
        RequireUnprotected(inode);
        if (inode.Links == 0 && !inode.IsOrphan)
        {
            throw new Ext4Exception(Errno.ENOENT);
        }
        if (inode.Links >= MaxLinks)
        {
            throw new Ext4Exception(Errno.EMLINK);
        }
        if (Directories.TryFind(directory, name, out _))
        {
            throw new Ext4Exception(Errno.EEXIST);
        }
        using Handle handle = Journal.Start(DirectoryStore.AddCredits + OrphanStore.Credits + 2);
        Directories.Add(handle, directory, name, inode.Number, DirectoryEntryTypes.FromMode(inode.Mode));
        if (inode.Links == 0)
        {
            Orphans.Remove(handle, inode); // an O_TMPFILE gets its first name
        }
        inode.Links++;
        inode.ChangeTime = Clamp(inode, Timestamp.Now);
        Inodes.Write(handle, inode);
    }

    /// <summary>Removes a name of something that is not a directory.</summary>
    public void Unlink(Inode directory, ReadOnlySpan<byte> name)
    {
        Inode? inode = null;
        try
        {
            RequireWritable();
            RequireDirectory(directory);
            NameRules.RequireChangeable(name, Errno.EISDIR);
            directory.Lock.EnterWrite();
            try
            {
                RequireParent(directory, removes: true);
                inode = FindForRemoval(directory, name);
                if (inode.IsDirectory)
                {
                    throw new Ext4Exception(Errno.EISDIR);
                }
                inode.Lock.EnterWrite();
                try
                {
                    RequireUnprotected(inode);
                    using Handle handle = Journal.Start(DirectoryStore.RemoveCredits + OrphanStore.Credits + 2);
                    Directories.Remove(handle, directory, name);
                    DropLink(handle, inode);
                }
                finally
                {
                    inode.Lock.ExitWrite();
                }
            }
            finally
            {
                directory.Lock.ExitWrite();
            }
        }
        catch (Exception e) when (OnFailure(e))
        {
            throw;
        }
        finally
        {
            ReleaseIfHeld(inode);
        }
    }

    /// <summary>Removes an empty directory.</summary>
    public void RemoveDirectory(Inode directory, ReadOnlySpan<byte> name)
    {
        Inode? child = null;
        try
        {
            RequireWritable();
            RequireDirectory(directory);
            NameRules.RequireValid(name);
            if (NameRules.IsDots(name))
            {
                throw new Ext4Exception(name.Length == 1 ? Errno.EINVAL : Errno.ENOTEMPTY);
            }
            RequireRooted(directory);
            directory.Lock.EnterWrite();
            try
            {
                RequireParent(directory, removes: true);
                child = FindForRemoval(directory, name);
                if (!child.IsDirectory)
                {
                    throw new Ext4Exception(Errno.ENOTDIR);
                }
                RequireChild(directory, child);
                child.Lock.EnterWrite();
                try
                {
                    RequireUnprotected(child);
                    if (!Directories.IsEmpty(child))
                    {
                        throw new Ext4Exception(Errno.ENOTEMPTY);
                    }
                    using Handle handle = Journal.Start(DirectoryStore.RemoveCredits + OrphanStore.Credits + 3);
                    Directories.Remove(handle, directory, name);
                    RemoveSubdirectory(directory);
                    Inodes.Write(handle, directory);
                    DropDirectory(handle, child);
                }
                finally
                {
                    child.Lock.ExitWrite();
                }
            }
            finally
            {
                directory.Lock.ExitWrite();
            }
        }
        catch (Exception e) when (OnFailure(e))
        {
            throw;
        }
        finally
        {
            ReleaseIfHeld(child);
        }
    }

    // One link less; the last one makes the inode an orphan until its last user is gone.
    private void DropLink(Handle handle, Inode inode)
    {
        if (inode.Links == 0)
        {
            throw new Ext4CorruptException($"inode {inode.Number}", "has a name and no link");
        }
        inode.Links--;
        inode.ChangeTime = Clamp(inode, Timestamp.Now);
        if (inode.Links == 0)
        {
            Orphans.Add(handle, inode);
        }
        Inodes.Write(handle, inode);
    }

    private void DropDirectory(Handle handle, Inode directory)
    {
        directory.Links = 0;
        directory.ChangeTime = Clamp(directory, Timestamp.Now);
        Orphans.Add(handle, directory);
        Inodes.Write(handle, directory);
    }

    private Inode FindForRemoval(Inode directory, ReadOnlySpan<byte> name) =>
        Directories.TryFind(directory, name, out DirectoryEntry entry)
            ? GetNamed(directory, entry.Inode)
            : throw new Ext4Exception(Errno.ENOENT);

    private void ReleaseIfHeld(Inode? inode)
    {
        if (inode is not null)
        {
            Release(inode);
        }
    }
}
