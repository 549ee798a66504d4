using WinLoop.Ext4.Journal;

namespace WinLoop.Ext4.Attributes;

// POSIX ACLs: what setting, inheriting and chmod mean beyond storing a value.
internal sealed partial class AttributeStore
{
    private const int PermissionBits = 0x1FF;

    /// <summary>
    /// Gives a new inode its access ACL and, for directories, its default ACL from the parent's default ACL;
    /// returns the mode to use. Without a default ACL: the mode without the umask's bits.
    /// </summary>
    public ushort InheritAcl(Handle handle, Inode parent, Inode child, ushort mode, ushort umask)
    {
        if (child.IsSymlink)
        {
            return mode;
        }
        if (ReadAcl(parent, AttributeIndex.DefaultAcl) is not { } acl)
        {
            return (ushort)(mode & ~(umask & PermissionBits));
        }
        byte[] inherited = acl.ToDisk();
        bool isExtended = acl.Masquerade(ref mode);
        if (child.IsDirectory)
        {
            Change(handle, child, AttributeIndex.DefaultAcl, default, inherited, remove: false, AttributeSetMode.CreateOrReplace);
        }
        if (isExtended)
        {
            Change(handle, child, AttributeIndex.AccessAcl, default, acl.ToDisk(), remove: false, AttributeSetMode.CreateOrReplace);
        }
        return mode;
    }

    /// <summary>True if the directory has a default ACL to hand on.</summary>
    public bool HasDefaultAcl(Inode directory) => GetValue(directory, AttributeIndex.DefaultAcl, default, default, isWire: false) >= 0;

    /// <summary>After chmod: puts the new group bits into the access ACL's mask (or group) entry.</summary>
    /// <exception cref="Ext4Exception">ENOSPC: the ACL is in a shared block and there is no room for a copy.</exception>
    public void OnModeChanged(Handle handle, Inode inode)
    {
        if (!inode.IsSymlink && ReadAcl(inode, AttributeIndex.AccessAcl) is { } acl)
        {
            acl.ChangeMode(inode.Mode);
            Change(handle, inode, AttributeIndex.AccessAcl, default, acl.ToDisk(), remove: false, AttributeSetMode.CreateOrReplace);
        }
    }

    private void SetAcl(Handle handle, Inode inode, AttributeIndex index, ReadOnlySpan<byte> wire)
    {
        if (inode.IsSymlink)
        {
            throw new Ext4Exception(Errno.EOPNOTSUPP, "symbolic links have no ACL");
        }
        bool isDefault = index == AttributeIndex.DefaultAcl;
        PosixAcl? acl = PosixAcl.FromWire(wire, isAllowed: !isDefault || inode.IsDirectory);
        ushort mode = inode.Mode;
        if (!isDefault && acl is not null)
        {
            bool isMode = acl.IsEquivalentToMode(out ushort permissions);
            mode = (ushort)((mode & ~PermissionBits) | permissions);
            acl = isMode ? null : acl;
        }
        Change(handle, inode, index, default, acl?.ToDisk(), remove: acl is null, AttributeSetMode.CreateOrReplace);
        if (mode != inode.Mode)
        {
            inode.Mode = mode;
            Touch(handle, inode);
        }
    }

    private PosixAcl? ReadAcl(Inode inode, AttributeIndex index)
    {
        if (inode.InlineAttributes == InlineState.Empty && inode.FileAcl == 0)
        {
            return null;
        }
        int length = GetValue(inode, index, default, default, isWire: false);
        if (length < 0)
        {
            return null;
        }
        byte[] disk = new byte[length];
        GetValue(inode, index, default, disk, isWire: false);
        return PosixAcl.FromDisk(disk);
    }
}
