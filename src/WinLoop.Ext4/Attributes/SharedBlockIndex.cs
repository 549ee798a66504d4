namespace WinLoop.Ext4.Attributes;

/// <summary>
/// The attribute blocks that this mount has written, by their hash: where an inode with the same attributes
/// may find a block to share. Bounded; what it forgets is only shared less.
/// </summary>
internal sealed class SharedBlockIndex
{
    private const int Capacity = 4096;

    private readonly Dictionary<uint, ulong> _blocks = [];

    /// <summary>A block that had this hash when it was last written; its content is to be compared.</summary>
    public bool TryGet(uint hash, out ulong block)
    {
        lock (_blocks)
        {
            return _blocks.TryGetValue(hash, out block);
        }
    }

    /// <summary>Notes a block; replaces one with the same hash, which may be full.</summary>
    public void Add(uint hash, ulong block)
    {
        if (hash == 0)
        {
            return;
        }
        lock (_blocks)
        {
            if (_blocks.Count >= Capacity)
            {
                _blocks.Clear();
            }
            _blocks[hash] = block;
        }
    }

    /// <summary>Forgets all blocks: they may have moved.</summary>
    public void Clear()
    {
        lock (_blocks)
        {
            _blocks.Clear();
        }
    }

    /// <summary>Forgets a block that is rewritten or freed.</summary>
    public void Remove(uint hash, ulong block)
    {
        lock (_blocks)
        {
            if (_blocks.TryGetValue(hash, out ulong known) && known == block)
            {
                _blocks.Remove(hash);
            }
        }
    }
}
