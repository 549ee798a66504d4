using System.Runtime.InteropServices;
using WinLoop.Mounting.Linux;
using WinLoop.Storage;

namespace WinLoop.Mounting;

/// <summary>An open image and the device of the volume in it.</summary>
/// <param name="Path">Absolute path, symlinks resolved.</param>
/// <param name="Volume">The volume's bytes.</param>
/// <param name="Partition">Number in the partition table; null if there is none or an offset was given.</param>
/// <param name="Offset">First byte of the volume in the image.</param>
/// <param name="ReadOnlyReason">Why it is read-only although that was not asked for.</param>
public sealed record OpenedImage(string Path, IBlockDevice Volume, int? Partition, long Offset, string? ReadOnlyReason)
{
    /// <summary>Bytes of the volume.</summary>
    public long Size => Volume.Length;
}

/// <summary>From a path to the device of the volume in it.</summary>
public static class ImageOpener
{
    /// <summary>Opens and locks the image and finds the volume.</summary>
    /// <param name="path">The image file or block device.</param>
    /// <param name="partition">The user's choice; null = the only one with ext.</param>
    /// <param name="options">Of the mount.</param>
    /// <param name="notes">Gets sentences for the user.</param>
    public static OpenedImage Open(string path, int? partition, MountOptions options, ICollection<string> notes)
    {
        string what = $"cannot mount {path}";
        string real = Check(path, what);
        string? reason = options.IsReadOnly ? null : WhyNotWritable(real, what);
        return new OpenedImage(real, new TemporaryFileDevice(real, options.IsReadOnly || reason != null), null, 0, reason);
    }

    /// <summary>Checks that a path can be an image and resolves it.</summary>
    /// <exception cref="MountException">It does not exist, is no file or block device, or may not be read.</exception>
    public static string Check(string path, string what)
    {
        if (OperatingSystem.IsWindows())
        {
            return System.IO.Directory.Exists(path) ? throw IsDirectory(what) : System.IO.Path.GetFullPath(path);
        }
        int errno = FileStatus.TryGet(path, out FileStatus status);
        if (errno != 0)
        {
            throw Failures.ExplainErrno(errno, what, errno == Native.ENOENT ? "no such file" : null);
        }
        if (status.IsDirectory)
        {
            throw IsDirectory(what);
        }
        if (!status.IsRegularFile && !status.IsBlockDevice)
        {
            throw new MountException(MountError.Usage, what, "it is neither a file nor a block device", "Give an image file.");
        }
        if (Native.access(path, Native.R_OK) != 0)
        {
            throw Failures.ExplainErrno(Marshal.GetLastPInvokeError(), what);
        }
        return Native.RealPath(path) ?? System.IO.Path.GetFullPath(path);
    }

    private static string? WhyNotWritable(string path, string what)
    {
        if (OperatingSystem.IsWindows())
        {
            return new FileInfo(path).IsReadOnly ? "the file is marked read-only" : null;
        }
        if (Native.access(path, Native.W_OK) == 0)
        {
            return null;
        }
        int errno = Marshal.GetLastPInvokeError();
        return errno switch
        {
            Native.EROFS => "the image is on a read-only file system",
            Native.EACCES => "no permission to write the image",
            Native.EPERM => "the image is immutable (chattr)",
            _ => throw Failures.ExplainErrno(errno, what),
        };
    }

    private static MountException IsDirectory(string what) =>
        new(MountError.Usage, what, "it is a directory, not an image", "Give the image first, then the directory.");
}
