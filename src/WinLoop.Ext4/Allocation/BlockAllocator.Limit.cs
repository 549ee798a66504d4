using WinLoop.Ext4.Format;
using WinLoop.Ext4.Journal;

namespace WinLoop.Ext4.Allocation;

// Shrinking: nothing is allocated in what is to be cut off, and the cut itself. The caller is the volume's only user.
internal sealed partial class BlockAllocator
{
    private uint _limitGroup = uint.MaxValue;
    private int _limitBit;

    /// <summary>Keeps everything from a block on from being allocated; what is freed there stays busy.</summary>
    public void SetLimit(ulong limit)
    {
        EnsureReady();
        DropAllPreallocations();
        ClearLimit();
        if (limit >= _geometry.BlocksCount)
        {
            return;
        }
        uint group = _geometry.GroupOfBlock(limit - 1);
        int bit = (int)(limit - _geometry.GroupStart(group)), bits = (int)_geometry.BlocksInGroup(group);
        lock (_groups.LockOf(group))
        {
            GroupBitmap bitmap = _bitmaps.Get(group);
            bitmap.Held += CountClear(bitmap.Busy, bit, bits);
            Bitmap.Set(bitmap.Busy, bit, bits - bit);
        }
        // What moves leaves as many blocks as it takes: nothing has to be kept for metadata.
        Volatile.Write(ref _metadataPool, 0);
        _limitBit = bit;
        _limitGroup = group;
    }

    /// <summary>Undoes <see cref="SetLimit"/>.</summary>
    public void ClearLimit()
    {
        if (_limitGroup == uint.MaxValue)
        {
            return;
        }
        uint limited = _limitGroup;
        _limitGroup = uint.MaxValue;
        SetReserves(_geometry, _volume.Superblock);
        lock (_groups.LockOf(limited))
        {
            // Nothing is pending and no window is set aside: what is clear on the disk is free.
            GroupBitmap bitmap = _bitmaps.Get(limited);
            int bits = (int)_geometry.BlocksInGroup(limited);
            for (int at = _limitBit; (at = Bitmap.NextZero(bitmap.Disk, at)) < bits;)
            {
                int end = Bitmap.NextOne(bitmap.Disk, at, bits);
                Release(bitmap, at, end - at);
                at = end;
            }
        }
        for (uint group = limited + 1; group < _geometry.GroupCount; group++)
        {
            _bitmaps.Hints[group] = (ushort)Math.Min(_groups.Get(group).FreeBlocks, ushort.MaxValue);
        }
    }

    // What of a run behind the limit becomes free on the disk is still not to be had.
    private bool TrimToLimit(GroupBitmap bitmap, int bit, ref int length)
    {
        if (bitmap.Group == _limitGroup)
        {
            length = Math.Min(length, _limitBit - bit);
        }
        return length > 0;
    }

    /// <summary>The longest free runs before a block, longest first.</summary>
    /// <param name="end">Where to stop looking.</param>
    /// <param name="count">How many runs at most.</param>
    /// <param name="enough">A run of so many blocks ends the search.</param>
    public List<BlockRun> LongestRuns(ulong end, int count, uint enough)
    {
        EnsureReady();
        var runs = new List<BlockRun>(count + 1);
        for (uint group = 0; group < _geometry.GroupCount && _geometry.GroupStart(group) < end; group++)
        {
            if (_groups.Get(group).FreeBlocks == 0)
            {
                continue;
            }
            ulong start = _geometry.GroupStart(group);
            int stop = (int)Math.Min(_geometry.BlocksInGroup(group), end - start);
            lock (_groups.LockOf(group))
            {
                ReadOnlySpan<ulong> busy = _bitmaps.Get(group).Busy;
                for (int at = 0; (at = Bitmap.NextZero(busy, at)) < stop;)
                {
                    int next = Bitmap.NextOne(busy, at, stop);
                    Keep(runs, new BlockRun(start + (uint)at, start + (uint)next), count);
                    at = next;
                }
            }
            _bitmaps.Trim();
            if (runs.Count > 0 && runs[0].End - runs[0].Start >= enough)
            {
                break;
            }
        }
        return runs;
    }

    private static void Keep(List<BlockRun> runs, BlockRun run, int count)
    {
        int at = runs.Count;
        while (at > 0 && runs[at - 1].End - runs[at - 1].Start < run.End - run.Start)
        {
            at--;
        }
        runs.Insert(at, run);
        if (runs.Count > count)
        {
            runs.RemoveAt(count);
        }
    }

    /// <summary>Takes a free run that <see cref="LongestRuns"/> has found, as <see cref="Reserve"/> does.</summary>
    public BlockReservation ReserveAt(ulong start, uint count)
    {
        if (Promise(count, 0) != count)
        {
            throw new Ext4Exception(Errno.ENOSPC, "No free blocks are left.");
        }
        uint group = _geometry.GroupOfBlock(start);
        lock (_groups.LockOf(group))
        {
            GroupBitmap bitmap = _bitmaps.Get(group);
            Bitmap.Set(bitmap.Busy, (int)(start - _geometry.GroupStart(group)), (int)count);
            bitmap.Held += (int)count;
        }
        return new BlockReservation(start, count);
    }

    /// <summary>The first block in a range that is in use on the disk; the end if there is none. The fixed metadata of
    /// groups is not counted if <paramref name="withoutMetadata"/> is set.</summary>
    public ulong FirstUsed(ulong from, ulong end, bool withoutMetadata)
    {
        EnsureReady();
        var words = new ulong[(_geometry.BlocksPerGroup + 63) >> 6];
        while (from < end)
        {
            uint group = _geometry.GroupOfBlock(from);
            ulong start = _geometry.GroupStart(group);
            int bits = (int)_geometry.BlocksInGroup(group);
            int stop = (int)Math.Min((ulong)bits, end - start);
            CopyUsed(group, words, withoutMetadata);
            int used = Bitmap.NextOne(words, (int)(from - start), stop);
            if (used < stop)
            {
                return start + (uint)used;
            }
            from = start + (uint)stop;
            _bitmaps.Trim();
        }
        return end;
    }

    /// <summary>Used blocks of a group from a bit on, with or without the fixed metadata of all groups.</summary>
    public uint CountUsed(uint group, int from, bool withoutMetadata)
    {
        EnsureReady();
        var words = new ulong[(_geometry.BlocksPerGroup + 63) >> 6];
        CopyUsed(group, words, withoutMetadata);
        int bits = (int)_geometry.BlocksInGroup(group);
        return (uint)(bits - from - CountClear(words, from, bits));
    }

    private void CopyUsed(uint group, ulong[] words, bool withoutMetadata)
    {
        lock (_groups.LockOf(group))
        {
            _bitmaps.Get(group).Disk.CopyTo(words);
        }
        if (withoutMetadata)
        {
            ulong start = _geometry.GroupStart(group);
            for (int at = -1; _groups.Zone.TryNext(group, ref at, out BlockRun part);)
            {
                Bitmap.Clear(words, (int)(part.Start - start), (int)(part.End - part.Start));
            }
        }
    }

    private static int CountClear(ReadOnlySpan<ulong> words, int from, int end)
    {
        int count = 0;
        for (int at = from; (at = Bitmap.NextZero(words, at)) < end;)
        {
            int stop = Bitmap.NextOne(words, at, end);
            count += stop - at;
            at = stop;
        }
        return count;
    }

    /// <summary>Frees fixed metadata of groups that are cut off, in groups that stay. It is free in memory after
    /// <see cref="Cut"/>. Joins <see cref="CreditsPerGroup"/> blocks for each group.</summary>
    public void FreeFixed(Handle handle, ulong start, ulong count)
    {
        while (count > 0)
        {
            uint group = Part(start, (uint)Math.Min(count, uint.MaxValue), out int bit, out int length);
            InitializeBitmap(handle, group);
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
            start += (uint)length;
            count -= (uint)length;
        }
    }

    /// <summary>Makes the last group that stays end earlier: its bits from there on are ones. What is in use there is
    /// metadata of groups that are cut off, too; the caller has made sure of that.</summary>
    public void ShortenGroup(Handle handle, uint group, int bit, int length)
    {
        InitializeBitmap(handle, group);
        lock (_groups.LockOf(group))
        {
            GroupBitmap bitmap = _bitmaps.Get(group);
            int free = CountClear(bitmap.Disk, bit, bit + length);
            handle.Join(bitmap.Buffer);
            handle.JoinDescriptor(group);
            Bitmap.Set(bitmap.Disk, bit, length);
            bitmap.Held -= free; // SetLimit held them
            ref GroupState state = ref _groups.Get(group);
            state.FreeBlocks -= (uint)free;
            state.Marks |= GroupMarks.BlockBitmapChanged;
        }
    }

    /// <summary>Takes over a smaller size, which <see cref="Ext4Volume.Geometry"/> has already.</summary>
    /// <param name="freed">What <see cref="FreeFixed"/> freed.</param>
    public void Cut(IEnumerable<BlockRun> freed)
    {
        _limitGroup = uint.MaxValue;
        _bitmaps.Cut(_geometry.GroupCount);
        foreach (BlockRun run in freed)
        {
            for (ulong at = run.Start; at < run.End;)
            {
                uint group = Part(at, (uint)Math.Min(run.End - at, uint.MaxValue), out int bit, out int length);
                lock (_groups.LockOf(group))
                {
                    Release(_bitmaps.Get(group), bit, length);
                }
                at += (uint)length;
            }
        }
        _free = (long)_groups.CountFree().FreeBlocks;
        SetReserves(_geometry, _volume.Superblock);
    }
}
