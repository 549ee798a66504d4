using WinLoop.Ext4;

namespace WinLoop.Mounting.Tests;

public sealed class MountOptionParserTests
{
    private static MountOptions Parse(string list, List<string>? notes = null) =>
        MountOptionParser.Parse(list, new MountOptions(), notes ?? []);

    [Fact]
    public void Nothing_gives_the_defaults()
    {
        Assert.Equal(new MountOptions(), Parse(""));
        Assert.Equal(new MountOptions(), Parse("defaults,,rw,"));
        Assert.Equal(AccessTimeMode.None, new MountOptions().AccessTime);
    }

    [Fact]
    public void Words_and_values_are_read()
    {
        MountOptions o = Parse("ro,strictatime,nosuid,nodev,noexec,sync,dirsync,offset=1M,sizelimit=2M,errors=continue," +
            "data=ordered,commit=30,barrier=0,discard,noload,allow_other,cache=16M");
        Assert.True(o.IsReadOnly);
        Assert.Equal(AccessTimeMode.Strict, o.AccessTime);
        Assert.False(o.Suid);
        Assert.False(o.Dev);
        Assert.False(o.Exec);
        Assert.True(o.Sync && o.DirSync && o.Discard && o.SkipRecovery);
        Assert.Equal(1 << 20, o.Offset);
        Assert.Equal(2 << 20, o.SizeLimit);
        Assert.Equal(ErrorsBehaviour.Continue, o.Errors);
        Assert.Equal(30, o.CommitInterval);
        Assert.False(o.Barrier);
        Assert.True(o.AllowOther);
        Assert.Equal(16 << 20, o.CacheBytes);
    }

    [Fact]
    public void The_last_word_wins()
    {
        Assert.False(Parse("ro,rw").IsReadOnly);
        Assert.True(Parse("nobarrier,barrier=1").Barrier);
        Assert.Equal(AccessTimeMode.Relative, Parse("strictatime,relatime").AccessTime);
    }

    [Theory]
    [InlineData("loop")]
    [InlineData("noauto,nofail,_netdev,user,x-systemd.automount,X-mount.mkdir,comment=hello,acl,user_xattr")]
    public void Words_of_fstab_are_ignored(string list) => Assert.Equal(new MountOptions(), Parse(list));

    [Theory]
    [InlineData("nonsense", "nonsense")]
    [InlineData("ro,nonsense=1", "nonsense=1")]
    [InlineData("commit=abc", "commit=abc")]
    [InlineData("commit=-1", "commit=-1")]
    [InlineData("offset=x", "offset=x")]
    [InlineData("cache=1", "cache=1")]
    [InlineData("errors=explode", "errors=explode")]
    [InlineData("data=none", "data=none")]
    [InlineData("barrier=2", "barrier=2")]
    [InlineData("noload", "noload")]
    [InlineData("ro=1", "ro=1")]
    [InlineData("offset", "offset")]
    public void Mistakes_are_named(string list, string named)
    {
        MountException e = Assert.Throws<MountException>(() => Parse(list));
        Assert.Equal(MountError.Usage, e.Error);
        Assert.Contains(named, e.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("data=journal")]
    [InlineData("data=writeback")]
    [InlineData("remount")]
    [InlineData("stripe=4")]
    public void What_ext4_has_and_WinLoop_has_not_is_named(string option)
    {
        MountException e = Assert.Throws<MountException>(() => Parse("ro," + option));
        Assert.Equal(MountError.Unsupported, e.Error);
        Assert.Contains(option, e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Panic_is_softened_and_said()
    {
        var notes = new List<string>();
        Assert.Equal(ErrorsBehaviour.RemountReadOnly, Parse("errors=panic", notes).Errors);
        Assert.Single(notes);
    }

    [Fact]
    public void Users_get_nosuid_and_nodev_whatever_they_ask()
    {
        MountOptions o = Parse("suid,dev");
        Assert.Contains("nosuid", o.ToMountWords(false, privileged: false));
        Assert.Contains("nodev", o.ToMountWords(false, privileged: false));
        Assert.Contains("suid", o.ToMountWords(false, privileged: true));
        Assert.Contains("nosuid", Parse("nosuid").ToMountWords(false, privileged: true));
        Assert.Contains("ro", o.ToMountWords(true, privileged: true));
    }
}
