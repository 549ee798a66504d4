using WinLoop.Ext4.Cache;
using WinLoop.Ext4.Format;
using WinLoop.Ext4.Journal;

namespace WinLoop.Ext4.Extents;

/// <summary>
/// The mapping of a file's logical blocks: extent trees of any depth, read and written, and (read and
/// truncate only) the block maps of older volumes. Callers hold the inode lock: shared for <see cref="Map"/>,
/// exclusive for everything else; every change marks the inode's in-memory state and writes it through the
/// inode cache.
/// </summary>
internal sealed partial class ExtentTree(Ext4Volume volume)
{
    /// <summary>The most blocks one call of <see cref="Insert"/> or <see cref="MarkWritten"/> may join.</summary>
    public const int InsertCredits = 24;

    private readonly BlockMap _blockMap = new(volume);

    /// <summary>The run that covers <paramref name="logical"/>, from its own start or from inside it on; holes
    /// have their length too, so that nobody walks them block by block.</summary>
    public ExtentMapping Map(Inode inode, uint logical)
    {
        if (inode.CachedExtent.TryGet(logical, out ExtentMapping mapping))
        {
            return mapping;
        }
        if (logical == ExtentNode.LogicalEnd)
        {
            throw new Ext4Exception(Errno.EFBIG);
        }
        mapping = inode.HasExtents ? MapTree(inode, logical) : _blockMap.Map(inode, logical);
        inode.CachedExtent.Set(mapping);
        return mapping;
    }

    /// <summary>Walks the mapped runs in order, as FIEMAP does.</summary>
    /// <param name="inode">The inode.</param>
    /// <param name="cursor">Where to look; afterwards behind the run that was found.</param>
    /// <param name="mapping">The first run at or behind the cursor that is not a hole.</param>
    /// <returns>False if there is none.</returns>
    public bool MapNext(Inode inode, ref uint cursor, out ExtentMapping mapping)
    {
        while (cursor < ExtentNode.LogicalEnd)
        {
            mapping = Map(inode, cursor).From(cursor);
            cursor = mapping.End;
            if (mapping.State != ExtentState.Hole)
            {
                return true;
            }
        }
        mapping = default;
        return false;
    }

    /// <summary>Makes an empty extent root in a new inode (sets the Extents flag).</summary>
    public void InitializeRoot(Inode inode)
    {
        Span<byte> area = inode.Block;
        area.Clear();
        ExtentPath.Root(inode).Initialize(ExtentNode.RootCapacity, 0);
        inode.Flags |= InodeFlags.Extents;
        inode.IsMapChecked = true;
        inode.CachedExtent.Clear();
    }

    /// <summary>A good physical block for <paramref name="logical"/>: behind the left neighbour, else in the inode's group.</summary>
    public ulong Goal(Inode inode, uint logical)
    {
        Geometry geometry = volume.Geometry;
        if (logical > 0 && inode.CachedExtent.TryGet(logical - 1, out ExtentMapping near) && near.State != ExtentState.Hole)
        {
            return near.PhysicalOf(logical - 1) + 1;
        }
        ulong home = geometry.GroupStart(geometry.GroupOfInode(inode.Number));
        if (!inode.HasExtents)
        {
            return home;
        }
        ExtentPath path = Find(inode, logical);
        try
        {
            ExtentNode leaf = path.Leaf;
            if (path.LeafIndex >= 0)
            {
                // The same distance on the disk leaves room for what may be written in between.
                ExtentMapping left = leaf.Extent(path.LeafIndex);
                ulong goal = left.Physical + (logical - left.Logical);
                return goal < geometry.BlocksCount ? goal : left.Physical + left.Length - 1;
            }
            if (leaf.Count > 0)
            {
                ExtentMapping right = leaf.Extent(0);
                ulong distance = right.Logical - logical;
                return right.Physical > distance && right.Physical - distance >= geometry.FirstDataBlock
                    ? right.Physical - distance : right.Physical;
            }
            return home;
        }
        finally
        {
            path.Dispose();
        }
    }

    private ExtentMapping MapTree(Inode inode, uint logical)
    {
        ExtentNode node = CheckedRoot(inode);
        MetadataBuffer? held = null;
        try
        {
            uint start = 0, end = ExtentNode.LogicalEnd;
            int at;
            for (int depth = node.Depth; depth > 0; depth--)
            {
                at = node.Find(logical);
                if (at < 0)
                {
                    return Hole(start, node.Key(0));
                }
                start = node.Key(at);
                end = at + 1 < node.Count ? node.Key(at + 1) : end;
                MetadataBuffer child = Load(inode, node.Child(at), depth - 1, start, end);
                held?.Dispose();
                held = child;
                node = new ExtentNode(child.Data);
            }
            at = node.Find(logical);
            if (at >= 0)
            {
                ExtentMapping extent = node.Extent(at);
                if (logical < extent.End)
                {
                    return extent;
                }
                start = extent.End;
            }
            return Hole(start, at + 1 < node.Count ? node.Key(at + 1) : end);
        }
        finally
        {
            held?.Dispose();
        }
    }

    private static ExtentMapping Hole(uint start, uint end) => new(start, 0, end - start, ExtentState.Hole);

    // The nodes from the root to the leaf that maps the logical block or would.
    private ExtentPath Find(Inode inode, uint logical)
    {
        var path = new ExtentPath(inode);
        ExtentNode node = CheckedRoot(inode);
        int depth = node.Depth;
        path[0].End = ExtentNode.LogicalEnd;
        try
        {
            for (int level = 0; level < depth; level++)
            {
                ref ExtentPathLevel at = ref path[level];
                at.Index = Math.Max(node.Find(logical), 0);
                uint start = node.Key(at.Index);
                uint end = at.Index + 1 < node.Count ? node.Key(at.Index + 1) : at.End;
                MetadataBuffer child = Load(inode, node.Child(at.Index), depth - level - 1, start, end);
                path[level + 1] = new ExtentPathLevel { Buffer = child, Start = start, End = end };
                path.Depth = level + 1;
                node = new ExtentNode(child.Data);
            }
        }
        catch
        {
            path.Dispose();
            throw;
        }
        path[depth].Index = node.Find(logical);
        return path;
    }

    private ExtentNode CheckedRoot(Inode inode)
    {
        ExtentNode root = ExtentPath.Root(inode);
        if (!inode.IsMapChecked)
        {
            if (!inode.HasExtents)
            {
                throw new Ext4NotSupportedException("block map", $"inode {inode.Number} has no extents and cannot be changed");
            }
            if (CheckNode(inode, root, ExtentNode.RootCapacity) is { } wrong)
            {
                throw new Ext4CorruptException($"inode {inode.Number}, extent root", wrong);
            }
            inode.IsMapChecked = true;
        }
        return root;
    }

    // A reference to a node below the root. What is inside it is checked when it is read from the disk,
    // its place in this tree every time.
    private MetadataBuffer Load(Inode inode, ulong block, int depth, uint start, uint end)
    {
        MetadataBuffer buffer = volume.Cache.Read(block, BufferKind.ExtentNode, inode.ChecksumSeed);
        var node = new ExtentNode(buffer.Data);
        if (buffer.IsStructureChecked && node.Depth == depth)
        {
            int count = node.Count;
            if (count == 0 || (node.Key(0) >= start && LastEnd(node, count) <= end))
            {
                return buffer;
            }
        }
        try
        {
            if (!buffer.IsStructureChecked)
            {
                if (CheckNode(inode, node, ExtentNode.Capacity(volume.Geometry.BlockSize)) is { } wrong)
                {
                    throw Corrupt(inode, block, wrong);
                }
                buffer.IsStructureChecked = true;
            }
            if (node.Depth != depth)
            {
                throw Corrupt(inode, block, $"eh_depth is {node.Depth} where {depth} is due");
            }
            if (node.Count > 0 && (node.Key(0) < start || LastEnd(node, node.Count) > end))
            {
                throw Corrupt(inode, block, $"entries outside of logical blocks {start}..{end - 1}");
            }
            return buffer;
        }
        catch
        {
            buffer.Dispose();
            throw;
        }
    }

    private static uint LastEnd(ExtentNode node, int count) =>
        node.Depth == 0 ? node.Extent(count - 1).End : node.Key(count - 1) + 1;

    private string? CheckNode(Inode inode, ExtentNode node, int capacity)
    {
        if (node.Check(capacity) is { } wrong)
        {
            return wrong;
        }
        if (capacity > ExtentNode.RootCapacity && node.Max < ExtentNode.RootCapacity)
        {
            return $"eh_max is {node.Max}";
        }
        // The journal's own blocks are looked up before anything is known about the groups.
        bool isJournal = inode.Number == volume.Superblock.JournalInode;
        for (int i = 0; i < node.Count; i++)
        {
            (ulong start, uint count) = node.Depth == 0 ? (node.Extent(i).Physical, node.Extent(i).Length) : (node.Child(i), 1u);
            if (!volume.Geometry.IsValidRange(start, count) || (!isJournal && volume.Groups.IsSystemZone(start, count)))
            {
                return $"entry {i} points to blocks {start}+{count}, which cannot belong to a file";
            }
        }
        return null;
    }

    private static Ext4CorruptException Corrupt(Inode inode, ulong block, string what) =>
        new($"inode {inode.Number}, extent block {block}", what);

    private static Ext4CorruptException Corrupt(Inode inode, string what) => new($"inode {inode.Number}, extent tree", what);
}
