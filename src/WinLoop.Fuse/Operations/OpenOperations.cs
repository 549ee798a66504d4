using WinLoop.Ext4;
using WinLoop.Ext4.Format;
using WinLoop.Fuse.Native;
using WinLoop.Fuse.Protocol;

namespace WinLoop.Fuse.Operations;

/// <summary>OPEN, CREATE, TMPFILE, RELEASE and FLUSH. There is no state per open file: the handle is always 0 and
/// what is counted is counted per inode.</summary>
internal static unsafe class OpenOperations
{
    public static int Open(FuseSession session, FuseRequest request)
    {
        if (session.SkipsOpen)
        {
            return -Libc.ENOSYS;        // never asked again
        }
        ref readonly OpenIn input = ref request.In<OpenIn>();
        Node node = session.GetNode(request.Header.NodeId);
        CheckFlags(node.Inode, input.Flags);
        NodeTable.Open(node);
        *request.Out<OpenOut>() = new OpenOut { Flags = OpenReply.KeepCache };
        return sizeof(OpenOut);
    }

    public static int Create(FuseSession session, FuseRequest request)
    {
        ref readonly CreateIn input = ref request.In<CreateIn>();
        ReadOnlySpan<byte> rest = request.After<CreateIn>();
        ReadOnlySpan<byte> name = request.TakeName(ref rest);
        Inode inode = session.Volume.Create(session.GetInode(request), name, ToFileMode(input.Mode), 0, request.CallerWithUmask(input.Umask));
        return ReplyOpened(session, request, inode);
    }

    public static int TmpFile(FuseSession session, FuseRequest request)
    {
        ref readonly CreateIn input = ref request.In<CreateIn>();
        Inode inode = session.Volume.CreateTemporary(session.GetInode(request), ToFileMode(input.Mode), request.CallerWithUmask(input.Umask));
        return ReplyOpened(session, request, inode);
    }

    public static int Release(FuseSession session, FuseRequest request)
    {
        if (session.Nodes.Find(request.Header.NodeId) is { } node)
        {
            session.Nodes.Close(node);
        }
        return 0;
    }

    private static int ReplyOpened(FuseSession session, FuseRequest request, Inode inode)
    {
        EntryOut* entry = request.Out<EntryOut>();
        session.ReplyEntry(request, inode, entry);
        if (!session.SkipsOpen)
        {
            NodeTable.Open(session.GetNode(entry->NodeId));
        }
        *(OpenOut*)(entry + 1) = new OpenOut { Flags = OpenReply.KeepCache };
        return sizeof(EntryOut) + sizeof(OpenOut);
    }

    private static ushort ToFileMode(uint mode) => (ushort)(mode & InodeMode.Permissions | InodeMode.Regular);

    // The kernel checks the mode bits and ACLs; it does not know these flags.
    private static void CheckFlags(Inode inode, uint flags)
    {
        if ((flags & OpenFlags.AccessMode) == 0 && (flags & OpenFlags.Truncate) == 0 || !inode.IsRegular)
        {
            return;
        }
        if ((inode.Flags & InodeFlags.Immutable) != 0 ||
            (inode.Flags & InodeFlags.Append) != 0 && ((flags & OpenFlags.Append) == 0 || (flags & OpenFlags.Truncate) != 0))
        {
            throw new Ext4Exception(Errno.EPERM, $"inode {inode.Number} is immutable or append-only");
        }
    }
}
