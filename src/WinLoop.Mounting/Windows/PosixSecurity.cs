using WinLoop.Ext4.Format;

namespace WinLoop.Mounting.Windows;

/// <summary>Owner, group and mode as a security descriptor, and back (<see cref="AclMode.Posix"/>).</summary>
/// <remarks>
/// POSIX takes the first class that fits and no other; Windows adds up everything that a token's SIDs are granted. What
/// a later class has more than an earlier one is therefore denied first. With the rights O, G, W of owner, group and
/// others the DACL is: deny owner (G|W)-O; allow owner O; deny group W-G; allow group G; allow Everyone W. Since the
/// first entry that names a right decides, the owner gets exactly O and a member exactly G. The group's denial stands
/// among the denials at the front, where Windows' tools expect it, if it takes nothing from an owner who is a member.
/// <para>Rights that POSIX gives without asking the mode (status, owner's chmod and utimes) are always granted. The right
/// to delete is write permission on the directory: DELETE_CHILD there, for the directory's owner alone if it is
/// sticky. The owner of a file has DELETE besides.</para>
/// </remarks>
internal static class PosixSecurity
{
    /// <summary>Bytes that the longest descriptor needs.</summary>
    public const int MaxDescriptor = SecurityDescriptorWriter.HeaderLength + SecurityDescriptorWriter.AclHeaderLength
        + 2 * Sid.MaxLength + 5 * (SecurityDescriptorWriter.AceHeaderLength + Sid.MaxLength);

    /// <summary>SECURITY_INFORMATION: what SetSecurity changes.</summary>
    public const uint OwnerInformation = 1, GroupInformation = 2, DaclInformation = 4;

    private const uint Always = AccessMask.Synchronize | AccessMask.ReadControl | AccessMask.ReadAttributes | AccessMask.ReadEa;
    private const uint OwnerAlways = Always | AccessMask.Delete | AccessMask.WriteDac | AccessMask.WriteOwner | AccessMask.WriteAttributes;
    private const uint Writing = AccessMask.WriteData | AccessMask.AppendData | AccessMask.WriteEa | AccessMask.WriteAttributes;

    /// <summary>Writes the descriptor; returns its length, at most <see cref="MaxDescriptor"/>.</summary>
    public static int Write(SidMap map, uint uid, uint gid, ushort mode, Span<byte> buffer)
    {
        Span<byte> ownerBuffer = stackalloc byte[Sid.MaxLength], groupBuffer = stackalloc byte[Sid.MaxLength];
        ReadOnlySpan<byte> owner = ownerBuffer[..map.FromUser(uid, ownerBuffer)];
        ReadOnlySpan<byte> group = groupBuffer[..map.FromGroup(gid, groupBuffer)];

        bool isDirectory = (mode & InodeMode.TypeMask) == InodeMode.Directory;
        bool isShared = isDirectory && (mode & InodeMode.Sticky) == 0;
        uint forOwner = OwnerAlways | Rights(mode >> 6, isDirectory);
        uint forGroup = Always | Rights(mode >> 3, isShared);
        uint forOthers = Always | Rights(mode, isShared);
        uint denyOwner = (forGroup | forOthers) & ~forOwner;
        uint denyGroup = forOthers & ~forGroup;
        bool isCanonical = (denyGroup & forOwner) == 0;

        var writer = new SecurityDescriptorWriter(buffer, owner, group);
        writer.Deny(owner, denyOwner);
        if (isCanonical)
        {
            writer.Deny(group, denyGroup);
        }
        writer.Allow(owner, forOwner);
        if (!isCanonical)
        {
            writer.Deny(group, denyGroup);
        }
        writer.Allow(group, forGroup);
        writer.Allow(Sid.Everyone, forOthers);
        return writer.Finish();
    }

    /// <summary>What a descriptor that Windows sets means for an inode.</summary>
    /// <param name="map">Numbers and SIDs.</param>
    /// <param name="descriptor">Self-relative; not trusted.</param>
    /// <param name="information">The parts that count.</param>
    /// <param name="uid">The owner: as it was, and as it becomes.</param>
    /// <param name="gid">The group.</param>
    /// <param name="mode">The mode; type, set-id and sticky bits stay.</param>
    /// <returns><see cref="NtStatus.InvalidSecurityDescriptor"/>, or <see cref="NtStatus.InvalidOwner"/> for a SID that
    /// stands for no number; nothing is changed then.</returns>
    public static NtStatus Read(SidMap map, ReadOnlySpan<byte> descriptor, uint information, ref uint uid, ref uint gid, ref ushort mode)
    {
        if (!SecurityDescriptorReader.TryParse(descriptor, out SecurityDescriptorReader reader))
        {
            return NtStatus.InvalidSecurityDescriptor;
        }
        uint newUid = uid, newGid = gid;
        if ((information & OwnerInformation) != 0 && !map.TryUser(reader.Owner, out newUid))
        {
            return reader.Owner.IsEmpty ? NtStatus.InvalidSecurityDescriptor : NtStatus.InvalidOwner;
        }
        if ((information & GroupInformation) != 0 && !map.TryGroup(reader.Group, out newGid))
        {
            return reader.Group.IsEmpty ? NtStatus.InvalidSecurityDescriptor : NtStatus.InvalidOwner;
        }
        if ((information & DaclInformation) != 0)
        {
            // The SIDs that the descriptor itself names count, if it names them: they are what its entries speak of.
            Span<byte> buffer = stackalloc byte[2 * Sid.MaxLength];
            ReadOnlySpan<byte> owner = reader.Owner.IsEmpty ? buffer[..map.FromUser(newUid, buffer)] : reader.Owner;
            Span<byte> rest = buffer[Sid.MaxLength..];
            ReadOnlySpan<byte> group = reader.Group.IsEmpty ? rest[..map.FromGroup(newGid, rest)] : reader.Group;
            mode = (ushort)(mode & ~0x1FF | Permissions(reader, owner, group));
        }
        uid = newUid;
        gid = newGid;
        return NtStatus.Success;
    }

    /// <summary>The nine permission bits that a DACL gives to its owner, its group and everybody else.</summary>
    public static int Permissions(in SecurityDescriptorReader descriptor, ReadOnlySpan<byte> owner, ReadOnlySpan<byte> group)
    {
        int ofOwner = Bits(Evaluate(descriptor, owner, isOwner: true));
        int ofGroup = Bits(Evaluate(descriptor, group, isOwner: false));
        int ofOthers = Bits(Evaluate(descriptor, default, isOwner: false));
        return ofOwner << 6 | ofGroup << 3 | ofOthers;
    }

    // What a token with this one SID, and those that every logged-in user has, is granted. The owner is not taken for a
    // member of the group: a denial for the group would else reach the owner's bits.
    private static uint Evaluate(in SecurityDescriptorReader descriptor, ReadOnlySpan<byte> sid, bool isOwner)
    {
        if (!descriptor.HasDacl)
        {
            return AccessMask.FileAll;
        }
        uint granted = 0, denied = 0;
        SecurityDescriptorReader.AceEnumerator aces = descriptor.Aces;
        while (aces.MoveNext())
        {
            ReadOnlySpan<byte> who = aces.CurrentSid;
            bool isMeant = !who.IsEmpty && (who.SequenceEqual(sid) || who.SequenceEqual(Sid.Everyone)
                || who.SequenceEqual(Sid.AuthenticatedUsers) || who.SequenceEqual(Sid.Users) || (isOwner && who.SequenceEqual(Sid.OwnerRights)));
            if (isMeant && aces.Current.IsAllow)
            {
                granted |= aces.Current.Mask & ~denied;
            }
            else if (isMeant && aces.Current.IsDeny)
            {
                denied |= aces.Current.Mask & ~granted;
            }
        }
        return granted;
    }

    private static uint Rights(int bits, bool withDeleteChild) =>
        ((bits & 4) != 0 ? AccessMask.ReadData : 0)
        | ((bits & 2) != 0 ? Writing | (withDeleteChild ? AccessMask.DeleteChild : 0) : 0)
        | ((bits & 1) != 0 ? AccessMask.Execute : 0);

    private static int Bits(uint granted) =>
        ((granted & AccessMask.ReadData) != 0 ? 4 : 0) | ((granted & AccessMask.WriteData) != 0 ? 2 : 0)
        | ((granted & AccessMask.Execute) != 0 ? 1 : 0);
}
