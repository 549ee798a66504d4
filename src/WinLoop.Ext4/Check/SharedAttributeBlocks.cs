namespace WinLoop.Ext4.Check;

/// <summary>
/// Attribute blocks whose header says that several inodes share them, and how many inodes were seen to. Blocks
/// of one owner are not kept: a second claim to one is a conflict like any other.
/// </summary>
internal sealed class SharedAttributeBlocks
{
    private readonly Dictionary<ulong, (uint Stated, uint Seen)> _blocks = [];
    private readonly Lock _lock = new();

    public void Clear()
    {
        if (_blocks.Count > 0)
        {
            _blocks.Clear();
        }
    }

    /// <summary>Counts one owner.</summary>
    /// <returns>False for the first one.</returns>
    public bool AddOwner(ulong block, uint stated)
    {
        lock (_lock)
        {
            bool isKnown = _blocks.TryGetValue(block, out (uint Stated, uint Seen) entry);
            _blocks[block] = (stated, entry.Seen + 1);
            return isKnown;
        }
    }

    /// <summary>True if the block was seen before; then one more owner is counted.</summary>
    public bool TryAddOwner(ulong block)
    {
        lock (_lock)
        {
            if (!_blocks.TryGetValue(block, out (uint Stated, uint Seen) entry))
            {
                return false;
            }
            _blocks[block] = (entry.Stated, entry.Seen + 1);
            return true;
        }
    }

    /// <summary>Reports the blocks whose count is wrong.</summary>
    public void Report(FindingSink findings)
    {
        foreach ((ulong block, (uint stated, uint seen)) in _blocks)
        {
            if (stated != seen)
            {
                findings.Add(1, FindingCode.AttributeReferences, $"attribute block {block} says {stated} owners, there are {seen}", block: block);
            }
        }
    }

    /// <summary>The blocks with a wrong count.</summary>
    public IEnumerable<(ulong Block, uint Owners)> Wrong()
    {
        foreach ((ulong block, (uint stated, uint seen)) in _blocks)
        {
            if (stated != seen)
            {
                yield return (block, seen);
            }
        }
    }
}
