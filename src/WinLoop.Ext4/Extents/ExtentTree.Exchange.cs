using WinLoop.Ext4.Format;

namespace WinLoop.Ext4.Extents;

// The journal's blocks cannot be exchanged by a transaction, which would be in those very blocks.
internal sealed partial class ExtentTree
{
    /// <summary>The extents of a tree of one level; null if it has more.</summary>
    internal List<ExtentMapping>? RootExtents(Inode inode)
    {
        ExtentNode root = CheckedRoot(inode);
        if (root.Depth != 0)
        {
            return null;
        }
        var extents = new List<ExtentMapping>();
        for (int i = 0; i < root.Count; i++)
        {
            extents.Add(root.Extent(i));
        }
        return extents;
    }

    /// <summary>Maps a part to other blocks, and its old blocks as an unwritten extent of their own.</summary>
    /// <param name="extents">All extents of a file.</param>
    /// <param name="part">What is mapped now; inside one extent.</param>
    /// <param name="physical">The new first block of the part.</param>
    /// <param name="spare">Where the old blocks are mapped, behind the file's end; what is there is replaced.</param>
    internal static List<ExtentMapping> Exchange(List<ExtentMapping> extents, in ExtentMapping part, ulong physical, uint spare)
    {
        var result = new List<ExtentMapping>();
        foreach (ExtentMapping extent in extents)
        {
            if (extent.Logical >= spare)
            {
                continue;
            }
            if (part.Logical >= extent.End || part.End <= extent.Logical)
            {
                Append(result, extent);
                continue;
            }
            Append(result, extent with { Length = part.Logical - extent.Logical });
            Append(result, part with { Physical = physical });
            Append(result, extent.From(part.End) with { Length = extent.End - part.End });
        }
        Append(result, new ExtentMapping(spare, part.Physical, part.Length, ExtentState.Unwritten));
        return result;
    }

    /// <summary>Replaces the root of a tree of one level; the caller writes the inode.</summary>
    internal static void ReplaceRoot(Inode inode, List<ExtentMapping> extents)
    {
        ExtentNode root = ExtentPath.Root(inode);
        root.Entries(0, root.Count).Clear();
        root.Count = extents.Count;
        for (int i = 0; i < extents.Count; i++)
        {
            root.SetExtent(i, extents[i]);
        }
        inode.IsMapChecked = false;
        inode.CachedExtent.Clear();
    }

    private static void Append(List<ExtentMapping> extents, in ExtentMapping extent)
    {
        if (extent.Length == 0)
        {
            return;
        }
        if (extents.Count > 0 && CanJoin(extents[^1], extent))
        {
            extents[^1] = Joined(extents[^1], extent);
        }
        else
        {
            extents.Add(extent);
        }
    }
}
