using System.Runtime.InteropServices;

namespace WinLoop.Benchmarks;

/// <summary>The system calls that are measured; no stream, no buffer in between.</summary>
internal static unsafe partial class Native
{
    public const int ReadOnly = 0, WriteOnly = 1, Create = 0x40, Exclusive = 0x80, Truncate = 0x200;

    public static int OpenOrThrow(string path, int flags)
    {
        int fd = Open(path, flags | 0x80000, 0x1A4);
        return fd >= 0 ? fd : throw new IOException($"open {path}: errno {Marshal.GetLastPInvokeError()}");
    }

    public static bool Exists(string path)
    {
        byte* buffer = stackalloc byte[256];
        return Statx(-100, path, 0x100, 0x7FF, buffer) == 0;
    }

    public static string DeviceOf(string path)
    {
        byte* buffer = stackalloc byte[256];
        return Statx(-100, path, 0, 0x7FF, buffer) == 0 ? $"{*(uint*)(buffer + 0x88)}:{*(uint*)(buffer + 0x8C)}" : "";
    }

    public static void Evict(string path)
    {
        int fd = OpenOrThrow(path, 2);
        _ = Fsync(fd);
        _ = Fadvise(fd, 0, 0, 4);
        _ = Close(fd);
    }

    public static void SyncFs(string path)
    {
        int fd = OpenOrThrow(path, ReadOnly);
        _ = Syncfs(fd);
        _ = Close(fd);
    }

    public static long ThreadCpuNanoseconds()
    {
        long* time = stackalloc long[2];
        return ClockGettime(3, time) == 0 ? (time[0] * 1_000_000_000) + time[1] : 0;
    }

    [LibraryImport("libc", EntryPoint = "clock_gettime")]
    private static partial int ClockGettime(int clock, long* time);
    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Open(string path, int flags, uint mode);
    [LibraryImport("libc", EntryPoint = "close")]
    public static partial int Close(int fd);
    [LibraryImport("libc", EntryPoint = "pread", SetLastError = true)]
    public static partial long Pread(int fd, byte* buffer, long count, long offset);
    [LibraryImport("libc", EntryPoint = "pwrite", SetLastError = true)]
    public static partial long Pwrite(int fd, byte* buffer, long count, long offset);
    [LibraryImport("libc", EntryPoint = "fsync", SetLastError = true)]
    public static partial int Fsync(int fd);
    [LibraryImport("libc", EntryPoint = "syncfs", SetLastError = true)]
    private static partial int Syncfs(int fd);
    [LibraryImport("libc", EntryPoint = "posix_fadvise")]
    private static partial int Fadvise(int fd, long offset, long length, int advice);
    [LibraryImport("libc", EntryPoint = "rename", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int Rename(string from, string to);
    [LibraryImport("libc", EntryPoint = "unlink", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int Unlink(string path);
    [LibraryImport("libc", EntryPoint = "statx", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Statx(int fd, string path, int flags, uint mask, byte* buffer);
}
