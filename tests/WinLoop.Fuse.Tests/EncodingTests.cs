using System.Text;
using WinLoop.Ext4;
using WinLoop.Ext4.Format;
using WinLoop.Fuse.Operations;
using WinLoop.Fuse.Protocol;
using FileAttributes = WinLoop.Ext4.FileAttributes;

namespace WinLoop.Fuse.Tests;

public unsafe class EncodingTests
{
    private static readonly FileAttributes Sample = new()
    {
        Inode = 12, Generation = 77, Mode = 0x81A4, Links = 3, Uid = 1000, Gid = 100, Size = 5_000_000_000, Blocks = 8,
        BlockSize = 1024, Device = 0x12345678, Flags = InodeFlags.Immutable | InodeFlags.Extents,
        AccessTime = new(-5, 1), ModifyTime = new(2, 999_999_999), ChangeTime = new(Timestamp.MaxSeconds, 3), BirthTime = new(4, 4),
    };

    [Theory]
    [InlineData(2u, 1ul)]
    [InlineData(1u, 2ul)]
    [InlineData(3u, 3ul)]
    [InlineData(uint.MaxValue, uint.MaxValue)]
    public void Node_ids_are_inode_numbers_with_the_root_swapped(uint inode, ulong nodeId)
    {
        Assert.Equal(nodeId, NodeTable.ToNodeId(inode));
        Assert.Equal(inode, NodeTable.ToInode(nodeId));
    }

    [Fact]
    public void An_entry_carries_identity_and_attributes()
    {
        EntryOut entry;
        AttributeEncoding.Encode(Sample, Sample.Generation, &entry);
        Assert.Equal((12ul, 77ul), (entry.NodeId, entry.Generation));
        Assert.Equal((86400ul, 86400ul), (entry.EntryValid, entry.AttrValid));
        Assert.Equal((12ul, 5_000_000_000ul, 8ul), (entry.Attr.Inode, entry.Attr.Size, entry.Attr.Blocks));
        Assert.Equal((-5L, 1u), (entry.Attr.Atime, entry.Attr.AtimeNs));
        Assert.Equal((Timestamp.MaxSeconds, 3u), (entry.Attr.Ctime, entry.Attr.CtimeNs));
        Assert.Equal((0x81A4u, 3u, 1000u, 100u, 0x12345678u), (entry.Attr.Mode, entry.Attr.Links, entry.Attr.Uid, entry.Attr.Gid, entry.Attr.Device));
    }

    [Fact]
    public void The_root_has_generation_0()
    {
        EntryOut entry;
        AttributeEncoding.Encode(Sample with { Inode = 2 }, 77, &entry);
        Assert.Equal((1ul, 0ul, 2ul), (entry.NodeId, entry.Generation, entry.Attr.Inode));
    }

    [Fact]
    public void Statx_carries_birth_time_flags_and_a_split_device()
    {
        StatXOut reply;
        AttributeEncoding.Encode(Sample, &reply);
        Assert.Equal((4L, 4u), (reply.Btime.Seconds, reply.Btime.Nanoseconds));
        Assert.Equal(0xFFFu, reply.Mask);
        Assert.Equal((0x10ul, 0x70ul), (reply.Attributes, reply.AttributesMask));
        Assert.Equal((0x456u, 0x12378u), (reply.DeviceMajor, reply.DeviceMinor));
    }

    [Theory]
    [InlineData("user.a\0trusted.b\0security.c\0", "user.a\0security.c\0")]
    [InlineData("trusted.b\0", "")]
    [InlineData("user.a\0", "user.a\0")]
    [InlineData("", "")]
    public void Trusted_names_are_hidden_from_users(string names, string expected)
    {
        byte[] bytes = Encoding.ASCII.GetBytes(names);
        Assert.Equal(expected, Encoding.ASCII.GetString(bytes, 0, XattrOperations.HideTrusted(bytes)));
    }

    [Fact]
    public void File_flags_and_xflags_translate_both_ways()
    {
        Assert.Equal(0x8u | 0x40, FileAttributeFlags.ToXFlags(InodeFlags.Immutable | InodeFlags.NoAtime | InodeFlags.Extents));
        Assert.Equal(FileAttributeFlags.Mapped, FileAttributeFlags.FromXFlags(uint.MaxValue));
    }
}
