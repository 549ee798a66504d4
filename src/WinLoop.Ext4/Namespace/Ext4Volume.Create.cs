using WinLoop.Ext4.Allocation;
using WinLoop.Ext4.Attributes;
using WinLoop.Ext4.Cache;
using WinLoop.Ext4.Directories;
using WinLoop.Ext4.Extents;
using WinLoop.Ext4.Format;
using WinLoop.Ext4.Inodes;
using WinLoop.Ext4.Journal;
using WinLoop.Ext4.Namespace;
using WinLoop.Ext4.Orphans;

namespace WinLoop.Ext4;

// Lookup and everything that makes a new inode. "Returns a reference" = the caller calls Release.
public sealed partial class Ext4Volume
{
    /// <summary>The most links of a file, and of a directory that cannot stop counting.</summary>
    internal const uint MaxLinks = 65000;

    private const int NewInodeCredits = InodeAllocator.Credits + 2;

    /// <summary>Returns a reference to what a name ("." and ".." too) in a directory names; null if nothing.</summary>
    public Inode? Lookup(Inode directory, ReadOnlySpan<byte> name)
    {
        try
        {
            RequireDirectory(directory);
            NameRules.RequireValid(name);
            directory.Lock.EnterRead();
            try
            {
                return Directories.TryFind(directory, name, out DirectoryEntry entry) ? GetNamed(directory, entry.Inode) : null;
            }
            finally
            {
                directory.Lock.ExitRead();
            }
        }
        catch (Exception e) when (OnFailure(e))
        {
            throw;
        }
    }

    /// <summary>Creates a file, fifo, socket or device node and returns a reference.</summary>
    /// <param name="directory">Where.</param>
    /// <param name="name">1 to 255 bytes.</param>
    /// <param name="mode">Type and permissions; no type bits = regular file.</param>
    /// <param name="device">Device number (new_encode_dev form) for device nodes.</param>
    /// <param name="caller">The owner to be.</param>
    public Inode Create(Inode directory, ReadOnlySpan<byte> name, ushort mode, uint device, Caller caller)
    {
        if ((mode & InodeMode.TypeMask) == 0)
        {
            mode |= InodeMode.Regular;
        }
        if ((mode & InodeMode.TypeMask) is InodeMode.Directory or InodeMode.Symlink ||
            DirectoryEntryTypes.FromMode(mode) == DirectoryEntryType.Unknown)
        {
            throw new Ext4Exception(Errno.EINVAL);
        }
        return CreateNamed(directory, name, mode, device, default, caller);
    }

    /// <summary>Creates a directory and returns a reference.</summary>
    public Inode CreateDirectory(Inode directory, ReadOnlySpan<byte> name, ushort mode, Caller caller) =>
        CreateNamed(directory, name, (ushort)(InodeMode.Directory | (mode & InodeMode.Permissions)), 0, default, caller);

    /// <summary>Creates a symbolic link and returns a reference.</summary>
    /// <exception cref="Ext4Exception">ENAMETOOLONG: the target does not fit one block with its NUL.</exception>
    public Inode CreateSymlink(Inode directory, ReadOnlySpan<byte> name, ReadOnlySpan<byte> target, Caller caller)
    {
        if (target.IsEmpty || target.IndexOf((byte)0) >= 0)
        {
            throw new Ext4Exception(target.IsEmpty ? Errno.ENOENT : Errno.EINVAL);
        }
        if (target.Length >= Geometry.BlockSize)
        {
            throw new Ext4Exception(Errno.ENAMETOOLONG);
        }
        return CreateNamed(directory, name, InodeMode.Symlink | 0x1FF, 0, target, caller);
    }

    /// <summary>Creates an unnamed file (O_TMPFILE) and returns a reference.</summary>
    public Inode CreateTemporary(Inode directory, ushort mode, Caller caller)
    {
        try
        {
            RequireWritable();
            RequireDirectory(directory);
            directory.Lock.EnterWrite();
            try
            {
                RequireParent(directory, removes: false);
                using Handle handle = Journal.Start(NewInodeCredits + AttributeStore.Credits + OrphanStore.Credits);
                Inode inode = NewInode(handle, directory, (ushort)(InodeMode.Regular | (mode & InodeMode.Permissions)), caller);
                inode.Links = 0;
                InheritAcl(handle, directory, inode, caller);
                Orphans.Add(handle, inode);
                Inodes.Write(handle, inode);
                return inode;
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
    }

    private Inode CreateNamed(Inode directory, ReadOnlySpan<byte> name, ushort mode, uint device, ReadOnlySpan<byte> target, Caller caller)
    {
        try
        {
            RequireWritable();
            RequireDirectory(directory);
            NameRules.RequireChangeable(name, Errno.EEXIST);
            directory.Lock.EnterWrite();
            try
            {
                RequireParent(directory, removes: false);
                if (Directories.TryFind(directory, name, out _))
                {
                    throw new Ext4Exception(Errno.EEXIST);
                }
                if ((mode & InodeMode.TypeMask) == InodeMode.Directory)
                {
                    RequireRoomForLink(directory);
                }
                // A full volume may get room from what the running transaction freed.
                for (bool isRetry = false; ; isRetry = true)
                {
                    try
                    {
                        return CreateLocked(directory, name, mode, device, target, caller);
                    }
                    catch (Ext4Exception e) when (e.Errno == Errno.ENOSPC && !isRetry && HasPendingSpace)
                    {
                        Journal.Commit(Journal.RunningTid);
                    }
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
    }

    /// <summary>True if a commit would give blocks or inodes back; only then is it worth to try again on ENOSPC.</summary>
    private bool HasPendingSpace => Blocks.PendingBlocks > 0 || InodeNumbers.PendingInodes > 0;

    private Inode CreateLocked(Inode directory, ReadOnlySpan<byte> name, ushort mode, uint device, ReadOnlySpan<byte> target, Caller caller)
    {
        bool isDirectory = (mode & InodeMode.TypeMask) == InodeMode.Directory;
        using Handle handle = Journal.Start(DirectoryStore.AddCredits + NewInodeCredits + AttributeStore.Credits +
            BlockAllocator.CreditsPerGroup + 2);
        Inode inode = NewInode(handle, directory, mode, caller);
        bool isNamed = false;
        try
        {
            if (isDirectory)
            {
                inode.Links = 2;
                Directories.Initialize(handle, inode, directory.Number);
            }
            else if (inode.IsSymlink)
            {
                WriteTarget(handle, inode, target);
            }
            else if (inode.Type is InodeMode.CharDevice or InodeMode.BlockDevice)
            {
                InodeCodec.EncodeDevice(inode, device);
            }
            if (!inode.IsSymlink)
            {
                InheritAcl(handle, directory, inode, caller);
            }
            Inodes.Write(handle, inode);
            Directories.Add(handle, directory, name, inode.Number, DirectoryEntryTypes.FromMode(mode));
            isNamed = true;
            if (isDirectory)
            {
                AddSubdirectory(directory);
                Inodes.Write(handle, directory);
            }
            return inode;
        }
        catch (Ext4Exception) when (!isNamed)
        {
            Undo(handle, inode);
            throw;
        }
    }

    // Everything the new inode got goes back within the same handle, so that nothing of it is ever seen.
    private void Undo(Handle handle, Inode inode)
    {
        Attributes.FreeAll(handle, inode);
        if (inode.HasExtents && inode.Size > 0)
        {
            ExtentMapping mapping = Extents.Map(inode, 0);
            if (mapping.State == ExtentState.Written)
            {
                Blocks.Free(handle, inode, mapping.Physical, mapping.Length, isMetadata: true);
            }
        }
        inode.Links = 0;
        inode.Size = 0;
        inode.DeletionTime = (uint)Math.Clamp(Timestamp.Now.Seconds, 1, uint.MaxValue);
        ((Span<byte>)inode.Block).Clear();
        Inodes.Write(handle, inode);
        InodeNumbers.Free(handle, inode.Number, inode.IsDirectory);
        inode.IsFreed = true;
        Inodes.Discard(inode);
    }

    // An inode with number, owner, times and inherited flags; no link, no content.
    private Inode NewInode(Handle handle, Inode directory, ushort mode, Caller caller)
    {
        bool isDirectory = (mode & InodeMode.TypeMask) == InodeMode.Directory;
        uint number = InodeNumbers.Allocate(handle, directory, isDirectory);
        Inode inode = Inodes.CreateNew(number);
        inode.Mode = mode;
        inode.Uid = caller.Uid;
        inode.Gid = caller.Gid;
        if ((directory.Mode & InodeMode.SetGid) != 0)
        {
            inode.Gid = directory.Gid;
            if (isDirectory)
            {
                inode.Mode |= InodeMode.SetGid;
            }
        }
        inode.Links = 1;
        inode.Flags = directory.Flags & InodeFlags.Inherited;
        if (inode.IsRegular)
        {
            inode.Flags &= ~(InodeFlags.DirSync | InodeFlags.TopDir | InodeFlags.CaseFold | InodeFlags.ProjectInherit);
        }
        else if (!isDirectory)
        {
            inode.Flags &= InodeFlags.NoDump | InodeFlags.NoAtime;
        }
        Timestamp now = Clamp(inode, Timestamp.Now);
        inode.AccessTime = inode.ModifyTime = inode.ChangeTime = inode.BirthTime = now;
        if (inode.IsRegular || isDirectory)
        {
            Extents.InitializeRoot(inode);
        }
        // The slot is written now: attributes and directory blocks build on it.
        Inodes.Write(handle, inode);
        inode.DataSyncTid = handle.Tid;
        return inode;
    }

    private void InheritAcl(Handle handle, Inode directory, Inode inode, Caller caller)
    {
        if (Attributes.HasDefaultAcl(directory))
        {
            inode.Mode = Attributes.InheritAcl(handle, directory, inode, inode.Mode, caller.Umask);
        }
        else
        {
            inode.Mode = (ushort)(inode.Mode & ~(caller.Umask & 0x1FF));
        }
    }

    // Short targets live in i_block; longer ones are one journaled block.
    private void WriteTarget(Handle handle, Inode inode, ReadOnlySpan<byte> target)
    {
        if (target.Length < 60)
        {
            Span<byte> area = inode.Block;
            area.Clear();
            target.CopyTo(area);
            inode.Size = target.Length;
            return;
        }
        Extents.InitializeRoot(inode);
        ulong block = Blocks.AllocateMetadata(handle, inode, Extents.Goal(inode, 0));
        Extents.Insert(handle, inode, new ExtentMapping(0, block, 1, ExtentState.Written));
        using MetadataBuffer buffer = Cache.GetNew(block, BufferKind.Raw);
        handle.Join(buffer);
        target.CopyTo(buffer.Data);
        inode.Size = target.Length;
    }

    private Inode GetNamed(Inode directory, uint number)
    {
        // Reserved inodes have no names; a directory that names one is damaged.
        if (Geometry.IsSystemInode(number))
        {
            throw new Ext4CorruptException($"directory inode {directory.Number}", $"names inode {number}");
        }
        try
        {
            return Inodes.Get(number);
        }
        catch (Ext4Exception e) when (e.Errno == Errno.ESTALE)
        {
            throw new Ext4CorruptException($"directory inode {directory.Number}", $"names inode {number}, which is not in use");
        }
    }

    private static void RequireParent(Inode directory, bool removes)
    {
        RequireAlive(directory);
        if (directory.Links == 0)
        {
            throw new Ext4Exception(Errno.ENOENT);
        }
        if ((directory.Flags & InodeFlags.Immutable) != 0 || (removes && (directory.Flags & InodeFlags.Append) != 0))
        {
            throw new Ext4Exception(Errno.EPERM);
        }
    }

    // With dir_nlink an indexed directory stops counting instead of refusing.
    private void RequireRoomForLink(Inode directory)
    {
        bool stopsCounting = Geometry.Has(RoCompatFeatures.DirNlink) && (directory.Flags & InodeFlags.Index) != 0;
        if (directory.Links >= MaxLinks && !stopsCounting)
        {
            throw new Ext4Exception(Errno.EMLINK);
        }
    }

    private static void AddSubdirectory(Inode directory)
    {
        if (directory.Links != 1)
        {
            directory.Links = directory.Links >= MaxLinks ? 1 : directory.Links + 1;
        }
    }

    private static void RemoveSubdirectory(Inode directory)
    {
        if (directory.Links > 2)
        {
            directory.Links--;
        }
    }
}
