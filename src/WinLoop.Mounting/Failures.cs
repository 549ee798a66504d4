using WinLoop.Ext4;
using WinLoop.Storage;

namespace WinLoop.Mounting;

/// <summary>Turns whatever went wrong into the words and the kind a user gets.</summary>
public static class Failures
{
    private const string CheckHint = "Run 'e2fsck -f -n' on the image to see the damage; a copy of it can be repaired with 'e2fsck -f'.";

    /// <summary>Explains <paramref name="exception"/>.</summary>
    /// <param name="exception">What was thrown; a <see cref="MountException"/> is returned as it is.</param>
    /// <param name="what">What failed, for example <c>cannot mount pi.img</c>.</param>
    public static MountException Explain(Exception exception, string what)
    {
        return exception switch
        {
            MountException known => known,
            Ext4NotSupportedException e => New(MountError.Unsupported, e.Message, "'winloop info' shows what the volume uses."),
            Ext4CorruptException e => New(MountError.Damaged, e.Message, CheckHint),
            Ext4Exception e => ExplainErrno((int)e.Errno, what, e.Message == e.Errno.ToString() ? null : e.Message, e),
            BlockDeviceException e => ExplainDevice(e, what),
            FileNotFoundException or DirectoryNotFoundException => New(MountError.NotFound, "no such file or directory", "Check the path."),
            UnauthorizedAccessException => New(MountError.Denied, "permission denied", "Run it as a user who may, or as root."),
            OperationCanceledException => New(MountError.Interrupted, "interrupted", null),
            IOException e => New(MountError.Failed, e.Message.TrimEnd('.'), null),
            OutOfMemoryException => New(MountError.Failed, "not enough memory", "Give a smaller cache with -o cache=16M."),
            _ => New(MountError.Failed, $"{exception.GetType().Name}: {exception.Message}",
                "This is a mistake in WinLoop; --verbose shows where. Please report it."),
        };

        MountException New(MountError error, string why, string? hint) => new(error, what, why, hint, exception);
    }

    /// <summary>Explains a code of Linux.</summary>
    /// <param name="errno">The code.</param>
    /// <param name="what">What failed.</param>
    /// <param name="why">The reason in words; null = the code's usual text.</param>
    /// <param name="inner">The cause.</param>
    public static MountException ExplainErrno(int errno, string what, string? why = null, Exception? inner = null)
    {
        (MountError error, string? hint) = errno switch
        {
            2 or 20 => (MountError.NotFound, "Check the path."),
            1 or 13 => (MountError.Denied, "Run it as a user who may, or as root."),
            30 => (MountError.Denied, "Use -r to mount it read-only."),
            16 => (MountError.Busy, null),
            117 => (MountError.Damaged, CheckHint),
            _ => (MountError.Failed, (string?)null),
        };
        return new MountException(error, what, why ?? TextOf(errno), hint, inner);
    }

    private static MountException ExplainDevice(BlockDeviceException e, string what)
    {
        (MountError error, string? hint) = e.Error switch
        {
            BlockDeviceError.Busy => (MountError.Busy, "'winloop list' and 'losetup -a' show who uses it."),
            BlockDeviceError.ReadOnly => (MountError.Denied, "Use -r to mount it read-only."),
            BlockDeviceError.NotFound => (MountError.NotFound, "Check the path."),
            BlockDeviceError.Denied => (MountError.Denied, "Run it as a user who may, or as root."),
            BlockDeviceError.NoSpace => (MountError.Failed, "Make room on the disk that holds the image."),
            _ => (MountError.Failed, (string?)null),
        };
        return new MountException(error, what, e.Message, hint, e);
    }

    private static string TextOf(int errno) => errno switch
    {
        1 => "operation not permitted",
        2 => "no such file or directory",
        5 => "input/output error",
        13 => "permission denied",
        16 => "it is in use",
        20 => "not a directory",
        17 => "it exists",
        21 => "it is a directory",
        27 => "the file is too large",
        28 => "no space left",
        30 => "read-only file system",
        36 => "the name or the path is too long",
        39 => "the directory is not empty",
        40 => "too many symbolic links",
        95 => "not supported there",
        117 => "the file system is damaged",
        _ => $"error {errno}",
    };
}
