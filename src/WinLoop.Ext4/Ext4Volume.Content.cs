using WinLoop.Ext4.Attributes;
using WinLoop.Ext4.Cache;
using WinLoop.Ext4.Extents;
using WinLoop.Ext4.Format;
using WinLoop.Ext4.Journal;

namespace WinLoop.Ext4;

// File content, symbolic links, listings and extended attributes.
public sealed partial class Ext4Volume
{
    /// <summary>Reads file content; returns fewer bytes than asked only at the end of the file.</summary>
    public int Read(Inode inode, Span<byte> buffer, long offset)
    {
        try
        {
            RequireRegular(inode);
            int count = Files.Read(inode, buffer, offset);
            if (Options.AccessTime != AccessTimeMode.None && !IsReadOnly)
            {
                TouchAccessTime(inode);
            }
            return count;
        }
        catch (Exception e) when (OnFailure(e))
        {
            throw;
        }
    }

    /// <summary>Writes all of <paramref name="buffer"/>, or throws; on ENOSPC in the middle returns what was written.</summary>
    /// <param name="inode">A regular file.</param>
    /// <param name="buffer">The bytes.</param>
    /// <param name="offset">Where they go.</param>
    /// <param name="caller">Decides about reserved blocks.</param>
    /// <param name="updateTimes">False when the host keeps mtime and ctime itself (FUSE writeback cache).</param>
    /// <param name="mode">Where the write may go; <see cref="WriteMode.Append"/> ignores <paramref name="offset"/>.</param>
    public int Write(Inode inode, ReadOnlySpan<byte> buffer, long offset, Caller caller, bool updateTimes = true,
        WriteMode mode = WriteMode.Normal)
    {
        try
        {
            RequireWritable();
            RequireRegular(inode);
            if (offset < 0 && mode != WriteMode.Append)
            {
                throw new Ext4Exception(Errno.EINVAL);
            }
            RequireChangeable(inode, mode != WriteMode.Append && offset < inode.Size);
            return buffer.IsEmpty ? 0 : Files.Write(inode, buffer, offset, caller, updateTimes, mode);
        }
        catch (Exception e) when (OnFailure(e))
        {
            throw;
        }
    }

    /// <summary>fallocate.</summary>
    public void Allocate(Inode inode, AllocateMode mode, long offset, long length, Caller caller)
    {
        try
        {
            RequireWritable();
            RequireRegular(inode);
            if (offset < 0 || length <= 0 || offset > long.MaxValue - length)
            {
                throw new Ext4Exception(Errno.EINVAL);
            }
            RequireChangeable(inode, (mode & ~AllocateMode.KeepSize) != 0);
            Files.Allocate(inode, mode, offset, length, caller);
        }
        catch (Exception e) when (OnFailure(e))
        {
            throw;
        }
    }

    /// <summary>SEEK_DATA (<paramref name="hole"/> false) or SEEK_HOLE.</summary>
    /// <exception cref="Ext4Exception">ENXIO: at or past the end, or no data behind.</exception>
    public long Seek(Inode inode, long offset, bool hole)
    {
        try
        {
            RequireRegular(inode);
            return Files.Seek(inode, offset, hole);
        }
        catch (Exception e) when (OnFailure(e))
        {
            throw;
        }
    }

    /// <summary>Reads a symbolic link; returns the target's length.</summary>
    /// <exception cref="Ext4Exception">EINVAL: not a link; ERANGE: the buffer is too small.</exception>
    public int ReadLink(Inode inode, Span<byte> buffer)
    {
        try
        {
            if (!inode.IsSymlink)
            {
                throw new Ext4Exception(Errno.EINVAL);
            }
            int length = (int)Math.Min(inode.Size, Geometry.BlockSize);
            if (length == 0 || inode.Size >= Geometry.BlockSize)
            {
                throw new Ext4CorruptException($"symlink inode {inode.Number}", $"i_size {inode.Size}");
            }
            if (length > buffer.Length)
            {
                throw new Ext4Exception(Errno.ERANGE);
            }
            if (IsFastSymlink(inode))
            {
                ReadOnlySpan<byte> area = inode.Block;
                area[..length].CopyTo(buffer);
                return length;
            }
            ExtentMapping mapping = Extents.Map(inode, 0);
            if (mapping.State != ExtentState.Written)
            {
                throw new Ext4CorruptException($"symlink inode {inode.Number}", "its block is not mapped");
            }
            using MetadataBuffer block = Cache.Read(mapping.PhysicalOf(0), BufferKind.Raw);
            block.Data[..length].CopyTo(buffer);
            return length;
        }
        catch (Exception e) when (OnFailure(e))
        {
            throw;
        }
    }

    internal static bool IsFastSymlink(Inode inode) => inode.IsSymlink && !inode.HasExtents && inode.Size < 60;

    /// <summary>Lists a directory from a position on (0 = start), "." and ".." included.</summary>
    public void ReadDirectory(Inode directory, ulong position, DirectoryEntrySink sink)
    {
        try
        {
            RequireDirectory(directory);
            directory.Lock.EnterRead();
            try
            {
                Directories.List(directory, position, sink);
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

    /// <summary>False if the inode has no extended attributes at all; known without looking for most inodes.</summary>
    public bool HasExtendedAttributes(Inode inode) =>
        inode.FileAcl != 0 || inode.InlineAttributes == InlineState.Present ||
        (inode.InlineAttributes == InlineState.Unknown && ListExtendedAttributes(inode, default) > 0);

    /// <summary>getxattr: the value's length, −1 if there is none; fills <paramref name="buffer"/> unless empty.</summary>
    public int GetExtendedAttribute(Inode inode, ReadOnlySpan<byte> name, Span<byte> buffer)
    {
        try
        {
            inode.Lock.EnterRead();
            try
            {
                return Attributes.Get(inode, name, buffer);
            }
            finally
            {
                inode.Lock.ExitRead();
            }
        }
        catch (Exception e) when (OnFailure(e))
        {
            throw;
        }
    }

    /// <summary>listxattr: names with NULs; returns the length, fills <paramref name="buffer"/> unless empty.</summary>
    public int ListExtendedAttributes(Inode inode, Span<byte> buffer)
    {
        try
        {
            inode.Lock.EnterRead();
            try
            {
                return Attributes.List(inode, buffer);
            }
            finally
            {
                inode.Lock.ExitRead();
            }
        }
        catch (Exception e) when (OnFailure(e))
        {
            throw;
        }
    }

    /// <summary>setxattr.</summary>
    /// <param name="inode">Any inode.</param>
    /// <param name="name">With its prefix.</param>
    /// <param name="value">The value.</param>
    /// <param name="mode">Whether it must or must not exist.</param>
    /// <param name="killSetGid">Clear set-group-id (FUSE_SETXATTR_ACL_KILL_SGID).</param>
    public void SetExtendedAttribute(Inode inode, ReadOnlySpan<byte> name, ReadOnlySpan<byte> value, AttributeSetMode mode,
        bool killSetGid = false)
    {
        try
        {
            RequireWritable();
            inode.Lock.EnterWrite();
            try
            {
                RequireUnprotected(inode);
                for (bool isRetry = false; ; isRetry = true)
                {
                    try
                    {
                        SetAttributeLocked(inode, name, value, mode, killSetGid);
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
            }
        }
        catch (Exception e) when (OnFailure(e))
        {
            throw;
        }
    }

    private void SetAttributeLocked(Inode inode, ReadOnlySpan<byte> name, ReadOnlySpan<byte> value, AttributeSetMode mode, bool killSetGid)
    {
        using Handle handle = Journal.Start(AttributeStore.Credits + 2);
        Attributes.Set(handle, inode, name, value, mode);
        if (killSetGid && (inode.Mode & InodeMode.SetGid) != 0)
        {
            inode.Mode = (ushort)(inode.Mode & ~InodeMode.SetGid);
            Inodes.Write(handle, inode);
        }
    }

    /// <summary>removexattr.</summary>
    /// <exception cref="Ext4Exception">ENODATA.</exception>
    public void RemoveExtendedAttribute(Inode inode, ReadOnlySpan<byte> name)
    {
        try
        {
            RequireWritable();
            inode.Lock.EnterWrite();
            try
            {
                RequireUnprotected(inode);
                using Handle handle = Journal.Start(AttributeStore.Credits + 2);
                if (!Attributes.Remove(handle, inode, name))
                {
                    throw new Ext4Exception(Errno.ENODATA);
                }
            }
            finally
            {
                inode.Lock.ExitWrite();
            }
        }
        catch (Exception e) when (OnFailure(e))
        {
            throw;
        }
    }

    private void TouchAccessTime(Inode inode)
    {
        if ((inode.Flags & InodeFlags.NoAtime) != 0)
        {
            return;
        }
        Timestamp now = Timestamp.Now;
        if (Options.AccessTime == AccessTimeMode.Relative &&
            inode.AccessTime.Seconds > inode.ModifyTime.Seconds && inode.AccessTime.Seconds > inode.ChangeTime.Seconds &&
            now.Seconds - inode.AccessTime.Seconds < 24 * 3600)
        {
            return;
        }
        inode.Lock.EnterWrite();
        try
        {
            using Handle handle = Journal.Start(2);
            inode.AccessTime = Clamp(inode, now);
            Inodes.Write(handle, inode);
        }
        finally
        {
            inode.Lock.ExitWrite();
        }
    }

    private static void RequireRegular(Inode inode)
    {
        if (inode.IsDirectory)
        {
            throw new Ext4Exception(Errno.EISDIR);
        }
        if (!inode.IsRegular)
        {
            throw new Ext4Exception(Errno.EINVAL);
        }
        RequireAlive(inode);
    }

    private static void RequireDirectory(Inode inode)
    {
        if (!inode.IsDirectory)
        {
            throw new Ext4Exception(Errno.ENOTDIR);
        }
    }

    private static void RequireUnprotected(Inode inode)
    {
        RequireAlive(inode);
        if ((inode.Flags & (InodeFlags.Immutable | InodeFlags.Append)) != 0)
        {
            throw new Ext4Exception(Errno.EPERM);
        }
    }

    private static void RequireChangeable(Inode inode, bool changesOldContent)
    {
        if ((inode.Flags & InodeFlags.Immutable) != 0 || (changesOldContent && (inode.Flags & InodeFlags.Append) != 0))
        {
            throw new Ext4Exception(Errno.EPERM);
        }
    }
}
