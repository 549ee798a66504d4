using System.Security.Cryptography;
using System.Text;
using WinLoop.Ext4;
using WinLoop.Ext4.Format;

namespace WinLoop.TestKit.FileSystems;

/// <summary>The engine in process, by path.</summary>
internal sealed class EngineFileSystem : IFileSystem
{
    private readonly Func<Ext4Volume> _mount;
    private Ext4Volume _volume;

    public EngineFileSystem(Func<Ext4Volume> mount)
    {
        _mount = mount;
        _volume = mount();
    }

    public Ext4Volume Volume => _volume;

    private static byte[] Bytes(string text) => Encoding.UTF8.GetBytes(text);

    // Resolves the directory part; returns references that the caller releases.
    private Inode Walk(string path, bool parentOnly, out byte[] name)
    {
        string[] parts = path.Split('/', StringSplitOptions.RemoveEmptyEntries);
        Inode current = _volume.GetInode(Ext4Volume.RootInode);
        int count = parentOnly ? parts.Length - 1 : parts.Length;
        try
        {
            for (int i = 0; i < count; i++)
            {
                if (current.IsSymlink)
                {
                    throw new Ext4Exception(Errno.ENOENT, "all links of the generator dangle");
                }
                Inode next = _volume.Lookup(current, Bytes(parts[i])) ?? throw new Ext4Exception(Errno.ENOENT, "walk");
                _volume.Release(current);
                current = next;
            }
            if (parentOnly && !current.IsDirectory)
            {
                throw new Ext4Exception(current.IsSymlink ? Errno.ENOENT : Errno.ENOTDIR, "walk");
            }
        }
        catch
        {
            _volume.Release(current);
            throw;
        }
        name = parts.Length == 0 ? [] : Bytes(parts[^1]);
        return current;
    }

    private static int Try(Action action)
    {
        try
        {
            action();
            return 0;
        }
        catch (Ext4Exception e)
        {
            return (int)e.Errno;
        }
    }

    private int OnParent(string path, Action<Inode, byte[]> action) => Try(() =>
    {
        Inode parent = Walk(path, true, out byte[] name);
        try
        {
            action(parent, name);
        }
        finally
        {
            _volume.Release(parent);
        }
    });

    private int OnInode(string path, Action<Inode> action) => Try(() =>
    {
        Inode inode = Walk(path, false, out _);
        try
        {
            action(inode);
        }
        finally
        {
            _volume.Release(inode);
        }
    });

    private int OnFile(string path, Action<Inode> action) => OnInode(path, inode =>
    {
        if (inode.IsSymlink)
        {
            throw new Ext4Exception((Errno)40, "ELOOP");
        }
        if (!inode.IsRegular && !inode.IsDirectory)
        {
            throw new Ext4Exception(Errno.ENXIO, "not a file");
        }
        action(inode);
    });

    public int Create(string path, ushort mode) => OnParent(path, (d, n) => _volume.Release(_volume.Create(d, n, (ushort)(0x8000 | mode), 0, Caller.Root)));
    public int MakeDirectory(string path, ushort mode) => OnParent(path, (d, n) => _volume.Release(_volume.CreateDirectory(d, n, mode, Caller.Root)));
    public int MakeNode(string path, ushort mode, uint device) => OnParent(path, (d, n) => _volume.Release(_volume.Create(d, n, mode, device, Caller.Root)));
    public int Symlink(string path, string target) => OnParent(path, (d, n) => _volume.Release(_volume.CreateSymlink(d, n, Bytes(target), Caller.Root)));
    public int Unlink(string path) => OnParent(path, (d, n) => _volume.Unlink(d, n));
    public int RemoveDirectory(string path) => OnParent(path, (d, n) => _volume.RemoveDirectory(d, n));

    public int Link(string from, string to)
    {
        int inner = 0;
        int outer = OnInode(from, inode => inner = OnParent(to, (d, n) =>
        {
            if (_volume.Lookup(d, n) is { } existing)
            {
                _volume.Release(existing);
                throw new Ext4Exception(Errno.EEXIST, "link"); // the VFS looks before it asks
            }
            _volume.Link(inode, d, n);
        }));
        return outer != 0 ? outer : inner;
    }

    public int Rename(string from, string to, int flags)
    {
        int inner = 0;
        int outer = OnParent(from, (oldDirectory, oldName) => inner = OnParent(to, (newDirectory, newName) =>
            _volume.Rename(oldDirectory, oldName, newDirectory, newName, (RenameFlags)flags, Caller.Root)));
        return outer != 0 ? outer : inner;
    }

    public int Write(string path, long offset, byte[] data) => OnFile(path, inode => _volume.Write(inode, data, offset, Caller.Root));

    /// <summary>Size in bytes of what a path names, -1 without it.</summary>
    public long Size(string path)
    {
        long size = -1;
        OnInode(path, inode => size = inode.Size);
        return size;
    }

    public int Truncate(string path, long size) => OnFile(path, inode => _volume.SetAttributes(inode, new AttributeChanges { Size = size }, Caller.Root));

    public int Allocate(string path, int mode, long offset, long length) =>
        OnFile(path, inode => _volume.Allocate(inode, (AllocateMode)mode, offset, length, Caller.Root));

    public int SetAttribute(string path, string name, byte[] value, int flags) => OnInode(path, inode =>
    {
        RequireUserAttributes(inode);
        _volume.SetExtendedAttribute(inode, Bytes(name), value, (AttributeSetMode)flags);
    });

    public int RemoveAttribute(string path, string name) => OnInode(path, inode =>
    {
        RequireUserAttributes(inode);
        _volume.RemoveExtendedAttribute(inode, Bytes(name));
    });

    // The VFS's rule, not ext4's.
    private static void RequireUserAttributes(Inode inode)
    {
        if (!inode.IsRegular && !inode.IsDirectory)
        {
            throw new Ext4Exception(Errno.EPERM, "xattr");
        }
    }

    public int SetMode(string path, ushort mode) => OnInode(path, inode =>
    {
        if (inode.IsSymlink)
        {
            throw new Ext4Exception(Errno.EOPNOTSUPP, "chmod");
        }
        _volume.SetAttributes(inode, new AttributeChanges { Mode = mode }, Caller.Root);
    });

    public int SetOwner(string path, uint uid, uint gid) => OnInode(path, inode =>
        _volume.SetAttributes(inode, new AttributeChanges { Uid = uid, Gid = gid, KillSetId = !inode.IsDirectory && !inode.IsSymlink }, Caller.Root));

    public int SetTimes(string path, long seconds, uint nanoseconds) => OnInode(path, inode =>
    {
        var time = new Timestamp(seconds, nanoseconds);
        _volume.SetAttributes(inode, new AttributeChanges { AccessTime = time, ModifyTime = time }, Caller.Root);
    });

    public int Synchronize(string path) => OnFile(path, inode => _volume.Synchronize(inode, dataOnly: false));

    public void SynchronizeAll() => _volume.Synchronize();

    public (int Error, byte[] Data) Read(string path, long offset, int length)
    {
        byte[] data = new byte[length];
        int count = 0;
        int error = OnFile(path, inode => count = _volume.Read(inode, data, offset));
        return (error, error == 0 ? data[..count] : []);
    }

    public void Remount()
    {
        _volume.Dispose();
        _volume = _mount();
    }

    public List<string> Dump()
    {
        var lines = new List<string>();
        var pending = new Stack<(string Path, Inode Inode)>();
        pending.Push(("", _volume.GetInode(Ext4Volume.RootInode)));
        while (pending.TryPop(out var item))
        {
            lines.Add(Line(item.Path, item.Inode));
            if (item.Inode.IsDirectory)
            {
                var names = new List<string>();
                _volume.ReadDirectory(item.Inode, 0, (name, _, _, _) =>
                {
                    names.Add(Encoding.UTF8.GetString(name));
                    return true;
                });
                foreach (string name in names.Where(n => n is not ("." or "..") && !(item.Path.Length == 0 && n == "lost+found")))
                {
                    pending.Push((item.Path + "/" + name, _volume.Lookup(item.Inode, Bytes(name))!));
                }
            }
            _volume.Release(item.Inode);
        }
        lines.Sort(StringComparer.Ordinal);
        return lines;
    }

    private string Line(string path, Inode inode)
    {
        WinLoop.Ext4.FileAttributes a = _volume.GetAttributes(inode);
        string target = "";
        if (inode.IsSymlink)
        {
            byte[] buffer = new byte[4096];
            target = Encoding.UTF8.GetString(buffer, 0, _volume.ReadLink(inode, buffer));
        }
        var attributes = new List<KeyValuePair<string, byte[]>>();
        byte[] list = new byte[65536];
        int length = _volume.ListExtendedAttributes(inode, list);
        foreach (string name in Encoding.UTF8.GetString(list, 0, length).Split('\0', StringSplitOptions.RemoveEmptyEntries))
        {
            byte[] value = new byte[65536];
            int size = _volume.GetExtendedAttribute(inode, Bytes(name), value);
            attributes.Add(new(name, value[..size]));
        }
        uint links = path.Length == 0 ? a.Links - 1 : a.Links; // lost+found
        return TreeDump.Line(path, a.Mode, links, a.Uid, a.Gid, a.Size, a.Device, a.ModifyTime.Seconds, target, attributes, inode.IsRegular ? Hash(inode, a.Size) : "");
    }

    private string Hash(Inode inode, long size)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA1);
        byte[] data = new byte[TreeDump.Chunk];
        for (long at = 0; at < size;)
        {
            try
            {
                at = _volume.Seek(inode, at, hole: false);
            }
            catch (Ext4Exception e) when (e.Errno == Errno.ENXIO)
            {
                break;
            }
            long chunk = at / TreeDump.Chunk;
            int count = _volume.Read(inode, data, chunk * TreeDump.Chunk);
            if (data.AsSpan(0, count).IndexOfAnyExcept((byte)0) >= 0)
            {
                hash.AppendData(BitConverter.GetBytes(chunk));
                hash.AppendData(data, 0, count);
            }
            at = (chunk + 1) * TreeDump.Chunk;
        }
        return Convert.ToHexString(hash.GetHashAndReset())[..16];
    }

    public void Dispose() => _volume.Dispose();
}
