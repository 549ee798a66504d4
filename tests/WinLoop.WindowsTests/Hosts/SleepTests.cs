using WinLoop.Mounting.Windows;
using WinLoop.TestKit;
using WinLoop.WindowsTests.StandIn.Client;

namespace WinLoop.WindowsTests.Hosts;

/// <summary>What the hosts do when the machine sleeps.</summary>
public sealed class SleepTests
{
    public static TheoryData<HostKind> Kinds => [HostKind.Builtin, HostKind.Package];

    [Theory]
    [MemberData(nameof(Kinds))]
    public void A_suspended_mount_is_clean_on_the_disk_and_goes_on(HostKind kind)
    {
        using var mount = new HostMount(kind);
        NtFile open = mount.Client.Create(@"\open", disposition: Disposition.Create);
        open.Write(0, "before"u8);
        mount.Client.FlushVolume().ThrowIfFailed("flush");
        mount.Host.Suspend();
        mount.Image.AssertClean();
        Assert.Equal("before", Shell.Script($"debugfs -R 'cat /open' {mount.Image.Path} 2>/dev/null"));
        Assert.True(mount.Host.Resume());
        Assert.Equal(NtStatus.Success, open.TryWrite(6, " and after"u8));
        open.Dispose();
        mount.Finish();
        Assert.Equal("before and after", mount.Image.WithKernel("cat $M/open"));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void An_image_changed_during_a_sleep_is_not_written(HostKind kind)
    {
        using var mount = new HostMount(kind);
        mount.Client.WriteAll(@"\ours", "ours"u8);
        mount.Client.FlushVolume().ThrowIfFailed("flush");
        mount.Host.Suspend();
        mount.Image.WithKernel("echo theirs >$M/theirs");
        string theirs = Shell.Script($"sha256sum <{mount.Image.Path}");
        Assert.False(mount.Host.Resume());
        Assert.Equal(NtStatus.MediaWriteProtected, mount.Client.CreateStatus(@"\more", disposition: Disposition.Create));
        mount.Host.Unmount(force: true);
        mount.Host.WaitForUnmount();
        Assert.Equal(theirs, Shell.Script($"sha256sum <{mount.Image.Path}"));
        mount.Image.AssertClean();
    }
}
