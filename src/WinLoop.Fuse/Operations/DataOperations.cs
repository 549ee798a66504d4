using WinLoop.Ext4;
using WinLoop.Ext4.Format;
using WinLoop.Fuse.Native;
using WinLoop.Fuse.Protocol;

namespace WinLoop.Fuse.Operations;

/// <summary>READ, WRITE, FALLOCATE, LSEEK, COPY_FILE_RANGE and the FSYNC family.</summary>
internal static unsafe class DataOperations
{
    // One COPY_FILE_RANGE holds a thread; the kernel asks again for the rest.
    private const long MaxCopy = 16 << 20;

    // The access mode of the open file says nothing here: with the writeback cache the kernel reads through
    // handles opened for writing, and writes for nobody in particular.
    public static int Read(FuseSession session, FuseRequest request)
    {
        ref readonly ReadIn input = ref request.In<ReadIn>();
        int size = (int)Math.Min(input.Size, (uint)request.ReplyCapacity);
        int n = session.Volume.Read(session.GetInode(request), new Span<byte>(request.Reply, size), ToOffset(input.Offset));
        request.Bytes = n;
        return n;
    }

    public static int Write(FuseSession session, FuseRequest request)
    {
        ref readonly WriteIn input = ref request.In<WriteIn>();
        ReadOnlySpan<byte> data = request.After<WriteIn>();
        if (input.Size > (uint)data.Length)
        {
            throw new FuseProtocolException(request.Header.Opcode);
        }
        Node node = session.GetNode(request.Header.NodeId);
        Inode inode = node.Inode;
        if ((input.WriteFlags & RequestFlags.WriteKillSetId) != 0 && (inode.Mode & (InodeMode.SetUid | InodeMode.SetGid)) != 0)
        {
            session.Volume.SetAttributes(inode, new AttributeChanges { KillSetId = true }, request.Caller);
        }
        // Of pages that it writes back the kernel takes a short count for all: a mapping, or the writeback cache.
        WriteMode mode = (input.WriteFlags & RequestFlags.WriteCache) != 0 ? WriteMode.Whole : WriteMode.Normal;
        int n = session.Volume.Write(inode, data[..(int)input.Size], ToOffset(input.Offset), request.Caller, updateTimes: !session.WritebackCache, mode);
        if (session.SkipsOpen)
        {
            session.RecentWriters.Add(node);
        }
        request.Bytes = n;
        *request.Out<WriteOut>() = new WriteOut { Size = (uint)n };
        return sizeof(WriteOut);
    }

    public static int FAllocate(FuseSession session, FuseRequest request)
    {
        const AllocateMode known = AllocateMode.KeepSize | AllocateMode.PunchHole | AllocateMode.CollapseRange |
                                   AllocateMode.ZeroRange | AllocateMode.InsertRange;
        ref readonly FAllocateIn input = ref request.In<FAllocateIn>();
        AllocateMode mode = (AllocateMode)input.Mode;
        if ((mode & ~known) != 0)
        {
            return -Libc.EOPNOTSUPP;
        }
        session.Volume.Allocate(session.GetInode(request), mode, ToOffset(input.Offset), ToOffset(input.Length), request.Caller);
        return 0;
    }

    public static int LSeek(FuseSession session, FuseRequest request)
    {
        const uint seekData = 3, seekHole = 4;
        ref readonly LSeekIn input = ref request.In<LSeekIn>();
        if (input.Whence is not (seekData or seekHole))
        {
            return -Libc.EINVAL;
        }
        Inode inode = session.GetInode(request);
        *(long*)request.Reply = session.Volume.Seek(inode, ToOffset(input.Offset), input.Whence == seekHole);
        return sizeof(long);
    }

    /// <summary>Copies here instead of through the kernel; <paramref name="wide"/> is the newer opcode, whose reply
    /// has 64 bits.</summary>
    public static int CopyFileRange(FuseSession session, FuseRequest request, bool wide)
    {
        ref readonly CopyFileRangeIn input = ref request.In<CopyFileRangeIn>();
        Inode from = session.GetInode(request);
        Inode to = session.GetNode(input.NodeIdOut).Inode;
        long source = ToOffset(input.OffsetIn), target = ToOffset(input.OffsetOut), done = 0;
        long length = (long)Math.Min(input.Length, MaxCopy);
        while (done < length)
        {
            int n = session.Volume.Read(from, request.ReplySpan[..(int)Math.Min(length - done, request.ReplyCapacity)], source + done);
            if (n == 0)
            {
                break;
            }
            int written;
            try
            {
                written = session.Volume.Write(to, request.ReplySpan[..n], target + done, request.Caller);
            }
            catch (Exception) when (done > 0)
            {
                break;      // what was copied counts; the error comes with the next request
            }
            done += written;
            if (written < n)
            {
                break;
            }
        }
        request.Bytes = done;
        if (wide)
        {
            *(long*)request.Reply = done;
            return sizeof(long);
        }
        *request.Out<WriteOut>() = new WriteOut { Size = (uint)done };
        return sizeof(WriteOut);
    }

    /// <summary>FSYNC and FSYNCDIR.</summary>
    public static int FSync(FuseSession session, FuseRequest request)
    {
        bool dataOnly = (request.In<FsyncIn>().Flags & RequestFlags.FsyncDataOnly) != 0;
        session.Volume.Synchronize(session.GetInode(request), dataOnly);
        return 0;
    }

    public static int SyncFs(FuseSession session, FuseRequest request)
    {
        session.Volume.Synchronize();
        return 0;
    }

    private static long ToOffset(ulong value) =>
        value <= long.MaxValue ? (long)value : throw new Ext4Exception(Errno.EFBIG, $"an offset or length of {value}");
}
