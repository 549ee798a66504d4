namespace WinLoop.Mounting.Windows;

/// <summary>
/// Linux user and group numbers as SIDs, for <see cref="AclMode.Posix"/>. Every number has a SID and comes back from it.
/// </summary>
/// <remarks>
/// The mounting user comes first: the option uid is that user's SID, the option gid that of the group. Then the rules of
/// Cygwin and WinFsp:
/// <code>
/// RID &lt; 0x200, 1000        S-1-5-RID                  0x200 &lt;= RID &lt; 1000    S-1-5-32-RID
/// 65534                    S-1-0-65534                0x10000 + 0x100*X + Y  S-1-X-Y, X &lt; 16
/// 0x30000 + RID            the mounting user's domain (S-1-5-21-a-b-c) and RID
/// 0x60000 + RID            S-1-16-RID                 0x1000*X + RID         S-1-5-X-RID for the rest below 0x100000
/// </code>
/// Those give nothing, or nothing that comes back, for the rest; that is S-1-22-1-uid and S-1-22-2-gid, as Samba calls
/// Unix users and groups. S-1-5-88-1-uid and S-1-5-88-2-gid, NFS's names for the same, are understood.
/// </remarks>
internal sealed class SidMap
{
    private const uint Nobody = 65534, DomainBase = 0x30000, LabelBase = 0x60000, AuthorityBase = 0x10000;
    private const int UnixAuthority = 22, LabelAuthority = 16;
    private const uint Builtin = 32, NonUniqueDomain = 21, LogonSession = 5, NfsDomain = 88;

    private readonly byte[] _owner, _group;
    private readonly uint? _uid, _gid;
    private readonly byte[]? _domain;

    /// <summary>Takes the mounting user from the options.</summary>
    public SidMap(WindowsOptions options)
    {
        _owner = OwnerOf(options);
        _group = GroupOf(options);
        _uid = options.OwnerSid is null ? null : options.Uid;
        _gid = options.GroupSid is null ? null : options.Gid;
        if (Sid.Count(_owner) == 5 && Sid.Authority(_owner) == Sid.NtAuthority && Sid.SubAuthority(_owner, 0) == NonUniqueDomain)
        {
            _domain = _owner;
        }
    }

    /// <summary>The mounting user's SID; BUILTIN\Administrators if nobody says, or what is said is no SID.</summary>
    public static byte[] OwnerOf(WindowsOptions options) => Sid.IsValid(options.OwnerSid) ? options.OwnerSid! : Sid.Administrators;

    /// <summary>The mounting user's group; the user's SID if nobody says.</summary>
    public static byte[] GroupOf(WindowsOptions options) => Sid.IsValid(options.GroupSid) ? options.GroupSid! : OwnerOf(options);

    /// <summary>Writes the SID of a user; returns its length, at most <see cref="Sid.MaxLength"/>.</summary>
    public int FromUser(uint uid, Span<byte> sid) => From(uid, sid, _uid, _owner, 1);

    /// <summary>Writes the SID of a group; returns its length.</summary>
    public int FromGroup(uint gid, Span<byte> sid) => From(gid, sid, _gid, _group, 2);

    /// <summary>The user of a SID; false if it stands for none.</summary>
    public bool TryUser(ReadOnlySpan<byte> sid, out uint uid) => TryMap(sid, _uid, _owner, 1, out uid);

    /// <summary>The group of a SID; false if it stands for none.</summary>
    public bool TryGroup(ReadOnlySpan<byte> sid, out uint gid) => TryMap(sid, _gid, _group, 2, out gid);

    private int From(uint id, Span<byte> sid, uint? own, byte[] ownSid, uint kind)
    {
        if (id == own)
        {
            ownSid.CopyTo(sid);
            return ownSid.Length;
        }
        int length = WellKnown(id, sid);

        // What other numbers are given by option, and what nothing leads back from, has Samba's form.
        return length > 0 && TryMap(sid[..length], own, ownSid, kind, out uint back) && back == id
            ? length
            : Sid.Write(sid, UnixAuthority, kind, id);
    }

    private int WellKnown(uint id, Span<byte> sid)
    {
        switch (id)
        {
            case < 0x200 or 1000:
                return Sid.Write(sid, Sid.NtAuthority, id);
            case < 1000:
                return Sid.Write(sid, Sid.NtAuthority, Builtin, id);
            case Nobody:
                return Sid.Write(sid, 0, Nobody);
            case >= AuthorityBase and < AuthorityBase + 0x1000:
                return Sid.Write(sid, id - AuthorityBase >> 8, id & 0xFF);
            case >= LabelBase and < LabelBase + 0x10000:
                return Sid.Write(sid, LabelAuthority, id - LabelBase);
            case >= DomainBase and < DomainBase + 0x10000:
                return _domain is null ? 0 : Sid.Write(sid, Sid.NtAuthority, NonUniqueDomain,
                    Sid.SubAuthority(_domain, 1), Sid.SubAuthority(_domain, 2), Sid.SubAuthority(_domain, 3), id - DomainBase);
            case >= 0x1000 and < 0x100000:
                return Sid.Write(sid, Sid.NtAuthority, id >> 12, id & 0xFFF);
            default:
                return 0;
        }
    }

    private bool TryMap(ReadOnlySpan<byte> sid, uint? own, byte[] ownSid, uint kind, out uint id)
    {
        id = 0;
        if (!Sid.IsValid(sid) || Sid.Count(sid) == 0)
        {
            return false;
        }
        if (own is { } given && sid.SequenceEqual(ownSid))
        {
            id = given;
            return true;
        }
        int count = Sid.Count(sid);
        uint first = Sid.SubAuthority(sid, 0), last = Sid.SubAuthority(sid, count - 1);
        switch (Sid.Authority(sid))
        {
            case Sid.NtAuthority when count == 1:
                id = last;
                return last is < 0x200 or 1000;
            case Sid.NtAuthority when count == 2 && first == Builtin:
                id = last;
                return last is >= 0x200 and < 1000;
            case Sid.NtAuthority when count == 3 && first == NfsDomain:
                id = last;
                return Sid.SubAuthority(sid, 1) == kind;
            case Sid.NtAuthority when count == 5 && first == NonUniqueDomain:
                id = DomainBase + last;
                return _domain is not null && last < 0x10000
                    && sid[8..24].SequenceEqual(_domain.AsSpan(8, 16));
            case Sid.NtAuthority when count == 2 && first is > 0 and < 0x100 and not LogonSession:
                id = (first << 12) + last;
                return last < 0x1000 && WellKnownIsNtPair(id);
            case LabelAuthority when count == 1:
                id = LabelBase + last;
                return last < 0x10000;
            case UnixAuthority when count == 2:
                id = last;
                return first == kind;
            case 0 when count == 1 && last == Nobody:
                id = Nobody;
                return true;
            case var authority and < 16 when count == 1:
                id = AuthorityBase + (uint)authority * 0x100 + last;
                return last < 0x100 && authority != Sid.NtAuthority;
            default:
                return false;
        }
    }

    private static bool WellKnownIsNtPair(uint id) => id != Nobody
        && id is not (>= AuthorityBase and < AuthorityBase + 0x1000 or >= DomainBase and < DomainBase + 0x10000 or >= LabelBase and < LabelBase + 0x10000);
}
