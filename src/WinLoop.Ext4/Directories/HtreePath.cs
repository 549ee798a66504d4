using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using WinLoop.Ext4.Cache;
using WinLoop.Ext4.Format;

namespace WinLoop.Ext4.Directories;

/// <summary>One index block on the way to a leaf.</summary>
internal struct HtreeFrame
{
    /// <summary>The block; held by the path.</summary>
    public MetadataBuffer? Buffer;
    /// <summary>Its logical number.</summary>
    public uint Logical;
    /// <summary>Where its pairs start.</summary>
    public int PairsAt;
    /// <summary>The pair the path goes through.</summary>
    public int Index;

    public readonly int Count => HtreeNode.Count(Buffer!.Data, PairsAt);
    public readonly uint Block => HtreeNode.Block(Buffer!.Data, PairsAt, Index);
}

[InlineArray(Capacity)]
internal struct HtreeFrames
{
    /// <summary>A root and at most two levels of nodes (largedir).</summary>
    public const int Capacity = 3;
    private HtreeFrame _first;
}

/// <summary>
/// The way from an htree's root to one leaf. Holds references to the index blocks; dispose it. Every block
/// has passed its checks when it is in a path.
/// </summary>
internal ref struct HtreePath
{
    private readonly DirectoryBlocks _blocks;
    private readonly Inode _directory;
    private readonly uint _blockCount;
    private HtreeFrames _frames;

    public HtreePath(DirectoryBlocks blocks, Inode directory)
    {
        _blocks = blocks;
        _directory = directory;
        _blockCount = blocks.Count(directory);
    }

    /// <summary>Levels of nodes below the root; the deepest frame's number.</summary>
    public int Levels { get; private set; }

    /// <summary>The tree's hash function.</summary>
    public HtreeHashVersion Version { get; private set; }

    /// <summary>Blocks in the directory.</summary>
    public readonly uint BlockCount => _blockCount;

    /// <summary>What made a step fail.</summary>
    public string? Problem { get; private set; }

    /// <summary>The logical number of the leaf.</summary>
    public readonly uint Leaf => _frames[Levels].Block;

    [UnscopedRef]
    public ref HtreeFrame this[int level] => ref _frames[level];

    /// <summary>Reads and checks the root; false if it is damaged.</summary>
    public bool TryOpen()
    {
        MetadataBuffer root = _blocks.Read(_directory, 0, BufferKind.HtreeRoot);
        _frames[0] = new HtreeFrame { Buffer = root, PairsAt = HtreeNode.RootPairs };
        ReadOnlySpan<byte> data = root.Data;
        Problem = HtreeNode.CheckRoot(data, _blocks.Format, _blocks.MaximumLevels);
        if (Problem is not null)
        {
            return false;
        }
        Levels = HtreeNode.Levels(data);
        Version = HtreeNode.Version(data);
        return true;
    }

    /// <summary>Goes down to the first leaf that may hold a hash; false if a node is damaged.</summary>
    public bool TryDescend(uint hash)
    {
        _frames[0].Index = HtreeNode.Search(_frames[0].Buffer!.Data, HtreeNode.RootPairs, hash);
        for (int level = 1; level <= Levels; level++)
        {
            if (!TryEnter(level))
            {
                return false;
            }
            ref HtreeFrame frame = ref _frames[level];
            frame.Index = HtreeNode.Search(frame.Buffer!.Data, frame.PairsAt, hash);
        }
        return IsInside(Leaf);
    }

    /// <summary>The key of the leaf behind this one; false if this is the last.</summary>
    public readonly bool TryPeekNext(out uint key)
    {
        for (int level = Levels; level >= 0; level--)
        {
            HtreeFrame frame = _frames[level];
            if (frame.Index + 1 < frame.Count)
            {
                key = HtreeNode.Key(frame.Buffer!.Data, frame.PairsAt, frame.Index + 1);
                return true;
            }
        }
        key = 0;
        return false;
    }

    /// <summary>The lowest key of this leaf; 0 for the first.</summary>
    public readonly uint LeafKey
    {
        get
        {
            for (int level = Levels; level >= 0; level--)
            {
                HtreeFrame frame = _frames[level];
                if (frame.Index > 0)
                {
                    return HtreeNode.Key(frame.Buffer!.Data, frame.PairsAt, frame.Index);
                }
            }
            return 0;
        }
    }

    /// <summary>Goes to the next leaf, which <see cref="TryPeekNext"/> has found; false if a node is damaged.</summary>
    public bool TryAdvance()
    {
        int level = Levels;
        while (_frames[level].Index + 1 >= _frames[level].Count)
        {
            level--;
        }
        _frames[level].Index++;
        while (++level <= Levels)
        {
            if (!TryEnter(level))
            {
                return false;
            }
        }
        return IsInside(Leaf);
    }

    /// <summary>Takes note of a new root: the old one's pairs now lie one level down, in <paramref name="node"/>.</summary>
    public void PushRoot(MetadataBuffer node, uint logical)
    {
        for (int level = Levels; level > 0; level--)
        {
            _frames[level + 1] = _frames[level];
        }
        _frames[1] = new HtreeFrame { Buffer = node, Logical = logical, PairsAt = HtreeNode.NodePairs, Index = _frames[0].Index };
        _frames[0].Index = 0;
        Levels++;
    }

    /// <summary>Lets the path go through another node at a level.</summary>
    public void Replace(int level, MetadataBuffer node, uint logical, int index)
    {
        _frames[level].Buffer?.Dispose();
        _frames[level] = new HtreeFrame { Buffer = node, Logical = logical, PairsAt = HtreeNode.NodePairs, Index = index };
    }

    /// <summary>Says what is wrong.</summary>
    public readonly Ext4CorruptException Damage() => new($"directory inode {_directory.Number}", Problem ?? "its index is damaged");

    /// <summary>Drops the references.</summary>
    public void Dispose()
    {
        for (int level = 0; level < HtreeFrames.Capacity; level++)
        {
            _frames[level].Buffer?.Dispose();
            _frames[level].Buffer = null;
        }
    }

    // Reads the node that the level above points at; the path goes through its first pair.
    private bool TryEnter(int level)
    {
        uint logical = _frames[level - 1].Block;
        if (!IsInside(logical))
        {
            return false;
        }
        Replace(level, _blocks.Read(_directory, logical, BufferKind.HtreeNode), logical, 0);
        Problem = HtreeNode.CheckNode(_frames[level].Buffer!.Data, _blocks.Format);
        return Problem is null;
    }

    private bool IsInside(uint logical)
    {
        if (logical != 0 && logical < _blockCount)
        {
            return true;
        }
        Problem = $"the index points at block {logical} of {_blockCount}";
        return false;
    }
}
