using WinLoop.Mounting.Linux;

namespace WinLoop.Cli.Diagnosis;

/// <summary>What mounts through FUSE depend on.</summary>
[System.Runtime.Versioning.UnsupportedOSPlatform("windows")]
internal static class LinuxItems
{
    private const string Device = "/dev/fuse", Configuration = "/etc/fuse.conf";

    internal static IEnumerable<CheckedItem> Examine()
    {
        yield return File.Exists(Device)
            ? CanOpen(Device)
                ? new CheckedItem("FUSE", ItemState.Fine, Device)
                : new CheckedItem("FUSE", ItemState.Broken, $"{Device} may not be opened", "Ask the administrator for read and write permission on it.")
            : new CheckedItem("FUSE", ItemState.Broken, $"there is no {Device}", "Load the kernel module as root: modprobe fuse. In a container, pass the device in.");
        if (CurrentUser.IsRoot)
        {
            yield return File.Exists("/dev/loop-control")
                ? new CheckedItem("loop devices", ItemState.Fine, "/dev/loop-control")
                : new CheckedItem("loop devices", ItemState.Odd, "there is no /dev/loop-control; images are served without one",
                    "Load the kernel module: modprobe loop.");
            yield break;
        }
        string? helper = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Select(f => Path.Combine(f, "fusermount3")).FirstOrDefault(File.Exists);
        yield return helper is not null
            ? (File.GetUnixFileMode(helper) & UnixFileMode.SetUser) != 0
                ? new CheckedItem("fusermount3", ItemState.Fine, helper)
                : new CheckedItem("fusermount3", ItemState.Broken, $"{helper} is not set-uid root", "Install the package fuse3 again.")
            : new CheckedItem("fusermount3", ItemState.Broken, "it is not installed; without it only root can mount", "Install the package fuse3.");
        yield return AllowsOther()
            ? new CheckedItem("allow_other", ItemState.Fine, $"permitted by {Configuration}")
            : new CheckedItem("allow_other", ItemState.Odd, "other users, root too, will not see your mounts",
                $"If they should, let the administrator add the line user_allow_other to {Configuration}.");
    }

    private static bool CanOpen(string path)
    {
        try
        {
            using var device = new FileStream(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite, 0);
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    private static bool AllowsOther()
    {
        try
        {
            return File.ReadLines(Configuration).Any(line => line.Trim() == "user_allow_other");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }
}
