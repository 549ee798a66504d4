using WinLoop.Ext4;
using WinLoop.Fuse.Native;
using WinLoop.Fuse.Protocol;

namespace WinLoop.Fuse.Operations;

/// <summary>GETXATTR, LISTXATTR, SETXATTR and REMOVEXATTR.</summary>
internal static unsafe class XattrOperations
{
    private const int MaxValue = 65536;         // XATTR_SIZE_MAX, XATTR_LIST_MAX

    public static int Get(FuseSession session, FuseRequest request)
    {
        uint size = request.In<GetXattrIn>().Size;
        ReadOnlySpan<byte> rest = request.After<GetXattrIn>();
        ReadOnlySpan<byte> name = request.TakeName(ref rest);
        Inode inode = session.GetInode(request);
        int length = session.Volume.GetExtendedAttribute(inode, name, request.ReplySpan[..(int)Math.Min(size, MaxValue)]);
        if (length < 0)
        {
            return -Libc.ENODATA;
        }
        return ReplyValue(request, size, length);
    }

    public static int List(FuseSession session, FuseRequest request)
    {
        uint size = request.In<GetXattrIn>().Size;
        Inode inode = session.GetInode(request);
        int length = session.Volume.ListExtendedAttributes(inode, []);
        if (length > request.ReplyCapacity)
        {
            throw new Ext4Exception(Errno.ERANGE, "too many attributes");
        }
        if (length > 0)
        {
            length = session.Volume.ListExtendedAttributes(inode, request.ReplySpan);
            length = request.Header.Uid == 0 ? length : HideTrusted(request.ReplySpan[..length]);
        }
        return ReplyValue(request, size, length);
    }

    public static int Set(FuseSession session, FuseRequest request)
    {
        // The longer form of the structure comes only if it was agreed on.
        uint valueSize = 0, flags = 0, extFlags = 0;
        ReadOnlySpan<byte> rest;
        if (session.HasSetXattrExt)
        {
            ref readonly SetXattrIn input = ref request.In<SetXattrIn>();
            (valueSize, flags, extFlags) = (input.Size, input.Flags, input.ExtFlags);
            rest = request.After<SetXattrIn>();
        }
        else
        {
            ref readonly ulong input = ref request.In<ulong>();
            (valueSize, flags) = ((uint)input, (uint)(input >> 32));
            rest = request.After<ulong>();
        }
        ReadOnlySpan<byte> name = request.TakeName(ref rest);
        if (valueSize > (uint)rest.Length)
        {
            throw new FuseProtocolException(request.Header.Opcode);
        }
        session.Volume.SetExtendedAttribute(session.GetInode(request), name, rest[..(int)valueSize], (AttributeSetMode)(flags & 3),
            (extFlags & RequestFlags.SetXattrKillSetGid) != 0);
        return 0;
    }

    public static int Remove(FuseSession session, FuseRequest request)
    {
        ReadOnlySpan<byte> rest = request.Payload;
        ReadOnlySpan<byte> name = request.TakeName(ref rest);
        session.Volume.RemoveExtendedAttribute(session.GetInode(request), name);
        return 0;
    }

    // size 0 asks for the length alone.
    private static int ReplyValue(FuseRequest request, uint size, int length)
    {
        if (size == 0)
        {
            *request.Out<GetXattrOut>() = new GetXattrOut { Size = (uint)length };
            return sizeof(GetXattrOut);
        }
        return length <= size ? length : -(int)Errno.ERANGE;
    }

    /// <summary>Takes the names of the trusted namespace out of a list; returns the new length.</summary>
    internal static int HideTrusted(Span<byte> names)
    {
        int kept = 0;
        for (int at = 0; at < names.Length;)
        {
            int end = names[at..].IndexOf((byte)0);
            int length = end < 0 ? names.Length - at : end + 1;
            Span<byte> name = names.Slice(at, length);
            if (!name.StartsWith("trusted."u8))
            {
                name.CopyTo(names[kept..]);
                kept += length;
            }
            at += length;
        }
        return kept;
    }
}
