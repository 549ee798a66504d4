using System.Runtime.InteropServices;
using System.Text;
using WinLoop.Ext4;
using WinLoop.Ext4.Format;
using WinLoop.TestKit;

namespace WinLoop.CrashTests;

/// <summary>
/// The third judge: the kernel recovers the same state by itself and has to see the same tree, times included. One
/// loop device for the judge's whole life. For one thread.
/// </summary>
internal sealed unsafe partial class KernelJudge : IDisposable
{
    private const int NoAtime = 1024;

    private readonly string _folder;
    private readonly string _device;

    /// <param name="folder">A folder of its own, on a file system in memory.</param>
    /// <param name="megabytes">The largest image.</param>
    public KernelJudge(string folder, int megabytes)
    {
        _folder = folder;
        Directory.CreateDirectory(Mount);
        _device = Shell.Script($"truncate -s {megabytes}M {Image}; losetup -f --show {Image}").Trim();
    }

    private string Image => Path.Combine(_folder, "kernel.img");

    private string Mount => Path.Combine(_folder, "mnt");

    /// <summary>States judged.</summary>
    public int Count { get; private set; }

    /// <summary>What the kernel shows of a state after its own recovery, and what it leaves behind.</summary>
    public (Dictionary<string, RecoveredTree.Item> Tree, byte[] After) Recover(byte[] image)
    {
        using (var file = new FileStream(Image, System.IO.FileMode.Open, FileAccess.Write, FileShare.ReadWrite, 0))
        {
            file.Write(image);
        }
        if (MountCall(_device, Mount, "ext4", NoAtime, "noinit_itable") != 0)
        {
            throw new CrashViolation($"the kernel does not mount it (errno {Marshal.GetLastPInvokeError()})");
        }
        Dictionary<string, RecoveredTree.Item> tree;
        try
        {
            tree = ReadTree();
        }
        finally
        {
            Unmount();
        }
        byte[] after = new byte[image.Length];
        using (var file = new FileStream(Image, System.IO.FileMode.Open, FileAccess.Read, FileShare.ReadWrite, 0))
        {
            file.ReadExactly(after);
        }
        string label = new Superblock(after.AsSpan(Superblock.Offset, Superblock.Size)).Label;
        tree[TreeEntry.LabelPath] = new(new TreeEntry(0, label, null), "");
        Count++;
        return (tree, after);
    }

    public void Dispose()
    {
        Shell.Script($"losetup -d {_device}");
        Directory.Delete(_folder, recursive: true);
    }

    private void Unmount()
    {
        // A program that another thread is just starting holds our open files for a moment.
        for (int i = 0; UnmountCall(Mount, 0) != 0; i++)
        {
            if (i == 100)
            {
                throw new IOException($"umount {Mount}: errno {Marshal.GetLastPInvokeError()}");
            }
            Thread.Sleep(20);
        }
    }

    private Dictionary<string, RecoveredTree.Item> ReadTree()
    {
        var items = new Dictionary<string, RecoveredTree.Item>();
        var pending = new Stack<string>([""]);
        while (pending.TryPop(out string? path))
        {
            string full = path.Length == 0 ? Mount : Mount + "/" + path;
            RecoveredTree.Item item = ReadItem(path, full);
            items.Add(path, item);
            if (item.Entry.Line.StartsWith("4", StringComparison.Ordinal))
            {
                foreach (string child in Directory.EnumerateFileSystemEntries(full))
                {
                    string name = Path.GetFileName(child);
                    if (path.Length != 0 || name != "lost+found")
                    {
                        pending.Push(path.Length == 0 ? name : path + "/" + name);
                    }
                }
            }
        }
        return items;
    }

    private static RecoveredTree.Item ReadItem(string path, string full)
    {
        // struct statx: mask 0, attributes 8, nlink 0x10, uid 0x14, gid 0x18, mode 0x1C, size 0x28, atime 0x40, ctime 0x60,
        // mtime 0x70 (seconds, nanoseconds), rdev major 0x80, minor 0x84.
        byte* b = stackalloc byte[256];
        if (Statx(-100, full, 0x100, 0x7FF, b) != 0)
        {
            throw new CrashViolation($"the kernel fails to stat '{path}': errno {Marshal.GetLastPInvokeError()}");
        }
        ushort mode = *(ushort*)(b + 0x1C);
        uint links = *(uint*)(b + 0x10);
        ulong shown = *(ulong*)(b + 8); // STATX_ATTR_*: immutable 0x10, append 0x20, nodump 0x40; the values of the inode's flags
        var flags = (InodeFlags)(uint)(shown & 0x70);
        uint major = *(uint*)(b + 0x80), minor = *(uint*)(b + 0x84);
        uint device = (minor & 0xFF) | (major << 8) | ((minor & ~0xFFu) << 12);
        bool isLink = (mode & InodeMode.TypeMask) == InodeMode.Symlink, isRegular = (mode & InodeMode.TypeMask) == InodeMode.Regular;
        string target = "";
        if (isLink)
        {
            byte* text = stackalloc byte[4096];
            long length = Readlink(full, text, 4096);
            target = length < 0 ? "?" : Encoding.UTF8.GetString(text, (int)length);
        }
        string line = TreeEntry.MakeLine(mode, path.Length == 0 ? links - 1 : links, *(uint*)(b + 0x14), *(uint*)(b + 0x18), device, flags, target,
            Attributes(full));
        string times = $"a{Time(b + 0x40)} m{Time(b + 0x70)} c{Time(b + 0x60)}";
        return new RecoveredTree.Item(new TreeEntry(0, line, isRegular ? File.ReadAllBytes(full) : null), times);
    }

    private static string Time(byte* at) => $"{*(long*)at}.{*(uint*)(at + 8):d9}";

    private static List<KeyValuePair<string, byte[]>> Attributes(string path)
    {
        var result = new List<KeyValuePair<string, byte[]>>();
        byte* list = stackalloc byte[4096];
        long length = Llistxattr(path, list, 4096);
        if (length <= 0)
        {
            return result;
        }
        byte[] value = new byte[65536];
        foreach (string name in Encoding.UTF8.GetString(list, (int)length).Split('\0', StringSplitOptions.RemoveEmptyEntries))
        {
            fixed (byte* p = value)
            {
                long size = Lgetxattr(path, name, p, value.Length);
                result.Add(new(name, size < 0 ? [] : value[..(int)size]));
            }
        }
        return result;
    }

    [LibraryImport("libc", EntryPoint = "mount", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int MountCall(string source, string target, string type, ulong flags, string data);
    [LibraryImport("libc", EntryPoint = "umount2", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int UnmountCall(string target, int flags);
    [LibraryImport("libc", EntryPoint = "statx", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Statx(int fd, string path, int flags, uint mask, byte* buffer);
    [LibraryImport("libc", EntryPoint = "readlink", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial long Readlink(string path, byte* buffer, long size);
    [LibraryImport("libc", EntryPoint = "llistxattr", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial long Llistxattr(string path, byte* list, long size);
    [LibraryImport("libc", EntryPoint = "lgetxattr", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial long Lgetxattr(string path, string name, byte* value, long size);
}
