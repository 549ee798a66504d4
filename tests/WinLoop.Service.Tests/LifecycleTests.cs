using System.Text.Json;
using WinLoop.Mounting;
using static WinLoop.Service.Tests.ServiceUnderTest;

namespace WinLoop.Service.Tests;

/// <summary>From the start of the service to its end, wanted or not.</summary>
public sealed class LifecycleTests : IDisposable
{
    private readonly ServiceUnderTest _service = new();

    public void Dispose() => _service.Dispose();

    [Fact]
    public void A_user_mounts_lists_looks_and_unmounts()
    {
        string image = _service.MakeImage(Alice);
        string directory = _service.Succeed(Alice, "mount", image, "--service").TrimEnd('\n');
        Assert.StartsWith("/mnt/winloop/", directory, StringComparison.Ordinal);
        Assert.Equal(0, _service.RunAs(Alice, "sh", "-c", $"echo content > {directory}/file").ExitCode);
        JsonElement mount = Assert.Single(JsonDocument.Parse(_service.Succeed(Alice, "list", "--json")).RootElement.GetProperty("mounts").EnumerateArray(),
            m => m.GetProperty("image").GetString() == image);
        Assert.True(mount.GetProperty("service").GetBoolean());
        Assert.Equal(Alice, mount.GetProperty("owner").GetUInt32());
        Assert.True(mount.GetProperty("free").GetInt64() > 0);
        Assert.Contains("create", _service.Succeed(Alice, "stat", directory), StringComparison.Ordinal);
        // Mounted writable it cannot be mounted a second time.
        Assert.Equal((int)MountError.Busy, _service.Run(Alice, "mount", image, "--service").ExitCode);
        _service.Succeed(Alice, "unmount", image);
        Assert.False(Directory.Exists(directory));
        AssertClean(image);
    }

    [Fact]
    public void A_file_that_is_open_keeps_the_mount_and_force_does_not_lose_what_was_written()
    {
        string image = _service.MakeImage(Alice), directory = _service.MakeDirectory(Alice);
        _service.Succeed(Alice, "mount", image, directory, "--service");
        using System.Diagnostics.Process holder = System.Diagnostics.Process.Start(new System.Diagnostics.ProcessStartInfo("setpriv",
            [$"--reuid={Alice}", $"--regid={Alice}", "--clear-groups", "sh", "-c", $"exec 3> {directory}/open; echo kept >&3; exec sleep 60"]))!;
        try
        {
            WaitUntil(() => _service.RunAs(Alice, "grep", "-q", "kept", directory + "/open").ExitCode == 0, "the file");
            Shell.Result busy = _service.Run(Alice, "unmount", directory);
            Assert.Equal((int)MountError.Busy, busy.ExitCode);
            Assert.Contains("sleep", busy.Error, StringComparison.Ordinal);
            _service.Succeed(Alice, "unmount", "--force", directory);
        }
        finally
        {
            holder.Kill();
        }
        AssertClean(image);
        Assert.Equal("kept\n", _service.Succeed(Alice, "cat", image + ":/open"));
    }

    [Fact]
    public void Killed_and_started_again_it_brings_kept_mounts_back_recovered()
    {
        string image = _service.MakeImage(Alice), directory = _service.MakeDirectory(Alice);
        string other = _service.MakeImage(Alice, "other.ext4"), place = _service.MakeDirectory(Alice, "e");
        string ofRoot = _service.MakeImage(0, "root.ext4"), rootPlace = _service.MakeDirectory(0, "r");
        _service.Succeed(Alice, "mount", image, directory, "--keep");
        _service.Succeed(Alice, "mount", other, place, "--service");
        _service.Succeed(0, "mount", ofRoot, rootPlace, "--keep");
        Assert.Equal(0, _service.RunAs(Alice, "sh", "-c", $"echo durable > {directory}/file; sync {directory}/file; echo durable > {place}/file; sync {place}/file").ExitCode);
        Shell.Script($"echo durable > {rootPlace}/file; sync {rootPlace}/file");
        _service.Kill();
        Assert.True(IsMounted(directory));
        _service.Start();
        WaitUntil(() => _service.Log.Split("brought back").Length == 3, "the return of two mounts");
        Assert.Equal("durable\n", _service.RunAs(Alice, "cat", directory + "/file").Output);
        Assert.Equal("durable\n", File.ReadAllText(rootPlace + "/file"));
        // What is not kept is taken away, and not left dead.
        Assert.False(IsMounted(place));
        Assert.Equal(0, _service.Stop());
        Assert.False(IsMounted(directory));
        AssertClean(image);
        AssertClean(ofRoot);
        Shell.Run("e2fsck", ["-fy", other]);
        _service.Start();
        WaitUntil(() => IsMounted(directory), "the return after a stop");
        // Unmounted by its user it is forgotten.
        _service.Succeed(Alice, "unmount", directory);
        _service.Stop();
        _service.Start();
        WaitUntil(() => IsMounted(rootPlace), "the return of the other");
        Assert.False(IsMounted(directory));
        _service.Succeed(0, "unmount", rootPlace);
        AssertClean(image);
        AssertClean(ofRoot);
    }

    [Fact]
    public void A_kept_image_that_is_gone_is_a_warning_and_is_listed()
    {
        string image = _service.MakeImage(Alice), directory = _service.MakeDirectory(Alice);
        _service.Succeed(Alice, "mount", image, directory, "--keep");
        _service.Stop();
        File.Delete(image);
        _service.Start();
        WaitUntil(() => _service.Log.Contains("warning: ", StringComparison.Ordinal), "the warning");
        Assert.Contains("missing", _service.Succeed(Alice, "list"), StringComparison.Ordinal);
        Assert.DoesNotContain(image, _service.Succeed(Bob, "list"), StringComparison.Ordinal);
        _service.Succeed(Alice, "unmount", image);
        Assert.DoesNotContain(image, _service.Succeed(Alice, "list"), StringComparison.Ordinal);
    }

    [Fact]
    public void Another_file_or_a_link_in_the_place_of_a_kept_image_is_not_mounted()
    {
        string image = _service.MakeImage(Bob), directory = _service.MakeDirectory(Bob), home = _service.HomeOf(Bob);
        string secret = _service.MakeImage(Alice);
        _service.Succeed(Bob, "mount", image, directory, "--keep");
        _service.Stop();
        // Root would follow the link to what Bob may not open.
        Assert.Equal(0, _service.RunAs(Bob, "sh", "-c", $"mv {image} {home}/aside; ln -s {secret} {image}").ExitCode);
        _service.Start();
        WaitUntil(() => _service.Log.Contains("a symbolic link is on its path", StringComparison.Ordinal), "the warning");
        Assert.False(IsMounted(directory));
        _service.Stop();
        Shell.Script($"rm {image}; cp {home}/aside {image}; chown {Bob}:{Bob} {image}");
        _service.Start();
        WaitUntil(() => _service.Log.Contains("another file is in its place", StringComparison.Ordinal), "the second warning");
        Assert.False(IsMounted(directory));
    }

    [Fact]
    public void A_kept_image_that_is_not_the_users_own_waits_for_him()
    {
        string image = _service.MakeImage(Alice, mode: "666"), directory = _service.MakeDirectory(Bob);
        Shell.Script($"chmod 755 {_service.HomeOf(Alice)}");
        _service.Succeed(Bob, "mount", image, directory, "--keep");
        _service.Stop();
        _service.Start();
        WaitUntil(() => _service.Log.Contains("waits for him", StringComparison.Ordinal), "the waiting");
        Assert.False(IsMounted(directory));
        Assert.Contains("service resume", _service.Run(Bob, "service", "status").Error, StringComparison.Ordinal);
        Assert.Equal("", _service.Succeed(Alice, "service", "resume"));
        Assert.Equal(directory + "\n", _service.Succeed(Bob, "service", "resume"));
        Assert.True(IsMounted(directory));
        _service.Succeed(Bob, "unmount", directory);
        AssertClean(image);
    }

    [Fact]
    public void A_sleep_leaves_images_clean_and_those_changed_meanwhile_alone()
    {
        string image = _service.MakeImage(Alice), directory = _service.MakeDirectory(Alice);
        string other = _service.MakeImage(Bob), place = _service.MakeDirectory(Bob);
        _service.Succeed(Alice, "mount", image, directory, "--service");
        _service.Succeed(Bob, "mount", other, place, "--service");
        _service.RunAs(Alice, "sh", "-c", $"echo ours > {directory}/ours");
        _service.RunAs(Bob, "sh", "-c", $"echo ours > {place}/ours");
        // A close that the kernel tells of late changes the volume once more.
        WaitUntil(() =>
        {
            Shell.Script($"kill -USR1 {_service.Pid}; sleep 0.3");
            return !Shell.Run("dumpe2fs", ["-h", image]).Output.Contains("needs_recovery", StringComparison.Ordinal);
        }, "the clean image");
        WaitUntil(() => _service.Log.Contains("everything was written out", StringComparison.Ordinal), "the suspend");
        // Changed on another machine, where the image is not mounted.
        Shell.Script($"cp {image} {image}.copy; e2fsck -fy {image}.copy; dd if={image}.copy of={image} conv=notrunc bs=1M status=none; rm {image}.copy; kill -USR2 {_service.Pid}");
        WaitUntil(() => _service.Log.Contains("is read-only now: the volume was changed by somebody else", StringComparison.Ordinal), "the warning");
        Assert.NotEqual(0, _service.RunAs(Alice, "touch", $"{directory}/more").ExitCode);
        Assert.Equal(0, _service.RunAs(Bob, "touch", $"{place}/more").ExitCode);
        _service.Succeed(Bob, "unmount", place);
        Assert.NotEqual(0, _service.Run(Alice, "unmount", directory).ExitCode);
        AssertClean(image);
        AssertClean(other);
    }

    [Fact]
    public void A_user_has_32_mounts_and_others_have_theirs()
    {
        const int limit = 32;
        for (int i = 0; i < limit; i++)
        {
            _service.Succeed(Alice, "mount", _service.MakeImage(Alice, $"{i}.ext4"), _service.MakeDirectory(Alice, $"d{i}"), "--service");
        }
        Shell.Result refused = _service.Run(Alice, "mount", _service.MakeImage(Alice, "more.ext4"), _service.MakeDirectory(Alice, "more"), "--service");
        Assert.Equal((int)MountError.Busy, refused.ExitCode);
        Assert.Contains("there are 32 mounts of this user", refused.Error, StringComparison.Ordinal);
        string image = _service.MakeImage(Bob);
        _service.Succeed(Bob, "mount", image, _service.MakeDirectory(Bob), "--service");
        _service.Succeed(Alice, "unmount", Path.Combine(_service.HomeOf(Alice), "0.ext4"));
        _service.Succeed(Alice, "mount", Path.Combine(_service.HomeOf(Alice), "more.ext4"), Path.Combine(_service.HomeOf(Alice), "more"), "--service");
    }

    [Fact]
    public void The_end_of_one_mount_leaves_the_others()
    {
        string image = _service.MakeImage(Alice), directory = _service.MakeDirectory(Alice);
        string other = _service.MakeImage(Bob), place = _service.MakeDirectory(Bob);
        _service.Succeed(Alice, "mount", image, directory, "--service");
        _service.Succeed(Bob, "mount", other, place, "--service");
        // The image is pulled from under the one: its writes fail, its journal is aborted.
        Shell.Script($"truncate -s 64K {image}");
        _service.RunAs(Alice, "sh", "-c", $"for i in 1 2 3 4 5 6 7 8; do head -c 100000 /dev/urandom > {directory}/f$i; done; sync {directory}/f1");
        Shell.Run("umount", ["-l", directory]);
        Assert.Equal(0, _service.RunAs(Bob, "sh", "-c", $"echo works > {place}/file; sync {place}/file; cat {place}/file").ExitCode);
        _service.Succeed(Bob, "unmount", place);
        Assert.True(_service.IsRunning, _service.Log);
        AssertClean(other);
    }

    [Fact]
    public void Stopped_it_closes_everything_whoever_has_files_open()
    {
        string image = _service.MakeImage(Alice), directory = _service.MakeDirectory(Alice);
        string other = _service.MakeImage(Bob);
        _service.Succeed(Alice, "mount", image, directory, "--service");
        _service.Succeed(Bob, "mount", other, "--service");
        using System.Diagnostics.Process holder = System.Diagnostics.Process.Start("setpriv",
            [$"--reuid={Alice}", $"--regid={Alice}", "--clear-groups", "sh", "-c", $"exec 3> {directory}/open; echo kept >&3; exec sleep 60"]);
        try
        {
            WaitUntil(() => _service.RunAs(Alice, "grep", "-q", "kept", directory + "/open").ExitCode == 0, "the file");
            Assert.Equal((int)MountError.Denied, _service.Run(Bob, "service", "stop").ExitCode);
            _service.Succeed(0, "service", "stop");
            WaitUntil(() => !_service.IsRunning, "the end");
        }
        finally
        {
            holder.Kill();
        }
        Assert.False(IsMounted(directory));
        AssertClean(image);
        AssertClean(other);
        Assert.Equal("kept\n", _service.Succeed(Alice, "cat", image + ":/open"));
        Assert.Equal((int)MountError.HostMissing, _service.Run(Alice, "mount", image, "--service").ExitCode);
        Assert.Equal((int)MountError.HostMissing, _service.Run(Alice, "service", "status").ExitCode);
    }

    [Fact]
    public void There_is_one_service_at_a_place()
    {
        Shell.Result second = _service.Run(0, "service", "run", "--socket", _service.Socket, "--state", _service.State);
        Assert.Equal((int)MountError.Busy, second.ExitCode);
        Assert.Contains("running", _service.Succeed(Alice, "service", "status"), StringComparison.Ordinal);
    }
}
