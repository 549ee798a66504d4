using WinLoop.TestKit;

namespace WinLoop.KernelTests.Programs;

/// <summary>A sleep hook's signals to the serving process, and an image that somebody else changed meanwhile.</summary>
public sealed class SleepTests
{
    [Fact]
    public void Before_a_sleep_everything_is_written_and_the_image_is_clean()
    {
        using TestImage image = TestImage.Make(64);
        using WinLoopMount mount = WinLoopMount.Open(image);
        Shell.Script($"mkdir {mount.Path}/d; echo kept >{mount.Path}/d/file");
        Assert.Contains("needs_recovery", Features(image), StringComparison.Ordinal);
        Suspend(mount, image);
        image.AssertClean();
        Assert.Equal("kept\n", Shell.Script($"debugfs -R 'cat /d/file' {image.Path} 2>/dev/null"));
        Shell.Script($"kill -USR2 {mount.ProcessId}; echo more >>{mount.Path}/d/file; sync {mount.Path}/d/file");
        Assert.Contains("needs_recovery", Features(image), StringComparison.Ordinal);
        Assert.Equal("kept\nmore\n", Shell.Script($"cat {mount.Path}/d/file"));
        mount.Unmount();
    }

    [Fact]
    public void An_image_changed_during_a_sleep_is_not_written()
    {
        using TestImage image = TestImage.Make(64);
        using WinLoopMount mount = WinLoopMount.Open(image);
        Shell.Script($"echo ours >{mount.Path}/ours");
        Suspend(mount, image);
        // Another machine's; on this one the programs see that the image is mounted.
        using (TestImage elsewhere = image.Copy())
        {
            elsewhere.WithKernel("echo theirs >$M/theirs");
            Shell.Script($"dd if={elsewhere.Path} of={image.Path} conv=notrunc bs=1M status=none");
        }
        string theirs = Shell.Script($"sha256sum <{image.Path}");
        Shell.Script($"kill -USR2 {mount.ProcessId}");
        for (int i = 0; i < 100 && Shell.Run("touch", [$"{mount.Path}/probe"]).ExitCode == 0; i++)
        {
            Thread.Sleep(50);
        }
        Shell.Result refused = Shell.Run("touch", [$"{mount.Path}/more"]);
        Assert.NotEqual(0, refused.ExitCode);
        Assert.Contains("Read-only file system", refused.Error, StringComparison.Ordinal);
        Shell.Script($"umount {mount.Path}");
        Assert.Contains("changed by somebody else", mount.WaitForFailure(), StringComparison.Ordinal);
        Assert.Equal(theirs, Shell.Script($"sha256sum <{image.Path}"));
        image.AssertClean();
    }

    private static string Features(TestImage image) => Shell.Run("dumpe2fs", ["-h", image.Path]).Output;

    private static void Suspend(WinLoopMount mount, TestImage image)
    {
        // The kernel tells of a close when it likes, and what is set aside for a growing file is given back then: a change
        // right after the suspend. A sleeping machine has no such rest.
        for (int attempt = 0; attempt < 20; attempt++)
        {
            Shell.Script($"kill -USR1 {mount.ProcessId}");
            Thread.Sleep(500);
            if (!Features(image).Contains("needs_recovery", StringComparison.Ordinal))
            {
                return;
            }
        }
        Assert.Fail("the image is not marked clean");
    }
}
