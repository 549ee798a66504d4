using WinLoop.Ext4;
using WinLoop.Ext4.Format;
using WinLoop.Fuse.Native;
using WinLoop.Fuse.Protocol;

namespace WinLoop.Fuse.Operations;

/// <summary>IOCTL: the file flags of lsattr and chattr, the generation, fstrim, and the growth of the volume.</summary>
internal static unsafe class IoctlOperations
{
    private const uint GetFlags = 0x80086601, SetFlags = 0x40086602, GetFlags32 = 0x80046601, SetFlags32 = 0x40046602,
        GetVersion = 0x80087601, GetVersion32 = 0x80047601, FsGetXattr = 0x801C581F, FsSetXattr = 0x401C5820;

    // Of the whole volume: FITRIM, and EXT4_IOC_RESIZE_FS with the new size in blocks.
    private const uint Trim = 0xC0185879, ResizeFileSystem = 0x40086610;

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
            case Trim:
                return TrimVolume(session, request, data);
            case ResizeFileSystem:
                return GrowVolume(session, request, data);
            default:
                return -Libc.ENOTTY;
        }
    }

    // The kernel asks for CAP_SYS_ADMIN; here root may, and who mounted the image and could do it without a mount.
    private static bool MayManage(FuseRequest request) => request.Caller.Uid == 0 || request.Caller.Uid == Libc.geteuid();

    private static int TrimVolume(FuseSession session, FuseRequest request, ReadOnlySpan<byte> data)
    {
        const int size = 24;        // struct fstrim_range: start, len, minlen
        if (data.Length < size || request.In<IoCtlIn>().OutSize < size)
        {
            return -Libc.EINVAL;
        }
        if (!MayManage(request))
        {
            return -Libc.EPERM;
        }
        ReadOnlySpan<ulong> range = System.Runtime.InteropServices.MemoryMarshal.Cast<byte, ulong>(data[..size]);
        ulong start = range[0], length = range[1], minimum = range[2];
        if (start > long.MaxValue || minimum > long.MaxValue)
        {
            return -Libc.EINVAL;
        }
        long trimmed = session.Volume.Trim((long)start, (long)Math.Min(length, long.MaxValue), (long)minimum);
        IoCtlOut* reply = request.Out<IoCtlOut>();
        ulong* answer = (ulong*)(reply + 1);
        (answer[0], answer[1], answer[2]) = (start, (ulong)trimmed, minimum);
        return sizeof(IoCtlOut) + size;
    }

    private static int GrowVolume(FuseSession session, FuseRequest request, ReadOnlySpan<byte> data)
    {
        if (data.Length < sizeof(ulong))
        {
            return -Libc.EINVAL;
        }
        if (!MayManage(request))
        {
            return -Libc.EPERM;
        }
        ulong blocks = System.Buffers.Binary.BinaryPrimitives.ReadUInt64LittleEndian(data);
        int bits = session.Volume.Geometry.BlockSizeBits;
        if (blocks > (ulong)(long.MaxValue >> bits))
        {
            return -Libc.EFBIG;
        }
        session.Volume.Grow((long)blocks << bits);
        return Reply(request, 0, withData: false);
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
