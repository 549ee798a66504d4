using static System.Buffers.Binary.BinaryPrimitives;

namespace WinLoop.Ext4.Attributes;

/// <summary>e_tag of an ACL entry.</summary>
internal enum AclTag : ushort
{
    UserOwner = 0x01, User = 0x02, GroupOwner = 0x04, Group = 0x08, Mask = 0x10, Other = 0x20,
}

/// <summary>One entry of an ACL.</summary>
/// <param name="Tag">Whom it is for.</param>
/// <param name="Permissions">rwx, 0 .. 7.</param>
/// <param name="Id">User or group id of <see cref="AclTag.User"/> and <see cref="AclTag.Group"/>.</param>
internal readonly record struct AclEntry(AclTag Tag, ushort Permissions, uint Id);

/// <summary>
/// A POSIX ACL: valid, that is with its entries in order and a mask where named users or groups need one.
/// Two forms outside: the "wire" form of getxattr (version 2, 8 bytes an entry) and ext4's on disk (version 1,
/// entries without an id take 4 bytes).
/// </summary>
internal sealed class PosixAcl
{
    private const uint WireVersion = 2, DiskVersion = 1;
    private const int HeaderSize = 4, LongSize = 8, ShortSize = 4;
    private const uint UndefinedId = 0xFFFFFFFF;

    private readonly AclEntry[] _entries;

    private PosixAcl(AclEntry[] entries) => _entries = entries;

    /// <summary>Parses what setxattr got; null if it has no entries, which means "no ACL".</summary>
    /// <param name="wire">The value.</param>
    /// <param name="isAllowed">False if the object cannot have this ACL: told only for what parses, as in the kernel.</param>
    /// <exception cref="Ext4Exception">EINVAL: malformed; EOPNOTSUPP: another version; EACCES: not allowed.</exception>
    public static PosixAcl? FromWire(ReadOnlySpan<byte> wire, bool isAllowed = true)
    {
        if (wire.Length < HeaderSize || (wire.Length - HeaderSize) % LongSize != 0)
        {
            throw new Ext4Exception(Errno.EINVAL, "malformed ACL");
        }
        if (ReadUInt32LittleEndian(wire) != WireVersion)
        {
            throw new Ext4Exception(Errno.EOPNOTSUPP, "ACL version");
        }
        var entries = new AclEntry[(wire.Length - HeaderSize) / LongSize];
        for (int i = 0; i < entries.Length; i++)
        {
            ReadOnlySpan<byte> raw = wire.Slice(HeaderSize + (i * LongSize), LongSize);
            entries[i] = new AclEntry((AclTag)ReadUInt16LittleEndian(raw), ReadUInt16LittleEndian(raw[2..]), ReadUInt32LittleEndian(raw[4..]));
            if (!Enum.IsDefined(entries[i].Tag) || (HasId(entries[i].Tag) && entries[i].Id == UndefinedId))
            {
                throw new Ext4Exception(Errno.EINVAL, "malformed ACL");
            }
        }
        if (entries.Length == 0)
        {
            return null;
        }
        if (!isAllowed)
        {
            throw new Ext4Exception(Errno.EACCES, "only directories have a default ACL");
        }
        return IsValid(entries) ? new PosixAcl(entries) : throw new Ext4Exception(Errno.EINVAL, "malformed ACL");
    }

    /// <summary>Parses an ACL from the disk.</summary>
    /// <exception cref="Ext4CorruptException">Malformed.</exception>
    public static PosixAcl FromDisk(ReadOnlySpan<byte> disk)
    {
        int count = 0;
        for (var reader = new DiskReader(disk); reader.TryRead(out _); count++)
        {
        }
        var entries = new AclEntry[count];
        count = 0;
        for (var reader = new DiskReader(disk); reader.TryRead(out AclEntry entry);)
        {
            entries[count++] = entry;
        }
        return IsValid(entries) ? new PosixAcl(entries) : throw Malformed();
    }

    /// <summary>Turns an ACL from the disk into the wire form; returns its length, fills the buffer unless that is empty.</summary>
    public static int ToWire(ReadOnlySpan<byte> disk, Span<byte> buffer)
    {
        int length = HeaderSize;
        for (var reader = new DiskReader(disk); reader.TryRead(out _);)
        {
            length += LongSize;
        }
        if (buffer.IsEmpty)
        {
            return length;
        }
        if (buffer.Length < length)
        {
            throw new Ext4Exception(Errno.ERANGE);
        }
        WriteUInt32LittleEndian(buffer, WireVersion);
        int at = HeaderSize;
        for (var reader = new DiskReader(disk); reader.TryRead(out AclEntry entry); at += LongSize)
        {
            WriteUInt16LittleEndian(buffer[at..], (ushort)entry.Tag);
            WriteUInt16LittleEndian(buffer[(at + 2)..], entry.Permissions);
            WriteUInt32LittleEndian(buffer[(at + 4)..], entry.Id);
        }
        return length;
    }

    /// <summary>The form that is stored.</summary>
    public byte[] ToDisk()
    {
        int size = HeaderSize;
        foreach (AclEntry entry in _entries)
        {
            size += HasId(entry.Tag) ? LongSize : ShortSize;
        }
        byte[] disk = new byte[size];
        WriteUInt32LittleEndian(disk, DiskVersion);
        int at = HeaderSize;
        foreach (AclEntry entry in _entries)
        {
            WriteUInt16LittleEndian(disk.AsSpan(at), (ushort)entry.Tag);
            WriteUInt16LittleEndian(disk.AsSpan(at + 2), entry.Permissions);
            if (HasId(entry.Tag))
            {
                WriteUInt32LittleEndian(disk.AsSpan(at + 4), entry.Id);
            }
            at += HasId(entry.Tag) ? LongSize : ShortSize;
        }
        return disk;
    }

    /// <summary>The permission bits that stand for this ACL in a mode; true if they say all of it.</summary>
    public bool IsEquivalentToMode(out ushort permissions)
    {
        int mode = 0;
        bool isEquivalent = true;
        foreach (AclEntry entry in _entries)
        {
            switch (entry.Tag)
            {
                case AclTag.UserOwner:
                    mode |= entry.Permissions << 6;
                    break;
                case AclTag.GroupOwner:
                    mode |= entry.Permissions << 3;
                    break;
                case AclTag.Other:
                    mode |= entry.Permissions;
                    break;
                case AclTag.Mask:
                    mode = (mode & ~0x38) | entry.Permissions << 3;
                    isEquivalent = false;
                    break;
                default:
                    isEquivalent = false;
                    break;
            }
        }
        permissions = (ushort)mode;
        return isEquivalent;
    }

    /// <summary>Makes the access ACL of a new inode out of the parent's default ACL: both it and the mode keep only what
    /// the other allows too. True if the ACL says more than the mode.</summary>
    public bool Masquerade(ref ushort mode)
    {
        int group = Array.FindIndex(_entries, static e => e.Tag == AclTag.Mask);
        if (group < 0)
        {
            group = Array.FindIndex(_entries, static e => e.Tag == AclTag.GroupOwner);
        }
        int user = Array.FindIndex(_entries, static e => e.Tag == AclTag.UserOwner);
        int other = Array.FindIndex(_entries, static e => e.Tag == AclTag.Other);
        int permissions = Restrict(user, mode >> 6) << 6 | Restrict(group, mode >> 3) << 3 | Restrict(other, mode);
        mode = (ushort)((mode & ~0x1FF) | permissions);
        return !IsEquivalentToMode(out _);
    }

    /// <summary>Follows a chmod.</summary>
    public void ChangeMode(ushort mode)
    {
        bool hasMask = Array.Exists(_entries, static e => e.Tag == AclTag.Mask);
        for (int i = 0; i < _entries.Length; i++)
        {
            int shift = _entries[i].Tag switch
            {
                AclTag.UserOwner => 6,
                AclTag.Mask => 3,
                AclTag.GroupOwner when !hasMask => 3,
                AclTag.Other => 0,
                _ => -1,
            };
            if (shift >= 0)
            {
                _entries[i] = _entries[i] with { Permissions = (ushort)(mode >> shift & 7) };
            }
        }
    }

    private int Restrict(int index, int bits)
    {
        _entries[index] = _entries[index] with { Permissions = (ushort)(_entries[index].Permissions & bits & 7) };
        return _entries[index].Permissions;
    }

    // Owner, named users, owning group, named groups, mask, others: in this order, the unnamed exactly once.
    private static bool IsValid(AclEntry[] entries)
    {
        AclTag last = 0;
        bool hasNamed = false, hasMask = false;
        int required = 0;
        foreach (AclEntry entry in entries)
        {
            if (entry.Permissions > 7 || entry.Tag < last || (entry.Tag == last && !HasId(entry.Tag)))
            {
                return false;
            }
            switch (entry.Tag)
            {
                case AclTag.UserOwner:
                case AclTag.GroupOwner:
                case AclTag.Other:
                    required++;
                    break;
                case AclTag.User:
                case AclTag.Group:
                    if (entry.Id == UndefinedId)
                    {
                        return false;
                    }
                    hasNamed = true;
                    break;
                case AclTag.Mask:
                    hasMask = true;
                    break;
                default:
                    return false;
            }
            last = entry.Tag;
        }
        return required == 3 && (hasMask || !hasNamed);
    }

    private static bool HasId(AclTag tag) => tag is AclTag.User or AclTag.Group;

    private static Ext4CorruptException Malformed() => new("attribute", "malformed ACL");

    private ref struct DiskReader
    {
        private ReadOnlySpan<byte> _rest;

        public DiskReader(ReadOnlySpan<byte> disk)
        {
            if (disk.Length < HeaderSize || ReadUInt32LittleEndian(disk) != DiskVersion)
            {
                throw Malformed();
            }
            _rest = disk[HeaderSize..];
        }

        public bool TryRead(out AclEntry entry)
        {
            if (_rest.IsEmpty)
            {
                entry = default;
                return false;
            }
            int size = _rest.Length < ShortSize ? int.MaxValue : HasId((AclTag)ReadUInt16LittleEndian(_rest)) ? LongSize : ShortSize;
            if (_rest.Length < size)
            {
                throw Malformed();
            }
            entry = new AclEntry((AclTag)ReadUInt16LittleEndian(_rest), ReadUInt16LittleEndian(_rest[2..]),
                size == LongSize ? ReadUInt32LittleEndian(_rest[4..]) : UndefinedId);
            _rest = _rest[size..];
            return true;
        }
    }
}
