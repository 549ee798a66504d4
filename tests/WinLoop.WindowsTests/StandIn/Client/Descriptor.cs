using System.Buffers.Binary;

namespace WinLoop.WindowsTests.StandIn.Client;

/// <summary>Self-relative security descriptors and SIDs, as programs make and read them.</summary>
internal static class Descriptor
{
    /// <summary>OWNER, GROUP, DACL_SECURITY_INFORMATION.</summary>
    public const uint Owner = 1, Group = 2, Dacl = 4, All = 7;

    private const int Head = 20;
    private const ushort SelfRelative = 0x8000, DaclPresent = 4;

    public static readonly byte[] Everyone = Sid(1, 0), Administrators = Sid(5, 32, 544), System = Sid(5, 18);

    /// <summary>The user 1001 and group 513 of the domain that the stand-in's programs are of unless they say otherwise.</summary>
    public static readonly byte[] DefaultUser = Sid(5, 21, 1, 2, 3, 1001), DefaultGroup = Sid(5, 21, 1, 2, 3, 513);

    /// <summary>S-1-authority-subauthorities.</summary>
    public static byte[] Sid(byte authority, params ReadOnlySpan<uint> parts)
    {
        byte[] sid = new byte[8 + (4 * parts.Length)];
        (sid[0], sid[1], sid[7]) = (1, (byte)parts.Length, authority);
        for (int i = 0; i < parts.Length; i++)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(sid.AsSpan(8 + (4 * i)), parts[i]);
        }
        return sid;
    }

    /// <summary>A descriptor; entries in their order.</summary>
    public static byte[] Make(byte[] owner, byte[] group, params ReadOnlySpan<(byte[] Sid, uint Mask, bool Allows)> entries)
    {
        var bytes = new List<byte>(new byte[Head]);
        bytes.AddRange(owner);
        int groupAt = bytes.Count;
        bytes.AddRange(group);
        int daclAt = bytes.Count;
        bytes.AddRange([2, 0, 0, 0, (byte)entries.Length, 0, 0, 0]);
        foreach ((byte[] sid, uint mask, bool allows) in entries)
        {
            bytes.AddRange([allows ? (byte)0 : (byte)1, 0, .. BitConverter.GetBytes((ushort)(8 + sid.Length)), .. BitConverter.GetBytes(mask), .. sid]);
        }
        byte[] descriptor = [.. bytes];
        descriptor[0] = 1;
        BinaryPrimitives.WriteUInt16LittleEndian(descriptor.AsSpan(2), SelfRelative | DaclPresent);
        BinaryPrimitives.WriteInt32LittleEndian(descriptor.AsSpan(4), Head);
        BinaryPrimitives.WriteInt32LittleEndian(descriptor.AsSpan(8), groupAt);
        BinaryPrimitives.WriteInt32LittleEndian(descriptor.AsSpan(16), daclAt);
        BinaryPrimitives.WriteUInt16LittleEndian(descriptor.AsSpan(daclAt + 2), (ushort)(descriptor.Length - daclAt));
        return descriptor;
    }

    /// <summary>The owner's SID.</summary>
    public static byte[] OwnerOf(byte[] descriptor) => SidAt(descriptor, BitConverter.ToInt32(descriptor, 4));

    /// <summary>The group's SID.</summary>
    public static byte[] GroupOf(byte[] descriptor) => SidAt(descriptor, BitConverter.ToInt32(descriptor, 8));

    private static byte[] SidAt(byte[] descriptor, int at) => descriptor[at..(at + 8 + (4 * descriptor[at + 1]))];
}
