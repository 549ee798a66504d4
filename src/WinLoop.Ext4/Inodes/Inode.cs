using WinLoop.Ext4.Extents;
using WinLoop.Ext4.Format;
using WinLoop.Ext4.Allocation;

namespace WinLoop.Ext4;

/// <summary>
/// An inode in memory. Callers hold it by references (<see cref="Ext4Volume.Release"/>); while a reference
/// is held the object stays the one and only for its number, and an unlinked inode keeps its blocks.
/// </summary>
/// <remarks>Internal fields are guarded by <see cref="Lock"/>: shared to read, exclusive to change. After a
/// change inside a handle, <c>InodeCache.Write</c> encodes the object into its inode-table block.</remarks>
public sealed class Inode
{
    internal Inode(uint number)
    {
        Number = number;
        Lock = new Inodes.InodeLock(this);
    }

    /// <summary>Inode number.</summary>
    public uint Number { get; }

    /// <summary>i_generation: together with the number unique for the life of the volume.</summary>
    public uint Generation { get; internal set; }

    /// <summary>i_mode: type and permissions.</summary>
    public ushort Mode { get; internal set; }

    /// <summary>The type bits of <see cref="Mode"/>.</summary>
    public ushort Type => (ushort)(Mode & InodeMode.TypeMask);

    private object? _tag;

    /// <summary>What a frontend keeps with the inode as long as it is in memory; the engine does not look at it. There
    /// is one frontend per volume, and one type of tag.</summary>
    public T GetTag<T>() where T : class, new() =>
        (T)(Volatile.Read(ref _tag) ?? Interlocked.CompareExchange(ref _tag, new T(), null) ?? _tag!);

    /// <summary>True for a directory.</summary>
    public bool IsDirectory => Type == InodeMode.Directory;

    /// <summary>True for a regular file.</summary>
    public bool IsRegular => Type == InodeMode.Regular;

    /// <summary>True for a symbolic link.</summary>
    public bool IsSymlink => Type == InodeMode.Symlink;

    /// <summary>i_size in bytes.</summary>
    public long Size { get; internal set; }

    /// <summary>i_flags.</summary>
    public InodeFlags Flags { get; internal set; }

    internal readonly Inodes.InodeLock Lock;

    internal uint Uid, Gid;
    /// <summary>i_links_count; 1 in a directory may mean "too many to count" (dir_nlink).</summary>
    internal uint Links;
    /// <summary>i_blocks in 512-byte sectors.</summary>
    internal ulong Sectors;
    /// <summary>The extended attribute block, 0 if none.</summary>
    internal ulong FileAcl;
    internal Timestamp AccessTime, ModifyTime, ChangeTime, BirthTime;
    /// <summary>i_dtime: deletion time, or the next orphan while on the orphan list.</summary>
    internal uint DeletionTime;
    internal ulong Version;
    internal uint ProjectId;
    /// <summary>i_extra_isize.</summary>
    internal int ExtraSize;
    internal BlockArea Block;
    /// <summary>Seed of the checksums of this inode's own structures.</summary>
    internal uint ChecksumSeed;

    /// <summary>The transaction that last changed anything of this inode; 0 if none did.</summary>
    internal uint SyncTid;
    /// <summary>The transaction that last changed what fdatasync has to keep: mapping and size.</summary>
    internal uint DataSyncTid;
    private long _dataWritten, _dataFlushed;

    /// <summary>True if file content was written since the last flush. Set it after each write to the device.</summary>
    internal bool HasUnflushedData
    {
        get => DataSequence != Volatile.Read(ref _dataFlushed);
        set
        {
            if (value)
            {
                Interlocked.Increment(ref _dataWritten);
            }
        }
    }

    /// <summary>Counts writes of content; what a flush that begins now will cover.</summary>
    internal long DataSequence => Volatile.Read(ref _dataWritten);

    /// <summary>Says that a flush that began at <paramref name="sequence"/> is over.</summary>
    internal void MarkDataFlushed(long sequence)
    {
        long seen;
        while ((seen = Volatile.Read(ref _dataFlushed)) < sequence &&
               Interlocked.CompareExchange(ref _dataFlushed, sequence, seen) != seen)
        {
        }
    }

    /// <summary>References held by callers; guarded by the inode cache.</summary>
    internal int References;
    /// <summary>True once links are 0 and the inode waits on the orphan list or file.</summary>
    internal bool IsOrphan;
    /// <summary>Where the orphan entry is; owned by the orphan store.</summary>
    internal int OrphanSlot = -1;
    /// <summary>True until the inode's slot has been written for the first time.</summary>
    internal bool IsNew;
    /// <summary>Second chance of the inode cache's clock.</summary>
    internal volatile bool IsRecent;
    /// <summary>True once the inode was freed; every operation answers ESTALE.</summary>
    internal volatile bool IsFreed;

    /// <summary>True once a directory's parents were seen to lead to the root.</summary>
    internal volatile bool IsRooted;

    /// <summary>The last extent looked up; owned by the extent tree.</summary>
    internal ExtentCacheEntry CachedExtent;
    /// <summary>True once the root of the mapping in <see cref="Block"/> was found sound; owned by the extent tree.</summary>
    internal volatile bool IsMapChecked;
    /// <summary>Blocks set aside for this file's growth; owned by the block allocator.</summary>
    internal Preallocation? Preallocation;
    /// <summary>Logical block at which a search for room in a linear directory starts; owned by the directory code.</summary>
    internal uint InsertHint;
    /// <summary>Whether the table slot holds attributes, so that most inodes answer without looking; owned by the attribute store.</summary>
    internal volatile Attributes.InlineState InlineAttributes;

    internal bool HasExtents => (Flags & InodeFlags.Extents) != 0;
}
