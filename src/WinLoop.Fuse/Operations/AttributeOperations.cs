using WinLoop.Ext4;
using WinLoop.Ext4.Format;
using WinLoop.Fuse.Protocol;

namespace WinLoop.Fuse.Operations;

/// <summary>GETATTR, STATX, SETATTR and STATFS.</summary>
internal static unsafe class AttributeOperations
{
    public static int GetAttr(FuseSession session, FuseRequest request) => ReplyAttributes(session, request, session.GetInode(request));

    public static int StatX(FuseSession session, FuseRequest request)
    {
        StatXOut* reply = request.Out<StatXOut>();
        AttributeEncoding.Encode(session.Volume.GetAttributes(session.GetInode(request)), reply);
        return sizeof(StatXOut);
    }

    public static int SetAttr(FuseSession session, FuseRequest request)
    {
        ref readonly SetAttrIn input = ref request.In<SetAttrIn>();
        Inode inode = session.GetInode(request);
        SetAttrValid valid = input.Valid;
        AttributeChanges changes = new()
        {
            Mode = valid.HasFlag(SetAttrValid.Mode) ? (ushort)(input.Mode & InodeMode.Permissions) : null,
            Uid = valid.HasFlag(SetAttrValid.Uid) ? input.Uid : null,
            Gid = valid.HasFlag(SetAttrValid.Gid) ? input.Gid : null,
            Size = valid.HasFlag(SetAttrValid.Size) ? ToSize(input.Size) : null,
            AccessTime = valid.HasFlag(SetAttrValid.AtimeNow) ? Timestamp.Now :
                valid.HasFlag(SetAttrValid.Atime) ? new Timestamp(input.Atime, input.AtimeNs) : null,
            ModifyTime = valid.HasFlag(SetAttrValid.MtimeNow) ? Timestamp.Now :
                valid.HasFlag(SetAttrValid.Mtime) ? new Timestamp(input.Mtime, input.MtimeNs) : null,
            // Only a kernel that keeps the times itself sends this one.
            ChangeTime = valid.HasFlag(SetAttrValid.Ctime) ? new Timestamp(input.Ctime, input.CtimeNs) : null,
            // A kernel that keeps the times itself sends the modification and change times together.
            HasGivenTimes = (valid & (SetAttrValid.Atime | SetAttrValid.AtimeNow)) == SetAttrValid.Atime ||
                (valid & (SetAttrValid.Mtime | SetAttrValid.MtimeNow | SetAttrValid.Ctime)) == SetAttrValid.Mtime,
            // No bit at all announces a write to a set-id file. The bits could go with the WRITE, which says so once
            // more, but its reply carries no mode, and the kernel would go on with the old one.
            KillSetId = !inode.IsDirectory && (valid.HasFlag(SetAttrValid.KillSetId) || valid == 0 && request.Header.Uid != 0),
        };
        if (changes != default)
        {
            session.Volume.SetAttributes(inode, changes, request.Caller);
        }
        return ReplyAttributes(session, request, inode);
    }

    public static int StatFs(FuseSession session, FuseRequest request)
    {
        VolumeStatistics statistics = session.Volume.GetStatistics();
        StatFsOut* reply = request.Out<StatFsOut>();
        reply->Blocks = statistics.Blocks;
        reply->FreeBlocks = statistics.FreeBlocks;
        reply->AvailableBlocks = statistics.AvailableBlocks;
        reply->Files = statistics.Inodes;
        reply->FreeFiles = statistics.FreeInodes;
        reply->BlockSize = (uint)statistics.BlockSize;
        reply->FragmentSize = (uint)statistics.BlockSize;
        reply->NameLength = 255;
        return sizeof(StatFsOut);
    }

    private static int ReplyAttributes(FuseSession session, FuseRequest request, Inode inode)
    {
        AttrOut* reply = request.Out<AttrOut>();
        reply->AttrValid = AttributeEncoding.CacheSeconds;
        AttributeEncoding.Encode(session.Volume.GetAttributes(inode), &reply->Attr);
        return sizeof(AttrOut);
    }

    private static long ToSize(ulong size) =>
        size <= long.MaxValue ? (long)size : throw new Ext4Exception(Errno.EFBIG, $"a size of {size} bytes");
}
