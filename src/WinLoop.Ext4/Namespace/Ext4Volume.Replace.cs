using WinLoop.Ext4.Allocation;
using WinLoop.Ext4.Attributes;
using WinLoop.Ext4.Directories;
using WinLoop.Ext4.Format;
using WinLoop.Ext4.Inodes;
using WinLoop.Ext4.Journal;
using WinLoop.Ext4.Namespace;
using WinLoop.Ext4.Orphans;

namespace WinLoop.Ext4;

// What has no counterpart in POSIX: a name gets an inode of another type, in one step.
public sealed partial class Ext4Volume
{
    /// <summary>
    /// Puts a new, empty inode of any type but a directory under an existing name, and returns a reference to it. The
    /// old inode loses the name as by unlink or rmdir; a crash leaves the one or the other. Owner, permissions and
    /// birth time are the old inode's (a link's permissions are 0777).
    /// </summary>
    /// <param name="directory">Where the name is.</param>
    /// <param name="name">The name.</param>
    /// <param name="expected">What the name has to name.</param>
    /// <param name="type">Type bits of the mode.</param>
    /// <param name="device">Device number (new_encode_dev form) for device nodes.</param>
    /// <param name="target">Target of a symbolic link.</param>
    /// <param name="permissions">Of the new inode; null = those of the old one. A link always has 0777.</param>
    /// <exception cref="Ext4Exception">ENOENT: the name names something else; ENOTEMPTY: a directory with names.</exception>
    public Inode ReplaceNode(Inode directory, ReadOnlySpan<byte> name, Inode expected, ushort type, uint device, ReadOnlySpan<byte> target,
        ushort? permissions = null)
    {
        bool isLink = type == InodeMode.Symlink;
        if (type == InodeMode.Directory || DirectoryEntryTypes.FromMode(type) == DirectoryEntryType.Unknown ||
            (type & ~InodeMode.TypeMask) != 0 || isLink == target.IsEmpty || target.IndexOf((byte)0) >= 0)
        {
            throw new Ext4Exception(Errno.EINVAL);
        }
        if (target.Length >= Geometry.BlockSize)
        {
            throw new Ext4Exception(Errno.ENAMETOOLONG);
        }
        Inode? old = null;
        try
        {
            RequireWritable();
            RequireDirectory(directory);
            NameRules.RequireChangeable(name, Errno.EINVAL);
            directory.Lock.EnterWrite();
            try
            {
                RequireParent(directory, removes: true);
                old = FindForRemoval(directory, name);
                if (!ReferenceEquals(old, expected))
                {
                    throw new Ext4Exception(Errno.ENOENT);
                }
                old.Lock.EnterWrite();
                try
                {
                    RequireUnprotected(old);
                    if (old.IsDirectory && !Directories.IsEmpty(old))
                    {
                        throw new Ext4Exception(Errno.ENOTEMPTY);
                    }
                    return ReplaceLocked(directory, name, old, type, device, target, (ushort)((permissions ?? old.Mode) & 0x1FF));
                }
                finally
                {
                    old.Lock.ExitWrite();
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
            ReleaseIfHeld(old);
        }
    }

    private Inode ReplaceLocked(Inode directory, ReadOnlySpan<byte> name, Inode old, ushort type, uint device, ReadOnlySpan<byte> target, ushort permissions)
    {
        for (bool isRetry = false; ; isRetry = true)
        {
            try
            {
                using Handle handle = Journal.Start(DirectoryStore.RemoveCredits + NewInodeCredits + AttributeStore.Credits +
                    OrphanStore.Credits + BlockAllocator.CreditsPerGroup + 6);
                Inode inode = NewInode(handle, directory, (ushort)(type | (type == InodeMode.Symlink ? 0x1FF : permissions)),
                    new Caller(old.Uid, old.Gid));
                try
                {
                    if (type == InodeMode.Symlink)
                    {
                        WriteTarget(handle, inode, target);
                    }
                    else if (type is InodeMode.CharDevice or InodeMode.BlockDevice)
                    {
                        InodeCodec.EncodeDevice(inode, device);
                    }
                }
                catch (Ext4Exception)
                {
                    Undo(handle, inode);
                    throw;
                }
                inode.Gid = old.Gid;
                inode.BirthTime = Clamp(inode, old.BirthTime);
                Inodes.Write(handle, inode);
                Directories.Replace(handle, directory, name, inode.Number, DirectoryEntryTypes.FromMode(type));
                if (old.IsDirectory)
                {
                    RemoveSubdirectory(directory);
                    Inodes.Write(handle, directory);
                    DropDirectory(handle, old);
                }
                else
                {
                    DropLink(handle, old);
                }
                return inode;
            }
            catch (Ext4Exception e) when (e.Errno == Errno.ENOSPC && !isRetry && HasPendingSpace)
            {
                Journal.Commit(Journal.RunningTid);
            }
        }
    }
}
