using System.Runtime.InteropServices;

namespace WinLoop.Storage.Linux;

/// <summary>The system calls of the loop device, by glibc's and musl's names; 64-bit systems.</summary>
internal static unsafe partial class LibC
{
    internal const int O_RDONLY = 0;
    internal const int O_WRONLY = 1;
    internal const int O_RDWR = 2;
    internal const int O_ACCMODE = 3;
    internal const int O_EXCL = 0x80;
    internal const int O_NONBLOCK = 0x800;
    internal const int O_CLOEXEC = 0x80000;
    internal const int O_PATH = 0x200000;

    /// <summary>One of the few flags whose value differs between processors.</summary>
    internal static readonly int O_DIRECT =
        RuntimeInformation.ProcessArchitecture is Architecture.Arm64 or Architecture.Arm ? 0x10000 : 0x4000;

    internal const int F_GETFL = 3;

    internal const int LOCK_SH = 1;
    internal const int LOCK_EX = 2;
    internal const int LOCK_NB = 4;
    internal const int LOCK_UN = 8;

    internal const int FALLOC_FL_KEEP_SIZE = 1;
    internal const int FALLOC_FL_PUNCH_HOLE = 2;
    internal const int FALLOC_FL_ZERO_RANGE = 0x10;

    internal const int EPERM = 1;
    internal const int ENOENT = 2;
    internal const int EINTR = 4;
    internal const int EIO = 5;
    internal const int ENXIO = 6;
    internal const int EBADF = 9;
    internal const int EAGAIN = 11;
    internal const int EACCES = 13;
    internal const int EBUSY = 16;
    internal const int ENODEV = 19;
    internal const int EINVAL = 22;
    internal const int ENOTTY = 25;
    internal const int ETXTBSY = 26;
    internal const int EFBIG = 27;
    internal const int ENOSPC = 28;
    internal const int EROFS = 30;
    internal const int ENOSYS = 38;
    internal const int EOPNOTSUPP = 95;
    internal const int ESTALE = 116;
    internal const int EDQUOT = 122;
    internal const int ENOMEDIUM = 123;

    internal const nuint BLKROGET = 0x125E;
    internal const nuint BLKSSZGET = 0x1268;
    internal const nuint BLKDISCARD = 0x1277;
    internal const nuint BLKZEROOUT = 0x127F;
    internal const nuint BLKGETSIZE64 = 0x80081272;
    internal const nuint LOOP_GET_STATUS64 = 0x4C05;

    internal const int AT_FDCWD = -100;
    internal const int AT_EMPTY_PATH = 0x1000;
    internal const uint STATX_BASIC_STATS = 0x7FF;

    internal const int POSIX_FADV_WILLNEED = 3, POSIX_FADV_DONTNEED = 4;

    internal const int S_IFMT = 0xF000;
    internal const int S_IFBLK = 0x6000;
    internal const int S_IFREG = 0x8000;
    internal const int S_IFDIR = 0x4000;

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int open(string path, int flags, int mode);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int close(int fd);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int fcntl(int fd, int command, nint argument);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial nint pread(int fd, byte* buffer, nint count, long offset);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial nint pwrite(int fd, byte* buffer, nint count, long offset);

    /// <summary>The first byte of data at or behind a position.</summary>
    internal const int SEEK_DATA = 3;

    [LibraryImport("libc", SetLastError = true)]
    internal static partial long lseek(int fd, long offset, int whence);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int fdatasync(int fd);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int ftruncate(int fd, long length);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int fallocate(int fd, int mode, long offset, long length);

    [LibraryImport("libc")]
    internal static partial int posix_fadvise(int fd, long offset, long length, int advice);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int flock(int fd, int operation);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int ioctl(int fd, nuint request, void* argument);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int statx(int directory, string path, int flags, uint mask, StatX* result);

    [LibraryImport("libc", EntryPoint = "statx", SetLastError = true)]
    internal static partial int statx_fd(int fd, byte* empty, int flags, uint mask, StatX* result);

    /// <summary>fstat, by the one call whose structure is the same on all processors.</summary>
    /// <returns>0 or errno.</returns>
    internal static int FileStatus(int fd, out StatX status)
    {
        byte empty = 0;
        fixed (StatX* result = &status)
        {
            return statx_fd(fd, &empty, AT_EMPTY_PATH, STATX_BASIC_STATS, result) == 0 ? 0 : Marshal.GetLastPInvokeError();
        }
    }

    /// <summary>The system's words for an errno.</summary>
    internal static string Describe(int errno) => Marshal.GetPInvokeErrorMessage(errno);

    /// <summary><c>struct statx</c>, as far as it is used.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 256)]
    internal struct StatX
    {
        [FieldOffset(16)] internal uint LinkCount;
        [FieldOffset(28)] internal ushort Mode;
        [FieldOffset(32)] internal ulong Inode;
        [FieldOffset(40)] internal long Size;
        [FieldOffset(112)] internal long ModifiedSeconds;
        [FieldOffset(120)] internal uint ModifiedNanoseconds;
        [FieldOffset(128)] internal uint RealDeviceMajor;
        [FieldOffset(132)] internal uint RealDeviceMinor;
        [FieldOffset(136)] internal uint DeviceMajor;
        [FieldOffset(140)] internal uint DeviceMinor;

        internal readonly bool IsBlockDevice => (Mode & S_IFMT) == S_IFBLK;
        internal readonly bool IsRegularFile => (Mode & S_IFMT) == S_IFREG;
        internal readonly bool IsDirectory => (Mode & S_IFMT) == S_IFDIR;
        internal readonly ulong Device => MakeDevice(DeviceMajor, DeviceMinor);
        internal readonly ulong RealDevice => MakeDevice(RealDeviceMajor, RealDeviceMinor);
    }

    /// <summary>The number as <c>stat.st_dev</c> and the loop driver have it.</summary>
    internal static ulong MakeDevice(uint major, uint minor) =>
        (minor & 0xFF) | ((ulong)(major & 0xFFF) << 8) | ((ulong)(minor & ~0xFFu) << 12) | ((ulong)(major & ~0xFFFu) << 32);
}
