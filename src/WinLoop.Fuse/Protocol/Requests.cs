using System.Runtime.InteropServices;

namespace WinLoop.Fuse.Protocol;

// What the kernel sends, as in include/uapi/linux/fuse.h (7.45). All little-endian host order; sizes are
// asserted by tests.

/// <summary>fuse_in_header: in front of every request.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct InHeader
{
    /// <summary>Bytes of the request, header included.</summary>
    public uint Length;
    public Opcode Opcode;
    public ulong Unique;
    public ulong NodeId;
    public uint Uid, Gid, Pid;
    /// <summary>Extensions at the end of the request, in 8-byte units.</summary>
    public ushort ExtensionLength;
    public ushort Padding;
}

[StructLayout(LayoutKind.Sequential)]
internal unsafe struct InitIn
{
    public uint Major, Minor, MaxReadAhead, Flags, Flags2;
    public fixed uint Unused[11];
}

[StructLayout(LayoutKind.Sequential)]
internal struct ForgetIn
{
    public ulong Lookups;
}

[StructLayout(LayoutKind.Sequential)]
internal struct ForgetOne
{
    public ulong NodeId, Lookups;
}

[StructLayout(LayoutKind.Sequential)]
internal struct BatchForgetIn
{
    public uint Count, Dummy;
}

[StructLayout(LayoutKind.Sequential)]
internal struct StatXIn
{
    public uint GetAttrFlags, Reserved;
    public ulong Handle;
    public uint Flags, Mask;
}

[StructLayout(LayoutKind.Sequential)]
internal struct SetAttrIn
{
    public SetAttrValid Valid;
    public uint Padding;
    public ulong Handle, Size, LockOwner;
    public long Atime, Mtime, Ctime;
    public uint AtimeNs, MtimeNs, CtimeNs;
    public uint Mode, Unused4, Uid, Gid, Unused5;
}

[StructLayout(LayoutKind.Sequential)]
internal struct MkNodIn
{
    public uint Mode, Device, Umask, Padding;
}

[StructLayout(LayoutKind.Sequential)]
internal struct MkDirIn
{
    public uint Mode, Umask;
}

[StructLayout(LayoutKind.Sequential)]
internal struct RenameIn
{
    public ulong NewDirectory;
}

[StructLayout(LayoutKind.Sequential)]
internal struct Rename2In
{
    public ulong NewDirectory;
    public uint Flags, Padding;
}

[StructLayout(LayoutKind.Sequential)]
internal struct LinkIn
{
    public ulong OldNodeId;
}

[StructLayout(LayoutKind.Sequential)]
internal struct OpenIn
{
    public uint Flags, OpenFlags;
}

[StructLayout(LayoutKind.Sequential)]
internal struct CreateIn
{
    public uint Flags, Mode, Umask, OpenFlags;
}

/// <summary>fuse_read_in; READDIR and READDIRPLUS have it too.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct ReadIn
{
    public ulong Handle, Offset;
    public uint Size, ReadFlags;
    public ulong LockOwner;
    public uint Flags, Padding;
}

[StructLayout(LayoutKind.Sequential)]
internal struct WriteIn
{
    public ulong Handle, Offset;
    public uint Size, WriteFlags;
    public ulong LockOwner;
    public uint Flags, Padding;
}

[StructLayout(LayoutKind.Sequential)]
internal struct FsyncIn
{
    public ulong Handle;
    public uint Flags, Padding;
}

/// <summary>fuse_setxattr_in with SETXATTR_EXT; without it only the first 8 bytes.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct SetXattrIn
{
    public const int CompatSize = 8;
    public uint Size, Flags, ExtFlags, Padding;
}

/// <summary>fuse_getxattr_in; LISTXATTR has it too.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct GetXattrIn
{
    public uint Size, Padding;
}

[StructLayout(LayoutKind.Sequential)]
internal struct FAllocateIn
{
    public ulong Handle, Offset, Length;
    public uint Mode, Padding;
}

[StructLayout(LayoutKind.Sequential)]
internal struct LSeekIn
{
    public ulong Handle, Offset;
    public uint Whence, Padding;
}

[StructLayout(LayoutKind.Sequential)]
internal struct CopyFileRangeIn
{
    public ulong HandleIn, OffsetIn, NodeIdOut, HandleOut, OffsetOut, Length, Flags;
}

[StructLayout(LayoutKind.Sequential)]
internal struct IoCtlIn
{
    public ulong Handle;
    public uint Flags, Command;
    public ulong Argument;
    public uint InSize, OutSize;
}
