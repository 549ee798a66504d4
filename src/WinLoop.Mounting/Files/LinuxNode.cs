using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;
using WinLoop.Ext4;
using WinLoop.Ext4.Format;

namespace WinLoop.Mounting.Files;

/// <summary>A file of the host, on Linux: of any name, with all that ext4 can keep too.</summary>
internal sealed class LinuxNode : FileNode
{
    private const int EntryNameAt = 19; // struct dirent: ino 8, off 8, reclen 2, type 1, name
    private const int StatxSize = 256;

    private readonly byte[] _path;
    private SafeFileHandle? _handle;

    private LinuxNode(byte[] path) => _path = path;

    public override string Path => Encoding.UTF8.GetString(_path.AsSpan(0, _path.Length - 1));

    public override FileFacts Facts
    {
        get
        {
            // struct statx: nlink 16, uid 20, gid 24, mode 28, ino 32, size 40, atime 64, mtime 112, rdev 128, dev 136.
            byte[] s = new byte[StatxSize];
            Check(HostCalls.statx(HostCalls.AtCurrentDirectory, _path, HostCalls.AtNoFollow, HostCalls.BasicFields, s));
            ushort mode = BitConverter.ToUInt16(s, 28);
            return new FileFacts((FileKind)(mode & InodeMode.TypeMask), (ushort)(mode & InodeMode.Permissions), BitConverter.ToUInt32(s, 20),
                BitConverter.ToUInt32(s, 24), BitConverter.ToInt64(s, 40), BitConverter.ToUInt32(s, 16), EncodeDevice(BitConverter.ToUInt32(s, 128), BitConverter.ToUInt32(s, 132)),
                (((ulong)BitConverter.ToUInt32(s, 136) << 32) | BitConverter.ToUInt32(s, 140), BitConverter.ToUInt64(s, 32)), Time(s, 64), Time(s, 112));
        }
    }

    /// <summary>What a path names, links not followed; null if there is nothing.</summary>
    public static LinuxNode? Open(ReadOnlySpan<byte> path)
    {
        var node = new LinuxNode([.. path, 0]);
        if (HostCalls.statx(HostCalls.AtCurrentDirectory, node._path, HostCalls.AtNoFollow, HostCalls.BasicFields, new byte[StatxSize]) == 0)
        {
            return node;
        }
        int errno = Marshal.GetLastPInvokeError();
        return errno == HostCalls.ENOENT ? null : throw node.Failure(errno);
    }

    public override unsafe IReadOnlyList<byte[]> List()
    {
        nint directory = HostCalls.opendir(_path);
        if (directory == 0)
        {
            throw Failure(Marshal.GetLastPInvokeError());
        }
        try
        {
            var names = new List<byte[]>();
            for (byte* entry; (entry = HostCalls.readdir(directory)) != null;)
            {
                ReadOnlySpan<byte> name = MemoryMarshal.CreateReadOnlySpanFromNullTerminated(entry + EntryNameAt);
                if (name is not [(byte)'.'] and not [(byte)'.', (byte)'.'])
                {
                    names.Add(name.ToArray());
                }
            }
            return names;
        }
        finally
        {
            _ = HostCalls.closedir(directory);
        }
    }

    public override FileNode? Find(ReadOnlySpan<byte> name) => Open(Child(name)[..^1]);

    public override byte[] ReadLink()
    {
        byte[] target = new byte[4096];
        nint length = HostCalls.readlink(_path, target, target.Length);
        Check((int)length);
        return target[..(int)length];
    }

    public override int Read(Span<byte> buffer, long offset) => RandomAccess.Read(Handle(HostCalls.O_RDONLY), buffer, offset);

    public override long NextData(long offset)
    {
        long at = HostCalls.lseek((int)Handle(HostCalls.O_RDONLY).DangerousGetHandle(), offset, HostCalls.SEEK_DATA);
        if (at >= 0)
        {
            return at;
        }
        int errno = Marshal.GetLastPInvokeError();
        return errno == HostCalls.ENXIO ? Facts.Size : offset; // without holes everything is data
    }

    public override IReadOnlyList<(byte[] Name, byte[] Value)> GetAttributes()
    {
        nint length = HostCalls.llistxattr(_path, null, 0);
        if (length <= 0)
        {
            return length == 0 || Marshal.GetLastPInvokeError() == HostCalls.EOPNOTSUPP ? [] : throw Failure(Marshal.GetLastPInvokeError());
        }
        byte[] names = new byte[length];
        length = HostCalls.llistxattr(_path, names, names.Length);
        Check((int)length);
        var list = new List<(byte[], byte[])>();
        for (int at = 0; at < length;)
        {
            int end = Array.IndexOf(names, (byte)0, at);
            byte[] name = names[at..(end + 1)];
            nint size = HostCalls.lgetxattr(_path, name, null, 0);
            Check((int)size);
            byte[] value = new byte[size];
            Check((int)HostCalls.lgetxattr(_path, name, value, value.Length));
            list.Add((name[..^1], value));
            at = end + 1;
        }
        return list;
    }

    public override FileNode CreateDirectory(ReadOnlySpan<byte> name)
    {
        var child = new LinuxNode(Child(name));
        child.Check(HostCalls.mkdir(child._path, 0x1C0));
        return child;
    }

    public override FileNode CreateFile(ReadOnlySpan<byte> name)
    {
        var child = new LinuxNode(Child(name));
        child._handle = child.OpenHandle(HostCalls.O_RDWR | HostCalls.O_CREAT | HostCalls.O_EXCL | HostCalls.O_NOFOLLOW);
        return child;
    }

    public override FileNode CreateSymlink(ReadOnlySpan<byte> name, ReadOnlySpan<byte> target)
    {
        var child = new LinuxNode(Child(name));
        child.Check(HostCalls.symlink([.. target, 0], child._path));
        return child;
    }

    public override FileNode CreateSpecial(ReadOnlySpan<byte> name, FileKind kind, uint device)
    {
        var child = new LinuxNode(Child(name));
        (ulong major, ulong minor) = ((device >> 8) & 0xFFF, (device & 0xFF) | ((device >> 12) & 0xFFF00));
        // glibc's dev_t of 64 bits, which is musl's too.
        ulong encoded = (minor & 0xFF) | ((major & 0xFFF) << 8) | ((minor & ~0xFFul) << 12);
        child.Check(HostCalls.mknod(child._path, (uint)kind | 0x180, encoded));
        return child;
    }

    public override void CreateLink(ReadOnlySpan<byte> name, FileNode existing) => Check(HostCalls.link(((LinuxNode)existing)._path, Child(name)));

    public override void Remove(ReadOnlySpan<byte> name) => Check(HostCalls.unlink(Child(name)));

    public override void Write(ReadOnlySpan<byte> data, long offset) => RandomAccess.Write(Handle(HostCalls.O_RDWR), data, offset);

    public override void SetSize(long size) => RandomAccess.SetLength(Handle(HostCalls.O_RDWR), size);

    public override void SetFacts(in FileFacts facts, bool setOwner)
    {
        // Last of all; what is kept for its other names keeps no descriptor.
        _handle?.Dispose();
        _handle = null;
        bool isLink = Facts.Kind == FileKind.Symlink;
        if (setOwner)
        {
            Check(HostCalls.lchown(_path, facts.Uid, facts.Gid));
        }
        if (!isLink)
        {
            // Without the owner a set-id bit would give somebody else's rights away.
            Check(HostCalls.chmod(_path, setOwner ? facts.Permissions : (uint)facts.Permissions & 0x3FF));
        }
        Check(HostCalls.utimensat(HostCalls.AtCurrentDirectory, _path,
            [facts.Accessed.Seconds, facts.Accessed.Nanoseconds, facts.Modified.Seconds, facts.Modified.Nanoseconds], HostCalls.AtNoFollow));
    }

    public override void SetAttribute(ReadOnlySpan<byte> name, ReadOnlySpan<byte> value) =>
        Check(HostCalls.lsetxattr(_path, [.. name, 0], value.ToArray(), value.Length, 0));

    protected override void Dispose(bool isDisposing)
    {
        if (isDisposing)
        {
            _handle?.Dispose();
        }
    }

    private byte[] Child(ReadOnlySpan<byte> name) => [.. _path.AsSpan(0, _path.Length - 1), .. _path[^2] == (byte)'/' ? ""u8 : "/"u8, .. name, 0];

    private SafeFileHandle Handle(int flags) => _handle ??= OpenHandle(flags);

    private SafeFileHandle OpenHandle(int flags)
    {
        int file = HostCalls.open(_path, flags | HostCalls.O_CLOEXEC, 0x180);
        Check(file);
        return new SafeFileHandle(file, ownsHandle: true);
    }

    private void Check(int result)
    {
        if (result < 0)
        {
            throw Failure(Marshal.GetLastPInvokeError());
        }
    }

    private MountException Failure(int errno) => Failures.ExplainErrno(errno, Path);

    private static Timestamp Time(byte[] s, int at) => new(BitConverter.ToInt64(s, at), BitConverter.ToUInt32(s, at + 8));

    private static uint EncodeDevice(uint major, uint minor) => (minor & 0xFF) | ((major & 0xFFF) << 8) | ((minor & 0xFFF00) << 12);
}
