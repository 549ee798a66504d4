using WinLoop.Ext4;
using WinLoop.Fuse.Native;
using WinLoop.Fuse.Protocol;
using FileAttributes = WinLoop.Ext4.FileAttributes;
using WinLoop.Storage;

namespace WinLoop.Fuse;

/// <summary>What the requests of one mount share: the volume, the inodes that the kernel knows and what was
/// agreed at INIT.</summary>
internal sealed class FuseSession
{
    private readonly Action<string>? _log;

    public FuseSession(Ext4Volume volume, Action<string>? log)
    {
        _log = log;
        Volume = volume;
        Nodes = new NodeTable(volume);
        RecentWriters = new RecentWriters(Nodes);
    }

    public Ext4Volume Volume { get; }

    public NodeTable Nodes { get; }

    /// <summary>Stands in for the closing of files if <see cref="SkipsOpen"/>.</summary>
    public RecentWriters RecentWriters { get; }

    /// <summary>The kernel collects writes and owns size, mtime and ctime of regular files.</summary>
    public bool WritebackCache { get; set; }

    /// <summary>Files are opened without asking us.</summary>
    public bool SkipsOpen { get; set; }

    /// <summary>While this is set, the root has an entry of this name: see <see cref="OpenProbe"/>.</summary>
    public byte[]? Probe { get; set; }

    /// <summary>SETXATTR comes with its longer structure.</summary>
    public bool HasSetXattrExt { get; set; }

    /// <summary>The most bytes of data in one request.</summary>
    public int MaxTransfer { get; init; } = 1 << 20;

    /// <summary>The inode behind a node id.</summary>
    /// <exception cref="Ext4Exception">ESTALE: the kernel does not know it.</exception>
    public Node GetNode(ulong nodeId) =>
        Nodes.Find(nodeId) ?? throw new Ext4Exception(Errno.ESTALE, $"node {nodeId} is not known");

    public Inode GetInode(FuseRequest request) => GetNode(request.Header.NodeId).Inode;

    /// <summary>Answers with an entry for an inode; takes over the caller's reference.</summary>
    public unsafe int ReplyEntry(FuseRequest request, Inode inode, EntryOut* entry)
    {
        FileAttributes attributes;
        try
        {
            attributes = Volume.GetAttributes(inode);
        }
        catch
        {
            Volume.Release(inode);
            throw;
        }
        AttributeEncoding.Encode(attributes, inode.Generation, entry);
        Nodes.Remember(inode);
        request.EntriesGiven = 1;
        return sizeof(EntryOut);
    }

    /// <summary>The reply that an exception means: −errno. What is not an answer to a caller's mistake is noted.</summary>
    public int ToError(Exception exception, FuseRequest request)
    {
        switch (exception)
        {
            case Ext4Exception e:
                if (e.Errno is Errno.EIO or Errno.EUCLEAN)
                {
                    Log(request, e);
                }
                return -(int)e.Errno;
            case Ext4CorruptException e:
                Log(request, e);
                return -(int)Errno.EUCLEAN;
            case Ext4NotSupportedException:
                return -Libc.EOPNOTSUPP;
            case BlockDeviceException e:
                Log(request, e);
                return e.Error switch
                {
                    BlockDeviceError.NoSpace => -(int)Errno.ENOSPC,
                    BlockDeviceError.ReadOnly => -Libc.EROFS,
                    BlockDeviceError.Gone => -Libc.ENODEV,
                    _ => -Libc.EIO,
                };
            case FuseProtocolException e:
                Log(request, e);
                return -Libc.EINVAL;
            case OutOfMemoryException e:
                Log(request, e);
                return -Libc.ENOMEM;
            default:
                Log($"{request.Header.Opcode} of inode {NodeTable.ToInode(request.Header.NodeId)}: {exception}");
                return -Libc.EIO;
        }
    }

    public void Log(string message)
    {
        try
        {
            _log?.Invoke(message);
        }
        catch (Exception)
        {
            // A log that fails must not fail a request.
        }
    }

    private void Log(FuseRequest request, Exception e) =>
        Log($"{request.Header.Opcode} of inode {NodeTable.ToInode(request.Header.NodeId)}: {e.Message}");
}
