using System.Text;
using WinLoop.Ext4;
using WinLoop.Ext4.Format;

namespace WinLoop.Mounting.Files;

/// <summary>A file in a mounted volume.</summary>
internal sealed class VolumeNode : FileNode
{
    // As fs/namei.c: so many links are followed on one way.
    private const int MaximumLinks = 40;

    private readonly Ext4Volume _volume;
    private readonly string _image;
    private readonly string _path;
    private bool _isDisposed;

    private VolumeNode(Ext4Volume volume, Inode inode, string image, string path)
    {
        _volume = volume;
        Inode = inode;
        _image = image;
        _path = path;
    }

    /// <summary>The volume it is in.</summary>
    internal Ext4Volume Volume => _volume;

    /// <summary>The inode; the node holds a reference.</summary>
    internal Inode Inode { get; }

    public override string Path => $"{_image}:{_path}";

    public override FileFacts Facts
    {
        get
        {
            Ext4.FileAttributes a = _volume.GetAttributes(Inode);
            return new FileFacts((FileKind)(a.Mode & InodeMode.TypeMask), (ushort)(a.Mode & 0xFFF), a.Uid, a.Gid, a.Size, a.Links, a.Device,
                (0, a.Inode), a.AccessTime, a.ModifyTime);
        }
    }

    /// <summary>The root directory.</summary>
    public static VolumeNode Root(Ext4Volume volume, string image) => new(volume, volume.GetInode(Ext4Volume.RootInode), image, "/");

    /// <summary>What a path names; links before the last component are followed, the last one if told. Null if a component is
    /// missing.</summary>
    /// <exception cref="Ext4Exception">ENOTDIR, or ELOOP as EINVAL.</exception>
    public static VolumeNode? Walk(Ext4Volume volume, string image, string path, bool followLast)
    {
        var pending = new LinkedList<byte[]>(Split(Encoding.UTF8.GetBytes(path)));
        var way = new List<Inode> { volume.GetInode(Ext4Volume.RootInode) };
        int links = 0;
        byte[] target = new byte[volume.Geometry.BlockSize];
        try
        {
            while (pending.First is { } first)
            {
                pending.RemoveFirst();
                byte[] name = first.Value;
                if (name is [(byte)'.'])
                {
                    continue;
                }
                if (name is [(byte)'.', (byte)'.'])
                {
                    if (way.Count > 1)
                    {
                        volume.Release(way[^1]);
                        way.RemoveAt(way.Count - 1);
                    }
                    continue;
                }
                if (!way[^1].IsDirectory)
                {
                    throw new Ext4Exception(Errno.ENOTDIR, "not a directory");
                }
                if (volume.Lookup(way[^1], name) is not { } inode)
                {
                    return null;
                }
                way.Add(inode);
                if (!inode.IsSymlink || (pending.Count == 0 && !followLast))
                {
                    continue;
                }
                if (++links > MaximumLinks)
                {
                    throw new Ext4Exception(Errno.EINVAL, "too many symbolic links");
                }
                ReadOnlySpan<byte> leads = target.AsSpan(0, volume.ReadLink(inode, target));
                volume.Release(inode);
                way.RemoveAt(way.Count - 1);
                if (leads is [(byte)'/', ..])
                {
                    while (way.Count > 1)
                    {
                        volume.Release(way[^1]);
                        way.RemoveAt(way.Count - 1);
                    }
                }
                foreach (byte[] part in Split(leads).Reverse<byte[]>())
                {
                    pending.AddFirst(part);
                }
            }
            Inode found = way[^1];
            way.RemoveAt(way.Count - 1);
            return new VolumeNode(volume, found, image, path);
        }
        finally
        {
            foreach (Inode inode in way)
            {
                volume.Release(inode);
            }
        }
    }

    public override IReadOnlyList<byte[]> List()
    {
        var names = new List<byte[]>();
        _volume.ReadDirectory(Inode, 0, (name, _, _, _) =>
        {
            if (name is not [(byte)'.'] and not [(byte)'.', (byte)'.'])
            {
                names.Add(name.ToArray());
            }
            return true;
        });
        return names;
    }

    public override FileNode? Find(ReadOnlySpan<byte> name) => _volume.Lookup(Inode, name) is { } inode ? Child(inode, name) : null;

    public override byte[] ReadLink()
    {
        byte[] target = new byte[_volume.Geometry.BlockSize];
        return target[.._volume.ReadLink(Inode, target)];
    }

    public override int Read(Span<byte> buffer, long offset) => _volume.Read(Inode, buffer, offset);

    public override long NextData(long offset)
    {
        long size = Inode.Size;
        if (offset >= size)
        {
            return size;
        }
        try
        {
            return _volume.Seek(Inode, offset, hole: false);
        }
        catch (Ext4Exception e) when (e.Errno == Errno.ENXIO)
        {
            return size;
        }
    }

    public override IReadOnlyList<(byte[] Name, byte[] Value)> GetAttributes()
    {
        if (!_volume.HasExtendedAttributes(Inode))
        {
            return [];
        }
        byte[] names = new byte[_volume.ListExtendedAttributes(Inode, default)];
        _volume.ListExtendedAttributes(Inode, names);
        var list = new List<(byte[], byte[])>();
        foreach (Range part in names.AsSpan().Split((byte)0))
        {
            byte[] name = names[part];
            if (name.Length > 0)
            {
                byte[] value = new byte[Math.Max(0, _volume.GetExtendedAttribute(Inode, name, default))];
                _volume.GetExtendedAttribute(Inode, name, value);
                list.Add((name, value));
            }
        }
        return list;
    }

    public override FileNode CreateDirectory(ReadOnlySpan<byte> name) => Child(_volume.CreateDirectory(Inode, name, 0x1C0, Parent()), name);

    public override FileNode CreateFile(ReadOnlySpan<byte> name) => Child(_volume.Create(Inode, name, InodeMode.Regular | 0x180, 0, Parent()), name);

    public override FileNode CreateSymlink(ReadOnlySpan<byte> name, ReadOnlySpan<byte> target) =>
        Child(_volume.CreateSymlink(Inode, name, target, Parent()), name);

    public override FileNode CreateSpecial(ReadOnlySpan<byte> name, FileKind kind, uint device) =>
        Child(_volume.Create(Inode, name, (ushort)((int)kind | 0x180), device, Parent()), name);

    public override void CreateLink(ReadOnlySpan<byte> name, FileNode existing) => _volume.Link(((VolumeNode)existing).Inode, Inode, name);

    public override void Remove(ReadOnlySpan<byte> name) => _volume.Unlink(Inode, name);

    public override void Write(ReadOnlySpan<byte> data, long offset)
    {
        if (_volume.Write(Inode, data, offset, Caller.Root) != data.Length)
        {
            throw new Ext4Exception(Errno.ENOSPC, "no space left in the image");
        }
    }

    public override void SetSize(long size) => _volume.SetAttributes(Inode, new AttributeChanges { Size = size }, Caller.Root);

    public override void SetFacts(in FileFacts facts, bool setOwner) => _volume.SetAttributes(Inode, new AttributeChanges
    {
        Mode = Inode.IsSymlink ? null : facts.Permissions,
        Uid = setOwner ? facts.Uid : null,
        Gid = setOwner ? facts.Gid : null,
        AccessTime = facts.Accessed,
        ModifyTime = facts.Modified,
    }, Caller.Root);

    public override void SetAttribute(ReadOnlySpan<byte> name, ReadOnlySpan<byte> value) =>
        _volume.SetExtendedAttribute(Inode, name, value, AttributeSetMode.CreateOrReplace);

    protected override void Dispose(bool isDisposing)
    {
        if (isDisposing && !_isDisposed)
        {
            _isDisposed = true;
            _volume.OnLastClose(Inode);
            _volume.Release(Inode);
        }
    }

    // What is made belongs to whom the directory belongs to, unless the copy says otherwise.
    private Caller Parent()
    {
        Ext4.FileAttributes a = _volume.GetAttributes(Inode);
        return new Caller(a.Uid, a.Gid);
    }

    private VolumeNode Child(Inode inode, ReadOnlySpan<byte> name) =>
        new(_volume, inode, _image, $"{(_path == "/" ? "" : _path.TrimEnd('/'))}/{Encoding.UTF8.GetString(name)}");

    private static List<byte[]> Split(ReadOnlySpan<byte> path)
    {
        var parts = new List<byte[]>();
        foreach (Range part in path.Split((byte)'/'))
        {
            if (part.End.Value > part.Start.Value)
            {
                parts.Add(path[part].ToArray());
            }
        }
        return parts;
    }
}
