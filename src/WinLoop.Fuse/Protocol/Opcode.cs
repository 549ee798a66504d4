namespace WinLoop.Fuse.Protocol;

/// <summary>fuse_opcode: what the kernel asks.</summary>
internal enum Opcode : uint
{
    Lookup = 1, Forget = 2, GetAttr = 3, SetAttr = 4, ReadLink = 5, Symlink = 6, MkNod = 8, MkDir = 9, Unlink = 10, RmDir = 11,
    Rename = 12, Link = 13, Open = 14, Read = 15, Write = 16, StatFs = 17, Release = 18, FSync = 20, SetXattr = 21,
    GetXattr = 22, ListXattr = 23, RemoveXattr = 24, Flush = 25, Init = 26, OpenDir = 27, ReadDir = 28, ReleaseDir = 29,
    FSyncDir = 30, GetLk = 31, SetLk = 32, SetLkW = 33, Access = 34, Create = 35, Interrupt = 36, BMap = 37, Destroy = 38,
    IoCtl = 39, Poll = 40, NotifyReply = 41, BatchForget = 42, FAllocate = 43, ReadDirPlus = 44, Rename2 = 45, LSeek = 46,
    CopyFileRange = 47, SetupMapping = 48, RemoveMapping = 49, SyncFs = 50, TmpFile = 51, StatX = 52, CopyFileRange64 = 53,
}

internal static class Opcodes
{
    /// <summary>One more than the largest opcode known.</summary>
    public const int Count = (int)Opcode.CopyFileRange64 + 1;
}
