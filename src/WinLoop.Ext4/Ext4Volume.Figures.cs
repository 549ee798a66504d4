namespace WinLoop.Ext4;

/// <summary>What a mounted volume holds and has done.</summary>
/// <param name="Commits">Transactions committed since the mount.</param>
/// <param name="CachedBlocks">Metadata blocks in memory.</param>
/// <param name="CachedBlockLimit">The bound of the former.</param>
/// <param name="CachedInodes">Inodes in memory.</param>
public readonly record struct VolumeFigures(long Commits, long CachedBlocks, long CachedBlockLimit, long CachedInodes);

public sealed partial class Ext4Volume
{
    /// <summary>The figures now.</summary>
    public VolumeFigures GetFigures() => new(Journal.CommitCount, Cache.Count, Cache.Capacity, Inodes.Count);
}
