using WinLoop.Ext4.Format;
using WinLoop.Storage;

namespace WinLoop.Ext4.Check;

/// <summary>
/// Pass 0: the numbers of superblock and group descriptors, the claims of the volume's own structures, journal,
/// resize inode and orphans.
/// </summary>
internal sealed class SuperblockPass(CheckState state)
{
    private readonly JournalCheck _journal = new(state);
    private readonly ResizeInodeCheck _resize = new(state);
    private readonly OrphanCheck _orphans = new(state);
    private byte[] _block = [];
    private ulong[] _words = [];

    /// <summary>Some inodes wait to be freed or truncated.</summary>
    public bool HasOrphans => _orphans.Count > 0;

    /// <summary>False if there is nothing more to be looked at.</summary>
    public bool Run()
    {
        Geometry geometry = state.Geometry;
        Superblock superblock = state.Superblock;
        if (superblock.ReservedBlocksCount > geometry.BlocksCount / 2)
        {
            Add(FindingCode.BadSuperblock, $"{superblock.ReservedBlocksCount} of {geometry.BlocksCount} blocks are reserved");
        }
        if (!geometry.Has(CompatFeatures.ResizeInode) && superblock.ReservedGdtBlocks != 0)
        {
            Add(FindingCode.BadSuperblock, $"{superblock.ReservedGdtBlocks} descriptor blocks are reserved without resize_inode");
        }
        if (!ushort.IsPow2(superblock.DescriptorSize) && superblock.DescriptorSize != 0)
        {
            Add(FindingCode.BadSuperblock, $"s_desc_size is impossible ({superblock.DescriptorSize})");
        }
        if (geometry.Has(IncompatFeatures.CsumSeed) && !geometry.HasMetadataChecksums)
        {
            Add(FindingCode.BadSuperblock, "metadata_csum_seed is set without metadata_csum");
        }
        CheckExtraSize(superblock.MinExtraInodeSize, "s_min_extra_isize");
        CheckExtraSize(superblock.WantExtraInodeSize, "s_want_extra_isize");
        if (superblock.BlockGroupNumber != 0)
        {
            Add(FindingCode.BadSuperblock, $"the superblock says that it is the copy of group {superblock.BlockGroupNumber}");
        }
        CheckQuotaInode(superblock.UserQuotaInode, 3, "user");
        CheckQuotaInode(superblock.GroupQuotaInode, 4, "group");
        CheckQuotaInode(superblock.ProjectQuotaInode, 0, "project");
        if (geometry.Has(RoCompatFeatures.Quota))
        {
            state.Findings.Add(0, FindingCode.NotChecked, "the quota files' figures are not checked");
        }
        state.Threads = Math.Max(1, geometry.GroupCount < 16 ? 1 : state.Options.Threads == 0 ? Environment.ProcessorCount : state.Options.Threads);
        if (!ReadDescriptors())
        {
            return false;
        }
        state.Claims.Reset(geometry.BlocksCount, state.Threads > 1);
        CheckGroups();
        PlaceInodes();
        CountMetadata();
        if (state.Options.CheckBackups)
        {
            CheckBackups();
        }
        _journal.Run();
        _resize.Run();
        _orphans.Run();
        return true;
    }

    // Either the inode that is reserved for it, or an ordinary one.
    private void CheckQuotaInode(uint inode, uint reserved, string whose)
    {
        if (inode != 0 && inode != reserved && (inode > state.Geometry.InodesCount || inode < state.Superblock.FirstInode))
        {
            Add(FindingCode.BadSuperblock, $"the {whose} quota file is said to be inode {inode}");
        }
    }

    private void CheckExtraSize(ushort size, string field)
    {
        int room = state.Geometry.InodeSize - InodeRecord.GoodOldSize;
        if (room > 0 && size != 0 && (size < sizeof(uint) || size > room || size % sizeof(uint) != 0))
        {
            Add(FindingCode.BadSuperblock, $"{field} is impossible ({size})");
        }
    }

    private bool ReadDescriptors()
    {
        Geometry geometry = state.Geometry;
        long bytes = (long)geometry.GroupCount * geometry.DescriptorSize;
        if (bytes > int.MaxValue / 2)
        {
            throw new Ext4NotSupportedException("size", $"a volume of {geometry.GroupCount} groups is too large to be checked");
        }
        state.Descriptors.Reset((int)bytes);
        long at = (long)(((ulong)Superblock.Offset >> geometry.BlockSizeBits) + 1) << geometry.BlockSizeBits;
        try
        {
            state.Device.Read(state.Descriptors.Span, at);
            return true;
        }
        catch (BlockDeviceException e)
        {
            state.Findings.Add(0, FindingCode.ReadError, $"the group descriptors cannot be read: {e.Message}");
            return false;
        }
    }

    private void CheckGroups()
    {
        Geometry geometry = state.Geometry;
        bool hasChecksums = geometry.HasMetadataChecksums || geometry.HasGdtChecksums;
        state.GroupFlagsOf.Reset((int)geometry.GroupCount);
        state.ReadableInodes.Reset((int)geometry.GroupCount);
        if (geometry.FirstDataBlock > 0)
        {
            state.Claims.Claim(0, geometry.FirstDataBlock);
        }
        for (uint group = 0; group < geometry.GroupCount; group++)
        {
            GroupDescriptor descriptor = state.Descriptor(group);
            GroupFlags flags = descriptor.Flags;
            bool isTrusted = hasChecksums;
            if (hasChecksums && descriptor.Checksum != descriptor.ComputeChecksum(geometry, state.Superblock.Uuid, group))
            {
                Add(FindingCode.DescriptorChecksum, "the group descriptor has a wrong checksum", group);
                isTrusted = false;
            }
            uint unused = descriptor.InodeTableUnused;
            if (!hasChecksums && ((flags & (GroupFlags.BlockUninit | GroupFlags.InodeUninit)) != 0 || unused != 0))
            {
                Add(FindingCode.DescriptorFlags, "parts are marked as not initialised on a volume without descriptor checksums", group);
            }
            if (isTrusted && unused > geometry.InodesPerGroup)
            {
                Add(FindingCode.DescriptorFlags, $"{unused} of {geometry.InodesPerGroup} inodes are said to be unused", group);
                unused = 0;
            }
            if (isTrusted && group == geometry.GroupCount - 1 && (flags & GroupFlags.BlockUninit) != 0)
            {
                Add(FindingCode.DescriptorFlags, "the last group's block bitmap is marked as not initialised", group);
            }
            state.GroupFlagsOf[(int)group] = (ushort)(isTrusted ? flags : flags & ~(GroupFlags.BlockUninit | GroupFlags.InodeUninit));
            state.ReadableInodes[(int)group] = !isTrusted ? geometry.InodesPerGroup
                : (flags & GroupFlags.InodeUninit) != 0 ? 0 : geometry.InodesPerGroup - unused;
            ClaimGroup(group, descriptor);
        }
    }

    private void ClaimGroup(uint group, GroupDescriptor descriptor)
    {
        Geometry geometry = state.Geometry;
        if (geometry.HasSuperblock(group))
        {
            ulong start = geometry.GroupStart(group);
            uint count = 1 + geometry.DescriptorBlocks + geometry.ReservedDescriptorBlocks;
            count = (uint)Math.Min(count, geometry.BlocksCount - start);
            Claim(group, start, count, "superblock and descriptors");
        }
        ClaimPart(group, descriptor.BlockBitmap, 1, "block bitmap");
        ClaimPart(group, descriptor.InodeBitmap, 1, "inode bitmap");
        ClaimPart(group, descriptor.InodeTable, geometry.InodeTableBlocks, "inode table");
    }

    private void ClaimPart(uint group, ulong block, uint count, string what)
    {
        Geometry geometry = state.Geometry;
        bool isInside = geometry.IsValidRange(block, count);
        if (isInside && !geometry.Has(IncompatFeatures.FlexBg))
        {
            ulong start = geometry.GroupStart(group);
            isInside = block >= start && block + count <= start + geometry.BlocksInGroup(group);
        }
        if (!isInside)
        {
            Add(FindingCode.DescriptorRange, $"the {what} at block {block} is not in the {(geometry.Has(IncompatFeatures.FlexBg) ? "volume" : "group")}", group);
            if (!geometry.IsValidRange(block, count))
            {
                return;
            }
        }
        Claim(group, block, count, what);
    }

    private void Claim(uint group, ulong block, uint count, string what)
    {
        if (!state.Claims.Claim(block, count))
        {
            state.Findings.Add(0, FindingCode.MetadataOverlap, $"the {what} at block {block} overlaps another structure", block: block, group: group);
        }
    }

    // Before anything else is claimed: what a bitmap that is not initialised stands for.
    private void CountMetadata()
    {
        Geometry geometry = state.Geometry;
        state.MetadataBlocks.Reset((int)geometry.GroupCount);
        Array.Resize(ref _words, geometry.BlockSize / sizeof(ulong));
        for (uint group = 0; group < geometry.GroupCount; group++)
        {
            uint count = geometry.BlocksInGroup(group);
            state.Claims.Copy(geometry.GroupStart(group), count, _words);
            state.MetadataBlocks[(int)group] = (uint)((_words.Length * 64) - Allocation.Bitmap.CountZeroes(_words));
        }
    }

    private void PlaceInodes()
    {
        Geometry geometry = state.Geometry;
        state.FirstSlot.Reset((int)geometry.GroupCount);
        long total = 0;
        for (int group = 0; group < (int)geometry.GroupCount; group++)
        {
            state.FirstSlot[group] = (int)total;
            total += state.ReadableInodes[group];
            if (total > int.MaxValue / 8)
            {
                throw new Ext4NotSupportedException("size", "a volume of so many inodes in use is too large to be checked");
            }
        }
        state.States.Reset((int)total);
        state.Links.Reset((int)total);
        state.Names.Reset((int)total);
    }

    // Backups are no part of the living volume: what is wrong with them is noted, no more.
    private void CheckBackups()
    {
        Geometry geometry = state.Geometry;
        Span<byte> raw = stackalloc byte[Superblock.Size];
        for (uint group = 1; group < geometry.GroupCount; group++)
        {
            if (!geometry.HasSuperblock(group))
            {
                continue;
            }
            ulong start = geometry.GroupStart(group);
            try
            {
                state.Device.Read(raw, (long)(start << geometry.BlockSizeBits));
            }
            catch (BlockDeviceException e)
            {
                state.Findings.Add(0, FindingCode.SuperblockBackup, $"the backup superblock cannot be read: {e.Message}", group: group);
                continue;
            }
            var copy = new Superblock(raw);
            bool isGood = copy.Magic == Superblock.MagicValue && copy.HasValidChecksum &&
                copy.BlockGroupNumber == Math.Min(group, ushort.MaxValue) && copy.BlocksCount == geometry.BlocksCount &&
                copy.InodesCount == geometry.InodesCount && copy.LogBlockSize == state.Superblock.LogBlockSize &&
                copy.Uuid.SequenceEqual(state.Superblock.Uuid);
            if (!isGood)
            {
                state.Findings.Add(0, FindingCode.SuperblockBackup, "the backup superblock is damaged or of another volume", group: group);
            }
            CheckDescriptorBackup(group, start);
        }
    }

    // The places of bitmaps and tables never change; counts in a backup are stale.
    private void CheckDescriptorBackup(uint group, ulong start)
    {
        Geometry geometry = state.Geometry;
        if (_block.Length != geometry.BlockSize)
        {
            _block = new byte[geometry.BlockSize];
        }
        for (uint i = 0; i < geometry.DescriptorBlocks; i++)
        {
            ulong block = start + 1 + i;
            if (!geometry.IsValidRange(block, 1) || !state.TryRead(0, _block, block))
            {
                return;
            }
            for (uint j = 0; j < (uint)geometry.DescriptorsPerBlock; j++)
            {
                uint described = (i * (uint)geometry.DescriptorsPerBlock) + j;
                if (described >= geometry.GroupCount)
                {
                    return;
                }
                var copy = new GroupDescriptor(_block.AsSpan((int)j * geometry.DescriptorSize, geometry.DescriptorSize));
                GroupDescriptor own = state.Descriptor(described);
                if (copy.BlockBitmap != own.BlockBitmap || copy.InodeBitmap != own.InodeBitmap || copy.InodeTable != own.InodeTable)
                {
                    state.Findings.Add(0, FindingCode.DescriptorBackup, $"the backup descriptor of group {described} names other places", group: group);
                    return;
                }
            }
        }
    }

    private void Add(FindingCode code, string text, uint? group = null) => state.Findings.Add(0, code, text, group: group);
}
