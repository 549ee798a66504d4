namespace WinLoop.Ext4.Journal.Recovery;

/// <summary>Where the blocks of the journal are: log block number to physical block, fixed for the life of a mount.</summary>
internal sealed class JournalMap
{
    private readonly Run[] _runs;           // by log block
    private readonly Run[] _byPhysical;

    /// <summary>A run of log blocks that are neighbours on the device too.</summary>
    internal readonly record struct Run(uint First, ulong Physical, uint Count);

    /// <param name="runs">Runs in order of log blocks, from 0 on and without gaps.</param>
    /// <exception cref="Ext4CorruptException">A block is named twice.</exception>
    public JournalMap(IReadOnlyCollection<Run> runs)
    {
        _runs = [.. runs];
        Count = _runs.Length == 0 ? 0 : _runs[^1].First + _runs[^1].Count;
        _byPhysical = [.. runs];
        Array.Sort(_byPhysical, static (a, b) => a.Physical.CompareTo(b.Physical));
        for (int i = 1; i < _byPhysical.Length; i++)
        {
            if (_byPhysical[i - 1].Physical + _byPhysical[i - 1].Count > _byPhysical[i].Physical)
            {
                throw new Ext4CorruptException("journal inode", $"block {_byPhysical[i].Physical} is mapped twice");
            }
        }
    }

    /// <summary>Blocks in the journal, its superblock included.</summary>
    public uint Count { get; }

    /// <summary>The physical block of a log block.</summary>
    public ulong this[uint block] => GetRun(block, out _);

    /// <summary>The physical block of a log block, and how many log blocks from there on are neighbours on the device.</summary>
    public ulong GetRun(uint block, out uint count)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(block, Count);
        int low = 0, high = _runs.Length - 1;
        while (low < high)
        {
            int middle = (low + high + 1) >> 1;
            if (_runs[middle].First <= block)
            {
                low = middle;
            }
            else
            {
                high = middle - 1;
            }
        }
        uint skip = block - _runs[low].First;
        count = _runs[low].Count - skip;
        return _runs[low].Physical + skip;
    }

    /// <summary>True if a physical block belongs to the journal.</summary>
    public bool Contains(ulong physical)
    {
        int low = 0, high = _byPhysical.Length - 1;
        while (low <= high)
        {
            int middle = (low + high) >> 1;
            Run run = _byPhysical[middle];
            if (physical < run.Physical)
            {
                high = middle - 1;
            }
            else if (physical - run.Physical >= run.Count)
            {
                low = middle + 1;
            }
            else
            {
                return true;
            }
        }
        return false;
    }
}
