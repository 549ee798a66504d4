using WinLoop.Ext4.Allocation;
using WinLoop.Ext4.Cache;
using WinLoop.Ext4.Format;
using WinLoop.Ext4.Journal;

namespace WinLoop.Ext4.Resize;

/// <summary>
/// Cuts off the end of a volume that nothing uses any more, in one transaction: what the groups there had elsewhere becomes
/// free, the last group that stays gets shorter, and descriptor blocks that are not needed are reserved again.
/// The journal is frozen, and nobody else uses the volume.
/// </summary>
internal sealed class VolumeCutter
{
    private readonly Ext4Volume _volume;
    private readonly Geometry _before;
    private readonly Geometry _after;
    private readonly Superblock _next;
    // Metadata of groups that are cut off, and the ends of descriptor tables, in what stays.
    private readonly List<BlockRun> _freed = [];

    /// <param name="volume">The volume.</param>
    /// <param name="blocks">Blocks afterwards.</param>
    /// <param name="reservedShare">Root's share of the blocks.</param>
    public VolumeCutter(Ext4Volume volume, ulong blocks, double reservedShare)
    {
        _volume = volume;
        _before = Geometry.Create(volume.Superblock, volume.Device.Length);
        _next = PlanSuperblock(volume.Superblock, _before, blocks, reservedShare);
        _after = Geometry.Create(_next, volume.Device.Length);
        CollectFreed();
    }

    /// <summary>The size afterwards.</summary>
    public Geometry After => _after;

    /// <summary>The superblock of the volume with fewer blocks.</summary>
    public static Superblock PlanSuperblock(Superblock current, Geometry before, ulong blocks, double reservedShare)
    {
        var next = new Superblock(current.Raw);
        uint groups = (uint)((blocks - before.FirstDataBlock + before.BlocksPerGroup - 1) / before.BlocksPerGroup);
        uint tableBlocks = (groups + (uint)before.DescriptorsPerBlock - 1) / (uint)before.DescriptorsPerBlock;
        next.BlocksCount = blocks;
        next.InodesCount = groups * before.InodesPerGroup;
        next.ReservedBlocksCount = (ulong)(reservedShare * blocks);
        if (before.Has(CompatFeatures.ResizeInode))
        {
            // What one indirect block can name.
            uint reserved = before.ReservedDescriptorBlocks + before.DescriptorBlocks - tableBlocks;
            next.ReservedGdtBlocks = (ushort)Math.Min(reserved, (uint)before.BlockSize / sizeof(uint));
        }
        next.BackupGroup0 = next.BackupGroup0 < groups ? next.BackupGroup0 : 0;
        next.BackupGroup1 = next.BackupGroup1 < groups ? next.BackupGroup1 : 0;
        return next;
    }

    /// <summary>Metadata blocks of the transaction.</summary>
    public long Credits
    {
        get
        {
            long credits = 8;
            foreach (BlockRun run in _freed)
            {
                credits += 2L * (_before.GroupOfBlock(run.End - 1) - _before.GroupOfBlock(run.Start) + 1);
            }
            return credits + (_after.Has(CompatFeatures.ResizeInode) ? new ResizeInodeMap(_volume, _before, _after).RewriteCredits : 0);
        }
    }

    /// <summary>Cuts, commits, and brings everything home.</summary>
    public void Run()
    {
        using (Handle handle = _volume.Journal.Start((int)Credits))
        {
            foreach (BlockRun run in _freed)
            {
                _volume.Blocks.FreeFixed(handle, run.Start, run.End - run.Start);
            }
            uint last = _after.GroupCount - 1;
            if (_after.BlocksInGroup(last) < _before.BlocksInGroup(last))
            {
                _volume.Blocks.ShortenGroup(handle, last, (int)_after.BlocksInGroup(last), (int)(_before.BlocksInGroup(last) - _after.BlocksInGroup(last)));
            }
            else if (_volume.Groups.Get(last).Has(GroupFlags.BlockUninit))
            {
                // The last group's bitmap is always on the disk.
                _volume.Blocks.InitializeBitmap(handle, last);
            }
            if (_after.Has(CompatFeatures.ResizeInode))
            {
                new ResizeInodeMap(_volume, _before, _after).Rewrite(handle);
            }
            ClearDescriptors(handle);
            WriteSuperblock(handle);
        }
        _volume.Journal.Commit(_volume.Journal.RunningTid);
        _volume.Journal.CheckpointAll();
        Publish();
    }

    private void CollectFreed()
    {
        for (uint group = _after.GroupCount; group < _before.GroupCount; group++)
        {
            ref GroupState state = ref _volume.Groups.Get(group);
            Add(state.BlockBitmap, 1);
            Add(state.InodeBitmap, 1);
            Add(state.InodeTable, _before.InodeTableBlocks);
        }
        uint table = _before.DescriptorBlocks + _before.ReservedDescriptorBlocks;
        uint kept = _after.DescriptorBlocks + _after.ReservedDescriptorBlocks;
        for (uint group = 0; group < _after.GroupCount && kept < table; group++)
        {
            if (_after.HasSuperblock(group))
            {
                Add(_after.GroupStart(group) + 1 + kept, table - kept);
            }
        }

        void Add(ulong start, uint count)
        {
            ulong end = Math.Min(start + count, _after.BlocksCount);
            if (start >= end)
            {
                return;
            }
            if (_freed.Count > 0 && _freed[^1].End == start)
            {
                _freed[^1] = new BlockRun(_freed[^1].Start, end);
            }
            else
            {
                _freed.Add(new BlockRun(start, end));
            }
        }
    }

    // What is behind the last descriptor is zero in a table of mke2fs.
    private void ClearDescriptors(Handle handle)
    {
        uint rest = _after.GroupCount % (uint)_after.DescriptorsPerBlock;
        if (rest != 0)
        {
            using MetadataBuffer table = _volume.Cache.Read(_volume.Groups.DescriptorBlock(_after.GroupCount - 1), BufferKind.Descriptors);
            handle.Join(table);
            table.Data[((int)rest * _after.DescriptorSize)..].Clear();
        }
    }

    private void WriteSuperblock(Handle handle)
    {
        lock (_volume.Superblock)
        {
            Superblock now = _volume.Superblock;
            now.BlocksCount = _next.BlocksCount;
            now.InodesCount = _next.InodesCount;
            now.ReservedBlocksCount = _next.ReservedBlocksCount;
            now.ReservedGdtBlocks = _next.ReservedGdtBlocks;
            now.BackupGroup0 = _next.BackupGroup0;
            now.BackupGroup1 = _next.BackupGroup1;
            (ulong blocks, uint inodes) = CountFree();
            now.FreeBlocksCount = blocks;
            now.FreeInodesCount = inodes;
            if (now.OverheadClusters != 0)
            {
                ulong gone = CountOverhead(_before) - CountOverhead(_after);
                now.OverheadClusters -= (uint)Math.Min(now.OverheadClusters, gone);
            }
        }
        handle.JoinSuperblock();
    }

    private (ulong Blocks, uint Inodes) CountFree()
    {
        ulong blocks = 0, inodes = 0;
        for (uint group = 0; group < _after.GroupCount; group++)
        {
            ref GroupState state = ref _volume.Groups.Get(group);
            blocks += state.FreeBlocks;
            inodes += state.FreeInodes;
        }
        return (blocks, (uint)inodes);
    }

    private static ulong CountOverhead(Geometry geometry)
    {
        ulong copies = 0;
        for (uint group = 0; group < geometry.GroupCount; group++)
        {
            copies += geometry.HasSuperblock(group) ? 1u : 0;
        }
        return (copies * (1ul + geometry.DescriptorBlocks + geometry.ReservedDescriptorBlocks)) +
            (geometry.GroupCount * (2ul + geometry.InodeTableBlocks));
    }

    private void Publish()
    {
        _volume.Groups.LockAll();
        try
        {
            _volume.Groups.Extend(_after, _after.GroupCount, []);
            _volume.Geometry.Adopt(_after);
            _volume.Directories.SetInodesCount(_after.InodesCount);
            _volume.Blocks.Cut(_freed);
            _volume.InodeNumbers.Cut();
        }
        finally
        {
            _volume.Groups.UnlockAll();
        }
    }
}
