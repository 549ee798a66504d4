namespace WinLoop.Ext4.Allocation;

// Where blocks come from: a file's own window, the place behind its last block, the rest of that group,
// then the other groups from there on. Every step looks at a bounded number of bitmaps; groups that cannot
// have what is wanted are passed over by their hints, 16 or 32 at a time.
internal sealed partial class BlockAllocator
{
    // Bitmaps looked at for the best place before a lesser one will do.
    private const int IdealGroups = 8;
    private const int GoodGroups = 32;
    // A run right at the goal is taken if it is at least this long, even if more was wanted.
    private const int LongEnough = 64;
    private const uint MaximumStreak = 1u << 30;

    private ref struct Request
    {
        public ulong Goal;
        /// <summary>Blocks for the caller.</summary>
        public uint Need;
        /// <summary>The same with the window.</summary>
        public uint Ideal;
        /// <summary>A new file: the goal is only a neighbourhood.</summary>
        public bool IsFirst;
        public uint Logical;
        public Preallocation? Window;
    }

    private BlockReservation ReserveNew(Inode inode, uint logical, ulong goal, uint need)
    {
        Preallocation? window = inode.Preallocation;
        ulong end = ((ulong)inode.Size + (ulong)_geometry.BlockSize - 1) >> _geometry.BlockSizeBits;
        bool appends = logical >= end;
        bool follows = window is not null && window.Logical == logical;
        ulong run = need + (appends ? logical : follows ? window!.Streak : 0ul);
        uint extra = 0;
        if ((appends || follows) && (logical != 0 || need >= _smallestWindow))
        {
            extra = (uint)Math.Min(System.Numerics.BitOperations.RoundUpToPowerOf2(run), _largestWindow);
            extra = Math.Max(extra, _smallestWindow);
            // Little space: windows would only chase each other.
            extra = (uint)Math.Min(extra, Volatile.Read(ref _free) / 64);
        }
        if (window is null && (extra > 0 || !appends))
        {
            inode.Preallocation = window = new Preallocation();
        }
        else if (window is not null && window.Length > 0 && extra > 0)
        {
            DropPreallocation(inode);
        }
        var request = new Request
        {
            Goal = Inside(goal),
            Need = need,
            Ideal = need + extra,
            IsFirst = logical == 0,
            Logical = logical,
            Window = window is { Length: > 0 } ? null : window,
        };
        return Search(ref request);
    }

    private ulong Inside(ulong goal) => goal >= _geometry.FirstDataBlock && goal < _geometry.BlocksCount ? goal : _geometry.FirstDataBlock;

    private BlockReservation TakeWindow(Preallocation? window, uint logical, uint need)
    {
        // Only the inode's holder adds to its window; others only empty it.
        if (window is null || window.Logical != logical || Volatile.Read(ref window.Length) == 0)
        {
            return default;
        }
        lock (_groups.LockOf(window.Group))
        {
            uint count = Math.Min(need, window.Length);
            if (count == 0)
            {
                return default;
            }
            var taken = new BlockReservation(window.Physical, count);
            window.Length -= count;
            window.Physical += count;
            window.Logical = unchecked(logical + count);
            window.Streak = Math.Min(window.Streak + count, MaximumStreak);
            if (window.Length == 0)
            {
                window.UnlinkFrom(_bitmaps.Get(window.Group));
            }
            return taken;
        }
    }

    private BlockReservation Search(ref Request request)
    {
        uint home = _geometry.GroupOfBlock(request.Goal);
        BlockReservation taken = TryHome(home, ref request);
        if (taken.Length == 0 && request.Ideal > request.Need)
        {
            taken = TryOthers(home, request.Ideal, IdealGroups, ref request);
        }
        uint least = request.Need;
        while (taken.Length == 0)
        {
            // Hints are upper bounds, and looking makes them exact: at 1 the first look succeeds.
            taken = TryOthers(home, least, least == 1 ? int.MaxValue : GoodGroups, ref request);
            if (least == 1)
            {
                break;
            }
            least = Math.Max(1, least / 2);
        }
        return taken;
    }

    private BlockReservation TryHome(uint group, ref Request request)
    {
        if (Volatile.Read(ref _bitmaps.Hints[group]) == 0)
        {
            return default;
        }
        lock (_groups.LockOf(group))
        {
            if (TryGet(group) is not { } bitmap)
            {
                return default;
            }
            ReadOnlySpan<ulong> busy = bitmap.Busy;
            int bits = busy.Length << 6;
            int need = (int)request.Need, ideal = (int)request.Ideal;
            int goal = (int)(request.Goal - _geometry.GroupStart(group));
            if (request.IsFirst)
            {
                goal = Math.Max(goal, bitmap.Cursor);
            }
            else
            {
                int exact = Bitmap.NextOne(busy, goal, Math.Min(bits, goal + ideal)) - goal;
                if (exact >= Math.Min(need, LongEnough) || (exact > 0 && goal + exact == (int)_geometry.BlocksInGroup(group)))
                {
                    return Take(bitmap, new BitRun(goal, exact), ref request);
                }
            }
            int longest = _bitmaps.Hints[group];
            if (longest < need)
            {
                return default;
            }
            BitRun best = default;
            int wanted = Math.Min(ideal, longest);
            BitRun found = Bitmap.FindRun(busy, goal, bits, wanted, ref best);
            if (found.Length == 0)
            {
                found = Bitmap.FindRun(busy, 0, goal, wanted, ref best);
            }
            if (found.Length == 0)
            {
                _bitmaps.Hints[group] = (ushort)Math.Min(best.Length, ushort.MaxValue);
                found = best;
            }
            return found.Length < need || found.Length < ideal / 2 ? default : Take(bitmap, found, ref request);
        }
    }

    // Groups from `home` on, round the end, that may have `least` blocks in a row.
    private BlockReservation TryOthers(uint home, uint least, int limit, ref Request request)
    {
        ushort[] hints = _bitmaps.Hints;
        ushort wanted = (ushort)Math.Min(least, ushort.MaxValue);
        int at = (int)home;
        int end = hints.Length;
        for (int pass = 0; pass < 2; pass++, end = at, at = 0)
        {
            int next = at;
            while (next < end)
            {
                int skipped = hints.AsSpan(next, end - next).IndexOfAnyInRange(wanted, ushort.MaxValue);
                if (skipped < 0)
                {
                    break;
                }
                next += skipped;
                BlockReservation taken = TryGroup((uint)next, (int)least, ref request);
                if (taken.Length > 0 || --limit == 0)
                {
                    return taken;
                }
                next++;
            }
            at = (int)home;
        }
        return default;
    }

    private BlockReservation TryGroup(uint group, int least, ref Request request)
    {
        lock (_groups.LockOf(group))
        {
            if (TryGet(group) is not { } bitmap)
            {
                return default;
            }
            ReadOnlySpan<ulong> busy = bitmap.Busy;
            int bits = busy.Length << 6;
            BitRun best = default;
            BitRun found = Bitmap.FindRun(busy, bitmap.Cursor, bits, least, ref best);
            if (found.Length == 0)
            {
                found = Bitmap.FindRun(busy, 0, Math.Min(bitmap.Cursor, bits), least, ref best);
            }
            if (found.Length == 0)
            {
                _bitmaps.Hints[group] = (ushort)Math.Min(best.Length, ushort.MaxValue);
                return default;
            }
            int end = Bitmap.NextOne(busy, found.End, Math.Min(bits, found.Start + (int)request.Ideal));
            return Take(bitmap, new BitRun(found.Start, Math.Max(end, found.End) - found.Start), ref request);
        }
    }

    // Takes a free run: the first blocks for the caller, the rest for the file's window.
    private BlockReservation Take(GroupBitmap bitmap, BitRun run, ref Request request)
    {
        uint group = bitmap.Group;
        uint own = Math.Min((uint)run.Length, request.Need);
        Bitmap.Set(bitmap.Busy, run.Start, run.Length);
        bitmap.Held += run.Length;
        if (request.IsFirst)
        {
            bitmap.Cursor = run.End;
        }
        ulong physical = _geometry.GroupStart(group) + (uint)run.Start;
        if (request.Window is { } window)
        {
            bool continues = window.Logical == request.Logical;
            window.Group = group;
            window.Logical = unchecked(request.Logical + own);
            window.Physical = physical + own;
            window.Streak = Math.Min(MaximumStreak, own + (continues ? window.Streak : 0));
            if ((uint)run.Length > own)
            {
                window.LinkInto(bitmap);
                Volatile.Write(ref window.Length, (uint)run.Length - own);
            }
        }
        else if ((uint)run.Length > own)
        {
            Release(bitmap, run.Start + (int)own, run.Length - (int)own);
        }
        return new BlockReservation(physical, own);
    }

    // A damaged group is no reason to fail an allocation that another group can serve.
    private GroupBitmap? TryGet(uint group)
    {
        if (group > _limitGroup)
        {
            _bitmaps.Hints[group] = 0;
        }
        if (_bitmaps.Hints[group] == 0)
        {
            return null;
        }
        try
        {
            return _bitmaps.Get(group);
        }
        catch (Ext4CorruptException)
        {
            return null;
        }
    }

    private void DropLocked(Preallocation window)
    {
        if (window.Length == 0)
        {
            return;
        }
        GroupBitmap bitmap = _bitmaps.Get(window.Group);
        int bit = (int)(window.Physical - _geometry.GroupStart(window.Group));
        int length = (int)window.Length;
        window.UnlinkFrom(bitmap);
        Volatile.Write(ref window.Length, 0u);
        Release(bitmap, bit, length);
        if (bitmap.Cursor == bit + length)
        {
            bitmap.Cursor = bit;
        }
    }

    private void DropAllPreallocations()
    {
        foreach (uint group in _bitmaps.LoadedGroups())
        {
            lock (_groups.LockOf(group))
            {
                GroupBitmap? bitmap = _bitmaps.TryGetLoaded(group);
                while (bitmap?.FirstWindow is { } window)
                {
                    DropLocked(window);
                }
            }
        }
    }
}
