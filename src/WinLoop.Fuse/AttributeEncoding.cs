using WinLoop.Ext4;
using WinLoop.Ext4.Format;
using WinLoop.Fuse.Protocol;
using FileAttributes = WinLoop.Ext4.FileAttributes;

namespace WinLoop.Fuse;

/// <summary>Puts attributes and entries into replies.</summary>
internal static unsafe class AttributeEncoding
{
    /// <summary>How long the kernel may keep names, attributes and missing names, in seconds: this mount is the
    /// only writer, so nothing changes behind the kernel's back.</summary>
    public const ulong CacheSeconds = 86400;

    // Larger than a page is not for the kernel's page cache; st_blksize is a hint only.
    private const int MaxReportedBlockSize = 4096;

    public static void Encode(in FileAttributes from, Attr* to)
    {
        to->Inode = from.Inode;
        to->Size = (ulong)from.Size;
        to->Blocks = from.Blocks;
        to->Atime = from.AccessTime.Seconds;
        to->AtimeNs = from.AccessTime.Nanoseconds;
        to->Mtime = from.ModifyTime.Seconds;
        to->MtimeNs = from.ModifyTime.Nanoseconds;
        to->Ctime = from.ChangeTime.Seconds;
        to->CtimeNs = from.ChangeTime.Nanoseconds;
        to->Mode = from.Mode;
        to->Links = from.Links;
        to->Uid = from.Uid;
        to->Gid = from.Gid;
        to->Device = from.Device;
        to->BlockSize = MaxReportedBlockSize;
        to->Flags = 0;
    }

    /// <summary>An entry of an inode that the kernel now knows.</summary>
    public static void Encode(in FileAttributes from, uint generation, EntryOut* to)
    {
        to->NodeId = NodeTable.ToNodeId(from.Inode);
        // The kernel wants the root's generation to be 0.
        to->Generation = to->NodeId == NodeTable.RootId ? 0 : generation;
        to->EntryValid = CacheSeconds;
        to->AttrValid = CacheSeconds;
        to->EntryValidNs = 0;
        to->AttrValidNs = 0;
        Encode(from, &to->Attr);
    }

    public static void Encode(in FileAttributes from, StatXOut* to)
    {
        const uint basicStats = 0x7FF, birthTime = 0x800;
        *to = default;
        to->AttrValid = CacheSeconds;
        to->Mask = basicStats | birthTime;
        to->BlockSize = MaxReportedBlockSize;
        to->AttributesMask = StatXAttributes.Supported;
        to->Attributes = StatXAttributes.FromFlags(from.Flags);
        to->Links = from.Links;
        to->Uid = from.Uid;
        to->Gid = from.Gid;
        to->Mode = from.Mode;
        to->Inode = from.Inode;
        to->Size = (ulong)from.Size;
        to->Blocks = from.Blocks;
        to->Atime = Encode(from.AccessTime);
        to->Btime = Encode(from.BirthTime);
        to->Ctime = Encode(from.ChangeTime);
        to->Mtime = Encode(from.ModifyTime);
        to->DeviceMajor = from.Device >> 8 & 0xFFF;
        to->DeviceMinor = from.Device & 0xFF | from.Device >> 12 & 0xFFF00;
    }

    private static SxTime Encode(Timestamp time) => new() { Seconds = time.Seconds, Nanoseconds = time.Nanoseconds };
}

/// <summary>STATX_ATTR_ bits.</summary>
internal static class StatXAttributes
{
    public const ulong Immutable = 0x10, Append = 0x20, NoDump = 0x40;
    public const ulong Supported = Immutable | Append | NoDump;

    public static ulong FromFlags(InodeFlags flags) =>
        ((flags & InodeFlags.Immutable) != 0 ? Immutable : 0) | ((flags & InodeFlags.Append) != 0 ? Append : 0) |
        ((flags & InodeFlags.NoDump) != 0 ? NoDump : 0);
}
