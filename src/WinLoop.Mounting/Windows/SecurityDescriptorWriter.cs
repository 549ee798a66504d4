using static System.Buffers.Binary.BinaryPrimitives;

namespace WinLoop.Mounting.Windows;

/// <summary>
/// Builds a self-relative descriptor (SECURITY_DESCRIPTOR_RELATIVE): header, owner, group, DACL. The DACL is protected:
/// nothing above the volume is inherited into it.
/// </summary>
internal ref struct SecurityDescriptorWriter
{
    internal const int HeaderLength = 20, AclHeaderLength = 8, AceHeaderLength = 8;
    internal const ushort DaclPresent = 0x4, DaclProtected = 0x1000, SelfRelative = 0x8000;
    internal const byte AllowedType = 0, DeniedType = 1;

    private readonly Span<byte> _buffer;
    private readonly int _dacl;
    private int _used;
    private ushort _aces;

    /// <summary>Starts a descriptor.</summary>
    /// <param name="buffer">Room for all of it.</param>
    /// <param name="owner">Binary SID.</param>
    /// <param name="group">Binary SID.</param>
    public SecurityDescriptorWriter(Span<byte> buffer, scoped ReadOnlySpan<byte> owner, scoped ReadOnlySpan<byte> group)
    {
        _buffer = buffer;
        buffer[..HeaderLength].Clear();
        buffer[0] = 1;
        WriteUInt16LittleEndian(buffer[2..], DaclPresent | DaclProtected | SelfRelative);
        WriteUInt32LittleEndian(buffer[4..], HeaderLength);
        owner.CopyTo(buffer[HeaderLength..]);
        int groupAt = HeaderLength + owner.Length;
        WriteUInt32LittleEndian(buffer[8..], (uint)groupAt);
        group.CopyTo(buffer[groupAt..]);
        _dacl = groupAt + group.Length;
        WriteUInt32LittleEndian(buffer[16..], (uint)_dacl);
        _used = _dacl + AclHeaderLength;
    }

    /// <summary>Adds an ACE that grants; none if the mask is empty.</summary>
    public void Allow(scoped ReadOnlySpan<byte> sid, uint mask) => Add(AllowedType, sid, mask);

    /// <summary>Adds an ACE that denies; none if the mask is empty.</summary>
    public void Deny(scoped ReadOnlySpan<byte> sid, uint mask) => Add(DeniedType, sid, mask);

    /// <summary>Ends the DACL; the descriptor's length.</summary>
    public readonly int Finish()
    {
        Span<byte> acl = _buffer[_dacl..];
        acl[0] = 2;
        acl[1] = 0;
        WriteUInt16LittleEndian(acl[2..], (ushort)(_used - _dacl));
        WriteUInt16LittleEndian(acl[4..], _aces);
        WriteUInt16LittleEndian(acl[6..], 0);
        return _used;
    }

    private void Add(byte type, scoped ReadOnlySpan<byte> sid, uint mask)
    {
        if (mask == 0)
        {
            return;
        }
        Span<byte> ace = _buffer.Slice(_used, AceHeaderLength + sid.Length);
        ace[0] = type;
        ace[1] = 0;
        WriteUInt16LittleEndian(ace[2..], (ushort)ace.Length);
        WriteUInt32LittleEndian(ace[4..], mask);
        sid.CopyTo(ace[AceHeaderLength..]);
        _used += ace.Length;
        _aces++;
    }
}
