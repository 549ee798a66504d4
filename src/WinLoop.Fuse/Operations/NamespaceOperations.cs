using WinLoop.Ext4;
using WinLoop.Ext4.Format;
using WinLoop.Fuse.Protocol;

namespace WinLoop.Fuse.Operations;

/// <summary>What adds, removes and moves names, and READLINK.</summary>
internal static unsafe class NamespaceOperations
{
    public static int MkNod(FuseSession session, FuseRequest request)
    {
        ref readonly MkNodIn input = ref request.In<MkNodIn>();
        ReadOnlySpan<byte> rest = request.After<MkNodIn>();
        ReadOnlySpan<byte> name = request.TakeName(ref rest);
        Inode inode = session.Volume.Create(session.GetInode(request), name, (ushort)input.Mode, input.Device,
            request.CallerWithUmask(input.Umask));
        return session.ReplyEntry(request, inode, request.Out<EntryOut>());
    }

    public static int MkDir(FuseSession session, FuseRequest request)
    {
        ref readonly MkDirIn input = ref request.In<MkDirIn>();
        ReadOnlySpan<byte> rest = request.After<MkDirIn>();
        ReadOnlySpan<byte> name = request.TakeName(ref rest);
        Inode inode = session.Volume.CreateDirectory(session.GetInode(request), name,
            (ushort)(input.Mode & InodeMode.Permissions), request.CallerWithUmask(input.Umask));
        return session.ReplyEntry(request, inode, request.Out<EntryOut>());
    }

    public static int Symlink(FuseSession session, FuseRequest request)
    {
        ReadOnlySpan<byte> rest = request.Payload;
        ReadOnlySpan<byte> name = request.TakeName(ref rest);
        ReadOnlySpan<byte> target = request.TakeString(ref rest);
        Inode inode = session.Volume.CreateSymlink(session.GetInode(request), name, target, request.Caller);
        return session.ReplyEntry(request, inode, request.Out<EntryOut>());
    }

    public static int Link(FuseSession session, FuseRequest request)
    {
        Inode inode = session.GetNode(request.In<LinkIn>().OldNodeId).Inode;
        ReadOnlySpan<byte> rest = request.After<LinkIn>();
        ReadOnlySpan<byte> name = request.TakeName(ref rest);
        session.Volume.Link(inode, session.GetInode(request), name);
        session.Volume.AddReference(inode);
        return session.ReplyEntry(request, inode, request.Out<EntryOut>());
    }

    public static int Unlink(FuseSession session, FuseRequest request)
    {
        ReadOnlySpan<byte> rest = request.Payload;
        session.Volume.Unlink(session.GetInode(request), request.TakeName(ref rest));
        return 0;
    }

    public static int RmDir(FuseSession session, FuseRequest request)
    {
        ReadOnlySpan<byte> rest = request.Payload;
        session.Volume.RemoveDirectory(session.GetInode(request), request.TakeName(ref rest));
        return 0;
    }

    public static int Rename(FuseSession session, FuseRequest request) =>
        Rename(session, request, request.In<RenameIn>().NewDirectory, RenameFlags.None, request.After<RenameIn>());

    public static int Rename2(FuseSession session, FuseRequest request)
    {
        const RenameFlags known = RenameFlags.NoReplace | RenameFlags.Exchange | RenameFlags.Whiteout;
        ref readonly Rename2In input = ref request.In<Rename2In>();
        RenameFlags flags = (RenameFlags)input.Flags;
        if ((flags & ~known) != 0)
        {
            throw new Ext4Exception(Errno.EINVAL, $"rename flags {input.Flags:x}");
        }
        return Rename(session, request, input.NewDirectory, flags, request.After<Rename2In>());
    }

    private static int Rename(FuseSession session, FuseRequest request, ulong newDirectory, RenameFlags flags, ReadOnlySpan<byte> names)
    {
        ReadOnlySpan<byte> oldName = request.TakeName(ref names);
        ReadOnlySpan<byte> newName = request.TakeName(ref names);
        session.Volume.Rename(session.GetInode(request), oldName, session.GetNode(newDirectory).Inode, newName, flags, request.Caller);
        return 0;
    }

    public static int ReadLink(FuseSession session, FuseRequest request) =>
        session.Volume.ReadLink(session.GetInode(request), request.ReplySpan);
}
