using WinLoop.Ext4.Cache;
using WinLoop.Ext4.Format;
using WinLoop.Ext4.Journal;
using WinLoop.Storage;

namespace WinLoop.Ext4.Allocation;

/// <summary>
/// Hands out and takes back blocks. Each loaded group has the bitmap as it will be on disk and a second
/// one of what may not be handed out: that, plus blocks set aside in memory, plus blocks freed by a
/// transaction that is not durable yet.
/// </summary>
/// <remarks>Where blocks are looked for is in BlockAllocator.Search.cs. There is no lock but the groups';
/// the volume's totals are atomic counters.</remarks>
internal sealed partial class BlockAllocator
{
    /// <summary>The most blocks that <see cref="Commit"/>, <see cref="AllocateMetadata"/> or <see cref="Free"/>
    /// joins per group touched: bitmap and descriptor.</summary>
    public const int CreditsPerGroup = 2;

    /// <summary>The longest run one call hands out: what one initialised extent can map.</summary>
    public const uint MaximumRun = 32768;

    private readonly Ext4Volume _volume;
    private readonly Geometry _geometry;
    private readonly BlockGroups _groups;
    private readonly GroupBitmaps _bitmaps;
    private readonly object _initializing = new();
    private long _rootReserve;
    private long _metadataPool;
    private readonly uint _largestRun;
    private readonly uint _smallestWindow;
    private readonly uint _largestWindow;
    private volatile bool _isReady;

    // Free on disk; blocks whose free is not durable yet are in it, and so are those set aside.
    private long _free;
    // Reserved and not yet committed or cancelled.
    private long _promised;
    // Freed, but not durable yet.
    private long _pending;

    public BlockAllocator(Ext4Volume volume)
    {
        _volume = volume;
        _geometry = volume.Geometry;
        _groups = volume.Groups;
        _bitmaps = new GroupBitmaps(volume, BufferKind.BlockBitmap);
        SetReserves(volume.Geometry, volume.Superblock);
        _largestRun = Math.Min(MaximumRun, _geometry.BlocksPerGroup);
        _smallestWindow = Math.Max(1, (64u << 10) >> _geometry.BlockSizeBits);
        _largestWindow = (8u << 20) >> _geometry.BlockSizeBits;
    }

    /// <summary>Free blocks on disk now; those set aside for the growth of files count as free.</summary>
    public ulong FreeBlocks
    {
        get
        {
            EnsureReady();
            return (ulong)Math.Max(0, Volatile.Read(ref _free));
        }
    }

    /// <summary>What of <see cref="FreeBlocks"/> an ordinary user can get: without root's reserve and the
    /// pool that is kept for metadata.</summary>
    public ulong AvailableBlocks => (ulong)Math.Max(0, (long)FreeBlocks - _rootReserve - _metadataPool);

    /// <summary>What of <see cref="FreeBlocks"/> a caller can get for content, now or after a commit.</summary>
    public ulong FreeBlocksFor(Caller caller) =>
        IsPrivileged(caller) ? (ulong)Math.Max(0, (long)FreeBlocks - _metadataPool) : AvailableBlocks;

    /// <summary>Blocks of <see cref="FreeBlocks"/> that only a commit makes available.</summary>
    public long PendingBlocks => Volatile.Read(ref _pending);

    /// <summary>The loaded bitmaps, for consistency checks; use them under the group's lock.</summary>
    internal GroupBitmaps Bitmaps
    {
        get
        {
            EnsureReady();
            return _bitmaps;
        }
    }

    /// <summary>
    /// Takes up to <paramref name="wanted"/> contiguous blocks in memory for file data at
    /// <paramref name="logical"/>, best at <paramref name="goal"/>, and sets more aside for the file's growth.
    /// The caller writes the data, then calls <see cref="Commit"/> in a handle or <see cref="Cancel"/>.
    /// </summary>
    /// <exception cref="Ext4Exception">ENOSPC, also when only blocks reserved for root are left. Before giving
    /// up it releases every preallocation and commits once to get freed blocks back.</exception>
    public BlockReservation Reserve(Inode inode, uint logical, ulong goal, uint wanted, Caller caller)
    {
        EnsureReady();
        uint need = Promise(Math.Clamp(wanted, 1, _largestRun), IsPrivileged(caller) ? _metadataPool : _metadataPool + _rootReserve);
        if (need == 0)
        {
            throw new Ext4Exception(Errno.ENOSPC, "No free blocks are left for this user.");
        }
        bool done = false;
        try
        {
            BlockReservation taken = TakeWindow(inode.Preallocation, logical, need);
            if (taken.Length == 0)
            {
                taken = ReserveNew(inode, logical, goal, need);
            }
            if (taken.Length == 0)
            {
                DropAllPreallocations();
                taken = ReserveNew(inode, logical, goal, need);
            }
            if (taken.Length == 0 && Volatile.Read(ref _pending) > 0)
            {
                _volume.Journal.Commit(_volume.Journal.RunningTid);
                taken = ReserveNew(inode, logical, goal, need);
            }
            if (taken.Length == 0)
            {
                throw new Ext4Exception(Errno.ENOSPC, "No free blocks are left.");
            }
            Interlocked.Add(ref _promised, (long)taken.Length - need);
            done = true;
            return taken;
        }
        finally
        {
            if (!done)
            {
                Interlocked.Add(ref _promised, -(long)need);
            }
        }
    }

    /// <summary>Marks reserved blocks used on disk (bitmap, descriptor, counts) and charges them to the inode's
    /// <see cref="Inode.Sectors"/>.</summary>
    public void Commit(Handle handle, Inode inode, BlockReservation reservation)
    {
        if (reservation.Length == 0)
        {
            return;
        }
        uint group = _geometry.GroupOfBlock(reservation.Physical);
        int bit = (int)(reservation.Physical - _geometry.GroupStart(group));
        int count = (int)reservation.Length;
        lock (_groups.LockOf(group))
        {
            GroupBitmap bitmap = _bitmaps.Get(group);
            if (!Bitmap.AreClear(bitmap.Disk, bit, count))
            {
                throw new InvalidOperationException($"Blocks {reservation} are not reserved.");
            }
            handle.Join(bitmap.Buffer);
            handle.JoinDescriptor(group);
            Bitmap.Set(bitmap.Disk, bit, count);
            bitmap.Held -= count;
            ref GroupState state = ref _groups.Get(group);
            state.FreeBlocks -= reservation.Length;
            state.Flags &= ~GroupFlags.BlockUninit;
            state.Marks |= GroupMarks.BlockBitmapChanged;
        }
        Interlocked.Add(ref _free, -count);
        Interlocked.Add(ref _promised, -count);
        inode.Sectors += (ulong)count * (ulong)_geometry.SectorsPerBlock;
    }

    /// <summary>Gives reserved blocks back untouched.</summary>
    public void Cancel(BlockReservation reservation)
    {
        if (reservation.Length == 0)
        {
            return;
        }
        uint group = _geometry.GroupOfBlock(reservation.Physical);
        lock (_groups.LockOf(group))
        {
            Release(_bitmaps.Get(group), (int)(reservation.Physical - _geometry.GroupStart(group)), (int)reservation.Length);
        }
        Interlocked.Add(ref _promised, -(long)reservation.Length);
    }

    /// <summary>Allocates one block for metadata of <paramref name="inode"/> (directory, extent node, attribute
    /// block, long symlink) inside a handle and charges it to <see cref="Inode.Sectors"/>.</summary>
    /// <exception cref="Ext4Exception">ENOSPC; never commits, because a handle is open. If
    /// <see cref="PendingBlocks"/> is not 0 a commit (with no handle open) and another try may succeed.</exception>
    public ulong AllocateMetadata(Handle handle, Inode inode, ulong goal)
    {
        EnsureReady();
        // An ordinary user's directories must not eat root's reserve; the other kinds belong to a change
        // whose data has passed that test.
        long floor = inode.IsDirectory && inode.Uid != 0 ? _rootReserve : 0;
        if (Promise(1, floor) == 0)
        {
            throw new Ext4Exception(Errno.ENOSPC, "No free blocks are left.");
        }
        BlockReservation taken = default;
        try
        {
            var request = new Request { Goal = Inside(goal), Need = 1, Ideal = 1 };
            taken = Search(ref request);
            if (taken.Length == 0)
            {
                DropAllPreallocations();
                taken = Search(ref request);
            }
            if (taken.Length == 0)
            {
                throw new Ext4Exception(Errno.ENOSPC, "No free blocks are left.");
            }
            Commit(handle, inode, taken);
            return taken.Physical;
        }
        catch
        {
            if (taken.Length == 0)
            {
                Interlocked.Add(ref _promised, -1);
            }
            else
            {
                Cancel(taken);
            }
            throw;
        }
    }

    /// <summary>Frees blocks inside a handle: clears the bitmap now, hands them out again only when the
    /// transaction is durable, revokes them if they were metadata, discharges <paramref name="inode"/> if given.</summary>
    /// <remarks>Joins <see cref="CreditsPerGroup"/> blocks for each group that the run touches.</remarks>
    /// <exception cref="Ext4CorruptException">Outside the data area, or already free; nothing was changed.</exception>
    public void Free(Handle handle, Inode? inode, ulong start, uint count, bool isMetadata)
    {
        if (count == 0)
        {
            return;
        }
        EnsureReady();
        if (_groups.IsSystemZone(start, count))
        {
            throw new Ext4CorruptException($"{count} blocks from {start} on", "to be freed, but not in the data area");
        }
        uint first = _geometry.GroupOfBlock(start);
        if (first != _geometry.GroupOfBlock(start + count - 1))
        {
            // Look at all groups before changing one.
            for (uint done = 0; done < count;)
            {
                uint group = Part(start + done, count - done, out int bit, out int length);
                lock (_groups.LockOf(group))
                {
                    RequireSet(_bitmaps.Get(group), bit, length);
                }
                done += (uint)length;
            }
        }
        for (uint done = 0; done < count;)
        {
            uint group = Part(start + done, count - done, out int bit, out int length);
            lock (_groups.LockOf(group))
            {
                GroupBitmap bitmap = _bitmaps.Get(group);
                RequireSet(bitmap, bit, length);
                handle.Join(bitmap.Buffer);
                handle.JoinDescriptor(group);
                Bitmap.Clear(bitmap.Disk, bit, length);
                bitmap.Held += length;
                ref GroupState state = ref _groups.Get(group);
                state.FreeBlocks += (uint)length;
                state.Marks |= GroupMarks.BlockBitmapChanged;
            }
            done += (uint)length;
        }
        // Pending first: who sees the blocks as free must also see that a commit brings them.
        Interlocked.Add(ref _pending, count);
        Interlocked.Add(ref _free, count);
        lock (handle.Transaction.Buffers)
        {
            List<(ulong Start, uint Count)> freed = handle.Transaction.FreedBlocks;
            if (freed.Count > 0 && freed[^1].Start + freed[^1].Count == start && freed[^1].Count <= int.MaxValue - count)
            {
                freed[^1] = (freed[^1].Start, freed[^1].Count + count);
            }
            else
            {
                freed.Add((start, count));
            }
        }
        if (isMetadata)
        {
            handle.Revoke(start, count);
        }
        if (inode is not null)
        {
            ulong sectors = (ulong)count * (ulong)_geometry.SectorsPerBlock;
            inode.Sectors -= Math.Min(inode.Sectors, sectors);
        }
    }

    /// <summary>Makes the blocks that a longer last group has free on disk, but not in memory: nobody gets one of them
    /// before <see cref="Extend"/>. The caller holds the group's lock and has written its bitmap (<see cref="InitializeBitmap"/>).</summary>
    public void LengthenGroup(Handle handle, uint group, int bit, int length)
    {
        EnsureReady();
        GroupBitmap bitmap = _bitmaps.Get(group);
        RequireSet(bitmap, bit, length);
        handle.Join(bitmap.Buffer);
        handle.JoinDescriptor(group);
        Bitmap.Clear(bitmap.Disk, bit, length);
        bitmap.Held += length;
        ref GroupState state = ref _groups.Get(group);
        state.FreeBlocks += (uint)length;
        state.Marks |= GroupMarks.BlockBitmapChanged;
    }

    /// <summary>Takes over what a growth of the volume has added. The caller holds every group's lock and changes
    /// <see cref="Ext4Volume.Geometry"/> right afterwards.</summary>
    /// <param name="resized">The size with it.</param>
    /// <param name="first">The first new group; the one before it may have become longer.</param>
    /// <param name="lengthened">By how many blocks.</param>
    /// <param name="added">The descriptors of the new groups.</param>
    public void Extend(Geometry resized, uint first, uint lengthened, ReadOnlySpan<GroupState> added)
    {
        _bitmaps.Extend(first, added);
        if (lengthened != 0)
        {
            Release(_bitmaps.Get(first - 1), (int)_geometry.BlocksInGroup(first - 1), (int)lengthened);
        }
        long free = lengthened;
        foreach (ref readonly GroupState state in added)
        {
            free += state.FreeBlocks;
        }
        Interlocked.Add(ref _free, free);
        SetReserves(resized, _volume.Superblock);
    }

    // Data leaves the pool to extent nodes and directories, whose allocation cannot wait for a commit.
    private void SetReserves(Geometry geometry, Superblock superblock)
    {
        Volatile.Write(ref _rootReserve, (long)superblock.ReservedBlocksCount);
        Volatile.Write(ref _metadataPool, (long)Math.Min(geometry.BlocksCount / 128, 1024));
    }

    /// <summary>Gives a file's set-aside blocks back (last close, truncate, eviction, ENOSPC).</summary>
    public void DropPreallocation(Inode inode)
    {
        Preallocation? window = inode.Preallocation;
        while (window is not null && Volatile.Read(ref window.Length) > 0)
        {
            uint group = Volatile.Read(ref window.Group);
            lock (_groups.LockOf(group))
            {
                if (window.Group == group)
                {
                    DropLocked(window);
                    return;
                }
            }
        }
    }

    /// <summary>Called by the journal when a transaction is durable: its freed blocks may be handed out again.</summary>
    public void OnCommitted(List<(ulong Start, uint Count)> freed)
    {
        foreach ((ulong start, uint count) in freed)
        {
            if (_volume.Options.Discard)
            {
                Discard(start, count);
            }
            for (uint done = 0; done < count;)
            {
                uint group = Part(start + done, count - done, out int bit, out int length);
                lock (_groups.LockOf(group))
                {
                    Release(_bitmaps.Get(group), bit, length);
                }
                done += (uint)length;
            }
            Interlocked.Add(ref _pending, -(long)count);
        }
        _bitmaps.Trim();
    }

    /// <summary>Writes the bitmap of a never-used group (BLOCK_UNINIT) inside the handle; joins
    /// <see cref="CreditsPerGroup"/> blocks. Does nothing if it is on disk. The caller may hold the group's lock.</summary>
    public void InitializeBitmap(Handle handle, uint group)
    {
        EnsureReady();
        lock (_groups.LockOf(group))
        {
            ref GroupState state = ref _groups.Get(group);
            if (!state.Has(GroupFlags.BlockUninit))
            {
                return;
            }
            GroupBitmap bitmap = _bitmaps.Get(group);
            handle.Join(bitmap.Buffer);
            handle.JoinDescriptor(group);
            state.Flags &= ~GroupFlags.BlockUninit;
            state.Marks |= GroupMarks.BlockBitmapChanged;
        }
    }

    // A discard is advice: the blocks are free whether the device takes it or not.
    private void Discard(ulong start, uint count)
    {
        try
        {
            _volume.Device.Discard((long)(start << _geometry.BlockSizeBits), (long)count << _geometry.BlockSizeBits);
        }
        catch (BlockDeviceException)
        {
        }
    }

    // Counts up to `wanted` blocks as taken as long as `floor` blocks stay free; returns how many.
    private uint Promise(uint wanted, long floor)
    {
        long promised = Interlocked.Add(ref _promised, wanted);
        long left = Volatile.Read(ref _free) - promised - floor;
        if (left >= 0)
        {
            return wanted;
        }
        uint granted = (uint)Math.Max(0, wanted + left);
        Interlocked.Add(ref _promised, (long)granted - wanted);
        return granted;
    }

    private bool IsPrivileged(Caller caller) =>
        caller.Uid == 0 || caller.Uid == _volume.Superblock.DefaultReservedUid ||
        (_volume.Superblock.DefaultReservedGid != 0 && caller.Gid == _volume.Superblock.DefaultReservedGid);

    // The part of a run that lies in the group of its first block.
    private uint Part(ulong start, uint count, out int bit, out int length)
    {
        uint group = _geometry.GroupOfBlock(start);
        uint first = (uint)(start - _geometry.GroupStart(group));
        bit = (int)first;
        length = (int)Math.Min(count, _geometry.BlocksInGroup(group) - first);
        return group;
    }

    private void RequireSet(GroupBitmap bitmap, int bit, int length)
    {
        if (!Bitmap.AreSet(bitmap.Disk, bit, length))
        {
            ulong start = _geometry.GroupStart(bitmap.Group) + (uint)bit;
            throw new Ext4CorruptException($"{length} blocks from {start} on", "to be freed, but free already");
        }
    }

    // Makes held bits available again.
    private void Release(GroupBitmap bitmap, int bit, int length)
    {
        if (!TrimToLimit(bitmap, bit, ref length))
        {
            return;
        }
        Bitmap.Clear(bitmap.Busy, bit, length);
        bitmap.Held -= length;
        ref ushort hint = ref _bitmaps.Hints[bitmap.Group];
        int start = Bitmap.PreviousOne(bitmap.Busy, bit) + 1;
        int end = Bitmap.NextOne(bitmap.Busy, bit + length, bitmap.Busy.Length << 6);
        hint = (ushort)Math.Max(hint, Math.Min(end - start, ushort.MaxValue));
    }

    private void EnsureReady()
    {
        if (_isReady)
        {
            return;
        }
        lock (_initializing)
        {
            if (!_isReady)
            {
                _groups.LoadAll();
                _bitmaps.InitializeHints();
                _free = (long)_groups.CountFree().FreeBlocks;
                _isReady = true;
            }
        }
    }
}
