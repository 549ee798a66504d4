using WinLoop.Fuse.Protocol;

namespace WinLoop.Fuse;

/// <summary>INIT: what the kernel offers and what this server takes.</summary>
internal sealed class Negotiation
{
    private const uint Major = 7, MinMinor = 36, MaxMinor = 45;
    private const int PageSize = 4096;

    /// <summary>Collect writes in the kernel.</summary>
    public bool WritebackCache { get; init; }

    /// <summary>Let files be opened without asking us.</summary>
    public bool SkipOpen { get; init; }

    /// <summary>Units of time stamps in nanoseconds: 1, or 10^9 for inodes that hold only seconds.</summary>
    public uint TimeGranularity { get; init; } = 1;

    /// <summary>What was agreed.</summary>
    public InitFlags Agreed { get; private set; }

    private InitFlags Wanted =>
        InitFlags.AsyncRead | InitFlags.BigWrites | InitFlags.MaxPages | InitFlags.ParallelDirectoryOperations |
        InitFlags.AsyncDirectIo | InitFlags.ExportSupport | InitFlags.ReadDirPlus | InitFlags.ExplicitInvalidateData |
        InitFlags.CacheSymlinks | InitFlags.DontMask | InitFlags.PosixAcl | InitFlags.HandleKillPrivV2 |
        InitFlags.SetXattrExt | InitFlags.InitExt | InitFlags.NoOpenDirSupport |
        // Not ATOMIC_O_TRUNC: a truncation by SETATTR has a reply that can tell the kernel that set-id bits are gone.
        (SkipOpen ? InitFlags.NoOpenSupport : 0) |
        (WritebackCache ? InitFlags.WritebackCache : 0);

    /// <summary>Answers INIT; returns an errno, 0 if the kernel took the answer.</summary>
    public unsafe int Answer(FuseRequest request, FuseSession session, int fd)
    {
        InitIn input = request.In<InitIn>();
        if (input.Major != Major || input.Minor < MinMinor)
        {
            session.Log($"the kernel speaks FUSE {input.Major}.{input.Minor}, at least {Major}.{MinMinor} (Linux 5.16) is needed");
            request.Send(fd, -Native.Libc.EPROTO);
            return Native.Libc.EPROTO;
        }
        InitFlags offered = (InitFlags)(input.Flags | (ulong)input.Flags2 << 32);
        Agreed = Wanted & offered;
        session.WritebackCache = Agreed.HasFlag(InitFlags.WritebackCache);
        session.HasSetXattrExt = Agreed.HasFlag(InitFlags.SetXattrExt);
        session.SkipsOpen = Agreed.HasFlag(InitFlags.NoOpenSupport);
        InitOut* reply = request.Out<InitOut>();
        reply->Major = Major;
        reply->Minor = Math.Min(input.Minor, MaxMinor);
        reply->MaxReadAhead = (uint)session.MaxTransfer;        // the kernel takes the smaller of this and its own
        reply->Flags = (uint)Agreed;
        reply->Flags2 = (uint)((ulong)Agreed >> 32);
        reply->MaxWrite = (uint)session.MaxTransfer;
        reply->MaxPages = (ushort)(session.MaxTransfer / PageSize);
        reply->TimeGranularity = TimeGranularity;
        return request.Send(fd, sizeof(InitOut));
    }
}
