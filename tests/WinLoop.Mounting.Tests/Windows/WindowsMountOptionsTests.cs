using WinLoop.Mounting.Windows;

namespace WinLoop.Mounting.Tests.Windows;

public sealed class WindowsMountOptionsTests
{
    [Fact]
    public void DefaultsAreTheSafeOnes()
    {
        WindowsMountOptions options = WindowsMountOptions.Parse(false, null, null, null, null, null, null, false);
        Assert.Equal(new WindowsMountOptions(), options);
        Assert.Equal((AclMode.Owner, "ext4", false), (options.Meaning.Acl, options.FileSystemName, options.FastCache));
        Assert.Equal(Convert.ToUInt16("22", 8), options.Meaning.Umask);
    }

    [Fact]
    public void TakesEveryOption()
    {
        WindowsMountOptions options = WindowsMountOptions.Parse(true, "posix", "1000", "100", "077", "NTFS", "fast", true);
        Assert.Equal(AclMode.Posix, options.Meaning.Acl);
        Assert.Equal((1000u, 100u, (ushort)63), (options.Meaning.Uid!.Value, options.Meaning.Gid!.Value, options.Meaning.Umask));
        Assert.True(options.Meaning.CaseSensitive && options.Meaning.HideDotFiles && options.FastCache);
        Assert.Equal("NTFS", options.FileSystemName);
    }

    [Theory]
    [InlineData("--acl", "nobody", null, null, null, null, null)]
    [InlineData("--uid", null, "-1", null, null, null, null)]
    [InlineData("--uid", null, "4294967295", null, null, null, null)]
    [InlineData("--gid", null, null, "x", null, null, null)]
    [InlineData("--umask", null, null, null, "8", null, null)]
    [InlineData("--umask", null, null, null, "1000", null, null)]
    [InlineData("--umask", null, null, null, "", null, null)]
    [InlineData("--fsname", null, null, null, null, "", null)]
    [InlineData("--fsname", null, null, null, null, "a name with spaces", null)]
    [InlineData("--fsname", null, null, null, null, "-odd", null)]
    [InlineData("--cache", null, null, null, null, null, "slow")]
    public void NamesTheOptionThatIsWrong(string option, string? acl, string? uid, string? gid, string? umask, string? name, string? cache)
    {
        MountException e = Assert.Throws<MountException>(() => WindowsMountOptions.Parse(false, acl, uid, gid, umask, name, cache, false));
        Assert.Equal(MountError.Usage, e.Error);
        Assert.Contains(option, e.Message, StringComparison.Ordinal);
    }
}
