using WinLoop.Ext4;
using WinLoop.Ext4.Format;
using WinLoop.Fuse.Protocol;

namespace WinLoop.Fuse.Operations;

/// <summary>LOOKUP, FORGET and BATCH_FORGET: which inodes the kernel knows.</summary>
internal static unsafe class LookupOperations
{
    public static int Lookup(FuseSession session, FuseRequest request)
    {
        ReadOnlySpan<byte> payload = request.Payload;
        ReadOnlySpan<byte> name = request.TakeName(ref payload);
        EntryOut* entry = request.Out<EntryOut>();
        if (name.SequenceEqual("."u8))
        {
            return session.ReplyEntry(request, GetByHandle(session, request.Header.NodeId), entry);
        }
        if (session.Probe is { } probe && name.SequenceEqual(probe))
        {
            return ReplyProbe(entry);
        }
        Node directory = session.GetNode(request.Header.NodeId);
        Inode? inode = session.Volume.Lookup(directory.Inode, name);
        if (inode is null)
        {
            // "Found nothing", which unlike ENOENT may be kept.
            entry->EntryValid = AttributeEncoding.CacheSeconds;
            return sizeof(EntryOut);
        }
        directory.SingleLookups++;
        return session.ReplyEntry(request, inode, entry);
    }

    // An empty file that exists only for the moment of the reply; its node id is no inode's.
    private static int ReplyProbe(EntryOut* entry)
    {
        entry->NodeId = NodeTable.ProbeId;
        entry->AttrValid = 1;       // no GETATTR, there is nothing to ask for
        entry->Attr.Inode = NodeTable.ProbeId;
        entry->Attr.Mode = InodeMode.Regular | 0x100;
        entry->Attr.Links = 1;
        return sizeof(EntryOut);
    }

    // A file handle of name_to_handle_at may name an inode that the kernel has forgotten, or one that is gone.
    private static Inode GetByHandle(FuseSession session, ulong nodeId)
    {
        if (session.Nodes.Find(nodeId) is { } node)
        {
            if (session.Volume.GetAttributes(node.Inode).Links == 0)
            {
                throw new Ext4Exception(Errno.ESTALE, $"inode {node.Inode.Number} is deleted");
            }
            session.Volume.AddReference(node.Inode);
            return node.Inode;
        }
        uint number = NodeTable.ToInode(nodeId);
        if (nodeId > session.Volume.Geometry.InodesCount || number < session.Volume.Geometry.FirstInode)
        {
            throw new Ext4Exception(Errno.ESTALE, $"inode {nodeId} is not for use");
        }
        return session.Volume.GetInode(number);
    }

    public static int Forget(FuseSession session, FuseRequest request)
    {
        session.Nodes.Forget(request.Header.NodeId, request.In<ForgetIn>().Lookups);
        return FuseRequest.NoReply;
    }

    public static int BatchForget(FuseSession session, FuseRequest request)
    {
        uint count = request.In<BatchForgetIn>().Count;
        ReadOnlySpan<ForgetOne> list = System.Runtime.InteropServices.MemoryMarshal.Cast<byte, ForgetOne>(request.After<BatchForgetIn>());
        for (int i = 0; i < list.Length && i < count; i++)
        {
            try
            {
                session.Nodes.Forget(list[i].NodeId, list[i].Lookups);
            }
            catch (Exception e)
            {
                // There is no reply to carry it, and the others must not be lost.
                session.ToError(e, request);
            }
        }
        return FuseRequest.NoReply;
    }
}
