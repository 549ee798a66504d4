using WinLoop.Ext4.Format;

namespace WinLoop.Ext4;

/// <summary>Who asks: owner of what is created, and whether the reserved blocks may be used.</summary>
/// <param name="Uid">User id.</param>
/// <param name="Gid">Group id.</param>
/// <param name="Umask">Taken from the mode of what is created unless the directory has a default ACL.</param>
public readonly record struct Caller(uint Uid, uint Gid, ushort Umask = 0)
{
    /// <summary>User 0.</summary>
    public static Caller Root => default;
}

/// <summary>What stat(2) tells about an inode.</summary>
public readonly record struct FileAttributes
{
#pragma warning disable CS1591
    public uint Inode { get; init; }
    public uint Generation { get; init; }
    public ushort Mode { get; init; }
    public uint Links { get; init; }
    public uint Uid { get; init; }
    public uint Gid { get; init; }
    public long Size { get; init; }
    /// <summary>512-byte units.</summary>
    public ulong Blocks { get; init; }
    public int BlockSize { get; init; }
    /// <summary>Device number in the 32-bit form of Linux's new_encode_dev, 0 for other types.</summary>
    public uint Device { get; init; }
    public InodeFlags Flags { get; init; }
    public Timestamp AccessTime { get; init; }
    public Timestamp ModifyTime { get; init; }
    public Timestamp ChangeTime { get; init; }
    public Timestamp BirthTime { get; init; }
#pragma warning restore CS1591
}

/// <summary>Which attributes <see cref="Ext4Volume.SetAttributes"/> changes; a null is left as it is.</summary>
public readonly record struct AttributeChanges
{
    /// <summary>Permission bits (07777); the type cannot change.</summary>
    public ushort? Mode { get; init; }
    /// <summary>New owner.</summary>
    public uint? Uid { get; init; }
    /// <summary>New group.</summary>
    public uint? Gid { get; init; }
    /// <summary>New size: truncates or extends with a hole.</summary>
    public long? Size { get; init; }
    /// <summary>Access time.</summary>
    public Timestamp? AccessTime { get; init; }
    /// <summary>Modification time.</summary>
    public Timestamp? ModifyTime { get; init; }
    /// <summary>Change time; now if null and anything changes.</summary>
    public Timestamp? ChangeTime { get; init; }
    /// <summary>Birth time.</summary>
    public Timestamp? BirthTime { get; init; }
    /// <summary>The caller chose the access or modification time; append-only files take only the present.</summary>
    public bool HasGivenTimes { get; init; }
    /// <summary>Clear set-user-id, and set-group-id of group-executable files.</summary>
    public bool KillSetId { get; init; }
}

/// <summary>renameat2(2) flags.</summary>
[Flags]
public enum RenameFlags
{
#pragma warning disable CS1591
    None = 0, NoReplace = 1, Exchange = 2, Whiteout = 4,
#pragma warning restore CS1591
}

/// <summary>Where a write may go.</summary>
public enum WriteMode
{
    /// <summary>Anywhere; the file grows.</summary>
    Normal,
    /// <summary>At the end of the file, wherever that is when the write gets its turn.</summary>
    Append,
    /// <summary>Inside the file only: what lies behind the end is dropped (paging I/O of Windows). A part that cannot be
    /// written is an error.</summary>
    Constrained,
    /// <summary>As <see cref="Normal"/>, but a part that cannot be written is an error: for pages that a kernel writes back,
    /// where nobody would ask for the rest.</summary>
    Whole,
}

/// <summary>fallocate(2) modes; the values are Linux's.</summary>
[Flags]
public enum AllocateMode
{
#pragma warning disable CS1591
    Default = 0, KeepSize = 1, PunchHole = 2, CollapseRange = 8, ZeroRange = 0x10, InsertRange = 0x20,
#pragma warning restore CS1591
}

/// <summary>setxattr(2) flags.</summary>
[Flags]
public enum AttributeSetMode
{
#pragma warning disable CS1591
    CreateOrReplace = 0, Create = 1, Replace = 2,
#pragma warning restore CS1591
}

/// <summary>What statfs(2) tells.</summary>
public readonly record struct VolumeStatistics
{
#pragma warning disable CS1591
    public int BlockSize { get; init; }
    /// <summary>Blocks without the file system's own overhead.</summary>
    public ulong Blocks { get; init; }
    public ulong FreeBlocks { get; init; }
    /// <summary>Free blocks without those reserved for root.</summary>
    public ulong AvailableBlocks { get; init; }
    public uint Inodes { get; init; }
    public uint FreeInodes { get; init; }
#pragma warning restore CS1591
}

/// <summary>Takes one directory entry; false = no room, stop before this entry.</summary>
/// <param name="name">The name's bytes; valid during the call only.</param>
/// <param name="inode">Inode number.</param>
/// <param name="type">Type from the entry.</param>
/// <param name="next">The position after this entry, to continue from.</param>
public delegate bool DirectoryEntrySink(ReadOnlySpan<byte> name, uint inode, DirectoryEntryType type, ulong next);

/// <summary>When access times are updated.</summary>
public enum AccessTimeMode
{
#pragma warning disable CS1591
    None, Relative, Strict,
#pragma warning restore CS1591
}

/// <summary>What to do when damage is found while mounted.</summary>
public enum ErrorsBehaviour
{
    /// <summary>What the superblock says.</summary>
    FromSuperblock,
    /// <summary>Report and go on reading; writing stops all the same.</summary>
    Continue,
    /// <summary>Stop writing.</summary>
    RemountReadOnly,
}

/// <summary>How a volume is mounted.</summary>
public sealed record Ext4MountOptions
{
    /// <summary>Never write to the device; a dirty journal is replayed into memory.</summary>
    public bool IsReadOnly { get; init; }
    /// <summary>Do not replay a dirty journal (needs <see cref="IsReadOnly"/>).</summary>
    public bool SkipRecovery { get; init; }
    /// <summary>Access time updates.</summary>
    public AccessTimeMode AccessTime { get; init; }
    /// <summary>Seconds between commits.</summary>
    public int CommitInterval { get; init; } = 5;
    /// <summary>Bound of the metadata cache in bytes.</summary>
    public long CacheBytes { get; init; } = 64L << 20;
    /// <summary>Bound of inodes kept without a reference.</summary>
    public int CachedInodes { get; init; } = 32768;
    /// <summary>Damage policy.</summary>
    public ErrorsBehaviour Errors { get; init; }
    /// <summary>Send flushes (barrier=1).</summary>
    public bool UseBarriers { get; init; } = true;
    /// <summary>Discard freed blocks after commit.</summary>
    public bool Discard { get; init; }
    /// <summary>Written to s_last_mounted.</summary>
    public string? MountPoint { get; init; }
    /// <summary>Run background commits on a thread of the volume's own; false = only on demand (tests).</summary>
    public bool UseBackgroundCommit { get; init; } = true;
    /// <summary>For tests of the engine only.</summary>
    internal TestHooks? Hooks { get; init; }
}
