using System.Security.Cryptography;
using System.Text;

namespace WinLoop.TestKit.FileSystems;

/// <summary>What POSIX and Linux say, in memory and as simple as possible.</summary>
/// <param name="maximumSize">Largest size of a file, in bytes.</param>
/// <param name="blockSize">Unit of collapse and insert range, in bytes.</param>
/// <param name="maximumTime">Latest time an inode can hold, in seconds; later ones become this one.</param>
internal sealed class ModelFileSystem(long maximumSize, int blockSize, long maximumTime = long.MaxValue) : IFileSystem
{
    private const int ENOENT = 2, EEXIST = 17, ENOTDIR = 20, EISDIR = 21, EINVAL = 22, EFBIG = 27, EMLINK = 31, ENOTEMPTY = 39,
        ENODATA = 61, EPERM = 1, EOPNOTSUPP = 95, ELOOP = 40, ENXIO = 6;
    private const int PageSize = 1024;

    private sealed class Node(ushort mode)
    {
        public ushort Mode = mode;
        public uint Links = 1, Uid, Gid, Device;
        public long Size;
        public long ModifiedSeconds = long.MinValue; // unknown until set
        public string Target = "";
        public readonly SortedDictionary<long, byte[]> Pages = [];
        public readonly SortedDictionary<string, Node> Children = new(StringComparer.Ordinal);
        public readonly SortedDictionary<string, byte[]> Attributes = new(StringComparer.Ordinal);
        public Node? Parent;
        public bool IsDirectory => (Mode & 0xF000) == 0x4000;
        public bool IsRegular => (Mode & 0xF000) == 0x8000;
        public bool IsSymlink => (Mode & 0xF000) == 0xA000;
    }

    private readonly Node _root = new(0x41ED) { Links = 2 };

    private int Walk(string path, out Node parent, out string name, out Node? node)
    {
        parent = _root;
        name = "";
        node = _root;
        string[] parts = path.Split('/', StringSplitOptions.RemoveEmptyEntries);
        for (int i = 0; i < parts.Length; i++)
        {
            parent = node!;
            name = parts[i];
            if (parent.IsSymlink)
            {
                return ENOENT; // all links of the generator dangle
            }
            if (!parent.IsDirectory)
            {
                return ENOTDIR;
            }
            parent.Children.TryGetValue(name, out node);
            if (node is null && i < parts.Length - 1)
            {
                return ENOENT;
            }
        }
        return 0;
    }

    private int Find(string path, out Node node)
    {
        int error = Walk(path, out _, out _, out Node? found);
        node = found!;
        return error != 0 ? error : found is null ? ENOENT : 0;
    }

    private int Add(string path, Node node)
    {
        int error = Walk(path, out Node parent, out string name, out Node? existing);
        if (error != 0)
        {
            return error;
        }
        if (existing is not null)
        {
            return EEXIST;
        }
        Place(node, parent, name);
        Touch(parent);
        return 0;
    }

    // A set-group-id directory gives its group to what is made in it, and the bit to directories.
    private static void Place(Node node, Node parent, string name)
    {
        parent.Children[name] = node;
        node.Parent = parent;
        if ((parent.Mode & 0x400) != 0)
        {
            node.Gid = parent.Gid;
            node.Mode |= (ushort)(node.IsDirectory ? 0x400 : 0);
        }
    }

    private static void Touch(Node node) => node.ModifiedSeconds = long.MinValue;

    public int Create(string path, ushort mode) => Add(path, new Node((ushort)(0x8000 | mode)));

    public int MakeDirectory(string path, ushort mode)
    {
        var node = new Node((ushort)(0x4000 | mode)) { Links = 2 };
        int error = Add(path, node);
        if (error == 0)
        {
            node.Parent!.Links++;
        }
        return error;
    }

    public int MakeNode(string path, ushort mode, uint device) => Add(path, new Node(mode) { Device = device });

    public int Symlink(string path, string target) => Add(path, new Node(0xA1FF) { Target = target, Size = Encoding.UTF8.GetByteCount(target) });

    public int Link(string from, string to)
    {
        int error = Find(from, out Node node);
        if (error != 0)
        {
            return error;
        }
        error = Walk(to, out Node parent, out string name, out Node? existing);
        if (error != 0)
        {
            return error;
        }
        if (existing is not null)
        {
            return EEXIST;
        }
        if (node.IsDirectory)
        {
            return EPERM;
        }
        if (node.Links >= 65000)
        {
            return EMLINK;
        }
        parent.Children[name] = node;
        Touch(parent);
        node.Links++;
        return 0;
    }

    public int Unlink(string path)
    {
        int error = Walk(path, out Node parent, out string name, out Node? node);
        if (error != 0 || node is null)
        {
            return error != 0 ? error : ENOENT;
        }
        if (node.IsDirectory)
        {
            return EISDIR;
        }
        parent.Children.Remove(name);
        Touch(parent);
        node.Links--;
        return 0;
    }

    public int RemoveDirectory(string path)
    {
        int error = Walk(path, out Node parent, out string name, out Node? node);
        if (error != 0 || node is null)
        {
            return error != 0 ? error : ENOENT;
        }
        if (!node.IsDirectory)
        {
            return ENOTDIR;
        }
        if (node.Children.Count != 0)
        {
            return ENOTEMPTY;
        }
        parent.Children.Remove(name);
        Touch(parent);
        parent.Links--;
        return 0;
    }

    public int Rename(string from, string to, int flags)
    {
        int error = Walk(from, out Node oldParent, out string oldName, out Node? source);
        if (error != 0)
        {
            return error;
        }
        error = Walk(to, out Node newParent, out string newName, out Node? target);
        if (error != 0)
        {
            return error;
        }
        if (source is null)
        {
            return ENOENT;
        }
        if (target is not null && (flags & 1) != 0)
        {
            return EEXIST;
        }
        if ((flags & 2) != 0 && target is null)
        {
            return ENOENT;
        }
        if (source.IsDirectory && IsInside(newParent, source))
        {
            return EINVAL;
        }
        if (target is { IsDirectory: true } && IsInside(oldParent, target))
        {
            return (flags & 2) != 0 ? EINVAL : ENOTEMPTY;
        }
        if (ReferenceEquals(source, target))
        {
            return 0;
        }
        if ((flags & 2) != 0)
        {
            oldParent.Children[oldName] = target!;
            newParent.Children[newName] = source;
            Reparent(source, oldParent, newParent);
            Reparent(target!, newParent, oldParent);
            Touch(oldParent);
            Touch(newParent);
            return 0;
        }
        if (target is not null)
        {
            if (source.IsDirectory != target.IsDirectory)
            {
                return target.IsDirectory ? EISDIR : ENOTDIR;
            }
            if (target.IsDirectory)
            {
                if (target.Children.Count != 0)
                {
                    return ENOTEMPTY;
                }
                newParent.Links--;
            }
            else
            {
                target.Links--;
            }
        }
        oldParent.Children.Remove(oldName);
        newParent.Children[newName] = source;
        Reparent(source, oldParent, newParent);
        if ((flags & 4) != 0)
        {
            Place(new Node(0x2000), oldParent, oldName);
        }
        Touch(oldParent);
        Touch(newParent);
        return 0;
    }

    private static void Reparent(Node node, Node from, Node to)
    {
        node.Parent = to;
        if (node.IsDirectory)
        {
            from.Links--;
            to.Links++;
        }
    }

    private static bool IsInside(Node node, Node directory)
    {
        for (Node? n = node; n is not null; n = n.Parent)
        {
            if (ReferenceEquals(n, directory))
            {
                return true;
            }
        }
        return false;
    }

    private int FindFile(string path, out Node node)
    {
        int error = Find(path, out node);
        return error != 0 ? error : node.IsDirectory ? EISDIR : node.IsSymlink ? ELOOP : node.IsRegular ? 0 : ENXIO;
    }

    public int Write(string path, long offset, byte[] data)
    {
        int error = FindFile(path, out Node node);
        if (error != 0)
        {
            return error;
        }
        if (offset >= maximumSize)
        {
            return EFBIG;
        }
        int count = (int)Math.Min(data.Length, maximumSize - offset);
        for (int i = 0; i < count;)
        {
            long page = (offset + i) / PageSize;
            int at = (int)((offset + i) % PageSize);
            int n = Math.Min(PageSize - at, count - i);
            if (!node.Pages.TryGetValue(page, out byte[]? bytes))
            {
                node.Pages[page] = bytes = new byte[PageSize];
            }
            Array.Copy(data, i, bytes, at, n);
            i += n;
        }
        node.Size = Math.Max(node.Size, offset + count);
        Touch(node);
        return 0;
    }

    public int Truncate(string path, long size)
    {
        int error = FindFile(path, out Node node);
        if (error != 0)
        {
            return error;
        }
        if (size > maximumSize)
        {
            return EFBIG;
        }
        if (size < node.Size)
        {
            Zero(node, size, node.Size - size);
        }
        node.Size = size;
        Touch(node);
        return 0;
    }

    private static void Zero(Node node, long offset, long length)
    {
        long end = offset + length;
        foreach (long page in node.Pages.Keys.Where(p => (p + 1) * PageSize > offset && p * PageSize < end).ToList())
        {
            long from = Math.Max(offset, page * PageSize), to = Math.Min(end, (page + 1) * PageSize);
            if (to - from == PageSize)
            {
                node.Pages.Remove(page);
            }
            else
            {
                node.Pages[page].AsSpan((int)(from - (page * PageSize)), (int)(to - from)).Clear();
            }
        }
    }

    public int Allocate(string path, int mode, long offset, long length)
    {
        int error = FindFile(path, out Node node);
        if (error != 0)
        {
            return error;
        }
        if (offset + length > maximumSize)
        {
            return EFBIG;
        }
        switch (mode)
        {
            case 0:
                node.Size = Math.Max(node.Size, offset + length);
                break;
            case 1:
                break;
            case 3:
                Zero(node, offset, Math.Min(length, Math.Max(0, node.Size - offset)));
                break;
            case 0x10 or 0x11:
                Zero(node, offset, length);
                if (mode == 0x10)
                {
                    node.Size = Math.Max(node.Size, offset + length);
                }
                break;
            case 8:
                if (offset % blockSize != 0 || length % blockSize != 0 || offset + length >= node.Size)
                {
                    return EINVAL;
                }
                Shift(node, offset, length, -1);
                node.Size -= length;
                break;
            case 0x20:
                if (offset % blockSize != 0 || length % blockSize != 0 || offset >= node.Size)
                {
                    return EINVAL;
                }
                if (node.Size + length > maximumSize)
                {
                    return EFBIG;
                }
                Shift(node, offset, length, 1);
                node.Size += length;
                break;
            default:
                return EOPNOTSUPP;
        }
        Touch(node);
        return 0;
    }

    private static void Shift(Node node, long offset, long length, int direction)
    {
        long first = offset / PageSize, count = length / PageSize;
        var moved = new SortedDictionary<long, byte[]>();
        foreach ((long page, byte[] bytes) in node.Pages)
        {
            if (page < first)
            {
                moved[page] = bytes;
            }
            else if (direction > 0)
            {
                moved[page + count] = bytes;
            }
            else if (page >= first + count)
            {
                moved[page - count] = bytes;
            }
        }
        node.Pages.Clear();
        foreach ((long page, byte[] bytes) in moved)
        {
            node.Pages[page] = bytes;
        }
    }

    public int SetAttribute(string path, string name, byte[] value, int flags)
    {
        int error = Find(path, out Node node);
        if (error != 0)
        {
            return error;
        }
        if (!node.IsDirectory && !node.IsRegular)
        {
            return EPERM; // user.* exists on files and directories only
        }
        bool exists = node.Attributes.ContainsKey(name);
        if (flags == 1 && exists)
        {
            return EEXIST;
        }
        if (flags == 2 && !exists)
        {
            return ENODATA;
        }
        node.Attributes[name] = value;
        return 0;
    }

    public int RemoveAttribute(string path, string name)
    {
        int error = Find(path, out Node node);
        if (error != 0)
        {
            return error;
        }
        if (!node.IsDirectory && !node.IsRegular)
        {
            return EPERM;
        }
        return node.Attributes.Remove(name) ? 0 : ENODATA;
    }

    public int SetMode(string path, ushort mode)
    {
        int error = Find(path, out Node node);
        if (error != 0 || node.IsSymlink)
        {
            return error != 0 ? error : EOPNOTSUPP;
        }
        node.Mode = (ushort)((node.Mode & 0xF000) | mode);
        return 0;
    }

    public int SetOwner(string path, uint uid, uint gid)
    {
        int error = Find(path, out Node node);
        if (error != 0)
        {
            return error;
        }
        node.Uid = uid;
        node.Gid = gid;
        if (!node.IsDirectory && !node.IsSymlink)
        {
            // chown drops set-user-id, and set-group-id of group-executable files.
            int mode = node.Mode & ~0x800;
            node.Mode = (ushort)((mode & 0x8) != 0 ? mode & ~0x400 : mode);
        }
        return 0;
    }

    public int SetTimes(string path, long seconds, uint nanoseconds)
    {
        int error = Find(path, out Node node);
        if (error != 0)
        {
            return error;
        }
        node.ModifiedSeconds = Math.Min(seconds, maximumTime);
        return 0;
    }

    public int Synchronize(string path)
    {
        int error = Find(path, out Node node);
        return error != 0 ? error : node.IsSymlink ? ELOOP : node.IsRegular || node.IsDirectory ? 0 : ENXIO;
    }

    public void SynchronizeAll()
    {
    }

    public (int Error, byte[] Data) Read(string path, long offset, int length)
    {
        int error = FindFile(path, out Node node);
        return error != 0 ? (error, []) : (0, Content(node, offset, length));
    }

    private static byte[] Content(Node node, long offset, int length)
    {
        var data = new byte[Math.Max(0, Math.Min(length, node.Size - offset))];
        for (int i = 0; i < data.Length;)
        {
            long page = (offset + i) / PageSize;
            int at = (int)((offset + i) % PageSize);
            int n = Math.Min(PageSize - at, data.Length - i);
            if (node.Pages.TryGetValue(page, out byte[]? bytes))
            {
                Array.Copy(bytes, at, data, i, n);
            }
            i += n;
        }
        return data;
    }

    public void Remount()
    {
    }

    /// <summary>True if a path exists and is a regular file.</summary>
    public bool IsRegular(string path) => Find(path, out Node node) == 0 && node.IsRegular;

    public List<string> Dump()
    {
        var lines = new List<string>();
        var pending = new Stack<(string Path, Node Node)>();
        pending.Push(("", _root));
        while (pending.TryPop(out var item))
        {
            Node n = item.Node;
            lines.Add(TreeDump.Line(item.Path, n.Mode, n.Links, n.Uid, n.Gid, n.Size, n.Device, n.ModifiedSeconds, n.Target, n.Attributes, n.IsRegular ? Hash(n) : ""));
            foreach ((string name, Node child) in n.Children)
            {
                pending.Push((item.Path + "/" + name, child));
            }
        }
        lines.Sort(StringComparer.Ordinal);
        return lines;
    }

    // Only chunks that hold something other than zeroes count, so that sparse files are cheap.
    private static string Hash(Node node)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA1);
        foreach (long chunk in node.Pages.Keys.Select(p => p * PageSize / TreeDump.Chunk).Distinct())
        {
            byte[] data = Content(node, chunk * TreeDump.Chunk, TreeDump.Chunk);
            if (data.AsSpan().IndexOfAnyExcept((byte)0) >= 0)
            {
                hash.AppendData(BitConverter.GetBytes(chunk));
                hash.AppendData(data);
            }
        }
        return Convert.ToHexString(hash.GetHashAndReset())[..16];
    }

    public void Dispose()
    {
    }
}
