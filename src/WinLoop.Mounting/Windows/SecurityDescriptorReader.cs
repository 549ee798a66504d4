using static System.Buffers.Binary.BinaryPrimitives;

namespace WinLoop.Mounting.Windows;

/// <summary>A self-relative descriptor that came from outside: every offset is checked when it is taken apart.</summary>
internal readonly ref struct SecurityDescriptorReader
{
    private SecurityDescriptorReader(ReadOnlySpan<byte> owner, ReadOnlySpan<byte> group, bool hasDacl, ReadOnlySpan<byte> aces, int aceCount)
    {
        Owner = owner;
        Group = group;
        HasDacl = hasDacl;
        _aces = aces;
        _aceCount = aceCount;
    }

    private readonly ReadOnlySpan<byte> _aces;
    private readonly int _aceCount;

    /// <summary>Binary SID; empty if the descriptor has none.</summary>
    public ReadOnlySpan<byte> Owner { get; }

    /// <summary>Binary SID; empty if the descriptor has none.</summary>
    public ReadOnlySpan<byte> Group { get; }

    /// <summary>False: no DACL or a null one, which both grant everything to everybody.</summary>
    public bool HasDacl { get; }

    /// <summary>The entries of the DACL in order.</summary>
    public AceEnumerator Aces => new(_aces, _aceCount);

    /// <summary>Takes a descriptor apart.</summary>
    /// <returns>False if any part lies outside, or is no SID or ACL.</returns>
    public static bool TryParse(ReadOnlySpan<byte> bytes, out SecurityDescriptorReader descriptor)
    {
        descriptor = default;
        if (bytes.Length < SecurityDescriptorWriter.HeaderLength || bytes[0] != 1)
        {
            return false;
        }
        ushort control = ReadUInt16LittleEndian(bytes[2..]);
        if ((control & SecurityDescriptorWriter.SelfRelative) == 0
            || !TrySid(bytes, ReadUInt32LittleEndian(bytes[4..]), out ReadOnlySpan<byte> owner)
            || !TrySid(bytes, ReadUInt32LittleEndian(bytes[8..]), out ReadOnlySpan<byte> group))
        {
            return false;
        }
        uint daclAt = ReadUInt32LittleEndian(bytes[16..]);
        if ((control & SecurityDescriptorWriter.DaclPresent) == 0 || daclAt == 0)
        {
            descriptor = new SecurityDescriptorReader(owner, group, false, default, 0);
            return true;
        }
        if (!TrySlice(bytes, daclAt, out ReadOnlySpan<byte> acl) || acl.Length < SecurityDescriptorWriter.AclHeaderLength
            || acl[0] is < 2 or > 4)
        {
            return false;
        }
        int size = ReadUInt16LittleEndian(acl[2..]);
        int count = ReadUInt16LittleEndian(acl[4..]);
        if (size < SecurityDescriptorWriter.AclHeaderLength || size > acl.Length)
        {
            return false;
        }
        ReadOnlySpan<byte> aces = acl[SecurityDescriptorWriter.AclHeaderLength..size];
        ReadOnlySpan<byte> rest = aces;
        for (int i = 0; i < count; i++)
        {
            int length = rest.Length < SecurityDescriptorWriter.AceHeaderLength ? 0 : ReadUInt16LittleEndian(rest[2..]);
            if (length < SecurityDescriptorWriter.AceHeaderLength || length > rest.Length)
            {
                return false;
            }
            rest = rest[length..];
        }
        descriptor = new SecurityDescriptorReader(owner, group, true, aces, count);
        return true;
    }

    private static bool TrySid(ReadOnlySpan<byte> bytes, uint offset, out ReadOnlySpan<byte> sid)
    {
        sid = default;
        if (offset == 0)
        {
            return true;
        }
        if (!TrySlice(bytes, offset, out ReadOnlySpan<byte> at) || Sid.LengthAt(at) is var length && length == 0)
        {
            return false;
        }
        sid = at[..length];
        return true;
    }

    private static bool TrySlice(ReadOnlySpan<byte> bytes, uint offset, out ReadOnlySpan<byte> at)
    {
        bool isInside = offset >= SecurityDescriptorWriter.HeaderLength && offset < (uint)bytes.Length;
        at = isInside ? bytes[(int)offset..] : default;
        return isInside;
    }

    /// <summary>One entry.</summary>
    /// <param name="Type">ACE_TYPE.</param>
    /// <param name="Flags">INHERIT_ONLY_ACE and so on.</param>
    /// <param name="Mask">Rights, generic ones replaced.</param>
    public readonly record struct Ace(byte Type, byte Flags, uint Mask)
    {
        private const byte InheritOnly = 0x8, AllowedCallback = 9, DeniedCallback = 10;

        /// <summary>True if it grants its rights without a condition.</summary>
        public bool IsAllow => Type == SecurityDescriptorWriter.AllowedType && (Flags & InheritOnly) == 0;

        /// <summary>True if it denies; conditions are taken as met.</summary>
        public bool IsDeny => Type is SecurityDescriptorWriter.DeniedType or DeniedCallback && (Flags & InheritOnly) == 0;

        /// <summary>True if a SID follows the mask.</summary>
        public bool HasPlainSid => Type is SecurityDescriptorWriter.AllowedType or SecurityDescriptorWriter.DeniedType or AllowedCallback or DeniedCallback;
    }

    /// <summary>Goes through the entries of a checked DACL.</summary>
    public ref struct AceEnumerator
    {
        private ReadOnlySpan<byte> _rest;
        private int _left;

        internal AceEnumerator(ReadOnlySpan<byte> aces, int count)
        {
            _rest = aces;
            _left = count;
        }

        /// <summary>The current entry.</summary>
        public Ace Current { get; private set; }

        /// <summary>The current entry's SID; empty if it has none that can be read.</summary>
        public ReadOnlySpan<byte> CurrentSid { get; private set; }

        /// <summary>Goes on to the next one.</summary>
        public bool MoveNext()
        {
            if (_left == 0)
            {
                return false;
            }
            _left--;
            ReadOnlySpan<byte> ace = _rest[..ReadUInt16LittleEndian(_rest[2..])];
            _rest = _rest[ace.Length..];
            Current = new Ace(ace[0], ace[1], AccessMask.MapGeneric(ReadUInt32LittleEndian(ace[4..])));
            ReadOnlySpan<byte> sid = Current.HasPlainSid ? ace[SecurityDescriptorWriter.AceHeaderLength..] : default;
            CurrentSid = sid[..Sid.LengthAt(sid)];
            return true;
        }
    }
}
