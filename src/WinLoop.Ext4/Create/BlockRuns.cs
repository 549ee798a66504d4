namespace WinLoop.Ext4.Create;

/// <summary>A run of physical blocks.</summary>
internal readonly record struct BlockRun(ulong Start, ulong Length)
{
    /// <summary>The first block behind the run.</summary>
    public ulong End => Start + Length;
}

/// <summary>
/// A set of blocks kept as sorted, merged runs: a new volume's metadata lies in few long runs, so that
/// this stays small where bitmaps of all groups would not.
/// </summary>
internal sealed class BlockRuns
{
    private readonly List<BlockRun> _runs = [];

    /// <summary>The runs in ascending order; neighbours never touch.</summary>
    public IReadOnlyList<BlockRun> Runs => _runs;

    /// <summary>Adds blocks, none of which may be in the set.</summary>
    public void Add(BlockRun run)
    {
        if (run.Length == 0)
        {
            return;
        }
        int next = IndexBehind(run.Start);
        if ((next > 0 && _runs[next - 1].End > run.Start) || (next < _runs.Count && _runs[next].Start < run.End))
        {
            throw new InvalidOperationException($"blocks {run.Start}..{run.End - 1} are placed twice");
        }
        bool joinsPrevious = next > 0 && _runs[next - 1].End == run.Start;
        bool joinsNext = next < _runs.Count && _runs[next].Start == run.End;
        if (joinsPrevious && joinsNext)
        {
            _runs[next - 1] = new BlockRun(_runs[next - 1].Start, _runs[next].End - _runs[next - 1].Start);
            _runs.RemoveAt(next);
        }
        else if (joinsPrevious)
        {
            _runs[next - 1] = new BlockRun(_runs[next - 1].Start, run.End - _runs[next - 1].Start);
        }
        else if (joinsNext)
        {
            _runs[next] = new BlockRun(run.Start, _runs[next].End - run.Start);
        }
        else
        {
            _runs.Insert(next, run);
        }
    }

    /// <summary>The first block at or after <paramref name="from"/> and below <paramref name="before"/> that starts
    /// <paramref name="need"/> blocks outside the set and below <paramref name="end"/>; null if there is none.</summary>
    public ulong? FindFree(ulong from, ulong before, ulong need, ulong end)
    {
        foreach (BlockRun free in FreeFrom(from, end))
        {
            if (free.Start >= before)
            {
                return null;
            }
            if (free.Length >= need)
            {
                return free.Start;
            }
        }
        return null;
    }

    /// <summary>The runs outside the set within [from, end), in ascending order.</summary>
    public IEnumerable<BlockRun> FreeFrom(ulong from, ulong end)
    {
        int next = IndexBehind(from);
        ulong position = next > 0 ? Math.Max(from, _runs[next - 1].End) : from;
        for (; position < end; next++)
        {
            ulong stop = next < _runs.Count ? Math.Min(_runs[next].Start, end) : end;
            if (stop > position)
            {
                yield return new BlockRun(position, stop - position);
            }
            position = next < _runs.Count ? _runs[next].End : end;
        }
    }

    /// <summary>How many blocks of [start, end) are in the set.</summary>
    public ulong CountIn(ulong start, ulong end)
    {
        ulong count = 0;
        for (int i = Math.Max(IndexBehind(start) - 1, 0); i < _runs.Count && _runs[i].Start < end; i++)
        {
            ulong low = Math.Max(_runs[i].Start, start), high = Math.Min(_runs[i].End, end);
            count += high > low ? high - low : 0;
        }
        return count;
    }

    /// <summary>Sets the bit of every block of the set within [start, end); bit 0 is block <paramref name="start"/>.</summary>
    public void SetBits(Span<byte> bitmap, ulong start, ulong end)
    {
        for (int i = Math.Max(IndexBehind(start) - 1, 0); i < _runs.Count && _runs[i].Start < end; i++)
        {
            ulong low = Math.Max(_runs[i].Start, start), high = Math.Min(_runs[i].End, end);
            if (high > low)
            {
                Bits.Set(bitmap, (int)(low - start), (int)(high - low));
            }
        }
    }

    // Index of the first run that starts behind block.
    private int IndexBehind(ulong block)
    {
        int low = 0, high = _runs.Count;
        while (low < high)
        {
            int middle = (low + high) / 2;
            if (_runs[middle].Start > block)
            {
                high = middle;
            }
            else
            {
                low = middle + 1;
            }
        }
        return low;
    }
}
