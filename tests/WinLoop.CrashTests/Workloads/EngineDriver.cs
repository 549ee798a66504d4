using System.Text;
using WinLoop.Ext4;
using WinLoop.Ext4.Format;

namespace WinLoop.CrashTests;

/// <summary>Does the operations of a workload on the engine, by path. A path that begins with # is an inode that the
/// workload holds open.</summary>
internal sealed class EngineDriver(Ext4Volume volume) : IDisposable
{
    // No workload makes a larger file.
    private const long MostRead = 64 << 20;

    private readonly Dictionary<string, Inode> _held = [];

    public Ext4Volume Volume => volume;

    public static byte[] Bytes(string text) => Encoding.UTF8.GetBytes(text);

    public T OnInode<T>(string path, Func<Inode, T> action)
    {
        Inode inode = Open(path);
        try
        {
            return action(inode);
        }
        finally
        {
            volume.Release(inode);
        }
    }

    public void OnInode(string path, Action<Inode> action) => OnInode(path, inode =>
    {
        action(inode);
        return 0;
    });

    public void OnParent(string path, Action<Inode, byte[]> action)
    {
        int slash = path.LastIndexOf('/');
        OnInode(slash < 0 ? "" : path[..slash], directory => action(directory, Bytes(path[(slash + 1)..])));
    }

    public void CreateTemporary(string directory, string handle) =>
        OnInode(directory, d =>
        {
            RequireFree(handle);
            _held.Add(handle, volume.CreateTemporary(d, 0x1A4, Caller.Root));
        });

    public void Hold(string path, string handle)
    {
        RequireFree(handle);
        _held.Add(handle, Open(path));
    }

    public void Close(string handle)
    {
        if (!_held.Remove(handle, out Inode? inode))
        {
            throw new Ext4Exception(Errno.ENOENT); // what should have been opened was not there
        }
        volume.OnLastClose(inode);
        volume.Release(inode);
    }

    // Two deeds of one sequence may use the same name.
    private void RequireFree(string handle)
    {
        if (_held.ContainsKey(handle))
        {
            throw new Ext4Exception(Errno.EEXIST);
        }
    }

    public void Link(string from, string to) => OnInode(from, inode => OnParent(to, (d, n) =>
    {
        if (volume.Lookup(d, n) is { } existing)
        {
            volume.Release(existing);
            throw new Ext4Exception(Errno.EEXIST); // the VFS looks before it asks
        }
        volume.Link(inode, d, n);
    }));

    public void Rename(string from, string to, RenameFlags flags) => OnParent(from, (oldDirectory, oldName) =>
        OnParent(to, (newDirectory, newName) => volume.Rename(oldDirectory, oldName, newDirectory, newName, flags, Caller.Root)));

    public void Replace(string path, ushort type, string target) => OnParent(path, (directory, name) =>
        OnInode(path, expected => volume.Release(volume.ReplaceNode(directory, name, expected, type, 0, Bytes(target)))));

    public void Change(string path, AttributeChanges changes) => OnInode(path, inode => volume.SetAttributes(inode, changes, Caller.Root));

    public byte[] ReadAll(string path) => OnInode(path, inode =>
    {
        if (inode.Size > MostRead)
        {
            throw new Ext4Exception(Errno.EFBIG); // damage that no checksum shows
        }
        byte[] content = new byte[inode.Size];
        int count = volume.Read(inode, content, 0);
        return content[..count];
    });

    /// <summary>Gives back what is held; the volume is closed by its owner.</summary>
    public void Dispose()
    {
        foreach (Inode inode in _held.Values)
        {
            volume.Release(inode);
        }
        _held.Clear();
    }

    private Inode Open(string path)
    {
        if (path.StartsWith('#'))
        {
            if (!_held.TryGetValue(path, out Inode? inode))
            {
                throw new Ext4Exception(Errno.ENOENT);
            }
            volume.AddReference(inode);
            return inode;
        }
        Inode current = volume.GetInode(Ext4Volume.RootInode);
        foreach (string part in path.Split('/', StringSplitOptions.RemoveEmptyEntries))
        {
            Inode? next;
            try
            {
                next = volume.Lookup(current, Bytes(part));
            }
            finally
            {
                volume.Release(current);
            }
            current = next ?? throw new Ext4Exception(Errno.ENOENT);
        }
        return current;
    }
}
