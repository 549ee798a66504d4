using WinLoop.Ext4.Format;

namespace WinLoop.Ext4.Create;

/// <summary>
/// Where everything of a new volume goes: superblock copies, bitmaps and inode tables packed by flex group,
/// then root directory, lost+found, resize inode, journal and orphan file, in mke2fs's order and places.
/// Pure computation; the result is the group descriptors (without checksums) and the files' blocks.
/// </summary>
internal sealed class VolumeLayout
{
    private const uint LongestExtent = 32768;

    private readonly VolumeParameters _parameters;
    private readonly Geometry _geometry;
    private readonly BlockRuns _used = new();
    // Used blocks that keep a group from having a computed block bitmap: all but superblock copies.
    private readonly BlockRuns _placed = new();
    private readonly byte[] _descriptors;

    private VolumeLayout(VolumeParameters parameters)
    {
        _parameters = parameters;
        _geometry = parameters.Geometry;
        _descriptors = new byte[(long)_geometry.DescriptorBlocks * _geometry.BlockSize];
    }

    /// <summary>All used blocks.</summary>
    public BlockRuns Used => _used;
    /// <summary>The descriptor table, padded to whole blocks; checksums are the writer's.</summary>
    public byte[] Descriptors => _descriptors;
    /// <summary>The root directory's block.</summary>
    public ulong RootBlock { get; private set; }
    /// <summary>lost+found.</summary>
    public IReadOnlyList<BlockRun> LostAndFound { get; private set; } = [];
    /// <summary>The resize inode's double-indirect block; 0 = no resize inode.</summary>
    public ulong ResizeBlock { get; private set; }
    /// <summary>The journal, in order.</summary>
    public IReadOnlyList<BlockRun> Journal { get; private set; } = [];
    /// <summary>The extent node of a journal of more than four extents; 0 = none.</summary>
    public ulong JournalExtentBlock { get; private set; }
    /// <summary>The orphan file.</summary>
    public IReadOnlyList<BlockRun> OrphanFile { get; private set; } = [];
    /// <summary>s_overhead_clusters: what statfs does not count as the volume's size.</summary>
    public ulong OverheadBlocks { get; private set; }
    /// <summary>Sum over the groups.</summary>
    public ulong FreeBlocks { get; private set; }

    /// <summary>The inodes that files use, from 1 on.</summary>
    public uint UsedInodes => _geometry.FirstInode + (_parameters.OrphanFileBlocks != 0 ? 1u : 0u);

    /// <summary>Those of them in a group; more than one group has some if groups have 8 inodes.</summary>
    public uint UsedInodesIn(uint group)
    {
        ulong before = (ulong)group * _geometry.InodesPerGroup;
        return before >= UsedInodes ? 0 : (uint)Math.Min(UsedInodes - before, _geometry.InodesPerGroup);
    }

    /// <summary>Places everything.</summary>
    /// <exception cref="Ext4Exception">ENOSPC: it does not fit.</exception>
    public static VolumeLayout Compute(VolumeParameters parameters)
    {
        var layout = new VolumeLayout(parameters);
        layout.PlaceSuperblocks();
        for (uint group = 0; group < layout._geometry.GroupCount; group++)
        {
            layout.PlaceGroupTables(group);
        }
        layout.OverheadBlocks = layout.CountUsed() + parameters.JournalBlocks + layout._geometry.FirstDataBlock;
        layout.PlaceFiles();
        layout.CountGroups();
        return layout;
    }

    /// <summary>The descriptor of a group.</summary>
    public GroupDescriptor Descriptor(uint group) =>
        new(_descriptors.AsSpan((int)group * _geometry.DescriptorSize, _geometry.DescriptorSize));

    private ulong End => _geometry.BlocksCount;

    private void PlaceSuperblocks()
    {
        ulong length = 1ul + _geometry.DescriptorBlocks + _geometry.ReservedDescriptorBlocks;
        for (uint group = 0; group < _geometry.GroupCount; group++)
        {
            if (_geometry.HasSuperblock(group))
            {
                _used.Add(new BlockRun(_geometry.GroupStart(group), length));
            }
        }
    }

    // Of each kind, all of a flex group follow one another from the flex group's start on.
    private void PlaceGroupTables(uint group)
    {
        GroupDescriptor own = Descriptor(group);
        uint flexFirst = group - (group % _geometry.GroupsPerFlex);
        uint flexCount = Math.Min(_geometry.GroupsPerFlex, _geometry.GroupCount - flexFirst);
        uint gap = flexCount == 1 ? _geometry.GroupsPerFlex : flexCount;
        if (group == flexFirst)
        {
            own.BlockBitmap = Place(group, _geometry.GroupStart(group), 1);
            own.InodeBitmap = Place(group, own.BlockBitmap + gap, 1);
            own.InodeTable = Place(group, own.InodeBitmap + gap, _geometry.InodeTableBlocks);
        }
        else
        {
            GroupDescriptor previous = Descriptor(group - 1);
            own.BlockBitmap = Place(group, previous.BlockBitmap + 1, 1);
            own.InodeBitmap = Place(group, previous.InodeBitmap + 1, 1);
            own.InodeTable = Place(group, previous.InodeTable + _geometry.InodeTableBlocks, _geometry.InodeTableBlocks);
        }
    }

    // Searches near start, then for room for the rest of the flex group, then for anything.
    private ulong Place(uint group, ulong start, uint need)
    {
        uint flexFirst = group - (group % _geometry.GroupsPerFlex);
        uint flexEnd = Math.Min(flexFirst + _geometry.GroupsPerFlex, _geometry.GroupCount);
        ulong window = Math.Min((ulong)(flexEnd - group) * need, _geometry.BlocksPerGroup / 4);
        ulong flexStart = _geometry.GroupStart(flexFirst);
        ulong block = _used.FindFree(start, start + window, need, End)
            ?? _used.FindFree(_used.FindFree(flexStart, End, window, End) ?? flexStart, End, need, End)
            ?? _used.FindFree(flexStart, End, need, End)
            ?? _used.FindFree(_geometry.FirstDataBlock, End, need, End)
            ?? throw Full();
        Take(new BlockRun(block, need));
        return block;
    }

    private void PlaceFiles()
    {
        RootBlock = PlaceFile(_geometry.FirstDataBlock, 1)[0].Start;
        LostAndFound = PlaceFile(_geometry.FirstDataBlock, _parameters.LostAndFoundBlocks);
        if (_geometry.Has(CompatFeatures.ResizeInode))
        {
            ulong goal = _geometry.FirstDataBlock + (ulong)_geometry.DescriptorBlocks +
                _geometry.ReservedDescriptorBlocks + 2 + _geometry.InodeTableBlocks;
            ResizeBlock = PlaceFile(goal, 1)[0].Start;
        }
        PlaceJournal();
        OrphanFile = PlaceFile(_geometry.FirstDataBlock, _parameters.OrphanFileBlocks);
    }

    private void PlaceJournal()
    {
        uint blocks = _parameters.JournalBlocks;
        if (blocks == 0)
        {
            return;
        }
        ulong free = End - _geometry.FirstDataBlock - CountUsed();
        if (blocks >= free)
        {
            throw new Ext4Exception(Errno.ENOSPC, $"a journal of {blocks} blocks is too large for {free} free blocks");
        }
        Journal = PlaceFile(_geometry.GroupStart(JournalGroup()), blocks);
        if (Journal.Count > ExtentImage.RootCapacity)
        {
            if (Journal.Count > ExtentImage.NodeCapacity(_geometry.BlockSize))
            {
                throw new Ext4Exception(Errno.EINVAL, $"a journal of {blocks} blocks is too large for blocks of {_geometry.BlockSize} bytes");
            }
            ulong before = Journal[0].Start - 1;
            JournalExtentBlock = PlaceFile(_used.CountIn(before, before + 1) == 0 ? before : Journal[0].Start, 1)[0].Start;
        }
    }

    // The emptiest group around the middle of the volume, from the flex group's first one on.
    private uint JournalGroup()
    {
        uint middle = _geometry.GroupOfBlock((End - _geometry.FirstDataBlock) / 2);
        uint first = middle > 0 ? middle - 1 : 0;
        if (middle > _geometry.GroupsPerFlex)
        {
            middle -= middle % _geometry.GroupsPerFlex;
            while (middle < _geometry.GroupCount && FreeIn(middle) == 0)
            {
                middle++;
            }
            first = middle = middle == _geometry.GroupCount ? 0 : middle;
        }
        uint last = Math.Min(middle + 1, _geometry.GroupCount - 1);
        uint best = first;
        for (uint group = first + 1; group <= last; group++)
        {
            best = FreeIn(group) > FreeIn(best) ? group : best;
        }
        return best;
    }

    // The next free blocks from goal on, then from the start; cut into what one extent can map.
    private List<BlockRun> PlaceFile(ulong goal, uint count)
    {
        List<BlockRun> found = [];
        ulong missing = count;
        ReadOnlySpan<(ulong From, ulong To)> ranges = [(goal, End), (_geometry.FirstDataBlock, goal)];
        foreach ((ulong from, ulong to) in ranges)
        {
            foreach (BlockRun free in _used.FreeFrom(from, to))
            {
                for (ulong start = free.Start; missing > 0 && start < free.End;)
                {
                    var run = new BlockRun(start, Math.Min(Math.Min(missing, free.End - start), LongestExtent));
                    found.Add(run);
                    missing -= run.Length;
                    start = run.End;
                }
                if (missing == 0)
                {
                    break;
                }
            }
        }
        if (missing > 0)
        {
            throw Full();
        }
        found.ForEach(Take);
        return found;
    }

    private void Take(BlockRun run)
    {
        _used.Add(run);
        _placed.Add(run);
    }

    private ulong CountUsed() => _used.CountIn(_geometry.FirstDataBlock, End);

    private uint FreeIn(uint group)
    {
        ulong start = _geometry.GroupStart(group);
        uint blocks = _geometry.BlocksInGroup(group);
        return blocks - (uint)_used.CountIn(start, start + blocks);
    }

    private void CountGroups()
    {
        bool hasChecksums = _geometry.HasMetadataChecksums;
        for (uint group = 0; group < _geometry.GroupCount; group++)
        {
            GroupDescriptor descriptor = Descriptor(group);
            uint usedInodes = UsedInodesIn(group);
            descriptor.FreeBlocks = FreeIn(group);
            descriptor.FreeInodes = _geometry.InodesPerGroup - usedInodes;
            descriptor.UsedDirectories = (group == 0 ? 1u : 0) + (group == _geometry.GroupOfInode(SpecialInodes.LostAndFound) ? 1u : 0);
            if (hasChecksums)
            {
                ulong start = _geometry.GroupStart(group);
                bool isComputed = usedInodes == 0 && group != _geometry.GroupCount - 1 &&
                    _placed.CountIn(start, start + _geometry.BlocksPerGroup) == 0;
                descriptor.InodeTableUnused = descriptor.FreeInodes;
                descriptor.Flags = (usedInodes != 0 ? 0 : GroupFlags.InodeUninit) | (isComputed ? GroupFlags.BlockUninit : 0);
            }
            FreeBlocks += descriptor.FreeBlocks;
        }
    }

    private static Ext4Exception Full() => new(Errno.ENOSPC, "the device is too small for the file system's own structures");
}
