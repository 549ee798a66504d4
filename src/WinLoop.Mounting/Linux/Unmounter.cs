using System.Diagnostics;
using System.Runtime.InteropServices;

namespace WinLoop.Mounting.Linux;

/// <summary>Takes a mount out of the kernel's table: umount2(2) for root, fusermount3 for others.</summary>
public static class Unmounter
{
    /// <summary>EBUSY.</summary>
    public const int Busy = Native.EBUSY;

    /// <summary>Unmounts.</summary>
    /// <param name="directory">Absolute path of the mount point.</param>
    /// <param name="lazy">Detach now, although files are open.</param>
    /// <returns>0, or Linux's error code.</returns>
    public static int Unmount(string directory, bool lazy = false)
    {
        int result = Native.umount2(directory, (lazy ? Native.MNT_DETACH : 0) | Native.UMOUNT_NOFOLLOW);
        int errno = result == 0 ? 0 : Marshal.GetLastPInvokeError();
        return errno == Native.EPERM && !CurrentUser.IsRoot ? UnmountAsUser(directory, lazy) : errno;
    }

    /// <summary>
    /// Writes out what programs have written so far, then takes the mount away from them: their open files
    /// fail from now on, and the serving threads end.
    /// </summary>
    public static void Abort(string directory)
    {
        int fd = Native.open(directory, Native.O_RDONLY | Native.O_CLOEXEC, 0);
        if (fd >= 0)
        {
            _ = Native.syncfs(fd);
            _ = Native.close(fd);
        }
        if (CurrentUser.IsRoot)
        {
            // With MNT_FORCE the kernel cuts the connection to the server.
            _ = Native.umount2(directory, Native.MNT_FORCE | Native.MNT_DETACH | Native.UMOUNT_NOFOLLOW);
            return;
        }
        string? device = MountTable.Find(directory)?.Device;
        _ = UnmountAsUser(directory, lazy: true);
        try
        {
            File.WriteAllText($"/sys/fs/fuse/connections/{device?.Split(':')[1]}/abort", "1");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Without that file system the mount ends when its last file is closed.
        }
    }

    private static int UnmountAsUser(string directory, bool lazy)
    {
        var start = new ProcessStartInfo("fusermount3", lazy ? ["-u", "-z", "--", directory] : ["-u", "--", directory])
        {
            RedirectStandardError = true,
        };
        try
        {
            using Process process = Process.Start(start)!;
            string message = process.StandardError.ReadToEnd();
            process.WaitForExit();
            return process.ExitCode == 0 ? 0
                : message.Contains("busy", StringComparison.OrdinalIgnoreCase) ? Native.EBUSY
                : message.Contains("not found", StringComparison.OrdinalIgnoreCase) ? Native.EINVAL
                : Native.EPERM;
        }
        catch (System.ComponentModel.Win32Exception e)
        {
            throw new MountException(MountError.HostMissing, "cannot unmount " + directory, "fusermount3 is missing",
                "Install the package fuse3.", e);
        }
    }
}
