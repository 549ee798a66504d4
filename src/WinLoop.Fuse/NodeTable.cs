using System.Collections.Concurrent;
using WinLoop.Ext4;

namespace WinLoop.Fuse;

/// <summary>An inode that the kernel knows. Its counters are guarded by the object itself.</summary>
internal sealed class Node(Inode inode)
{
    public readonly Inode Inode = inode;

    /// <summary>References that the kernel holds (nlookup); as many are held in the engine.</summary>
    public long Lookups;

    /// <summary>Open files.</summary>
    public int Opens;

    /// <summary>True once forgotten: no longer in the table.</summary>
    public bool IsForgotten;

    /// <summary>Names found in this directory one by one since the end of its last listing; tells whether listings
    /// are followed by a walk over the files. Races do no harm.</summary>
    public int SingleLookups;

    /// <summary>Entries handed out since the start of the last listing; with several listings at once, of all.</summary>
    public int Listed;
}

/// <summary>
/// The inodes that the kernel knows, by node id. A node id is the inode number, but for the root, which FUSE
/// calls 1 and ext4 2: these two are swapped, and inode 1 is never handed out.
/// </summary>
internal sealed class NodeTable(Ext4Volume volume) : IDisposable
{
    public const ulong RootId = 1;

    /// <summary>The id of <see cref="FuseSession.Probe"/>: larger than any inode number.</summary>
    public const ulong ProbeId = 1UL << 32;

    private readonly ConcurrentDictionary<uint, Node> _nodes = new();

    public static ulong ToNodeId(uint inode) => inode is 1 or 2 ? inode ^ 3 : inode;

    public static uint ToInode(ulong nodeId) => (uint)(nodeId is 1 or 2 ? nodeId ^ 3 : nodeId);

    /// <summary>How many inodes the kernel knows.</summary>
    public int Count => _nodes.Count;

    /// <summary>The node, or null if the kernel should not know this id (or has forgotten it).</summary>
    public Node? Find(ulong nodeId) =>
        nodeId <= uint.MaxValue && _nodes.TryGetValue(ToInode(nodeId), out Node? node) ? node : null;

    /// <summary>Counts one more lookup; takes over the caller's reference to the inode.</summary>
    public Node Remember(Inode inode)
    {
        while (true)
        {
            if (!_nodes.TryGetValue(inode.Number, out Node? node))
            {
                node = _nodes.GetOrAdd(inode.Number, static (_, inode) => new Node(inode), inode);
            }
            lock (node)
            {
                if (!node.IsForgotten)
                {
                    node.Lookups++;
                    return node;
                }
            }
        }
    }

    /// <summary>Takes back lookups; the last one forgets the node.</summary>
    public void Forget(ulong nodeId, ulong lookups)
    {
        Node? node = Find(nodeId);
        if (node is null || lookups == 0)
        {
            return;
        }
        int count;
        lock (node)
        {
            count = (int)Math.Min(Math.Min(lookups, int.MaxValue), (ulong)node.Lookups);
            node.Lookups -= count;
            if (node.Lookups == 0)
            {
                Drop(node);
            }
        }
        if (count > 0)
        {
            volume.Release(node.Inode, count);
        }
    }

    /// <summary>Counts an open file.</summary>
    public static void Open(Node node)
    {
        lock (node)
        {
            node.Opens++;
        }
    }

    /// <summary>Counts a closed file; the last one tells the engine.</summary>
    public void Close(Node node)
    {
        lock (node)
        {
            if (node.Opens == 0 || --node.Opens > 0)
            {
                return;
            }
        }
        volume.OnLastClose(node.Inode);
    }

    /// <summary>Tells the engine that a file is at rest, if the kernel still knows it (else the engine knows).</summary>
    public void Settle(Node node)
    {
        lock (node)
        {
            if (node.IsForgotten)
            {
                return;
            }
            volume.AddReference(node.Inode);
        }
        try
        {
            volume.OnLastClose(node.Inode);
        }
        finally
        {
            volume.Release(node.Inode);
        }
    }

    /// <summary>Forgets everything: no FORGETs come after an unmount. Goes on after a failure and throws the
    /// first one at the end.</summary>
    public void Dispose()
    {
        Exception? failure = null;
        foreach (Node node in _nodes.Values)
        {
            long count;
            bool wasOpen;
            lock (node)
            {
                (count, node.Lookups, wasOpen, node.Opens) = (node.Lookups, 0, node.Opens > 0, 0);
                Drop(node);
            }
            try
            {
                if (wasOpen)
                {
                    volume.OnLastClose(node.Inode);
                }
                for (; count > 0; count -= int.MaxValue)
                {
                    volume.Release(node.Inode, (int)Math.Min(count, int.MaxValue));
                }
            }
            catch (Exception e)
            {
                failure ??= e;
            }
        }
        if (failure is not null)
        {
            System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(failure);
        }
    }

    private void Drop(Node node)
    {
        if (!node.IsForgotten)
        {
            node.IsForgotten = true;
            _nodes.TryRemove(KeyValuePair.Create(node.Inode.Number, node));
        }
    }
}
