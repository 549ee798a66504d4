using WinLoop.Ext4;
using WinLoop.Ext4.Format;
using WinLoop.Mounting.Windows.Names;

namespace WinLoop.Mounting.Windows;

// Links and special files as reparse points, both ways.
public sealed partial class WindowsFileSystem
{
    /// <summary>REPARSE_DATA_BUFFER of a name; NotAReparsePoint if it has none.</summary>
    public NtStatus GetReparsePointByName(ReadOnlySpan<char> path, Span<byte> buffer, out int length)
    {
        length = 0;
        if (!WindowsPath.TryParse(path, out WindowsPath parsed))
        {
            return NtStatus.ObjectNameInvalid;
        }
        if (parsed.HasStream)
        {
            // WinFsp would put the target in the place of the whole component: what was meant for a stream would go to
            // the target's content. A link has no streams.
            return NtStatus.NotAReparsePoint;
        }
        NtStatus status = Walk(parsed.File, out Dentry? dentry, out _);
        if (status != NtStatus.Success)
        {
            return status;
        }
        try
        {
            return EncodeReparsePoint(dentry!.Inode, buffer, out length);
        }
        finally
        {
            _names.Unpin(dentry);
        }
    }

    /// <summary>REPARSE_DATA_BUFFER of an open file.</summary>
    public NtStatus GetReparsePoint(WindowsFile file, Span<byte> buffer, out int length) =>
        EncodeReparsePoint(file.Inode, buffer, out length);

    /// <summary>Turns an empty file or directory into a link or a special file.</summary>
    /// <remarks>ext4 keeps the type in the inode: a new inode takes the name in one transaction, and this open, and every
    /// later one, means the new one. Device numbers come with the extended attribute $LXDEV.</remarks>
    public NtStatus SetReparsePoint(WindowsFile file, ReadOnlySpan<char> path, ReadOnlySpan<byte> data)
    {
        if (IsReadOnly)
        {
            return NtStatus.MediaWriteProtected;
        }
        Span<byte> target = stackalloc byte[LinkTarget.MaxLength];
        NtStatus status = ReparseData.Decode(data, target, out ushort type, out int length);
        if (status != NtStatus.Success)
        {
            return status;
        }
        Inode inode = file.Inode;
        if (file.Stream is not null || file.Dentry.Place.Parent is null)
        {
            return NtStatus.InvalidParameter;
        }
        if (ReparseTagOf(inode.Mode) != 0 && inode.Type != type)
        {
            return NtStatus.IoReparseTagMismatch; // the tag that stands there has to be deleted first
        }
        if (length >= _volume.Geometry.BlockSize)
        {
            return NtStatus.IoReparseDataInvalid;
        }
        if (inode.IsDirectory && !IsEmpty(inode))
        {
            return NtStatus.DirectoryNotEmpty;
        }
        if (inode.IsRegular && inode.Size != 0)
        {
            return NtStatus.NotSupported; // on NTFS a file may have both; here it cannot
        }
        return ReplaceNode(file, type, 0, target[..length]);
    }

    /// <summary>Turns a link into an empty file.</summary>
    public NtStatus DeleteReparsePoint(WindowsFile file, ReadOnlySpan<char> path, ReadOnlySpan<byte> data)
    {
        if (IsReadOnly)
        {
            return NtStatus.MediaWriteProtected;
        }
        NtStatus status = ReparseData.CheckDelete(data, file.Inode.Mode);
        if (status != NtStatus.Success)
        {
            return status;
        }
        // A link's permissions are everybody's: the file gets those of a new one, in the same transaction.
        ushort? permissions = file.Inode.IsSymlink ? (ushort)(0x1B6 & ~_options.Umask) : null;
        return ReplaceNode(file, InodeMode.Regular, 0, default, permissions);
    }

    private static uint ReparseTagOf(ushort mode) => ReparseData.TagOf(mode);

    private NtStatus EncodeReparsePoint(Inode inode, Span<byte> buffer, out int length)
    {
        Span<byte> target = inode.IsSymlink ? stackalloc byte[LinkTarget.MaxLength + 1] : default;
        if (inode.IsSymlink)
        {
            target = target[..(int)Math.Min(target.Length, inode.Size)];
            target = target[.._volume.ReadLink(inode, target)];
        }
        return ReparseData.Encode(inode.Mode, target, buffer, out length);
    }

    // WSL creates links and special files in one step.
    private NtStatus PlanReparsePoint(ReadOnlySpan<byte> data, ref NewNode node)
    {
        byte[] target = new byte[LinkTarget.MaxLength];
        NtStatus status = ReparseData.Decode(data, target, out node.Type, out int length);
        node.Target = target.AsSpan(0, length);
        return status != NtStatus.Success ? status
            : length >= _volume.Geometry.BlockSize ? NtStatus.IoReparseDataInvalid : NtStatus.Success;
    }

    // Another inode under the name of an open file; the open goes over to it.
    private NtStatus ReplaceNode(WindowsFile file, ushort type, uint device, ReadOnlySpan<byte> target, ushort? permissions = null)
    {
        Dentry dentry = file.Dentry;
        Inode old = file.Inode;
        Span<byte> name = stackalloc byte[WindowsName.MaxLength];
        while (true)
        {
            DentryPlace place = dentry.Place;
            Dentry parent = place.Parent!;
            lock (parent.Directory!.ChangeLock)
            {
                if (!dentry.IsHashed || !ReferenceEquals(dentry.Inode, old))
                {
                    return NtStatus.FileDeleted;
                }
                if (!ReferenceEquals(dentry.Place, place))
                {
                    continue; // moved meanwhile
                }
                int length = WindowsName.Encode(place.Name, name);
                using var change = new NameCache.Change(parent);
                Inode inode = _volume.ReplaceNode(parent.Inode, name[..length], old, type, device, target, permissions);
                _names.Replaced(dentry, inode);
                _volume.AddReference(inode);
                file.Inode = inode;
                file.IsDirectory = false;
            }
            _volume.Release(old);
            TreeChanged();
            return NtStatus.Success;
        }
    }
}
