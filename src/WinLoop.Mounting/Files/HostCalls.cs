using System.Runtime.InteropServices;

namespace WinLoop.Mounting.Files;

/// <summary>The calls of libc for files of any name: paths are bytes that end with a zero.</summary>
internal static unsafe partial class HostCalls
{
    public const int ENOENT = 2, ENXIO = 6, EOPNOTSUPP = 95;
    public const int O_RDONLY = 0, O_WRONLY = 1, O_RDWR = 2, O_CREAT = 0x40, O_EXCL = 0x80, O_CLOEXEC = 0x80000;
    public const int SEEK_DATA = 3, AtCurrentDirectory = -100, AtNoFollow = 0x100;
    public const uint BasicFields = 0x7FF;

    // O_NOFOLLOW is one of the few flags with a number of its own on Arm.
    public static readonly int O_NOFOLLOW = RuntimeInformation.ProcessArchitecture is Architecture.Arm64 or Architecture.Arm ? 0x8000 : 0x20000;

    [LibraryImport("libc", SetLastError = true)]
    public static partial int statx(int directory, byte[] path, int flags, uint mask, byte[] buffer);

    [LibraryImport("libc", SetLastError = true)]
    public static partial int open(byte[] path, int flags, uint mode);

    [LibraryImport("libc", SetLastError = true)]
    public static partial long lseek(int file, long offset, int whence);

    [LibraryImport("libc", SetLastError = true)]
    public static partial nint opendir(byte[] path);

    [LibraryImport("libc", SetLastError = true)]
    public static partial byte* readdir(nint directory);

    [LibraryImport("libc")]
    public static partial int closedir(nint directory);

    [LibraryImport("libc", SetLastError = true)]
    public static partial nint readlink(byte[] path, byte[] buffer, nint size);

    [LibraryImport("libc", SetLastError = true)]
    public static partial int mkdir(byte[] path, uint mode);

    [LibraryImport("libc", SetLastError = true)]
    public static partial int symlink(byte[] target, byte[] path);

    [LibraryImport("libc", SetLastError = true)]
    public static partial int mknod(byte[] path, uint mode, ulong device);

    [LibraryImport("libc", SetLastError = true)]
    public static partial int link(byte[] existing, byte[] path);

    [LibraryImport("libc", SetLastError = true)]
    public static partial int unlink(byte[] path);

    [LibraryImport("libc", SetLastError = true)]
    public static partial int chmod(byte[] path, uint mode);

    [LibraryImport("libc", SetLastError = true)]
    public static partial int lchown(byte[] path, uint uid, uint gid);

    [LibraryImport("libc", SetLastError = true)]
    public static partial int utimensat(int directory, byte[] path, long[] times, int flags);

    [LibraryImport("libc", SetLastError = true)]
    public static partial nint llistxattr(byte[] path, byte[]? list, nint size);

    [LibraryImport("libc", SetLastError = true)]
    public static partial nint lgetxattr(byte[] path, byte[] name, byte[]? value, nint size);

    [LibraryImport("libc", SetLastError = true)]
    public static partial int lsetxattr(byte[] path, byte[] name, byte[] value, nint size, int flags);
}
