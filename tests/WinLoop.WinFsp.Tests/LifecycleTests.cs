using WinLoop.Ext4;
using WinLoop.Mounting.Windows;
using WinLoop.Storage;
using WinLoop.TestKit;
using WinLoop.WinFsp.Binding;
using WinLoop.WinFsp.Callbacks;
using WinLoop.WinFsp.Hosting;
using WinLoop.WinFsp.Package;
using WinLoop.WinFsp.Tests.Doubles;

namespace WinLoop.WinFsp.Tests;

/// <summary>From the mount to the closed image.</summary>
public sealed class LifecycleTests
{
    public static TheoryData<HostKind> Hosts => [HostKind.Builtin, HostKind.Package];

    [Theory]
    [MemberData(nameof(Hosts))]
    public void Unmounting_with_files_open_keeps_what_was_written(HostKind kind)
    {
        using MountedVolume mounted = new(kind);
        Opened kept = mounted.Client.Create(@"\kept").File!;
        mounted.Client.Write(kept, "data"u8, 0);
        Opened doomed = mounted.Client.Create(@"\doomed").File!;
        Assert.Equal(NtStatus.Success, mounted.Client.SetDelete(doomed, @"\doomed", true));

        WinFspMountException refused = Assert.Throws<WinFspMountException>(() => mounted.Host.Unmount());
        Assert.Equal(NtStatus.DeviceBusy, refused.Status);
        Assert.Contains("2 files are open", refused.Message, StringComparison.Ordinal);
        Assert.True(mounted.Volume.IsRunning);

        mounted.Finish();
        Assert.Equal(0, LibraryDouble.CountAt(mounted.Host.MountPoint));
        Assert.Equal("data\nkept\n", mounted.Image.WithKernel("cat $M/kept; echo; ls $M | grep -v lost"));
        kept.Dispose();
        doomed.Dispose();
    }

    [Fact]
    public void Nothing_of_a_mount_is_left_behind()
    {
        int hosts = HostTable.Count;
        MountedVolume mounted = new(HostKind.Builtin);
        Assert.Equal(hosts + 1, HostTable.Count);
        WinFspHost host = (WinFspHost)mounted.Host;
        using Opened left = mounted.Client.Create(@"\left").File!;
        Opened closed = mounted.Client.Create(@"\closed").File!;
        Assert.Equal(2, host.KnownOpens);
        mounted.Client.Close(closed);
        Assert.Equal(1, host.KnownOpens);
        mounted.Finish();
        mounted.Dispose();
        Assert.Equal(hosts, HostTable.Count);
        Assert.Equal(0, host.KnownOpens);
        Assert.Equal(0, host.OpenFiles);
    }

    [Theory]
    [MemberData(nameof(Hosts))]
    public void The_volume_is_flushed_through_the_driver_while_callbacks_still_run(HostKind kind)
    {
        Flusher flusher = new();
        using MountedVolume mounted = new(kind, options: new WinFspMountOptions { Flusher = flusher });
        Opened file = mounted.Client.Create(@"\late").File!;
        flusher.Action = mountPoint =>
        {
            Assert.Equal(mounted.Host.MountPoint, mountPoint);
            Assert.True(mounted.Volume.IsRunning);
            Assert.Equal(NtStatus.Success, mounted.Client.Write(file, "late data"u8, 0).Status);
        };
        mounted.Finish();
        Assert.Equal(1, flusher.Calls);
        Assert.Equal("late data", mounted.Image.WithKernel("cat $M/late"));
        file.Dispose();
    }

    [Fact]
    public void A_flush_that_fails_does_not_keep_the_mount()
    {
        Flusher flusher = new() { Action = _ => throw new IOException("no such drive") };
        using MountedVolume mounted = new(HostKind.Builtin, options: new WinFspMountOptions { Flusher = flusher });
        mounted.Finish();
        Assert.Contains("no such drive", mounted.Log.Text, StringComparison.Ordinal);
    }

    [Fact]
    public void A_read_only_mount_is_not_flushed()
    {
        Flusher flusher = new();
        using MountedVolume mounted = new(HostKind.Builtin, options: new WinFspMountOptions { Flusher = flusher }, mount: new Ext4MountOptions { IsReadOnly = true });
        mounted.Finish();
        Assert.Equal(0, flusher.Calls);
    }

    [Fact]
    public void A_driver_that_ends_the_mount_ends_it_cleanly()
    {
        Flusher flusher = new();
        using MountedVolume mounted = new(HostKind.Builtin, options: new WinFspMountOptions { Flusher = flusher });
        Opened file = mounted.Client.Create(@"\file").File!;
        mounted.Client.Write(file, "data"u8, 0);
        mounted.Client.DispatcherStopped(normally: false);
        Assert.True(mounted.Host.WaitForUnmount());
        Assert.Equal(0, flusher.Calls);
        Assert.Contains("has ended the mount", mounted.Log.Text, StringComparison.Ordinal);
        mounted.Image.AssertClean();
        Assert.Equal("data", mounted.Image.WithKernel("cat $M/file"));
        file.Dispose();
    }

    [Theory]
    [MemberData(nameof(Hosts))]
    public void A_mount_that_does_not_come_about_leaves_the_volume_to_the_caller(HostKind kind)
    {
        using TestImage image = TestImage.Make(16);
        int hosts = HostTable.Count;
        using (Ext4Volume volume = image.Mount())
        {
            WinFspMountOptions options = new() { MountPoint = $"refused {kind}", Exports = LibraryDouble.Exports };
            WinFspMountException failure = Assert.Throws<WinFspMountException>(() => { Mount(kind, volume, options); });
            Assert.Equal(NtStatus.AccessDenied, failure.Status);
            Assert.Contains("administrator", failure.Message, StringComparison.Ordinal);
            Assert.Equal(hosts, HostTable.Count);
            Assert.NotNull(volume.GetAttributes(volume.GetInode(Ext4Volume.RootInode)).ToString());

            // The same volume can be mounted elsewhere.
            using WindowsHost host = Mount(kind, volume, options with { MountPoint = $"accepted {kind}" });
            Assert.Equal($"accepted {kind}", host.MountPoint);
            WinFspMountException taken = Assert.Throws<WinFspMountException>(
                () => { Mount(kind, volume, options with { MountPoint = $"accepted {kind}" }); });
            Assert.Equal(NtStatus.ObjectNameCollision, taken.Status);
            Assert.Contains("in use", taken.Message, StringComparison.Ordinal);
        }
        image.AssertClean();
    }

    [Theory]
    [MemberData(nameof(Hosts))]
    public void A_failed_close_is_told(HostKind kind)
    {
        using MountedVolume mounted = new(kind);
        Opened file = mounted.Client.Create(@"\file").File!;
        mounted.Client.Write(file, "data"u8, 0);
        mounted.Client.Close(file);
        mounted.Device.IsGone = true;
        mounted.Host.Unmount();
        Assert.False(mounted.Host.WaitForUnmount());
        Assert.NotNull(mounted.Host.Failure);
        Assert.Equal(0, LibraryDouble.CountAt(mounted.Host.MountPoint));
    }

    [Fact]
    public void Unmounting_twice_and_from_several_threads_is_one_unmount()
    {
        using MountedVolume mounted = new(HostKind.Builtin);
        Parallel.For(0, 8, _ => mounted.Host.Unmount(force: true));
        mounted.Host.Dispose();
        mounted.Finish();
    }

    [Fact]
    public void Mounting_and_unmounting_again_and_again_leaves_nothing()
    {
        int hosts = HostTable.Count;
        using TestImage image = TestImage.Make(16);
        for (int i = 0; i < 20; i++)
        {
            HostKind kind = i % 2 == 0 ? HostKind.Builtin : HostKind.Package;
            using WindowsHost host = Mount(kind, image.Mount(), new WinFspMountOptions { MountPoint = "again:", Exports = LibraryDouble.Exports });
            CallbackClient client = new(LibraryDouble.Find("again:"));
            Opened file = client.Create($@"\file {i}").File!;
            client.Close(file);
            Assert.Equal(0, host.OpenFiles);
            host.Unmount();
        }
        Assert.Equal(hosts, HostTable.Count);
        image.AssertClean();
    }

    private static WindowsHost Mount(HostKind kind, Ext4Volume volume, WinFspMountOptions options) =>
        kind == HostKind.Builtin ? WinFspHost.Mount(volume, options) : PackageHost.Mount(volume, options);

    private sealed class Flusher : IVolumeFlusher
    {
        public Action<string>? Action { get; set; }
        public int Calls { get; private set; }

        public void FlushVolume(string mountPoint)
        {
            Calls++;
            Action?.Invoke(mountPoint);
        }
    }
}
