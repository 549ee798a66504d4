using WinLoop.Fuse.Mounting;

namespace WinLoop.Fuse.Tests;

public class MountFlagsTests
{
    [Theory]
    [InlineData("", 0ul)]
    [InlineData("defaults", 0ul)]
    [InlineData("ro", 1ul)]
    [InlineData("ro,rw", 0ul)]
    [InlineData("nosuid,nodev,noexec", 2ul | 4 | 8)]
    [InlineData("nosuid,suid,nodev,dev,noexec,exec", 0ul)]
    [InlineData("sync,dirsync", 0x10ul | 0x80)]
    [InlineData("noatime,nodiratime", 0x400ul | 0x800)]
    [InlineData("noatime,atime", 0ul)]
    [InlineData("noatime,relatime", 0x200000ul)]
    [InlineData("relatime,strictatime", 0x1000000ul)]
    [InlineData("allow_other,x-systemd.automount,comment=a,_netdev,nofail", 0ul)]
    public void Words_become_flag_bits(string words, ulong flags)
    {
        string[] list = words.Split(',', StringSplitOptions.RemoveEmptyEntries);
        Assert.All(list, word => Assert.True(FuseMountOptions.IsMountOption(word), word));
        Assert.Equal((words.Contains("atime") ? 0 : MountFlags.NoAtime) | flags, MountFlags.Parse(list));
    }

    [Theory]
    [InlineData("errors=continue")]
    [InlineData("offset=512")]
    [InlineData("nonsense")]
    [InlineData("")]
    [InlineData("RO")]
    public void Words_of_others_are_not_claimed(string word) => Assert.False(FuseMountOptions.IsMountOption(word));

    [Fact]
    public void The_kernel_gets_only_what_fuse_knows()
    {
        Assert.Equal("fd=7,rootmode=40000,user_id=0,group_id=0,default_permissions,allow_other,max_read=1048576",
            DirectMount.BuildData(7, 0, 0, 1 << 20, isBlockDevice: false));
        Assert.EndsWith(",blksize=4096", DirectMount.BuildData(7, 0, 0, 1 << 20, isBlockDevice: true));
    }

    [Fact]
    public void The_helper_gets_words_and_an_escaped_source()
    {
        Assert.Equal(@"ro,nosuid,nodev,noatime,default_permissions,allow_other,max_read=131072,subtype=ext4,fsname=/a\,b\\c.img",
            FusermountMount.BuildOptions(@"/a,b\c.img", MountFlags.Parse(["ro", "nosuid", "nodev", "noatime"]), 131072, allowOther: true));
    }
}
