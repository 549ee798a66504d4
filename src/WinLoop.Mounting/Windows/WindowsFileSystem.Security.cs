using WinLoop.Ext4;
using WinLoop.Ext4.Format;

namespace WinLoop.Mounting.Windows;

// Security descriptors. What each mode means is in docs/windows-semantics.md.
public sealed partial class WindowsFileSystem
{
    private readonly SecurityCache _security;

    /// <summary>The descriptor of an open file: cached, not to be changed.</summary>
    public NtStatus GetSecurity(WindowsFile file, out byte[] descriptor)
    {
        descriptor = DescriptorOf(_volume.GetAttributes(file.Inode));
        return NtStatus.Success;
    }

    /// <summary>Takes a whole new descriptor, already merged with the old one by the host.</summary>
    /// <param name="file">The open file.</param>
    /// <param name="information">SECURITY_INFORMATION: which parts were changed.</param>
    /// <param name="descriptor">Self-relative.</param>
    /// <remarks>In owner and everyone mode all files have one descriptor; a new one is accepted, so that programs which
    /// copy descriptors go on, and has no effect. In posix mode it becomes owner, group and mode; one that grants or
    /// denies something to anybody else than these and everybody is refused, because it could be kept in part only.</remarks>
    public NtStatus SetSecurity(WindowsFile file, uint information, ReadOnlySpan<byte> descriptor)
    {
        if (IsReadOnly)
        {
            return NtStatus.MediaWriteProtected;
        }
        if (!SecurityDescriptorReader.TryParse(descriptor, out SecurityDescriptorReader reader))
        {
            return NtStatus.InvalidSecurityDescriptor;
        }
        if (!_security.IsPerFile)
        {
            return NtStatus.Success;
        }
        Ext4.FileAttributes stat = _volume.GetAttributes(file.Inode);
        uint uid = stat.Uid, gid = stat.Gid;
        ushort mode = stat.Mode;
        NtStatus status = PosixSecurity.Read(_security.Map, descriptor, information, ref uid, ref gid, ref mode);
        if (status != NtStatus.Success)
        {
            return status;
        }
        if ((information & PosixSecurity.DaclInformation) != 0 && !IsExpressible(reader, uid, gid))
        {
            return NtStatus.NotSupported;
        }
        var changes = new AttributeChanges
        {
            Uid = uid != stat.Uid ? uid : null,
            Gid = gid != stat.Gid ? gid : null,
            Mode = mode != stat.Mode && stat.Mode >> 12 != InodeMode.Symlink >> 12 ? (ushort)(mode & InodeMode.Permissions) : null,
        };
        if (changes.Uid is not null || changes.Gid is not null || changes.Mode is not null)
        {
            _volume.SetAttributes(file.Inode, changes, _writer);
        }
        return NtStatus.Success;
    }

    private byte[] DescriptorOf(in Ext4.FileAttributes stat) => _security.Get(stat.Uid, stat.Gid, stat.Mode);

    // Everybody whom the entries speak of is the owner, the group, everybody, or one who may do everything anyway.
    private bool IsExpressible(in SecurityDescriptorReader descriptor, uint uid, uint gid)
    {
        Span<byte> owner = stackalloc byte[Sid.MaxLength], group = stackalloc byte[Sid.MaxLength];
        owner = owner[.._security.Map.FromUser(uid, owner)];
        group = group[.._security.Map.FromGroup(gid, group)];
        SecurityDescriptorReader.AceEnumerator aces = descriptor.Aces;
        while (aces.MoveNext())
        {
            if (!aces.Current.IsAllow && !aces.Current.IsDeny)
            {
                continue; // audits, and what only concerns things to come
            }
            ReadOnlySpan<byte> who = aces.CurrentSid;
            bool isKnown = who.SequenceEqual(owner) || who.SequenceEqual(group) || who.SequenceEqual(descriptor.Owner) ||
                who.SequenceEqual(descriptor.Group) || who.SequenceEqual(Sid.Everyone) || who.SequenceEqual(Sid.AuthenticatedUsers) ||
                who.SequenceEqual(Sid.Users) || who.SequenceEqual(Sid.OwnerRights) || who.SequenceEqual(Sid.LocalSystem) ||
                who.SequenceEqual(Sid.Administrators);
            if (!isKnown)
            {
                return false;
            }
        }
        return true;
    }
}
