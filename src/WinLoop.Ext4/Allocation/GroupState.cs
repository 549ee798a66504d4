using WinLoop.Ext4.Format;

namespace WinLoop.Ext4.Allocation;

/// <summary>What is known of a group in memory only.</summary>
[Flags]
internal enum GroupMarks : byte
{
    None = 0,
    /// <summary>The descriptor was read and checked; set last.</summary>
    Loaded = 1,
    /// <summary>The block bitmap has changed since its checksum was computed.</summary>
    BlockBitmapChanged = 2,
    /// <summary>The inode bitmap has changed since its checksum was computed.</summary>
    InodeBitmapChanged = 4,
    /// <summary>The block bitmap or its count contradicts something: no block is allocated here.</summary>
    BlocksCorrupt = 8,
    /// <summary>The inode bitmap or its count contradicts something: no inode is allocated here.</summary>
    InodesCorrupt = 16,
    /// <summary>The free blocks on disk make no sense, and are not written.</summary>
    BlockCountUnknown = 32,
    /// <summary>The descriptor's words about inodes make no sense, and are not written.</summary>
    InodeCountsUnknown = 64,
}

/// <summary>
/// A group descriptor in memory. Locations never change; the rest is guarded by the group's lock
/// (<see cref="BlockGroups.LockOf"/>) and changes on its way to disk inside a handle only.
/// </summary>
internal struct GroupState
{
    public ulong BlockBitmap;
    public ulong InodeBitmap;
    public ulong InodeTable;
    /// <summary>Clusters free on disk: what the running transaction freed counts as free.</summary>
    public uint FreeBlocks;
    public uint FreeInodes;
    public uint UsedDirectories;
    public uint InodeTableUnused;
    public uint BlockBitmapChecksum;
    public uint InodeBitmapChecksum;
    public GroupFlags Flags;
    public GroupMarks Marks;

    public readonly bool Has(GroupFlags flag) => (Flags & flag) != 0;

    public readonly bool Has(GroupMarks mark) => (Marks & mark) != 0;
}
