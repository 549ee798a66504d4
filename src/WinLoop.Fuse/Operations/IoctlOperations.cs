using WinLoop.Ext4;
using WinLoop.Ext4.Format;
using WinLoop.Fuse.Native;
using WinLoop.Fuse.Protocol;

namespace WinLoop.Fuse.Operations;

/// <summary>IOCTL: the file flags of lsattr and chattr, and the generation.</summary>
internal static unsafe class IoctlOperations
{
    private const uint GetFlags = 0x80086601, SetFlags = 0x40086602, GetFlags32 = 0x80046601, SetFlags32 = 0x40046602,
        GetVersion = 0x80087601, GetVersion32 = 0x80047601, FsGetXattr = 0x801C581F, FsSetXattr = 0x401C5820;

    public static int IoCtl(FuseSession session, FuseRequest request)
    {
        ref readonly IoCtlIn input = ref request.In<IoCtlIn>();
        ReadOnlySpan<byte> data = request.After<IoCtlIn>();
        Inode inode = session.GetInode(request);
        switch (input.Command)
        {
            case GetFlags or GetFlags32:
                // The kernel's own lsattr path asks for 4 bytes, whatever size the command's number says.
                return Reply(request, (uint)(inode.Flags & InodeFlags.UserVisible));
            case SetFlags or SetFlags32:
                session.Volume.SetFlags(inode, (InodeFlags)ReadUInt32(data), request.Caller);
                return Reply(request, 0, withData: false);
            case GetVersion or GetVersion32:
                return Reply(request, inode.Generation);
            case FsGetXattr:
                return ReplyFsXattr(request, FileAttributeFlags.ToXFlags(inode.Flags));
            case FsSetXattr:
                InodeFlags flags = FileAttributeFlags.FromXFlags(ReadUInt32(data));
                session.Volume.SetFlags(inode, inode.Flags & InodeFlags.UserModifiable & ~FileAttributeFlags.Mapped | flags, request.Caller);
                return Reply(request, 0, withData: false);
            default:
                return -Libc.ENOTTY;
        }
    }

    private static uint ReadUInt32(ReadOnlySpan<byte> data) => data.Length >= 4
        ? System.Buffers.Binary.BinaryPrimitives.ReadUInt32LittleEndian(data)
        : throw new Ext4Exception(Errno.EINVAL, "ioctl without its argument");

    private static int Reply(FuseRequest request, uint value, bool withData = true)
    {
        uint size = withData ? Math.Min(request.In<IoCtlIn>().OutSize, sizeof(ulong)) : 0;
        IoCtlOut* reply = request.Out<IoCtlOut>();
        *(ulong*)(reply + 1) = value;
        return sizeof(IoCtlOut) + (int)size;
    }

    private static int ReplyFsXattr(FuseRequest request, uint xflags)
    {
        const int size = 28;        // struct fsxattr
        if (request.In<IoCtlIn>().OutSize < size)
        {
            return -Libc.EINVAL;
        }
        IoCtlOut* reply = request.Out<IoCtlOut>();
        new Span<byte>(reply + 1, size).Clear();
        *(uint*)(reply + 1) = xflags;
        return sizeof(IoCtlOut) + size;
    }
}

/// <summary>The FS_XFLAG_ bits of struct fsxattr.</summary>
internal static class FileAttributeFlags
{
    public const InodeFlags Mapped = InodeFlags.Immutable | InodeFlags.Append | InodeFlags.Sync | InodeFlags.NoAtime |
                                     InodeFlags.NoDump | InodeFlags.ProjectInherit;

    private static readonly (InodeFlags Flag, uint XFlag)[] Table =
    [
        (InodeFlags.Immutable, 0x8), (InodeFlags.Append, 0x10), (InodeFlags.Sync, 0x20), (InodeFlags.NoAtime, 0x40),
        (InodeFlags.NoDump, 0x80), (InodeFlags.ProjectInherit, 0x200),
    ];

    public static uint ToXFlags(InodeFlags flags)
    {
        uint result = 0;
        foreach ((InodeFlags flag, uint xflag) in Table)
        {
            result |= (flags & flag) != 0 ? xflag : 0;
        }
        return result;
    }

    public static InodeFlags FromXFlags(uint xflags)
    {
        InodeFlags result = InodeFlags.None;
        foreach ((InodeFlags flag, uint xflag) in Table)
        {
            result |= (xflags & xflag) != 0 ? flag : InodeFlags.None;
        }
        return result;
    }
}
