using WinLoop.Ext4.Format;

namespace WinLoop.Ext4.Allocation;

/// <summary>
/// The group descriptors in memory. Locations and counts of all groups, loaded and checked whole before the
/// first allocation, or group by group when a read-only path needs one. Guards each group by a lock.
/// </summary>
internal sealed class BlockGroups(Ext4Volume volume)
{
    /// <summary>First block of a group's inode table; loads and checks that one descriptor if need be.</summary>
    public ulong InodeTable(uint group) => throw new NotImplementedException();

    /// <summary>True if slots of the group's inode table at or past <paramref name="slot"/> were never used
    /// (INODE_UNINIT or itable_unused): their content is garbage and they are free.</summary>
    public bool IsUnusedSlot(uint group, uint slot) => throw new NotImplementedException();

    /// <summary>Encodes the group's descriptor, with fresh bitmap checksums, into its place in a descriptor-table
    /// block. Called by the journal with no handle open.</summary>
    /// <param name="group">Group number.</param>
    /// <param name="tableBlock">The cached descriptor block (see <see cref="DescriptorBlock"/>).</param>
    public void Encode(uint group, Span<byte> tableBlock) => throw new NotImplementedException();

    /// <summary>The physical block that holds the group's descriptor (primary copy).</summary>
    public ulong DescriptorBlock(uint group) => throw new NotImplementedException();

    /// <summary>Sum of free blocks and free inodes over all groups (the truth after a crash).</summary>
    public (ulong FreeBlocks, ulong FreeInodes) CountFree() => throw new NotImplementedException();

    /// <summary>True if any of the blocks holds a superblock, descriptors, bitmaps or inode tables: data and
    /// tree blocks may never lie there.</summary>
    public bool IsSystemZone(ulong start, ulong count) => throw new NotImplementedException();

    private Ext4Volume Volume => volume;
}
