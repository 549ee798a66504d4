using System.Runtime.InteropServices;

namespace WinLoop.Fuse.Protocol;

// What the server answers, as in include/uapi/linux/fuse.h (7.45); sizes are asserted by tests.

/// <summary>fuse_out_header: in front of every reply.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct OutHeader
{
    /// <summary>Bytes of the reply, header included.</summary>
    public uint Length;
    /// <summary>0 or −errno.</summary>
    public int Error;
    public ulong Unique;
}

[StructLayout(LayoutKind.Sequential)]
internal unsafe struct InitOut
{
    public uint Major, Minor, MaxReadAhead, Flags;
    public ushort MaxBackground, CongestionThreshold;
    public uint MaxWrite, TimeGranularity;
    public ushort MaxPages, MapAlignment;
    public uint Flags2, MaxStackDepth;
    public ushort RequestTimeout;
    public fixed ushort Unused[11];
}

/// <summary>fuse_attr.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct Attr
{
    public ulong Inode, Size, Blocks;
    public long Atime, Mtime, Ctime;
    public uint AtimeNs, MtimeNs, CtimeNs;
    public uint Mode, Links, Uid, Gid, Device, BlockSize, Flags;
}

[StructLayout(LayoutKind.Sequential)]
internal struct EntryOut
{
    public ulong NodeId, Generation, EntryValid, AttrValid;
    public uint EntryValidNs, AttrValidNs;
    public Attr Attr;
}

[StructLayout(LayoutKind.Sequential)]
internal struct AttrOut
{
    public ulong AttrValid;
    public uint AttrValidNs, Dummy;
    public Attr Attr;
}

[StructLayout(LayoutKind.Sequential)]
internal struct SxTime
{
    public long Seconds;
    public uint Nanoseconds;
    public int Reserved;
}

[StructLayout(LayoutKind.Sequential)]
internal unsafe struct StatXOut
{
    public ulong AttrValid;
    public uint AttrValidNs, Flags;
    public fixed ulong Spare[2];
    // fuse_statx
    public uint Mask, BlockSize;
    public ulong Attributes;
    public uint Links, Uid, Gid;
    public ushort Mode, Spare0;
    public ulong Inode, Size, Blocks, AttributesMask;
    public SxTime Atime, Btime, Ctime, Mtime;
    public uint DeviceMajor, DeviceMinor, VolumeMajor, VolumeMinor;
    public fixed ulong Spare2[14];
}

[StructLayout(LayoutKind.Sequential)]
internal struct OpenOut
{
    public ulong Handle;
    public OpenReply Flags;
    public uint Padding;
}

[StructLayout(LayoutKind.Sequential)]
internal struct WriteOut
{
    public uint Size, Padding;
}

[StructLayout(LayoutKind.Sequential)]
internal unsafe struct StatFsOut
{
    public ulong Blocks, FreeBlocks, AvailableBlocks, Files, FreeFiles;
    public uint BlockSize, NameLength, FragmentSize, Padding;
    public fixed uint Spare[6];
}

/// <summary>fuse_getxattr_out: the size alone.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct GetXattrOut
{
    public uint Size, Padding;
}

[StructLayout(LayoutKind.Sequential)]
internal struct IoCtlOut
{
    public int Result;
    public uint Flags, InIovs, OutIovs;
}

/// <summary>fuse_dirent; the name follows, padded to 8 bytes.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct Dirent
{
    public ulong Inode, Next;
    public uint NameLength, Type;
}
