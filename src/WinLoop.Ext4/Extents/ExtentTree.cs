using WinLoop.Ext4.Journal;

namespace WinLoop.Ext4.Extents;

/// <summary>
/// The mapping of a file's logical blocks: extent trees of any depth, read and written, and (read-only)
/// the block maps of older volumes. Callers hold the inode lock: shared for <see cref="Map"/>, exclusive
/// for everything else; every change marks the inode's in-memory state and writes it through the inode cache.
/// </summary>
internal sealed class ExtentTree(Ext4Volume volume)
{
    /// <summary>The most blocks one call of <see cref="Insert"/> or <see cref="MarkWritten"/> may join.</summary>
    public const int InsertCredits = 24;

    /// <summary>The run that covers <paramref name="logical"/>, from its own start or from inside it on; holes
    /// have their length too, so that nobody walks them block by block.</summary>
    public ExtentMapping Map(Inode inode, uint logical) => throw new NotImplementedException();

    /// <summary>Makes an empty extent root in a new inode (sets the Extents flag).</summary>
    public void InitializeRoot(Inode inode) => throw new NotImplementedException();

    /// <summary>Maps a hole to blocks, merging with the neighbours where it can. Splits nodes and grows the
    /// tree as needed; adds the blocks of new nodes (not the mapped ones) to <see cref="Inode.Sectors"/>.</summary>
    public void Insert(Handle handle, Inode inode, in ExtentMapping extent) => throw new NotImplementedException();

    /// <summary>Turns (part of) unwritten extents into written ones; already written parts are left.</summary>
    public void MarkWritten(Handle handle, Inode inode, uint logical, uint length) => throw new NotImplementedException();

    /// <summary>
    /// Unmaps and frees the blocks of [first, last], from the end towards the start, restarting the handle
    /// when it runs out of credits; the tree is valid at every restart.
    /// </summary>
    /// <returns>The handle in use at the end (a new one after restarts).</returns>
    public Handle Remove(Handle handle, Inode inode, uint first, uint last) => throw new NotImplementedException();

    /// <summary>A good physical block for <paramref name="logical"/>: behind the left neighbour, else in the inode's group.</summary>
    public ulong Goal(Inode inode, uint logical) => throw new NotImplementedException();

    private Ext4Volume Volume => volume;
}
