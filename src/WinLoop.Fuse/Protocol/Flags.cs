namespace WinLoop.Fuse.Protocol;

/// <summary>fuse_init_in.flags and flags2 (bits 32 and up).</summary>
[Flags]
internal enum InitFlags : ulong
{
    AsyncRead = 1UL << 0, ExportSupport = 1UL << 4, BigWrites = 1UL << 5, DontMask = 1UL << 6,
    AutoInvalidateData = 1UL << 12, ReadDirPlus = 1UL << 13, ReadDirPlusAuto = 1UL << 14, AsyncDirectIo = 1UL << 15,
    WritebackCache = 1UL << 16, NoOpenSupport = 1UL << 17, ParallelDirectoryOperations = 1UL << 18, PosixAcl = 1UL << 20,
    MaxPages = 1UL << 22, CacheSymlinks = 1UL << 23, NoOpenDirSupport = 1UL << 24, ExplicitInvalidateData = 1UL << 25,
    HandleKillPrivV2 = 1UL << 28, SetXattrExt = 1UL << 29, InitExt = 1UL << 30,
}

/// <summary>fuse_setattr_in.valid.</summary>
[Flags]
internal enum SetAttrValid : uint
{
    Mode = 1, Uid = 2, Gid = 4, Size = 8, Atime = 0x10, Mtime = 0x20, Handle = 0x40, AtimeNow = 0x80, MtimeNow = 0x100,
    LockOwner = 0x200, Ctime = 0x400, KillSetId = 0x800,
}

/// <summary>fuse_open_out.open_flags.</summary>
[Flags]
internal enum OpenReply : uint
{
    DirectIo = 1, KeepCache = 2, CacheDir = 8, NoFlush = 0x20, ParallelDirectWrites = 0x40,
}

/// <summary>Single bits of other request structures.</summary>
internal static class RequestFlags
{
    public const uint WriteCache = 1, WriteKillSetId = 4, FsyncDataOnly = 1, SetXattrKillSetGid = 1, IoctlDirectory = 0x10;
}

/// <summary>open(2)'s flags, as on every 64-bit Linux but where noted.</summary>
internal static class OpenFlags
{
    public const uint AccessMode = 3, WriteOnly = 1, ReadWrite = 2, Truncate = 0x200, Append = 0x400;
}
