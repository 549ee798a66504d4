using WinLoop.Ext4.Journal;

namespace WinLoop.Ext4.Cache;

/// <summary>What a metadata block holds; decides how its checksum is verified and renewed.</summary>
internal enum BufferKind : byte
{
    /// <summary>No block-wide checksum: inode tables, descriptors' own blocks, indirect blocks, long symlinks.</summary>
    Raw,
    /// <summary>A block bitmap; its checksum is in the group descriptor.</summary>
    BlockBitmap,
    /// <summary>An inode bitmap; its checksum is in the group descriptor.</summary>
    InodeBitmap,
    /// <summary>An extent tree node below the inode.</summary>
    ExtentNode,
    /// <summary>A linear directory block or htree leaf.</summary>
    DirectoryLeaf,
    /// <summary>An htree root (block 0).</summary>
    HtreeRoot,
    /// <summary>An htree index node.</summary>
    HtreeNode,
    /// <summary>An extended attribute block.</summary>
    AttributeBlock,
    /// <summary>A block of the orphan file.</summary>
    OrphanBlock,
    /// <summary>The block that holds the primary superblock.</summary>
    Superblock,
    /// <summary>A block of the group descriptor table; encoded from memory when a transaction closes.</summary>
    Descriptors,
}

/// <summary>
/// One cached metadata block (the kernel's <c>buffer_head</c> with its <c>journal_head</c>). It is pinned
/// while somebody holds a reference and while its newest content is not yet at its home location.
/// </summary>
/// <remarks>Get one from <see cref="BlockCache"/> and dispose it to drop the reference. Change
/// <see cref="Data"/> only after <see cref="Handle.Join"/> and while that handle is open. Who may change
/// which bytes at a time is ruled by the owner's lock (inode lock, group lock), not by the buffer.</remarks>
internal sealed unsafe class MetadataBuffer : IDisposable
{
    private readonly BlockCache _cache;
    private byte* _data;
    private int _references;

    // Guarded by lock(this).
    internal bool IsLoaded;
    internal BufferKind VerifiedKind;
    internal bool IsVerified;

    /// <summary>True once the owner has found the block's structure to be sound; forgotten when it is read again.</summary>
    internal volatile bool IsStructureChecked;

    /// <summary>The running transaction that holds changes of this block; null if it equals the newest closed one.</summary>
    internal volatile Transaction? Transaction;

    /// <summary>The last transaction that closed with this block in it; 0 if none.</summary>
    internal uint LastTid;

    /// <summary>True while the newest closed content has not been written home.</summary>
    internal volatile bool AwaitsCheckpoint;

    /// <summary>True once the block was freed in <see cref="Transaction"/>: it is not logged any more.</summary>
    internal volatile bool IsForgotten;

    /// <summary>Second chance of the clock.</summary>
    internal volatile bool IsRecent;

    internal MetadataBuffer(BlockCache cache, ulong block, byte* data)
    {
        _cache = cache;
        Block = block;
        _data = data;
        _references = 1;
    }

    /// <summary>Physical block number.</summary>
    public ulong Block { get; }

    /// <summary>What the block holds; set by the last reader or by <see cref="BlockCache.GetNew"/>.</summary>
    public BufferKind Kind { get; internal set; }

    /// <summary>The owner's checksum seed: <see cref="Format.Geometry.InodeSeed"/>, the volume's seed, or a group number for bitmaps.</summary>
    public uint Seed { get; internal set; }

    /// <summary>The content, one block long.</summary>
    public Span<byte> Data => new(_data, _cache.BlockSize);

    /// <summary>The content's address, page-aligned.</summary>
    public byte* Pointer => _data;

    /// <summary>True if no one can lose anything by the buffer's leaving the cache.</summary>
    internal bool IsEvictable => Transaction is null && !AwaitsCheckpoint;

    /// <summary>Takes another reference if the buffer is still in the cache.</summary>
    internal bool TryReference()
    {
        int seen = Volatile.Read(ref _references);
        while (seen >= 0)
        {
            int now = Interlocked.CompareExchange(ref _references, seen + 1, seen);
            if (now == seen)
            {
                return true;
            }
            seen = now;
        }
        return false;
    }

    /// <summary>Drops one reference.</summary>
    public void Dispose() => Interlocked.Decrement(ref _references);

    /// <summary>Takes the buffer out of use if nobody holds it; true exactly once.</summary>
    internal bool TryRetire() => Interlocked.CompareExchange(ref _references, int.MinValue / 2, 0) == 0;

    /// <summary>Hands the memory back to the cache; only after <see cref="TryRetire"/>.</summary>
    internal byte* TakeMemory()
    {
        byte* data = _data;
        _data = null;
        return data;
    }
}
