using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;

namespace WinLoop.TestKit.FileSystems;

/// <summary>System calls on a mounted directory: the kernel's own ext4, or a FUSE mount of ours.</summary>
internal sealed partial class PosixFileSystem(string root, Action? remount = null) : IFileSystem
{
    // Modes are meant as they are written.
    static PosixFileSystem() => _ = Native.Umask(0);

    private const int O_RDONLY = 0, O_WRONLY = 1, O_CREAT = 0x40, O_EXCL = 0x80, O_NOFOLLOW = 0x20000, O_CLOEXEC = 0x80000;

    private string At(string path) => root + "/" + path;

    private static int Errno(long result) => result < 0 ? Marshal.GetLastPInvokeError() : 0;

    private int WithFile(string path, int flags, Func<int, long> action)
    {
        // Opening a fifo waits, opening a device fails for reasons of its own: those count as "no file" here.
        if (Native.TypeOf(At(path)) is not (0 or 0x8000 or 0x4000 or 0xA000))
        {
            return 6;
        }
        int fd = Native.Open(At(path), flags | O_NOFOLLOW | O_CLOEXEC, 0);
        if (fd < 0)
        {
            return Marshal.GetLastPInvokeError();
        }
        int error = Errno(action(fd));
        Native.Close(fd);
        return error;
    }

    public int Create(string path, ushort mode)
    {
        int fd = Native.Open(At(path), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
        if (fd < 0)
        {
            return Marshal.GetLastPInvokeError();
        }
        Native.Close(fd);
        return 0;
    }

    public int MakeDirectory(string path, ushort mode) => Errno(Native.Mkdir(At(path), mode));
    public int MakeNode(string path, ushort mode, uint device) => Errno(Native.Mknod(At(path), mode, ((ulong)(device >> 8 & 0xFFF) << 8) | (device & 0xFF) | ((ulong)(device & 0xFFF00000))));
    public int Symlink(string path, string target) => Errno(Native.Symlink(target, At(path)));
    public int Link(string from, string to) => Errno(Native.Link(At(from), At(to)));
    public int Unlink(string path) => Errno(Native.Unlink(At(path)));
    public int RemoveDirectory(string path) => Errno(Native.Rmdir(At(path)));
    public int Rename(string from, string to, int flags) => Errno(Native.Renameat2(-100, At(from), -100, At(to), (uint)flags));

    public unsafe int Write(string path, long offset, byte[] data) => WithFile(path, O_WRONLY, fd =>
    {
        fixed (byte* p = data)
        {
            long done = 0;
            while (done < data.Length)
            {
                long n = Native.Pwrite(fd, p + done, data.Length - done, offset + done);
                if (n <= 0)
                {
                    return done > 0 ? done : n;
                }
                done += n;
            }
            return done;
        }
    });

    public int Truncate(string path, long size) => WithFile(path, O_WRONLY, fd => Native.Ftruncate(fd, size));

    // Linux marks the file modified before it looks whether the range can be shifted (6.14); here a step that
    // failed has to have changed nothing.
    public int Allocate(string path, int mode, long offset, long length)
    {
        bool isShift = mode is 8 or 0x20 && Native.TypeOf(At(path)) == 0x8000;
        long modified = isShift ? Native.Lstat(At(path)).ModifySeconds : 0;
        int error = WithFile(path, O_WRONLY, fd => Native.Fallocate(fd, mode, offset, length));
        if (isShift && error != 0)
        {
            SetModifyTime(path, modified);
        }
        return error;
    }

    private unsafe void SetModifyTime(string path, long seconds)
    {
        const long UTIME_OMIT = 0x3FFFFFFE;
        long* times = stackalloc long[4] { 0, UTIME_OMIT, seconds, 0 };
        _ = Native.Utimensat(-100, At(path), times, 0x100);
    }

    public unsafe int SetAttribute(string path, string name, byte[] value, int flags)
    {
        fixed (byte* p = value)
        {
            return Errno(Native.Lsetxattr(At(path), name, p, value.Length, flags));
        }
    }

    public int RemoveAttribute(string path, string name) => Errno(Native.Lremovexattr(At(path), name));
    public int SetMode(string path, ushort mode) => Native.IsSymlink(At(path)) ? 95 : Errno(Native.Chmod(At(path), mode));
    public int SetOwner(string path, uint uid, uint gid) => Errno(Native.Lchown(At(path), uid, gid));

    public unsafe int SetTimes(string path, long seconds, uint nanoseconds)
    {
        long* times = stackalloc long[4] { seconds, nanoseconds, seconds, nanoseconds };
        return Errno(Native.Utimensat(-100, At(path), times, 0x100));
    }

    public int Synchronize(string path) => WithFile(path, O_RDONLY, Native.Fsync);

    public void SynchronizeAll() => WithFile("", O_RDONLY, Native.Syncfs);

    public unsafe (int Error, byte[] Data) Read(string path, long offset, int length)
    {
        byte[] data = new byte[length];
        long count = 0;
        int error = WithFile(path, O_RDONLY, fd =>
        {
            fixed (byte* p = data)
            {
                return count = Native.Pread(fd, p, length, offset);
            }
        });
        return (error, error == 0 ? data[..(int)count] : []);
    }

    public void Remount() => remount?.Invoke();

    public List<string> Dump()
    {
        var lines = new List<string>();
        var pending = new Stack<string>();
        pending.Push("");
        while (pending.TryPop(out string? path))
        {
            Native.Stat st = Native.Lstat(At(path));
            bool isDirectory = (st.Mode & 0xF000) == 0x4000;
            string target = (st.Mode & 0xF000) == 0xA000 ? Native.ReadLink(At(path)) : "";
            var attributes = Native.Attributes(At(path)).ToList();
            string hash = (st.Mode & 0xF000) == 0x8000 ? Hash(path, st.Size) : "";
            uint links = path.Length == 0 && Directory.Exists(At("lost+found")) ? st.Links - 1 : st.Links;
            lines.Add(TreeDump.Line(path.Length == 0 ? "" : "/" + path, (ushort)st.Mode, links, st.Uid, st.Gid, st.Size, st.Device, st.ModifySeconds, target, attributes, hash));
            if (isDirectory)
            {
                foreach (string entry in Directory.EnumerateFileSystemEntries(At(path), "*", new EnumerationOptions { AttributesToSkip = 0, IgnoreInaccessible = false }))
                {
                    string name = Path.GetFileName(entry);
                    if (!(path.Length == 0 && name == "lost+found"))
                    {
                        pending.Push(path.Length == 0 ? name : path + "/" + name);
                    }
                }
            }
        }
        lines.Sort(StringComparer.Ordinal);
        return lines;
    }

    private unsafe string Hash(string path, long size)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA1);
        byte[] data = new byte[TreeDump.Chunk];
        WithFile(path, O_RDONLY, fd =>
        {
            for (long at = 0; at < size;)
            {
                at = Native.Lseek(fd, at, 3);
                if (at < 0)
                {
                    return 0; // ENXIO: no data behind
                }
                long chunk = at / TreeDump.Chunk;
                fixed (byte* p = data)
                {
                    int count = (int)Native.Pread(fd, p, TreeDump.Chunk, chunk * TreeDump.Chunk);
                    if (count < 0)
                    {
                        return count;
                    }
                    if (data.AsSpan(0, count).IndexOfAnyExcept((byte)0) >= 0)
                    {
                        hash.AppendData(BitConverter.GetBytes(chunk));
                        hash.AppendData(data, 0, count);
                    }
                }
                at = (chunk + 1) * TreeDump.Chunk;
            }
            return 0;
        });
        return Convert.ToHexString(hash.GetHashAndReset())[..16];
    }

    public void Dispose()
    {
    }

    private static unsafe partial class Native
    {
        public readonly record struct Stat(uint Mode, uint Links, uint Uid, uint Gid, long Size, uint Device, long ModifySeconds);

        public static bool IsSymlink(string path) => TryLstat(path, out Stat st) && (st.Mode & 0xF000) == 0xA000;

        /// <summary>Type bits, 0 if there is nothing.</summary>
        public static uint TypeOf(string path) => TryLstat(path, out Stat st) ? st.Mode & 0xF000 : 0;

        public static Stat Lstat(string path) => TryLstat(path, out Stat st) ? st : throw new IOException($"lstat {path}: errno {Marshal.GetLastPInvokeError()}");

        // struct statx: mode at 0x1C, nlink 0x10, uid 0x14, gid 0x18, size 0x28, mtime 0x70, rdev major 0x80 and minor 0x84.
        private static bool TryLstat(string path, out Stat st)
        {
            byte* b = stackalloc byte[256];
            if (Statx(-100, path, 0x100, 0x7FF, b) != 0)
            {
                st = default;
                return false;
            }
            uint major = *(uint*)(b + 0x80), minor = *(uint*)(b + 0x84);
            uint device = (minor & 0xFF) | (major << 8) | ((minor & ~0xFFu) << 12);
            st = new Stat(*(ushort*)(b + 0x1C), *(uint*)(b + 0x10), *(uint*)(b + 0x14), *(uint*)(b + 0x18), *(long*)(b + 0x28), device, *(long*)(b + 0x70));
            return true;
        }

        public static string ReadLink(string path)
        {
            byte* b = stackalloc byte[4096];
            long n = Readlink(path, b, 4096);
            return n < 0 ? "" : Encoding.UTF8.GetString(b, (int)n);
        }

        public static IEnumerable<KeyValuePair<string, byte[]>> Attributes(string path)
        {
            byte[] list = new byte[65536];
            long length;
            fixed (byte* p = list)
            {
                length = Llistxattr(path, p, list.Length);
            }
            if (length < 0)
            {
                throw new IOException($"llistxattr {path}: errno {Marshal.GetLastPInvokeError()}");
            }
            var result = new List<KeyValuePair<string, byte[]>>();
            foreach (string name in Encoding.UTF8.GetString(list, 0, (int)length).Split('\0', StringSplitOptions.RemoveEmptyEntries))
            {
                byte[] value = new byte[65536];
                fixed (byte* p = value)
                {
                    long n = Lgetxattr(path, name, p, value.Length);
                    result.Add(new(name, n < 0 ? [] : value[..(int)n]));
                }
            }
            return result;
        }

        [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
        public static partial int Open(string path, int flags, uint mode);
        [LibraryImport("libc", EntryPoint = "umask")]
        public static partial uint Umask(uint mask);
        [LibraryImport("libc", EntryPoint = "close")]
        public static partial int Close(int fd);
        [LibraryImport("libc", EntryPoint = "mkdir", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
        public static partial int Mkdir(string path, uint mode);
        [LibraryImport("libc", EntryPoint = "mknod", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
        public static partial int Mknod(string path, uint mode, ulong device);
        [LibraryImport("libc", EntryPoint = "symlink", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
        public static partial int Symlink(string target, string path);
        [LibraryImport("libc", EntryPoint = "link", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
        public static partial int Link(string from, string to);
        [LibraryImport("libc", EntryPoint = "unlink", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
        public static partial int Unlink(string path);
        [LibraryImport("libc", EntryPoint = "rmdir", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
        public static partial int Rmdir(string path);
        [LibraryImport("libc", EntryPoint = "renameat2", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
        public static partial int Renameat2(int oldFd, string from, int newFd, string to, uint flags);
        [LibraryImport("libc", EntryPoint = "pwrite", SetLastError = true)]
        public static partial long Pwrite(int fd, byte* data, long count, long offset);
        [LibraryImport("libc", EntryPoint = "pread", SetLastError = true)]
        public static partial long Pread(int fd, byte* data, long count, long offset);
        [LibraryImport("libc", EntryPoint = "lseek", SetLastError = true)]
        public static partial long Lseek(int fd, long offset, int whence);
        [LibraryImport("libc", EntryPoint = "ftruncate", SetLastError = true)]
        public static partial int Ftruncate(int fd, long size);
        [LibraryImport("libc", EntryPoint = "fallocate", SetLastError = true)]
        public static partial int Fallocate(int fd, int mode, long offset, long length);
        [LibraryImport("libc", EntryPoint = "lsetxattr", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
        public static partial int Lsetxattr(string path, string name, byte* value, long size, int flags);
        [LibraryImport("libc", EntryPoint = "lremovexattr", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
        public static partial int Lremovexattr(string path, string name);
        [LibraryImport("libc", EntryPoint = "lgetxattr", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
        public static partial long Lgetxattr(string path, string name, byte* value, long size);
        [LibraryImport("libc", EntryPoint = "llistxattr", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
        public static partial long Llistxattr(string path, byte* list, long size);
        [LibraryImport("libc", EntryPoint = "chmod", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
        public static partial int Chmod(string path, uint mode);
        [LibraryImport("libc", EntryPoint = "lchown", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
        public static partial int Lchown(string path, uint uid, uint gid);
        [LibraryImport("libc", EntryPoint = "utimensat", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
        public static partial int Utimensat(int fd, string path, long* times, int flags);
        [LibraryImport("libc", EntryPoint = "readlink", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
        public static partial long Readlink(string path, byte* buffer, long size);
        [LibraryImport("libc", EntryPoint = "statx", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
        public static partial int Statx(int fd, string path, int flags, uint mask, byte* buffer);
        [LibraryImport("libc", EntryPoint = "fsync", SetLastError = true)]
        private static partial int FsyncRaw(int fd);
        [LibraryImport("libc", EntryPoint = "syncfs", SetLastError = true)]
        private static partial int SyncfsRaw(int fd);
        public static long Fsync(int fd) => FsyncRaw(fd);
        public static long Syncfs(int fd) => SyncfsRaw(fd);
    }
}
