using WinLoop.Ext4.Format;

namespace WinLoop.Ext4.Allocation;

/// <summary>A run of blocks, from <see cref="Start"/> up to but not including <see cref="End"/>.</summary>
internal readonly record struct BlockRun(ulong Start, ulong End) : IComparable<BlockRun>
{
    public int CompareTo(BlockRun other) => Start.CompareTo(other.Start);
}

/// <summary>
/// The blocks of all fixed metadata of a volume (superblocks, descriptor tables, bitmaps, inode tables) as
/// sorted runs, with an index by group: a question costs a shift and a look at one or two runs.
/// </summary>
internal sealed class SystemZone
{
    // Runs per group up to which walking is faster than halving.
    private const int LinearLimit = 8;

    private readonly Geometry _geometry;
    private readonly int _groupShift;
    private readonly BlockRun[] _runs;
    // Per group: the first run that ends behind the group's first block; one entry more at the end.
    private readonly int[] _first;

    private SystemZone(Geometry geometry, BlockRun[] runs)
    {
        _geometry = geometry;
        _runs = runs;
        _groupShift = uint.IsPow2(geometry.BlocksPerGroup) ? int.Log2((int)geometry.BlocksPerGroup) : -1;
        _first = new int[(int)geometry.GroupCount + 1];
        int at = 0;
        for (uint group = 0; group < geometry.GroupCount; group++)
        {
            ulong start = geometry.GroupStart(group);
            while (at < runs.Length && runs[at].End <= start)
            {
                at++;
            }
            _first[(int)group] = at;
        }
        _first[(int)geometry.GroupCount] = runs.Length;
    }

    /// <summary>Runs, touching ones joined.</summary>
    public ReadOnlySpan<BlockRun> Runs => _runs;

    /// <summary>Sorts the runs, refuses overlaps and joins runs that touch.</summary>
    /// <param name="geometry">The volume's.</param>
    /// <param name="runs">One or more runs per structure, in any order; emptied.</param>
    /// <exception cref="Ext4CorruptException">Two structures share a block.</exception>
    public static SystemZone Build(Geometry geometry, List<BlockRun> runs)
    {
        runs.Sort();
        var joined = new List<BlockRun>();
        foreach (BlockRun run in runs)
        {
            if (joined.Count == 0 || joined[^1].End < run.Start)
            {
                joined.Add(run);
            }
            else if (joined[^1].End == run.Start)
            {
                joined[^1] = new BlockRun(joined[^1].Start, run.End);
            }
            else
            {
                throw new Ext4CorruptException("group descriptors", $"block {run.Start} has two uses");
            }
        }
        return new SystemZone(geometry, [.. joined]);
    }

    /// <summary>True if one of the blocks is in the zone; the range lies inside the volume.</summary>
    public bool Overlaps(ulong start, ulong end)
    {
        int at = FirstEndingBehind(start);
        return at < _runs.Length && _runs[at].Start < end;
    }

    /// <summary>The part of the zone inside one group, run by run; <paramref name="at"/> starts as −1.</summary>
    public bool TryNext(uint group, ref int at, out BlockRun part)
    {
        ulong start = _geometry.GroupStart(group);
        ulong end = start + _geometry.BlocksInGroup(group);
        at = at < 0 ? _first[(int)group] : at + 1;
        if (at >= _runs.Length || _runs[at].Start >= end)
        {
            part = default;
            return false;
        }
        part = new BlockRun(Math.Max(_runs[at].Start, start), Math.Min(_runs[at].End, end));
        return true;
    }

    private int FirstEndingBehind(ulong block)
    {
        ulong relative = block - _geometry.FirstDataBlock;
        int group = (int)(_groupShift >= 0 ? relative >> _groupShift : relative / _geometry.BlocksPerGroup);
        int low = _first[group];
        int high = _first[group + 1];
        if (high - low > LinearLimit)
        {
            while (low < high)
            {
                int middle = (low + high) >> 1;
                if (_runs[middle].End <= block)
                {
                    low = middle + 1;
                }
                else
                {
                    high = middle;
                }
            }
            return low;
        }
        while (low < high && _runs[low].End <= block)
        {
            low++;
        }
        return low;
    }
}
