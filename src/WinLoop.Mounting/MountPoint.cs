using WinLoop.Mounting.Linux;

namespace WinLoop.Mounting;

/// <summary>The directory a volume appears in.</summary>
/// <param name="Path">Absolute, symlinks resolved.</param>
/// <param name="IsOwned">It was made for this mount and is removed with it.</param>
public sealed record MountPoint(string Path, bool IsOwned)
{
    /// <summary>Checks the user's directory, or makes one.</summary>
    /// <param name="directory">The user's; null = make one named after the image.</param>
    /// <param name="image">Absolute path of the image.</param>
    /// <exception cref="MountException">The directory is missing, is none, is taken, or is not this user's.</exception>
    public static MountPoint Prepare(string? directory, string image)
    {
        if (directory == null)
        {
            return Make(image);
        }
        string what = $"cannot mount on {directory}";
        int errno = FileStatus.TryGet(directory, out FileStatus status);
        if (errno == Native.ENOTCONN)
        {
            throw new MountException(MountError.Busy, what, "a mount whose serving process has died is still there",
                $"Undo it with 'winloop unmount {directory}'.");
        }
        if (errno != 0)
        {
            throw Failures.ExplainErrno(errno, what, errno == Native.ENOENT ? "no such directory" : null);
        }
        if (!status.IsDirectory)
        {
            throw new MountException(MountError.Usage, what, "not a directory", "Give an existing directory, or none to have one made.");
        }
        string path = Native.RealPath(directory) ?? System.IO.Path.GetFullPath(directory);
        if (MountTable.Find(path) is { IsFuse: true } mount)
        {
            throw new MountException(MountError.Busy, what, $"{mount.Source} is mounted there",
                $"Undo that with 'winloop unmount {directory}', or give another directory.");
        }
        uint user = CurrentUser.Uid;
        if (user != 0 && status.Uid != user)
        {
            throw new MountException(MountError.Denied, what, "the directory belongs to another user",
                "Give a directory of your own, or none to have one made.");
        }
        return new MountPoint(path, false);
    }

    /// <summary>Removes the directory if it was made for this mount.</summary>
    public void Release()
    {
        if (!IsOwned)
        {
            return;
        }
        try
        {
            System.IO.Directory.Delete(Path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Somebody put something into it, or stands in it: then it stays.
        }
    }

    private static MountPoint Make(string image)
    {
        string parent = Parent();
        string name = System.IO.Path.GetFileNameWithoutExtension(image);
        name = name is "" or "." or ".." ? System.IO.Path.GetFileName(image) : name;
        try
        {
            System.IO.Directory.CreateDirectory(parent);
            for (int i = 1; ; i++)
            {
                string path = System.IO.Path.Combine(parent, i == 1 ? name : $"{name}-{i}");
                if (Native.mkdir(path, 0x1ED) == 0) // 0755
                {
                    return new MountPoint(Native.RealPath(path) ?? path, true);
                }
                if (System.Runtime.InteropServices.Marshal.GetLastPInvokeError() is not Native.EEXIST and int errno)
                {
                    throw Failures.ExplainErrno(errno, $"cannot make {path}");
                }
                // Left over from a mount whose server was killed. A young one may be another mount's that is
                // just beginning.
                if (FileStatus.Of(path) is { IsDirectory: true } && MountTable.Find(path) == null && IsEmpty(path) &&
                    System.IO.Directory.GetLastWriteTimeUtc(path) < DateTime.UtcNow - TimeSpan.FromMinutes(1))
                {
                    return new MountPoint(path, true);
                }
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new MountException(e is UnauthorizedAccessException ? MountError.Denied : MountError.Failed,
                $"cannot make a directory in {parent}", e.Message.TrimEnd('.'), "Give the directory to mount on.", e);
        }
    }

    private static bool IsEmpty(string path) => !System.IO.Directory.EnumerateFileSystemEntries(path).Any();

    private static string Parent()
    {
        uint user = CurrentUser.Uid;
        if (user == 0)
        {
            return "/mnt/winloop";
        }
        string? runtime = Environment.GetEnvironmentVariable("XDG_RUNTIME_DIR");
        return string.IsNullOrEmpty(runtime) ? $"/tmp/winloop-{user}/mnt" : System.IO.Path.Combine(runtime, "winloop/mnt");
    }
}
