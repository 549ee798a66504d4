using WinLoop.Ext4.Format;

namespace WinLoop.Ext4.Resize;

/// <summary>How far a volume can grow, and what ends it there.</summary>
internal readonly record struct GrowthLimits(ulong Blocks, string Reason)
{
    // BlockGroups keeps no more in memory.
    private const ulong MaximumGroups = 1u << 23;

    /// <summary>The limit of a volume.</summary>
    public static GrowthLimits Of(Geometry geometry)
    {
        bool hasReserve = geometry.Has(CompatFeatures.ResizeInode);
        ulong tableBlocks = geometry.DescriptorBlocks + (hasReserve ? geometry.ReservedDescriptorBlocks : 0ul);
        ulong perGroup = geometry.BlocksPerGroup;
        var best = new GrowthLimits(Blocks(tableBlocks * (ulong)geometry.DescriptorsPerBlock), hasReserve
            ? "the blocks that are reserved for its group descriptors are used up then"
            : "no blocks are reserved for more group descriptors (no resize_inode)");
        if (hasReserve)
        {
            best = best.Or(uint.MaxValue, "its resize_inode has block numbers of 32 bits");
        }
        if (!geometry.Has(IncompatFeatures.Bit64))
        {
            best = best.Or(uint.MaxValue, "it has no 64bit feature");
        }
        best = best.Or(Blocks(uint.MaxValue / geometry.InodesPerGroup), "inode numbers have 32 bits");
        return best.Or(Blocks(MaximumGroups), "more groups are not supported");

        ulong Blocks(ulong groups) => geometry.FirstDataBlock + (groups * perGroup);
    }

    private GrowthLimits Or(ulong blocks, string reason) => blocks < Blocks ? new GrowthLimits(blocks, reason) : this;
}
