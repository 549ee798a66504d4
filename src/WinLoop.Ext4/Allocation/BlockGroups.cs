using WinLoop.Ext4.Cache;
using WinLoop.Ext4.Format;

namespace WinLoop.Ext4.Allocation;

/// <summary>
/// The group descriptors in memory. Locations and counts of all groups, loaded and checked whole before the
/// first allocation, or group by group when a read-only path needs one. Guards each group by a lock.
/// </summary>
internal sealed class BlockGroups
{
    // Groups per allocated piece of the table, so that a mount costs the same on every volume.
    private const int ChunkBits = 9;
    private const int ChunkSize = 1 << ChunkBits;
    private const int LockStripes = 256;
    // Above this a volume is only readable: the descriptors alone would take half a GiB of memory.
    private const uint MaximumGroups = 1u << 23;
    // Up to this many groups the whole table is read at once; it is as cheap as picking.
    private const uint SmallTable = 2048;
    private const int ReadBytes = 1 << 20;
    private const int MaximumUnconfirmed = 4096;

    private readonly Ext4Volume _volume;
    private readonly Geometry _geometry;
    private volatile GroupState[]?[] _chunks;
    private readonly object[] _locks = new object[LockStripes];
    private readonly object _loading = new();
    private readonly int _clusterBits;
    private readonly bool _hasChecksums;
    private volatile SystemZone? _zone;
    // Ranges that were judged before the whole zone was known; guarded by _loading.
    private List<BlockRun>? _unconfirmed = [];

    public BlockGroups(Ext4Volume volume)
    {
        _volume = volume;
        _geometry = volume.Geometry;
        _chunks = new GroupState[]?[(int)((_geometry.GroupCount + ChunkSize - 1) >> ChunkBits)];
        _clusterBits = _geometry.Has(RoCompatFeatures.BigAlloc)
            ? (int)(volume.Superblock.LogClusterSize - volume.Superblock.LogBlockSize)
            : 0;
        _hasChecksums = _geometry.HasMetadataChecksums || _geometry.HasGdtChecksums;
        for (int i = 0; i < _locks.Length; i++)
        {
            _locks[i] = new object();
        }
    }

    /// <summary>First block of a group's inode table; loads and checks that one descriptor if need be.</summary>
    /// <exception cref="Ext4CorruptException">The descriptor is bad.</exception>
    public ulong InodeTable(uint group) => Get(group).InodeTable;

    /// <summary>True if slots of the group's inode table at or past <paramref name="slot"/> were never used
    /// (INODE_UNINIT or itable_unused): their content is garbage and they are free.</summary>
    public bool IsUnusedSlot(uint group, uint slot)
    {
        ref GroupState state = ref Get(group);
        // An allocation lowers the count before it clears the flag.
        ushort flags = Volatile.Read(ref System.Runtime.CompilerServices.Unsafe.As<GroupFlags, ushort>(ref state.Flags));
        return (flags & (ushort)GroupFlags.InodeUninit) != 0 ||
               slot >= _geometry.InodesPerGroup - Volatile.Read(ref state.InodeTableUnused);
    }

    /// <summary>The group's lock. Taken inside a handle or without one; nobody holds two.</summary>
    public object LockOf(uint group) => _locks[(int)(group % LockStripes)];

    /// <summary>The group's descriptor, loaded and checked if need be.</summary>
    /// <exception cref="Ext4CorruptException">The descriptor is bad.</exception>
    public ref GroupState Get(uint group)
    {
        GroupState[]? chunk = Volatile.Read(ref _chunks[(int)(group >> ChunkBits)]);
        if (chunk is null)
        {
            chunk = AddChunk(group);
        }
        ref GroupState state = ref chunk[(int)(group & (ChunkSize - 1))];
        if ((Volatile.Read(ref System.Runtime.CompilerServices.Unsafe.As<GroupMarks, byte>(ref state.Marks)) & (byte)GroupMarks.Loaded) == 0)
        {
            LoadOne(group, ref state);
        }
        return ref state;
    }

    /// <summary>True once <see cref="LoadAll"/> has succeeded.</summary>
    public bool IsLoaded => _zone is not null;

    /// <summary>The zone of all fixed metadata; loads all descriptors if need be.</summary>
    public SystemZone Zone
    {
        get
        {
            LoadAll();
            return _zone!;
        }
    }

    /// <summary>Reads and checks all descriptors and builds the system zone. Cheap when done.</summary>
    /// <exception cref="Ext4CorruptException">A descriptor is bad, structures overlap, or a tree that was
    /// read before points into the metadata.</exception>
    /// <exception cref="Ext4NotSupportedException">More groups than this engine keeps in memory.</exception>
    public void LoadAll()
    {
        if (_zone is not null)
        {
            return;
        }
        lock (_loading)
        {
            if (_zone is not null)
            {
                return;
            }
            if (_geometry.GroupCount > MaximumGroups)
            {
                throw new Ext4NotSupportedException("groups", $"{_geometry.GroupCount} block groups; at most {MaximumGroups} are supported.");
            }
            ReadTable();
            SystemZone zone = SystemZone.Build(_geometry, CollectRuns(_geometry));
            foreach (BlockRun run in _unconfirmed!)
            {
                if (zone.Overlaps(run.Start, run.End))
                {
                    throw new Ext4CorruptException($"blocks {run.Start} to {run.End - 1}", "used by a file, but hold the file system's metadata");
                }
            }
            _unconfirmed = null;
            _zone = zone;
        }
    }

    /// <summary>Takes every group's lock, in order: nobody else holds more than one, or waits for a second.</summary>
    public void LockAll()
    {
        foreach (object stripe in _locks)
        {
            Monitor.Enter(stripe);
        }
    }

    /// <summary>Undoes <see cref="LockAll"/>.</summary>
    public void UnlockAll()
    {
        foreach (object stripe in _locks)
        {
            Monitor.Exit(stripe);
        }
    }

    /// <summary>Takes over groups that were added to the volume. The caller holds every lock, and changes
    /// <see cref="Ext4Volume.Geometry"/> afterwards: who sees the new size finds all that belongs to it.</summary>
    /// <param name="resized">The size with them; it does not change any more.</param>
    /// <param name="first">The first of them.</param>
    /// <param name="added">Their descriptors.</param>
    public void Extend(Geometry resized, uint first, ReadOnlySpan<GroupState> added)
    {
        GroupState[]?[] chunks = _chunks;
        int needed = (int)((resized.GroupCount + ChunkSize - 1) >> ChunkBits);
        if (needed > chunks.Length)
        {
            Array.Resize(ref chunks, needed);
        }
        for (int i = 0; i < added.Length; i++)
        {
            uint group = first + (uint)i;
            GroupState[] chunk = chunks[(int)(group >> ChunkBits)] ??= new GroupState[ChunkSize];
            chunk[(int)(group & (ChunkSize - 1))] = added[i] with { Marks = GroupMarks.Loaded };
        }
        _chunks = chunks;
        _zone = SystemZone.Build(resized, CollectRuns(resized));
    }

    /// <summary>Encodes the group's descriptor, with fresh bitmap checksums, into its place in a descriptor-table
    /// block. Called by the journal with no handle open.</summary>
    /// <param name="group">Group number.</param>
    /// <param name="tableBlock">The cached descriptor block (see <see cref="DescriptorBlock"/>).</param>
    public void Encode(uint group, Span<byte> tableBlock)
    {
        ref GroupState state = ref Get(group);
        if (_geometry.HasMetadataChecksums)
        {
            if (state.Has(GroupMarks.BlockBitmapChanged))
            {
                state.BlockBitmapChecksum = BitmapChecksum(state.BlockBitmap, _geometry.BlocksPerGroup >> _clusterBits);
            }
            if (state.Has(GroupMarks.InodeBitmapChanged))
            {
                state.InodeBitmapChecksum = BitmapChecksum(state.InodeBitmap, _geometry.InodesPerGroup);
            }
        }
        state.Marks &= ~(GroupMarks.BlockBitmapChanged | GroupMarks.InodeBitmapChanged);

        int at = (int)(group % (uint)_geometry.DescriptorsPerBlock) * _geometry.DescriptorSize;
        var descriptor = new GroupDescriptor(tableBlock.Slice(at, _geometry.DescriptorSize))
        {
            BlockBitmapChecksum = state.BlockBitmapChecksum,
            InodeBitmapChecksum = state.InodeBitmapChecksum,
        };
        if (!state.Has(GroupMarks.BlockCountUnknown))
        {
            descriptor.FreeBlocks = state.FreeBlocks;
        }
        if (!state.Has(GroupMarks.InodeCountsUnknown))
        {
            descriptor.FreeInodes = state.FreeInodes;
            descriptor.UsedDirectories = state.UsedDirectories;
            descriptor.InodeTableUnused = state.InodeTableUnused;
        }
        // What was left out of the flags above is still on the disk.
        descriptor.Flags = state.Has(GroupMarks.InodeCountsUnknown) ? state.Flags | (descriptor.Flags & GroupFlags.InodeUninit) : state.Flags;
        descriptor.Checksum = descriptor.ComputeChecksum(_geometry, _volume.Superblock.Uuid, group);
    }

    /// <summary>The physical block that holds the group's descriptor (primary copy).</summary>
    public ulong DescriptorBlock(uint group) =>
        (_geometry.BlockSize == 1024 ? 2u : 1u) + (group / (uint)_geometry.DescriptorsPerBlock);

    /// <summary>Sum of free blocks and free inodes over all groups (the truth after a crash).</summary>
    public (ulong FreeBlocks, ulong FreeInodes) CountFree()
    {
        LoadAll();
        ulong blocks = 0, inodes = 0;
        for (uint group = 0; group < _geometry.GroupCount; group++)
        {
            ref GroupState state = ref Get(group);
            blocks += state.FreeBlocks;
            inodes += state.FreeInodes;
        }
        return (blocks << _clusterBits, inodes);
    }

    /// <summary>True if any of the blocks holds a superblock, descriptors, bitmaps or inode tables: data and
    /// tree blocks may never lie there. Also true for blocks outside the volume.</summary>
    public bool IsSystemZone(ulong start, ulong count)
    {
        if (count == 0)
        {
            return false;
        }
        if (!_geometry.IsValidRange(start, count))
        {
            return true;
        }
        SystemZone? zone = _zone;
        if (zone is not null)
        {
            return zone.Overlaps(start, start + count);
        }
        return IsSystemZoneSlow(start, start + count);
    }

    /// <summary>True if a superblock copy starts the group.</summary>
    public bool HasSuperblock(uint group) => _geometry.HasSuperblock(group);

    // Reading the whole table of a huge volume only to look into one directory would make the mount's cost
    // grow with the volume. Until something is allocated the group's own flex group is asked, where every
    // honest volume has what could lie here, and the answer is confirmed when the table is read.
    private bool IsSystemZoneSlow(ulong start, ulong end)
    {
        if (_geometry.GroupCount > SmallTable)
        {
            lock (_loading)
            {
                if (_zone is null && _unconfirmed!.Count < MaximumUnconfirmed)
                {
                    if (OverlapsNearby(start, end))
                    {
                        return true;
                    }
                    _unconfirmed.Add(new BlockRun(start, end));
                    return false;
                }
            }
        }
        return Zone.Overlaps(start, end);
    }

    private bool OverlapsNearby(ulong start, ulong end)
    {
        uint first = _geometry.GroupOfBlock(start);
        uint last = _geometry.GroupOfBlock(end - 1);
        uint flex = Math.Min(_geometry.GroupsPerFlex, 16);
        first -= first % flex;
        last = Math.Min(last - (last % flex) + flex - 1, _geometry.GroupCount - 1);
        for (uint group = first; group <= last; group++)
        {
            ref GroupState state = ref Get(group);
            BlockRun copies = FixedRun(_geometry, group);
            if ((start < copies.End && copies.Start < end) ||
                (start <= state.BlockBitmap && state.BlockBitmap < end) ||
                (start <= state.InodeBitmap && state.InodeBitmap < end) ||
                (start < state.InodeTable + _geometry.InodeTableBlocks && state.InodeTable < end))
            {
                return true;
            }
        }
        return false;
    }

    // The superblock copy, descriptors and reserved descriptor blocks of a group; empty if it has none.
    private static BlockRun FixedRun(Geometry geometry, uint group)
    {
        ulong start = geometry.GroupStart(group);
        if (!geometry.HasSuperblock(group))
        {
            return new BlockRun(start, start);
        }
        ulong end = start + 1 + geometry.DescriptorBlocks + geometry.ReservedDescriptorBlocks;
        if (group == 0 && geometry.BlockSize == 1024 && geometry.FirstDataBlock == 0)
        {
            end++; // 1 KiB blocks with bigalloc: the boot block counts as part of the group
        }
        return new BlockRun(start, Math.Min(end, geometry.BlocksCount));
    }

    private List<BlockRun> CollectRuns(Geometry geometry)
    {
        var runs = new List<BlockRun>();
        // Bitmaps and tables of a flex group follow each other: join them on the way.
        BlockRun blockBitmaps = default, inodeBitmaps = default, tables = default;
        for (uint group = 0; group < geometry.GroupCount; group++)
        {
            ref GroupState state = ref Get(group);
            Append(runs, ref blockBitmaps, state.BlockBitmap, 1);
            Append(runs, ref inodeBitmaps, state.InodeBitmap, 1);
            Append(runs, ref tables, state.InodeTable, geometry.InodeTableBlocks);
            BlockRun copies = FixedRun(geometry, group);
            if (copies.End > copies.Start)
            {
                runs.Add(copies);
            }
        }
        runs.Add(blockBitmaps);
        runs.Add(inodeBitmaps);
        runs.Add(tables);
        return runs;

        static void Append(List<BlockRun> runs, ref BlockRun open, ulong start, uint count)
        {
            if (open.End == start)
            {
                open = new BlockRun(open.Start, start + count);
                return;
            }
            if (open.End != 0)
            {
                runs.Add(open);
            }
            open = new BlockRun(start, start + count);
        }
    }

    private void ReadTable()
    {
        ulong first = DescriptorBlock(0);
        if (!_geometry.IsValidRange(first, _geometry.DescriptorBlocks))
        {
            throw new Ext4CorruptException("superblock", "the group descriptors do not fit in the volume");
        }
        long bytes = (long)_geometry.DescriptorBlocks << _geometry.BlockSizeBits;
        long position = (long)(first << _geometry.BlockSizeBits);
        byte[] buffer = new byte[(int)Math.Min(bytes, Math.Max(ReadBytes, _geometry.BlockSize))];
        uint group = 0;
        // Nothing has changed a descriptor yet (that needs an allocation or a free, which load all first),
        // so the device has the newest content.
        for (long done = 0; done < bytes; done += buffer.Length)
        {
            Span<byte> part = buffer.AsSpan(0, (int)Math.Min(buffer.Length, bytes - done));
            _volume.Device.Read(part, position + done);
            for (; part.Length >= _geometry.DescriptorSize && group < _geometry.GroupCount; group++)
            {
                GroupState[] chunk = Volatile.Read(ref _chunks[(int)(group >> ChunkBits)]) ?? AddChunk(group);
                Store(group, part[.._geometry.DescriptorSize], ref chunk[(int)(group & (ChunkSize - 1))]);
                part = part[_geometry.DescriptorSize..];
            }
        }
    }

    private GroupState[] AddChunk(uint group)
    {
        if (group >= _geometry.GroupCount)
        {
            throw new Ext4CorruptException($"group {group}", "beyond the volume");
        }
        ref GroupState[]? place = ref _chunks[(int)(group >> ChunkBits)];
        return Interlocked.CompareExchange(ref place, new GroupState[ChunkSize], null) ?? place!;
    }

    private void LoadOne(uint group, ref GroupState state)
    {
        if (group >= _geometry.GroupCount)
        {
            throw new Ext4CorruptException($"group {group}", "beyond the volume");
        }
        using MetadataBuffer buffer = _volume.Cache.Read(DescriptorBlock(group), BufferKind.Descriptors);
        int at = (int)(group % (uint)_geometry.DescriptorsPerBlock) * _geometry.DescriptorSize;
        Store(group, buffer.Data.Slice(at, _geometry.DescriptorSize), ref state);
    }

    // Checks a descriptor and takes its content over. Concurrent callers store the same content.
    private void Store(uint group, Span<byte> raw, ref GroupState state)
    {
        lock (LockOf(group))
        {
            if (state.Has(GroupMarks.Loaded))
            {
                return;
            }
            var descriptor = new GroupDescriptor(raw);
            if (_hasChecksums && descriptor.Checksum != descriptor.ComputeChecksum(_geometry, _volume.Superblock.Uuid, group))
            {
                throw new Ext4CorruptException($"group {group}", "wrong descriptor checksum");
            }
            CheckLocation(group, descriptor.BlockBitmap, 1, "block bitmap");
            CheckLocation(group, descriptor.InodeBitmap, 1, "inode bitmap");
            CheckLocation(group, descriptor.InodeTable, _geometry.InodeTableBlocks, "inode table");
            state.BlockBitmap = descriptor.BlockBitmap;
            state.InodeBitmap = descriptor.InodeBitmap;
            state.InodeTable = descriptor.InodeTable;
            state.BlockBitmapChecksum = descriptor.BlockBitmapChecksum;
            state.InodeBitmapChecksum = descriptor.InodeBitmapChecksum;
            state.FreeBlocks = descriptor.FreeBlocks;
            state.FreeInodes = descriptor.FreeInodes;
            state.UsedDirectories = descriptor.UsedDirectories;
            GroupMarks marks = GroupMarks.Loaded;
            // Without a descriptor checksum these fields have no meaning.
            if (_hasChecksums)
            {
                state.Flags = descriptor.Flags;
                state.InodeTableUnused = descriptor.InodeTableUnused;
            }
            uint inodes = _geometry.InodesPerGroup;
            if (state.FreeBlocks > (_geometry.BlocksInGroup(group) + (1u << _clusterBits) - 1) >> _clusterBits)
            {
                state.FreeBlocks = 0;
                marks |= GroupMarks.BlocksCorrupt | GroupMarks.BlockCountUnknown;
            }
            if (state.FreeInodes > inodes || state.InodeTableUnused > inodes || state.UsedDirectories > inodes ||
                state.InodeTableUnused > state.FreeInodes)
            {
                // The tail is not trusted then: a slot is used if its inode looks used.
                state.FreeInodes = 0;
                state.InodeTableUnused = 0;
                state.Flags &= ~GroupFlags.InodeUninit;
                marks |= GroupMarks.InodesCorrupt | GroupMarks.InodeCountsUnknown;
            }
            Volatile.Write(ref System.Runtime.CompilerServices.Unsafe.As<GroupMarks, byte>(ref state.Marks), (byte)marks);
        }
    }

    private void CheckLocation(uint group, ulong block, uint count, string what)
    {
        bool good = _geometry.IsValidRange(block, count);
        if (good && !_geometry.Has(IncompatFeatures.FlexBg))
        {
            ulong start = _geometry.GroupStart(group);
            good = block >= start && block + count <= start + _geometry.BlocksInGroup(group);
        }
        if (!good)
        {
            throw new Ext4CorruptException($"group {group}", $"{what} at block {block}");
        }
    }

    // The buffer is pinned: it belongs to the transaction that is closing.
    private uint BitmapChecksum(ulong block, uint bits)
    {
        using MetadataBuffer buffer = _volume.Cache.TryGetCached(block) ??
            throw new InvalidOperationException($"Changed bitmap block {block} left the cache.");
        uint crc = Crc32C.Compute(_geometry.ChecksumSeed, buffer.Data[..(int)(bits / 8)]);
        return _geometry.DescriptorSize >= 64 ? crc : crc & 0xFFFF;
    }
}
