using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;
using WinLoop.Mounting;

namespace WinLoop.Service.Linux;

/// <summary>Calls of Linux on files that are known by a descriptor, so that nobody can change what a name leads to.</summary>
internal static unsafe partial class LinuxFiles
{
    internal const int O_RDONLY = 0, O_RDWR = 2, O_NONBLOCK = 0x800, O_CLOEXEC = 0x80000, O_PATH = 0x200000;
    internal static readonly int O_DIRECTORY = RuntimeInformation.ProcessArchitecture is Architecture.Arm64 or Architecture.Arm ? 0x4000 : 0x10000;

    private const int CurrentDirectory = -100, GetFlags = 3, AccessMode = 3;
    private const int SymlinkNoFollow = 0x100, DontSync = 0x4000, EmptyPath = 0x1000;
    private const uint BasicFields = 0x7FF, BirthTime = 0x800;
    private const int MaxPath = 4096;

    /// <summary>What identifies a file for longer than its name.</summary>
    /// <param name="Device">major:minor of the file system.</param>
    /// <param name="Inode">Its number there.</param>
    /// <param name="Birth">When it was made, in nanoseconds; 0 if the file system does not say.</param>
    /// <param name="Uid">Its owner.</param>
    /// <param name="Mode">Type and permissions.</param>
    internal readonly record struct Status(string Device, ulong Inode, long Birth, uint Uid, ushort Mode)
    {
        internal bool IsDirectory => (Mode & 0xF000) == 0x4000;
        internal bool IsImage => (Mode & 0xF000) is 0x8000 or 0x6000;
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct OpenHow
    {
        public ulong Flags, Mode, Resolve;
    }

    /// <summary>The path of an open file, as the kernel knows it now.</summary>
    internal static string PathOf(SafeFileHandle file) => $"/proc/self/fd/{((int)file.DangerousGetHandle()).ToString(CultureInfo.InvariantCulture)}";

    /// <summary>What its name is now; null if the system does not say.</summary>
    internal static string? NameOf(SafeFileHandle file)
    {
        byte* buffer = stackalloc byte[MaxPath];
        nint length = readlink(PathOf(file), buffer, MaxPath);
        return length is <= 0 or MaxPath || buffer[0] != '/' ? null : Encoding.UTF8.GetString(buffer, (int)length);
    }

    /// <summary>Status of an open file.</summary>
    /// <exception cref="IOException">The system does not say.</exception>
    internal static Status StatusOf(SafeFileHandle file) =>
        TryStatus((int)file.DangerousGetHandle(), "", EmptyPath, BasicFields | BirthTime, out Status status) ? status : throw Failure("looking at the file");

    /// <summary>major:minor of what is at a path, without asking the file system and without following a last link.</summary>
    internal static string? DeviceAt(string path) =>
        TryStatus(CurrentDirectory, path, SymlinkNoFollow | DontSync, 0, out Status status) ? status.Device : null;

    /// <summary>What stays the same for one file for as long as it exists, across starts of the system where the file
    /// system has a number of its own (ext4, btrfs): file system, inode, time of birth.</summary>
    internal static string FingerprintOf(string path)
    {
        // struct statfs: f_fsid is at 56 on 64-bit systems.
        const int size = 120, idAt = 56;
        byte* buffer = stackalloc byte[size];
        if (statfs(path, buffer) != 0 || !TryStatus(CurrentDirectory, path, 0, BasicFields | BirthTime, out Status status))
        {
            throw Failure("looking at the image");
        }
        ulong id = *(ulong*)(buffer + idAt);
        string system = id != 0 ? id.ToString("x", CultureInfo.InvariantCulture) : status.Device;
        return string.Create(CultureInfo.InvariantCulture, $"{system}-{status.Inode:x}-{status.Birth:x}");
    }

    /// <summary>True if the descriptor is open for writing.</summary>
    internal static bool IsWritable(SafeFileHandle file) => (fcntl((int)file.DangerousGetHandle(), GetFlags, 0) & AccessMode) == O_RDWR;

    /// <summary>Opens a path.</summary>
    /// <returns>Null with the error in <paramref name="errno"/>.</returns>
    internal static SafeFileHandle? TryOpen(string path, int flags, out int errno) => Wrap(open(path, flags | O_CLOEXEC, 0), out errno);

    /// <summary>Opens a path that must lead there without any symbolic link.</summary>
    /// <returns>Null with the error in <paramref name="errno"/>: ELOOP for a link.</returns>
    internal static SafeFileHandle? TryOpenStraight(string path, int flags, out int errno)
    {
        const long openat2 = 437;
        const ulong noSymlinks = 4, noMagicLinks = 2;
        OpenHow how = new() { Flags = (ulong)(uint)(flags | O_CLOEXEC), Resolve = noSymlinks | noMagicLinks };
        byte[] name = Encoding.UTF8.GetBytes(path + '\0');
        fixed (byte* start = name)
        {
            return Wrap((int)syscall(openat2, CurrentDirectory, start, &how, (nuint)sizeof(OpenHow)), out errno);
        }
    }

    /// <summary>An I/O error of the last call.</summary>
    internal static IOException Failure(string what) => new($"{what} failed: {Marshal.GetPInvokeErrorMessage(Marshal.GetLastPInvokeError())}");

    /// <summary>A failure in the user's words.</summary>
    internal static MountException Explain(int errno, string what) =>
        Failures.ExplainErrno(errno, what, errno is 1 or 2 or 13 or 16 or 20 or 30 ? null : Marshal.GetPInvokeErrorMessage(errno));

    private static SafeFileHandle? Wrap(int fd, out int errno)
    {
        errno = fd < 0 ? Marshal.GetLastPInvokeError() : 0;
        return fd < 0 ? null : new SafeFileHandle(fd, ownsHandle: true);
    }

    private static bool TryStatus(int directory, string path, int flags, uint mask, out Status status)
    {
        // struct statx: mask at 0, uid 20, mode 28, ino 32, btime 80, dev 136 and 140.
        const int size = 256;
        byte* b = stackalloc byte[size];
        if (statx(directory, path, flags, mask, b) != 0)
        {
            status = default;
            return false;
        }
        long birth = (*(uint*)b & BirthTime) != 0 ? *(long*)(b + 80) * 1_000_000_000 + *(uint*)(b + 88) : 0;
        string device = string.Create(CultureInfo.InvariantCulture, $"{*(uint*)(b + 136)}:{*(uint*)(b + 140)}");
        status = new Status(device, *(ulong*)(b + 32), birth, *(uint*)(b + 20), *(ushort*)(b + 28));
        return true;
    }

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int open(string path, int flags, int mode);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial nint readlink(string path, byte* buffer, nint size);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int statx(int directory, string path, int flags, uint mask, byte* buffer);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int statfs(string path, byte* buffer);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int fcntl(int fd, int command, nint argument);

    [LibraryImport("libc", SetLastError = true)]
    private static partial long syscall(long number, int directory, byte* path, OpenHow* how, nuint size);
}
