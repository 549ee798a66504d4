using WinLoop.Ext4.Journal;

namespace WinLoop.Ext4.Attributes;

/// <summary>
/// Extended attributes: in the inode, then in one block that several inodes may share. Names are given with
/// their prefix (<c>user.x</c>, <c>system.posix_acl_access</c>). Callers hold the inode lock: shared to read,
/// exclusive to change. POSIX ACLs cross this interface in the getxattr form (version 2) and are stored in
/// ext4's own form (version 1).
/// </summary>
internal sealed class AttributeStore(Ext4Volume volume)
{
    /// <summary>The most blocks that one change joins.</summary>
    public const int Credits = 12;

    /// <summary>The value's length, −1 if there is no such attribute; fills <paramref name="buffer"/> if it is
    /// not empty.</summary>
    /// <exception cref="Ext4Exception">ERANGE: the buffer is too small; EOPNOTSUPP: unknown prefix.</exception>
    public int Get(Inode inode, ReadOnlySpan<byte> name, Span<byte> buffer) => throw new NotImplementedException();

    /// <summary>All names, each with its prefix and a NUL; returns the length, fills <paramref name="buffer"/> if
    /// it is not empty. <c>system.data</c> is hidden.</summary>
    public int List(Inode inode, Span<byte> buffer) => throw new NotImplementedException();

    /// <summary>Sets a value inside a handle and updates ctime.</summary>
    /// <exception cref="Ext4Exception">EEXIST, ENODATA, ENOSPC (does not fit), ERANGE (name too long), EOPNOTSUPP.</exception>
    public void Set(Handle handle, Inode inode, ReadOnlySpan<byte> name, ReadOnlySpan<byte> value, AttributeSetMode mode) => throw new NotImplementedException();

    /// <summary>Removes an attribute; false if there is none.</summary>
    public bool Remove(Handle handle, Inode inode, ReadOnlySpan<byte> name) => throw new NotImplementedException();

    /// <summary>Drops the attribute block of an inode that is being freed.</summary>
    public void FreeAll(Handle handle, Inode inode) => throw new NotImplementedException();

    /// <summary>
    /// Gives a new inode its access ACL and, for directories, its default ACL from the parent's default ACL;
    /// returns the mode to use. Without a default ACL: the mode without the umask's bits.
    /// </summary>
    public ushort InheritAcl(Handle handle, Inode parent, Inode child, ushort mode, ushort umask) => throw new NotImplementedException();

    /// <summary>True if the inode has an ACL of its own or a default one to hand on.</summary>
    public bool HasDefaultAcl(Inode directory) => throw new NotImplementedException();

    /// <summary>After chmod: puts the new group bits into the access ACL's mask (or group) entry.</summary>
    public void OnModeChanged(Handle handle, Inode inode) => throw new NotImplementedException();

    private Ext4Volume Volume => volume;
}
