using WinLoop.Ext4.Journal;

namespace WinLoop.Ext4.Allocation;

/// <summary>
/// Hands out and takes back blocks. Each loaded group has the bitmap as it will be on disk and a second
/// one of what may not be handed out: that, plus blocks set aside in memory, plus blocks freed by a
/// transaction that is not durable yet.
/// </summary>
internal sealed class BlockAllocator(Ext4Volume volume)
{
    /// <summary>The most blocks that <see cref="Commit"/>, <see cref="AllocateMetadata"/> or <see cref="Free"/>
    /// joins per group touched: bitmap and descriptor.</summary>
    public const int CreditsPerGroup = 2;

    /// <summary>Free blocks now, without those set aside.</summary>
    public ulong FreeBlocks => throw new NotImplementedException();

    /// <summary>
    /// Takes up to <paramref name="wanted"/> contiguous blocks in memory for file data at
    /// <paramref name="logical"/>, best at <paramref name="goal"/>, and sets more aside for the file's growth.
    /// The caller writes the data, then calls <see cref="Commit"/> in a handle or <see cref="Cancel"/>.
    /// </summary>
    /// <exception cref="Ext4Exception">ENOSPC, also when only blocks reserved for root are left. Before giving
    /// up it releases every preallocation and commits once to get freed blocks back.</exception>
    public BlockReservation Reserve(Inode inode, uint logical, ulong goal, uint wanted, Caller caller) => throw new NotImplementedException();

    /// <summary>Marks reserved blocks used on disk (bitmap, descriptor, counts) and charges them to the inode's
    /// <see cref="Inode.Sectors"/>.</summary>
    public void Commit(Handle handle, Inode inode, BlockReservation reservation) => throw new NotImplementedException();

    /// <summary>Gives reserved blocks back untouched.</summary>
    public void Cancel(BlockReservation reservation) => throw new NotImplementedException();

    /// <summary>Allocates one block for metadata of <paramref name="inode"/> (directory, extent node, attribute
    /// block, long symlink) inside a handle and charges it to <see cref="Inode.Sectors"/>.</summary>
    /// <exception cref="Ext4Exception">ENOSPC; never commits, because a handle is open.</exception>
    public ulong AllocateMetadata(Handle handle, Inode inode, ulong goal) => throw new NotImplementedException();

    /// <summary>Frees blocks inside a handle: clears the bitmap now, hands them out again only when the
    /// transaction is durable, revokes them if they were metadata, discharges <paramref name="inode"/> if given.</summary>
    /// <exception cref="Ext4CorruptException">Outside the data area, or already free.</exception>
    public void Free(Handle handle, Inode? inode, ulong start, uint count, bool isMetadata) => throw new NotImplementedException();

    /// <summary>Gives a file's set-aside blocks back (last close, truncate, eviction, ENOSPC).</summary>
    public void DropPreallocation(Inode inode) => throw new NotImplementedException();

    /// <summary>Called by the journal when a transaction is durable: its freed blocks may be handed out again.</summary>
    public void OnCommitted(List<(ulong Start, uint Count)> freed) => throw new NotImplementedException();

    /// <summary>Called by the journal for each bitmap buffer that closes with a transaction: renews the
    /// bitmap's checksum in the in-memory descriptor.</summary>
    private Ext4Volume Volume => volume;
}
