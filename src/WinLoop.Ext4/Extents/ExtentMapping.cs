namespace WinLoop.Ext4.Extents;

/// <summary>What a run of logical blocks is mapped to.</summary>
internal enum ExtentState : byte
{
    /// <summary>Nothing: reads as zeroes.</summary>
    Hole,
    /// <summary>Initialised blocks.</summary>
    Written,
    /// <summary>Allocated blocks whose content is not valid: read as zeroes.</summary>
    Unwritten,
}

/// <summary>A run of logical blocks of one file with one mapping.</summary>
/// <param name="Logical">First logical block.</param>
/// <param name="Physical">First physical block; 0 for a hole.</param>
/// <param name="Length">Blocks; a trailing hole ends at logical block 0xFFFFFFFF.</param>
/// <param name="State">What is there.</param>
internal readonly record struct ExtentMapping(uint Logical, ulong Physical, uint Length, ExtentState State)
{
    /// <summary>The first logical block behind the run (at most 0xFFFFFFFF).</summary>
    public uint End => Logical + Length;

    /// <summary>The physical block of a logical one inside the run.</summary>
    public ulong PhysicalOf(uint logical) => Physical + (logical - Logical);

    /// <summary>The part of the run from <paramref name="logical"/> on.</summary>
    public ExtentMapping From(uint logical) => logical <= Logical ? this :
        new(logical, State == ExtentState.Hole ? 0 : Physical + (logical - Logical), Length - (logical - Logical), State);
}

/// <summary>One remembered mapping of an inode, read and replaced without tearing.</summary>
internal struct ExtentCacheEntry
{
    private int _sequence;
    private ExtentMapping _mapping;

    /// <summary>The remembered run if it covers <paramref name="logical"/>.</summary>
    public bool TryGet(uint logical, out ExtentMapping mapping)
    {
        int before = Volatile.Read(ref _sequence);
        mapping = _mapping;
        Thread.MemoryBarrier();
        return (before & 1) == 0 && before == Volatile.Read(ref _sequence) && before != 0 &&
               logical >= mapping.Logical && logical < mapping.End;
    }

    /// <summary>Remembers a run.</summary>
    public void Set(in ExtentMapping mapping)
    {
        int before = Volatile.Read(ref _sequence);
        if ((before & 1) != 0 || Interlocked.CompareExchange(ref _sequence, unchecked(before + 1), before) != before)
        {
            return; // another reader is writing its own; one is as good as the other
        }
        _mapping = mapping;
        Volatile.Write(ref _sequence, Next(before));
    }

    /// <summary>Forgets; only with the inode locked exclusive.</summary>
    public void Clear() => Set(default);

    private static int Next(int before)
    {
        int next = unchecked(before + 2);
        return next == 0 ? 2 : next;
    }
}
