using WinLoop.Ext4.Allocation;
using WinLoop.Ext4.Cache;
using WinLoop.Ext4.Format;
using WinLoop.Ext4.Journal;
using static System.Buffers.Binary.BinaryPrimitives;

namespace WinLoop.Ext4.Resize;

/// <summary>
/// The resize inode (7) while the size changes. Its double-indirect block names the reserved descriptor blocks of group 0; each
/// of these names its copies in the groups with a backup of the superblock.
/// </summary>
internal sealed class ResizeInodeMap(Ext4Volume volume, Geometry before, Geometry after)
{
    /// <summary>Its number.</summary>
    public const uint Number = 7;
    private const int DoubleIndirectAt = InodeRecord.BlockAreaAt + (13 * sizeof(uint));

    /// <summary>Looks whether the map is as it has to be before a growth; changes nothing.</summary>
    /// <exception cref="Ext4CorruptException">It is damaged.</exception>
    public void Check()
    {
        using MetadataBuffer top = ReadTop();
        for (uint i = 0; i < before.ReservedDescriptorBlocks; i++)
        {
            if (ReadUInt32LittleEndian(top.Data[SlotOf(before, i)..]) != BlockOf(before, i))
            {
                throw new Ext4CorruptException("resize inode", $"does not list block {BlockOf(before, i)}");
            }
        }
    }

    /// <summary>The most blocks that <see cref="Rewrite"/> joins.</summary>
    public long RewriteCredits => 2 + (ListsStay ? after.ReservedDescriptorBlocks - Math.Min(before.ReservedDescriptorBlocks, after.ReservedDescriptorBlocks) : after.ReservedDescriptorBlocks);

    private bool ListsStay => CountCopies(after) == CountCopies(before);

    /// <summary>Writes the map anew for a smaller size: reserved blocks that were descriptor blocks come in, copies in
    /// groups that are cut off go.</summary>
    public void Rewrite(Handle handle)
    {
        using (MetadataBuffer top = ReadTop())
        {
            handle.Join(top);
            top.Data.Clear();
            for (uint i = 0; i < after.ReservedDescriptorBlocks; i++)
            {
                WriteUInt32LittleEndian(top.Data[SlotOf(after, i)..], BlockOf(after, i));
            }
        }
        for (uint i = 0; i < after.ReservedDescriptorBlocks; i++)
        {
            if (ListsStay && BlockOf(after, i) >= BlockOf(before, 0))
            {
                break; // the others were in the map before
            }
            using MetadataBuffer list = volume.Cache.GetNew(BlockOf(after, i), BufferKind.Raw);
            handle.Join(list);
            FillList(list.Data, BlockOf(after, i));
        }
        WriteBlockCount(handle, CountCopies(after));
    }

    /// <summary>Moves the double-indirect block if it lies at or behind a block.</summary>
    public void MoveTop(ulong limit)
    {
        ulong old;
        using (MetadataBuffer top = ReadTop())
        {
            old = top.Block;
        }
        if (old < limit)
        {
            return;
        }
        using Handle handle = volume.Journal.Start((2 * BlockAllocator.CreditsPerGroup) + 2);
        // The resize inode is no file, and never in the cache of inodes: the moved block is charged to nobody.
        ulong moved = volume.Blocks.AllocateMetadata(handle, new Inode(Number), before.FirstDataBlock);
        using (MetadataBuffer source = volume.Cache.Read(old, BufferKind.Raw))
        using (MetadataBuffer target = volume.Cache.GetNew(moved, BufferKind.Raw))
        {
            handle.Join(target);
            source.Data.CopyTo(target.Data);
        }
        using MetadataBuffer table = ReadTable();
        lock (table)
        {
            handle.Join(table);
            Span<byte> raw = Slot(table);
            WriteUInt32LittleEndian(raw[DoubleIndirectAt..], checked((uint)moved));
            UpdateChecksum(raw);
        }
        volume.Blocks.Free(handle, null, old, 1, isMetadata: true);
    }

    /// <summary>Takes the blocks out that became descriptor blocks, and adds the copies in new backup groups.</summary>
    public void Update(Handle handle)
    {
        using (MetadataBuffer top = ReadTop())
        {
            handle.Join(top);
            for (uint i = 0; i < after.DescriptorBlocks - before.DescriptorBlocks; i++)
            {
                WriteUInt32LittleEndian(top.Data[SlotOf(before, i)..], 0);
            }
        }
        uint copies = CountCopies(before), copiesAfter = CountCopies(after);
        if (copiesAfter != copies)
        {
            for (uint i = 0; i < after.ReservedDescriptorBlocks; i++)
            {
                using MetadataBuffer list = volume.Cache.Read(BlockOf(after, i), BufferKind.Raw);
                handle.Join(list);
                FillList(list.Data, BlockOf(after, i));
            }
        }
        WriteBlockCount(handle, copiesAfter);
    }

    private void WriteBlockCount(Handle handle, uint copies)
    {
        using MetadataBuffer table = ReadTable();
        lock (table)
        {
            handle.Join(table);
            Span<byte> raw = Slot(table);
            // i_blocks: the double-indirect block, and every reserved block with all its copies.
            uint blocks = 1 + (after.ReservedDescriptorBlocks * (1 + copies));
            WriteUInt32LittleEndian(raw[0x1C..], blocks * (uint)after.SectorsPerBlock);
            UpdateChecksum(raw);
        }
    }

    private void UpdateChecksum(Span<byte> raw)
    {
        if (after.HasMetadataChecksums)
        {
            InodeRecord.UpdateChecksum(raw, after.InodeSeed(Number, ReadUInt32LittleEndian(raw[0x64..])), InodeRecord.ExtraSize(raw));
        }
    }

    private void FillList(Span<byte> list, uint block)
    {
        list.Clear();
        int at = 0;
        for (uint group = 1; group < after.GroupCount && at < list.Length; group++)
        {
            if (after.HasSuperblock(group))
            {
                WriteUInt32LittleEndian(list[at..], (uint)(block + ((ulong)group * after.BlocksPerGroup)));
                at += sizeof(uint);
            }
        }
    }

    private static uint CountCopies(Geometry geometry)
    {
        uint count = 0;
        for (uint group = 1; group < geometry.GroupCount; group++)
        {
            count += geometry.HasSuperblock(group) ? 1u : 0;
        }
        // What one indirect block can name.
        return Math.Min(count, (uint)geometry.BlockSize / sizeof(uint));
    }

    private MetadataBuffer ReadTop()
    {
        ulong block;
        using (MetadataBuffer table = ReadTable())
        {
            block = ReadUInt32LittleEndian(Slot(table)[DoubleIndirectAt..]);
        }
        if (!before.IsValidRange(block, 1) || volume.Groups.IsSystemZone(block, 1))
        {
            throw new Ext4CorruptException("resize inode", $"its double-indirect block is {block}");
        }
        return volume.Cache.Read(block, BufferKind.Raw);
    }

    private MetadataBuffer ReadTable() =>
        volume.Cache.Read(volume.Groups.InodeTable(0) + ((Number - 1) / (uint)before.InodesPerBlock), BufferKind.Raw);

    private Span<byte> Slot(MetadataBuffer table) =>
        table.Data.Slice((int)((Number - 1) % (uint)before.InodesPerBlock) * before.InodeSize, before.InodeSize);

    private static uint BlockOf(Geometry geometry, uint index) =>
        geometry.FirstDataBlock + 1 + geometry.DescriptorBlocks + index;

    private static int SlotOf(Geometry geometry, uint index) =>
        (int)((geometry.DescriptorBlocks + index) % ((uint)geometry.BlockSize / sizeof(uint))) * sizeof(uint);
}
