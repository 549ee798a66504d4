using System.Runtime.InteropServices;

namespace WinLoop.Mounting.Linux;

/// <summary>The few calls of libc this project needs.</summary>
internal static unsafe partial class Native
{
    internal const int ENOENT = 2, EACCES = 13, EEXIST = 17, EBUSY = 16, ENOTDIR = 20, EINVAL = 22, EROFS = 30, EPERM = 1, ENOTCONN = 107;
    internal const int MNT_FORCE = 1, MNT_DETACH = 2, UMOUNT_NOFOLLOW = 8;
    internal const int O_RDONLY = 0, O_CLOEXEC = 0x80000;
    internal const int W_OK = 2, R_OK = 4, X_OK = 1;

    [LibraryImport("libc")]
    internal static partial uint geteuid();

    [LibraryImport("libc")]
    internal static partial uint getegid();

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8, SetLastError = true)]
    private static partial byte* realpath(string path, byte* resolved);

    [LibraryImport("libc")]
    private static partial void free(void* pointer);

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8, SetLastError = true)]
    internal static partial int umount2(string target, int flags);

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8, SetLastError = true)]
    internal static partial int access(string path, int mode);

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8, SetLastError = true)]
    internal static partial int open(string path, int flags, int mode);

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8, SetLastError = true)]
    internal static partial int mkdir(string path, uint mode);

    [LibraryImport("libc")]
    internal static partial int close(int fd);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int ioctl(int fd, nuint request, void* argument);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int syncfs(int fd);

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8, SetLastError = true)]
    internal static partial int statx(int directory, string path, int flags, uint mask, ref byte buffer);

    /// <summary>realpath(3); null if it fails.</summary>
    internal static string? RealPath(string path)
    {
        byte* resolved = realpath(path, null);
        if (resolved == null)
        {
            return null;
        }
        string text = Marshal.PtrToStringUTF8((nint)resolved)!;
        free(resolved);
        return text;
    }
}
