using WinLoop.Ext4.Format;

namespace WinLoop.Ext4.Check;

/// <summary>
/// The index of a directory, after its leaves have been read: every block is reached exactly once, pairs ascend,
/// and the names of a leaf have hashes of its range. Two levels at most, so two loops and no stack.
/// </summary>
internal sealed class HtreeCheck(CheckState state)
{
    private const int MaximumLevels = 1;
    private const int MaximumProblems = 8;

    private readonly Growable<byte> _isReached = new();
    private byte[] _root = [], _node = [];
    private int _problems;

    public void Check(int index)
    {
        CheckedDirectory directory = state.Directories[index];
        Geometry geometry = state.Geometry;
        if (_root.Length != geometry.BlockSize)
        {
            _root = new byte[geometry.BlockSize];
            _node = new byte[geometry.BlockSize];
        }
        _problems = 0;
        if (!TryFind(directory, 0, out int first) || !state.TryRead(2, _root, state.DirectoryBlocks[first].Physical, directory.Inode))
        {
            return; // the hole was reported
        }
        if (HtreeNode.CheckRoot(_root, state.Format, MaximumLevels) is { } problem)
        {
            Add(FindingCode.HtreeRoot, directory, problem);
            return;
        }
        _isReached.Reset(directory.BlockCount);
        _isReached[first - directory.FirstBlock] = 1;
        CheckPairs(directory, _root, HtreeNode.RootPairs, 0, uint.MaxValue, HtreeNode.Levels(_root));
        for (int i = 0; i < directory.BlockCount; i++)
        {
            if (_isReached[i] == 0)
            {
                Add(FindingCode.HtreeReference, directory, $"the index does not reach block {state.DirectoryBlocks[directory.FirstBlock + i].Logical}");
            }
        }
    }

    // The hash range of the pairs is low .. high; an odd high end means that names of the hash below it may be on
    // both sides of the border.
    private void CheckPairs(CheckedDirectory directory, byte[] data, int pairsAt, uint low, uint high, int levels)
    {
        int count = HtreeNode.Count(data, pairsAt);
        uint before = low;
        for (int i = 0; i < count; i++)
        {
            uint key = i == 0 ? low : HtreeNode.Key(data, pairsAt, i);
            uint next = i + 1 < count ? HtreeNode.Key(data, pairsAt, i + 1) : high;
            if (key < before || next > high)
            {
                Add(FindingCode.HtreeNode, directory, $"the index keys 0x{before:X8}, 0x{key:X8}, 0x{next:X8} are out of order");
                return;
            }
            before = key;
            CheckChild(directory, HtreeNode.Block(data, pairsAt, i), key, next, levels);
        }
    }

    private void CheckChild(CheckedDirectory directory, uint logical, uint key, uint next, int levels)
    {
        if (!TryFind(directory, logical, out int index))
        {
            Add(FindingCode.HtreeReference, directory, $"the index names block {logical}, which the directory does not have");
            return;
        }
        ref byte isReached = ref _isReached[index - directory.FirstBlock];
        if (isReached != 0)
        {
            Add(FindingCode.HtreeReference, directory, $"the index reaches block {logical} twice");
            return;
        }
        isReached = 1;
        CheckedDirectoryBlock block = state.DirectoryBlocks[index];
        bool isNode = block.MaximumHash == DirectoryBlockScanner.NodeMark;
        if (isNode != (levels > 0))
        {
            Add(FindingCode.HtreeNode, directory, $"block {logical} is {(isNode ? "an index node where a leaf" : "no index node where one")} should be");
            return;
        }
        if (!isNode)
        {
            // A name with the hash of an odd border may be left and right of it.
            bool isInRange = block.MinimumHash > block.MaximumHash ||
                (block.MinimumHash >= (key & ~1u) && (block.MaximumHash < next || next == uint.MaxValue));
            if (!isInRange)
            {
                Add(FindingCode.HtreeHash, directory, $"block {logical} has names with hashes 0x{block.MinimumHash:X8}..0x{block.MaximumHash:X8}, " +
                    $"its range is 0x{key:X8}..0x{next:X8}");
            }
            return;
        }
        if (!state.TryRead(2, _node, block.Physical, directory.Inode))
        {
            return;
        }
        if (HtreeNode.CheckNode(_node, state.Format) is { } problem)
        {
            Add(FindingCode.HtreeNode, directory, $"block {logical}: {problem}");
            return;
        }
        CheckPairs(directory, _node, HtreeNode.NodePairs, key, next, levels - 1);
    }

    private bool TryFind(in CheckedDirectory directory, uint logical, out int index)
    {
        int low = directory.FirstBlock, high = directory.FirstBlock + directory.BlockCount - 1;
        while (low <= high)
        {
            index = (low + high) >> 1;
            uint at = state.DirectoryBlocks[index].Logical;
            if (at == logical)
            {
                return true;
            }
            if (at < logical)
            {
                low = index + 1;
            }
            else
            {
                high = index - 1;
            }
        }
        index = -1;
        return false;
    }

    private void Add(FindingCode code, in CheckedDirectory directory, string text)
    {
        if (_problems++ < MaximumProblems)
        {
            state.Findings.Add(2, code, text, directory.Inode);
        }
    }
}
