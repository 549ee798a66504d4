using WinLoop.Ext4.Cache;
using WinLoop.Ext4.Extents;
using WinLoop.Ext4.Format;
using static System.Buffers.Binary.BinaryPrimitives;

namespace WinLoop.Ext4.Check;

/// <summary>What a walk over an inode's blocks is for.</summary>
internal enum WalkMode
{
    /// <summary>Claim all of them; damage is reported.</summary>
    Claim,
    /// <summary>The resize inode: its blocks belong to the groups already, but for the top of its tree.</summary>
    ClaimTop,
    /// <summary>Look for blocks that are claimed more than once.</summary>
    Probe,
    /// <summary>Collect data blocks in <see cref="BlockWalker.Collected"/>; says nothing, claims nothing.</summary>
    Collect,
}

/// <summary>
/// Walks the extent tree or the block map of one inode. One buffer per level and no recursion: depth is bounded by
/// the format. A tree block is only entered if nothing had claimed it before, so that all walks together enter no
/// block twice, whatever the image says.
/// </summary>
internal sealed partial class BlockWalker(CheckState state)
{
    // After so much damage in one inode more would only be noise.
    private const int MaximumProblems = 8;
    private const int DirectPointers = 12, MapLevels = 3;
    // Without claims something else has to end a cycle.
    private const int UnclaimedNodeLimit = 4096;
    private const int CollectLimit = 1 << 16;

    private readonly byte[][] _nodes = new byte[ExtentNode.MaxDepth + 1][];
    private readonly int[] _next = new int[ExtentNode.MaxDepth + 2];
    private readonly ulong[] _limit = new ulong[ExtentNode.MaxDepth + 2];
    private WalkMode _mode;
    private uint _inode;
    private uint _seed;
    private bool _isDirectory;
    private int _problems;
    private int _nodesRead;

    /// <summary>Blocks of data and of the tree.</summary>
    public ulong Blocks { get; private set; }

    /// <summary>Blocks of data.</summary>
    public ulong DataBlocks { get; private set; }

    /// <summary>The last logical block that is mapped; −1 = none.</summary>
    public long LastBlock { get; private set; }

    /// <summary>The last logical block that is mapped and not unwritten; −1 = none.</summary>
    public long LastWritten { get; private set; }

    /// <summary>Where logical block 0 is; 0 = a hole.</summary>
    public ulong FirstPhysical { get; private set; }

    /// <summary>The whole tree was seen, so that the counts can be compared.</summary>
    public bool IsComplete { get; private set; }

    /// <summary>Probing: the first block found that is claimed more than once.</summary>
    public ulong? Conflict { get; private set; }

    /// <summary>Blocks of directories, in logical order; the caller empties it.</summary>
    public Growable<CheckedDirectoryBlock> DirectoryBlocks { get; } = new();

    /// <summary>The blocks of the last <see cref="WalkMode.Collect"/>.</summary>
    public Growable<ulong> Collected { get; } = new();

    /// <summary>Walks.</summary>
    /// <param name="area">i_block.</param>
    /// <param name="inode">Inode number.</param>
    /// <param name="seed">Seed of the checksums of its tree blocks.</param>
    /// <param name="hasExtents">It has an extent tree, not a block map.</param>
    /// <param name="mode">What for.</param>
    /// <param name="directory">Index of the directory whose blocks these are; −1 if it is none.</param>
    public void Walk(Span<byte> area, uint inode, uint seed, bool hasExtents, WalkMode mode, int directory = -1)
    {
        _mode = mode;
        _inode = inode;
        _seed = seed;
        _isDirectory = directory >= 0;
        _directory = directory;
        _problems = _nodesRead = 0;
        Blocks = DataBlocks = FirstPhysical = 0;
        LastBlock = LastWritten = -1;
        IsComplete = true;
        Conflict = null;
        Collected.Clear();
        if (hasExtents)
        {
            WalkExtents(area);
        }
        else
        {
            WalkMap(area);
        }
    }

    private int _directory;

    private void WalkExtents(Span<byte> area)
    {
        var root = new ExtentNode(area);
        int rootDepth = root.Depth;
        if (!CheckHeader(root, area.Length, 0, null) || root.Depth > ExtentNode.MaxDepth)
        {
            if (root.Depth > ExtentNode.MaxDepth)
            {
                Problem(FindingCode.ExtentHeader, $"the extent tree is {root.Depth} levels deep");
            }
            return;
        }
        int level = 0;
        ulong expected = 0; // no entry from here on may start below
        _next[0] = 0;
        _limit[0] = ExtentNode.LogicalEnd;
        while (level >= 0)
        {
            var node = new ExtentNode(level == 0 ? area : _nodes[level]);
            if (_next[level] >= node.Count)
            {
                level--;
                continue;
            }
            int index = _next[level]++;
            if (level == rootDepth)
            {
                TakeExtent(node.Extent(index), _limit[level], ref expected);
                continue;
            }
            uint key = node.Key(index);
            if (key < expected)
            {
                Problem(FindingCode.ExtentOrder, $"extent index entry for block {key} behind block {expected}");
                continue;
            }
            ulong child = node.Child(index);
            if (!EnterNode(child, "extent"))
            {
                continue;
            }
            Span<byte> data = Buffer(level + 1);
            if (!Read(data, child))
            {
                continue;
            }
            var below = new ExtentNode(data);
            if (!CheckHeader(below, data.Length, rootDepth - level - 1, child))
            {
                continue;
            }
            if (state.Geometry.HasMetadataChecksums && !state.IsChecksumRight(child, data, BufferKind.ExtentNode, _seed))
            {
                Problem(FindingCode.ExtentChecksum, $"extent block {child} has a wrong checksum", child, isComplete: true);
            }
            if (below.Count == 0)
            {
                Problem(FindingCode.ExtentHeader, $"extent block {child} is empty", child);
                continue;
            }
            if (below.Key(0) != key)
            {
                Problem(FindingCode.ExtentIndex, $"extent block {child} starts at logical block {below.Key(0)}, its index entry says {key}", child, isComplete: true);
            }
            _limit[level + 1] = index + 1 < node.Count ? Math.Min(node.Key(index + 1), _limit[level]) : _limit[level];
            _next[++level] = 0;
        }
    }

    private bool CheckHeader(ExtentNode node, int bytes, int depth, ulong? block)
    {
        int capacity = ExtentNode.Capacity(bytes);
        // Two entries less may be there for a checksum: so e2fsck.
        bool isGood = node.Magic == ExtentNode.MagicValue && node.Count <= node.Max && node.Max <= capacity && node.Max >= capacity - 2;
        if (!isGood)
        {
            Problem(FindingCode.ExtentHeader, $"extent header {(block is null ? "in the inode" : $"in block {block}")} is damaged " +
                $"(magic 0x{node.Magic:X4}, {node.Count} of {node.Max} entries)", block);
        }
        else if (block is not null && node.Depth != depth)
        {
            // The way to it tells how deep it is: its blocks are known all the same.
            Problem(FindingCode.ExtentDepth, $"extent block {block} says that it is at depth {node.Depth}, it is at {depth}", block, isComplete: true);
        }
        return isGood;
    }

    private void TakeExtent(in ExtentMapping extent, ulong limit, ref ulong expected)
    {
        ulong end = (ulong)extent.Logical + extent.Length;
        if (extent.Length == 0)
        {
            Problem(FindingCode.ExtentRange, $"extent for logical block {extent.Logical} has no length");
            return;
        }
        if (!state.Geometry.IsValidRange(extent.Physical, extent.Length))
        {
            Problem(FindingCode.ExtentRange, $"extent for logical block {extent.Logical} names blocks {extent.Physical}+{extent.Length} outside the volume", extent.Physical);
            return;
        }
        if (extent.Logical < expected)
        {
            Problem(FindingCode.ExtentOrder, $"extent for logical block {extent.Logical} behind block {expected}", isComplete: true);
        }
        if (end > limit)
        {
            Problem(FindingCode.ExtentRange, $"extent for logical block {extent.Logical}+{extent.Length} reaches past {limit}", isComplete: true);
        }
        expected = Math.Max(expected, end);
        bool isWritten = extent.State == ExtentState.Written;
        if (!isWritten && _isDirectory)
        {
            Problem(FindingCode.ExtentState, $"directory block {extent.Logical} is unwritten", isComplete: true);
        }
        Take(extent.Logical, extent.Physical, extent.Length, isWritten);
    }

    // Data blocks, whose range is valid.
    private void Take(ulong logical, ulong physical, uint length, bool isWritten)
    {
        Blocks += length;
        DataBlocks += length;
        long last = (long)(logical + length - 1);
        LastBlock = Math.Max(LastBlock, last);
        LastWritten = isWritten ? Math.Max(LastWritten, last) : LastWritten;
        if (logical == 0)
        {
            FirstPhysical = physical;
        }
        switch (_mode)
        {
            case WalkMode.Claim:
                // What another has claimed before is not read as a directory: the conflict is what is reported.
                if (state.Claims.Claim(physical, length) && _isDirectory)
                {
                    for (uint i = 0; i < length; i++)
                    {
                        DirectoryBlocks.Add(new CheckedDirectoryBlock
                        {
                            Physical = physical + i, Logical = unchecked((uint)logical + i), Directory = _directory, MinimumHash = uint.MaxValue,
                        });
                    }
                }
                break;
            case WalkMode.Probe:
                Conflict ??= state.Claims.FirstConflict(physical, length);
                break;
            case WalkMode.Collect:
                for (uint i = 0; i < length && Collected.Count < CollectLimit; i++)
                {
                    Collected.Add(physical + i);
                }
                break;
        }
    }

    // Claims a block of the tree and decides whether it is looked into.
    private bool EnterNode(ulong block, string what, bool isTop = false)
    {
        if (!state.Geometry.IsValidRange(block, 1))
        {
            Problem(what == "extent" ? FindingCode.ExtentRange : FindingCode.BlockRange, $"{what} block {block} is outside the volume", block);
            return false;
        }
        Blocks++;
        switch (_mode)
        {
            case WalkMode.Claim:
            case WalkMode.ClaimTop when isTop:
                if (!state.Claims.Claim(block, 1))
                {
                    IsComplete = false;
                    return false;
                }
                return true;
            case WalkMode.Probe:
                if (state.Claims.IsConflicting(block))
                {
                    Conflict ??= block;
                    return false;
                }
                return true;
            default:
                return ++_nodesRead <= UnclaimedNodeLimit;
        }
    }

    private bool Read(Span<byte> target, ulong block)
    {
        if (state.TryRead(1, target, block, _inode))
        {
            return true;
        }
        IsComplete = false;
        return false;
    }

    private byte[] Buffer(int level)
    {
        if (_nodes[level] is null || _nodes[level].Length != state.Geometry.BlockSize)
        {
            _nodes[level] = new byte[state.Geometry.BlockSize];
        }
        return _nodes[level];
    }

    private void Problem(FindingCode code, string text, ulong? block = null, bool isComplete = false)
    {
        IsComplete &= isComplete;
        if (_mode is WalkMode.Claim or WalkMode.ClaimTop && _problems++ < MaximumProblems)
        {
            state.Findings.Add(1, code, text, _inode, block);
        }
    }
}
