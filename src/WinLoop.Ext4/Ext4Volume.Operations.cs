namespace WinLoop.Ext4;

// The operations of a mounted volume, in the VFS's words. "Returns a reference" = the caller calls Release.
public sealed partial class Ext4Volume
{
    /// <summary>Returns a reference to an inode by number.</summary>
    /// <exception cref="Ext4Exception">ESTALE: not in use.</exception>
    public Inode GetInode(uint number) => throw new NotImplementedException();

    /// <summary>Drops references; the last one of an unlinked inode frees it.</summary>
    public void Release(Inode inode, int count = 1) => throw new NotImplementedException();

    /// <summary>Takes another reference to an inode already held.</summary>
    public void AddReference(Inode inode) => throw new NotImplementedException();

    /// <summary>Called when the last open file of an inode closes: gives its preallocated blocks back.</summary>
    public void OnLastClose(Inode inode) => throw new NotImplementedException();

    /// <summary>Returns a reference to what a name ("." and ".." too) in a directory names; null if nothing.</summary>
    public Inode? Lookup(Inode directory, ReadOnlySpan<byte> name) => throw new NotImplementedException();

    /// <summary>Creates a file, fifo, socket or device node and returns a reference.</summary>
    /// <param name="mode">Type and permissions; no type bits = regular file.</param>
    /// <param name="device">Device number (new_encode_dev form) for device nodes.</param>
    public Inode Create(Inode directory, ReadOnlySpan<byte> name, ushort mode, uint device, Caller caller) => throw new NotImplementedException();

    /// <summary>Creates a directory and returns a reference.</summary>
    public Inode CreateDirectory(Inode directory, ReadOnlySpan<byte> name, ushort mode, Caller caller) => throw new NotImplementedException();

    /// <summary>Creates a symbolic link and returns a reference.</summary>
    public Inode CreateSymlink(Inode directory, ReadOnlySpan<byte> name, ReadOnlySpan<byte> target, Caller caller) => throw new NotImplementedException();

    /// <summary>Creates an unnamed file (O_TMPFILE) and returns a reference.</summary>
    public Inode CreateTemporary(Inode directory, ushort mode, Caller caller) => throw new NotImplementedException();

    /// <summary>Adds a name for an inode that is not a directory.</summary>
    public void Link(Inode inode, Inode directory, ReadOnlySpan<byte> name) => throw new NotImplementedException();

    /// <summary>Removes a name of something that is not a directory.</summary>
    public void Unlink(Inode directory, ReadOnlySpan<byte> name) => throw new NotImplementedException();

    /// <summary>Removes an empty directory.</summary>
    public void RemoveDirectory(Inode directory, ReadOnlySpan<byte> name) => throw new NotImplementedException();

    /// <summary>renameat2.</summary>
    public void Rename(Inode oldDirectory, ReadOnlySpan<byte> oldName, Inode newDirectory, ReadOnlySpan<byte> newName,
        RenameFlags flags, Caller caller) => throw new NotImplementedException();

    /// <summary>Reads a symbolic link; returns the target's length.</summary>
    public int ReadLink(Inode inode, Span<byte> buffer) => throw new NotImplementedException();

    /// <summary>What stat tells.</summary>
    public FileAttributes GetAttributes(Inode inode) => throw new NotImplementedException();

    /// <summary>chmod, chown, truncate, utimens.</summary>
    public void SetAttributes(Inode inode, in AttributeChanges changes, Caller caller) => throw new NotImplementedException();

    /// <summary>FS_IOC_SETFLAGS: changes the user-modifiable flags.</summary>
    public void SetFlags(Inode inode, Format.InodeFlags flags, Caller caller) => throw new NotImplementedException();

    /// <summary>Reads file content; returns fewer bytes than asked only at the end of the file.</summary>
    public int Read(Inode inode, Span<byte> buffer, long offset) => throw new NotImplementedException();

    /// <summary>Writes all of <paramref name="buffer"/>, or throws; on ENOSPC in the middle returns what was written.</summary>
    /// <param name="updateTimes">False when the host keeps mtime and ctime itself (FUSE writeback cache).</param>
    public int Write(Inode inode, ReadOnlySpan<byte> buffer, long offset, Caller caller, bool updateTimes = true) => throw new NotImplementedException();

    /// <summary>fallocate.</summary>
    public void Allocate(Inode inode, AllocateMode mode, long offset, long length, Caller caller) => throw new NotImplementedException();

    /// <summary>SEEK_DATA (<paramref name="hole"/> false) or SEEK_HOLE.</summary>
    /// <exception cref="Ext4Exception">ENXIO: at or past the end, or no data behind.</exception>
    public long Seek(Inode inode, long offset, bool hole) => throw new NotImplementedException();

    /// <summary>Lists a directory from a position on (0 = start), "." and ".." included.</summary>
    public void ReadDirectory(Inode directory, ulong position, DirectoryEntrySink sink) => throw new NotImplementedException();

    /// <summary>getxattr: the value's length, −1 if there is none; fills <paramref name="buffer"/> unless empty.</summary>
    public int GetExtendedAttribute(Inode inode, ReadOnlySpan<byte> name, Span<byte> buffer) => throw new NotImplementedException();

    /// <summary>listxattr: names with NULs; returns the length, fills <paramref name="buffer"/> unless empty.</summary>
    public int ListExtendedAttributes(Inode inode, Span<byte> buffer) => throw new NotImplementedException();

    /// <summary>setxattr.</summary>
    /// <param name="killSetGid">Clear set-group-id (FUSE_SETXATTR_ACL_KILL_SGID).</param>
    public void SetExtendedAttribute(Inode inode, ReadOnlySpan<byte> name, ReadOnlySpan<byte> value, AttributeSetMode mode,
        bool killSetGid = false) => throw new NotImplementedException();

    /// <summary>removexattr.</summary>
    /// <exception cref="Ext4Exception">ENODATA.</exception>
    public void RemoveExtendedAttribute(Inode inode, ReadOnlySpan<byte> name) => throw new NotImplementedException();

    /// <summary>Makes an inode's content and, unless <paramref name="dataOnly"/>, attributes durable.</summary>
    public void Synchronize(Inode inode, bool dataOnly) => throw new NotImplementedException();

    /// <summary>Makes everything durable.</summary>
    public void Synchronize() => throw new NotImplementedException();

    /// <summary>statfs.</summary>
    public VolumeStatistics GetStatistics() => throw new NotImplementedException();
}
