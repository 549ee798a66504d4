using System.Buffers.Binary;
using WinLoop.Ext4.Attributes;

namespace WinLoop.Ext4.Tests.Attributes;

public class PosixAclTests
{
    /// <summary>An ACL in the form of setxattr; ids of unnamed entries are undefined.</summary>
    internal static byte[] Wire(params (int Tag, int Permissions, uint Id)[] entries)
    {
        byte[] wire = new byte[4 + (entries.Length * 8)];
        wire[0] = 2;
        for (int i = 0; i < entries.Length; i++)
        {
            BinaryPrimitives.WriteUInt16LittleEndian(wire.AsSpan(4 + (i * 8)), (ushort)entries[i].Tag);
            BinaryPrimitives.WriteUInt16LittleEndian(wire.AsSpan(6 + (i * 8)), (ushort)entries[i].Permissions);
            BinaryPrimitives.WriteUInt32LittleEndian(wire.AsSpan(8 + (i * 8)), entries[i].Tag is 2 or 8 ? entries[i].Id : uint.MaxValue);
        }
        return wire;
    }

    private static readonly byte[] s_full = Wire((1, 7, 0), (2, 6, 1000), (2, 5, 1001), (4, 5, 0), (8, 4, 50), (0x10, 6, 0), (0x20, 1, 0));

    [Fact]
    public void DiskAndWireAreTwoFormsOfOne()
    {
        PosixAcl acl = PosixAcl.FromWire(s_full)!;
        byte[] disk = acl.ToDisk();
        Assert.Equal(4 + (4 * 4) + (3 * 8), disk.Length);
        byte[] wire = new byte[s_full.Length];
        Assert.Equal(wire.Length, PosixAcl.ToWire(disk, default));
        Assert.Equal(wire.Length, PosixAcl.ToWire(disk, wire));
        Assert.Equal(s_full, wire);
        Assert.Equal(disk, PosixAcl.FromDisk(disk).ToDisk());
        Assert.Equal(Errno.ERANGE, Assert.Throws<Ext4Exception>(() => PosixAcl.ToWire(disk, new byte[20])).Errno);
        Assert.False(acl.IsEquivalentToMode(out ushort permissions));
        Assert.Equal(Convert.ToUInt16("761", 8), permissions);
    }

    [Fact]
    public void MalformedAclsAreRefused()
    {
        byte[][] bad =
        [
            [], [2, 0, 0], [2, 0, 0, 0, 1],
            Wire((1, 7, 0)),
            Wire((1, 7, 0), (4, 7, 0)),
            Wire((4, 7, 0), (1, 7, 0), (0x20, 7, 0)),
            Wire((1, 7, 0), (1, 7, 0), (4, 7, 0), (0x20, 7, 0)),
            Wire((1, 8, 0), (4, 7, 0), (0x20, 7, 0)),
            Wire((1, 7, 0), (2, 7, 5), (4, 7, 0), (0x20, 7, 0)),
            Wire((1, 7, 0), (2, 7, uint.MaxValue), (4, 7, 0), (0x10, 7, 0), (0x20, 7, 0)),
            Wire((1, 7, 0), (3, 7, 5), (4, 7, 0), (0x10, 7, 0), (0x20, 7, 0)),
            Wire((1, 7, 0), (4, 7, 0), (0x10, 7, 0), (0x10, 7, 0), (0x20, 7, 0)),
        ];
        foreach (byte[] wire in bad)
        {
            Assert.Equal(Errno.EINVAL, Assert.Throws<Ext4Exception>(() => PosixAcl.FromWire(wire)).Errno);
        }
        Assert.Null(PosixAcl.FromWire(Wire()));
        Assert.Equal(Errno.EOPNOTSUPP, Assert.Throws<Ext4Exception>(() => PosixAcl.FromWire([1, 0, 0, 0])).Errno);
        foreach (byte[] disk in (byte[][])[[], [1, 0, 0], [2, 0, 0, 0], [1, 0, 0, 0], [1, 0, 0, 0, 1, 0], [1, 0, 0, 0, 2, 0, 7, 0, 1]])
        {
            Assert.Throws<Ext4CorruptException>(() => PosixAcl.FromDisk(disk));
        }
    }
}
