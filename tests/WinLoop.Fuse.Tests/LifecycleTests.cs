using WinLoop.Ext4;
using WinLoop.TestKit;

namespace WinLoop.Fuse.Tests;

public class LifecycleTests
{
    [Fact]
    public void As_root_the_mount_holds_a_loop_device_and_nobody_else_gets_it()
    {
        using MountedImage mounted = new();
        Assert.Equal("fuseblk.ext4", mounted.Host.FileSystemType);
        Assert.StartsWith("/dev/loop", mounted.Host.DeviceName);
        string loop = mounted.Host.DeviceName;
        string line = Shell.Script($"grep ' {mounted.MountPoint} ' /proc/mounts");
        Assert.StartsWith($"{loop} {mounted.MountPoint} fuseblk.ext4 rw,", line);
        Assert.Contains("already mounted", Shell.Run("mount", [loop, "/mnt"]).All);
        Assert.Contains(mounted.Image.Path, Shell.Script($"losetup -l {loop}"));
        mounted.Unmount();
        Assert.DoesNotContain(mounted.Image.Path, Shell.Script("losetup -l"));
        mounted.Image.AssertClean();
    }

    [Fact]
    public void Umount_ends_the_server_and_an_open_file_keeps_it()
    {
        using MountedImage mounted = new();
        mounted.Run("""
            exec 3< $M
            if umount $M 2>/dev/null; then exit 1; fi
            exec 3<&-
            """);
        Shell.Script($"""
            (exec 9< {mounted.MountPoint}; touch {mounted.Image.Path}.held; sleep 2) > /dev/null 2>&1 &
            {WaitForFile(mounted.Image.Path + ".held")}
            """);
        FuseMountException? busy = Record.Exception(() => mounted.Host.Unmount()) as FuseMountException;
        Assert.Equal(16, busy?.Errno);
        Shell.Script($"while ! umount {mounted.MountPoint} 2>/dev/null; do sleep 0.1; done");
        Assert.True(mounted.Host.WaitForUnmount());
        mounted.Image.AssertClean();
    }

    [Fact]
    public void Without_a_block_device_the_type_is_fuse_and_the_volume_is_closed_all_the_same()
    {
        using MountedImage mounted = new(options: o => o with { UseBlockDevice = false });
        Assert.Equal("fuse.ext4", mounted.Host.FileSystemType);
        mounted.Run("echo hello > file");
        Assert.Equal("hello\n", mounted.VerifyWithKernel("cat file"));
    }

    [Fact]
    public void A_lazy_unmount_waits_for_the_last_user()
    {
        using MountedImage mounted = new();
        Shell.Script($"""
            (exec 9> {mounted.MountPoint}/file; touch {mounted.Image.Path}.held; sleep 1; echo late >&9) > /dev/null 2>&1 &
            {WaitForFile(mounted.Image.Path + ".held")}
            """);
        mounted.Host.Unmount(lazy: true);
        Assert.True(mounted.Host.WaitForUnmount());
        Assert.Equal("late\n", mounted.Image.WithKernel("cat $M/file"));
        mounted.Image.AssertClean();
    }

    [Fact]
    public void A_read_only_mount_refuses_writes_and_leaves_the_image_alone()
    {
        using MountedImage mounted = new();
        mounted.Run("echo content > file");
        mounted.Unmount();
        string before = Shell.Script($"sha256sum < {mounted.Image.Path}");
        mounted.Mount(new Ext4MountOptions { IsReadOnly = true }, o => o with { MountWords = ["nosuid", "nodev"] });
        Assert.Contains(" ro,nosuid,nodev,", Shell.Script($"grep ' {mounted.MountPoint} ' /proc/mounts"));
        mounted.Run("""
            [ "$(cat file)" = content ]
            if echo x 2>/dev/null > new; then exit 1; fi
            if echo x 2>/dev/null >> file; then exit 1; fi
            if rm -f file 2>/dev/null; then exit 1; fi
            ls -la > /dev/null
            sync -f .
            """);
        mounted.Unmount();
        Assert.Equal(before, Shell.Script($"sha256sum < {mounted.Image.Path}"));
    }

    [Fact]
    public void Mounting_on_something_else_than_a_directory_fails_in_words()
    {
        MountedImage.RequireFuse();
        using TestImage image = TestImage.Make(16);
        using Ext4Volume volume = image.Mount();
        FuseMountOptions options = new() { Source = image.Path };
        Assert.Equal(20, Assert.Throws<FuseMountException>(() => FuseHost.Mount(volume, image.Path, options)).Errno);
        Assert.Equal(2, Assert.Throws<FuseMountException>(() => FuseHost.Mount(volume, image.Path + "-none", options)).Errno);
    }

    [Fact]
    public void Statistics_count_the_requests()
    {
        using MountedImage mounted = new();
        mounted.Run("mkdir a b c");
        Assert.Equal(3, mounted.Host.GetStatistics().Operations.Single(o => o.Name == "mkdir").Count);
    }

    [Fact]
    public void The_kernel_knows_from_the_start_that_opening_needs_no_request()
    {
        using MountedImage mounted = new(options: o => o with { SkipOpen = true });
        mounted.Run("echo x > created; cat created > /dev/null; ls > /dev/null");
        long Count(string operation) => mounted.Host.GetStatistics().Operations.Single(o => o.Name == operation).Count;
        Assert.Equal((1, 1, 0), (Count("open"), Count("opendir"), Count("release")));
        Assert.Equal("created\nlost+found\n", mounted.Run("ls -A"));
    }

    private static string WaitForFile(string path) => $"for i in $(seq 500); do [ ! -e {path} ] || break; sleep 0.01; done; [ -e {path} ]";
}
