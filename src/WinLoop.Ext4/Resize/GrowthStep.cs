using WinLoop.Ext4.Allocation;
using WinLoop.Ext4.Format;

namespace WinLoop.Ext4.Resize;

/// <summary>One transaction of a growth: the old last group gets longer, groups are added, or both.</summary>
internal sealed class GrowthStep
{
    private GrowthStep(Superblock superblock, Geometry before, Geometry after)
    {
        Superblock = superblock;
        Before = before;
        After = after;
        FirstAdded = before.GroupCount;
        Lengthened = after.BlocksInGroup(FirstAdded - 1) - before.BlocksInGroup(FirstAdded - 1);
        Added = GroupPlacement.Place(after, FirstAdded, after.GroupCount);
    }

    /// <summary>The superblock afterwards.</summary>
    public Superblock Superblock { get; }
    /// <summary>The size before; frozen.</summary>
    public Geometry Before { get; }
    /// <summary>The size afterwards.</summary>
    public Geometry After { get; }
    /// <summary>The first added group, also if there are none.</summary>
    public uint FirstAdded { get; }
    /// <summary>Blocks that the old last group gets.</summary>
    public uint Lengthened { get; }
    /// <summary>The new groups.</summary>
    public List<AddedGroup> Added { get; }

    /// <summary>Descriptor blocks that were reserved ones before.</summary>
    public uint NewDescriptorBlocks => After.DescriptorBlocks - Before.DescriptorBlocks;

    /// <summary>True if the resize inode's map changes.</summary>
    public bool ChangesResizeInode => After.Has(CompatFeatures.ResizeInode) && (NewDescriptorBlocks != 0 || AddsBackup);

    private bool AddsBackup => Added.Exists(group => After.HasSuperblock(group.Number));

    /// <summary>The most metadata blocks that the transaction holds.</summary>
    public int Credits
    {
        get
        {
            uint first = (FirstAdded - 1) / (uint)After.DescriptorsPerBlock;
            uint last = (After.GroupCount - 1) / (uint)After.DescriptorsPerBlock;
            long credits = 4 + (last - first + 1);
            if (ChangesResizeInode)
            {
                credits += 2 + (AddsBackup ? After.ReservedDescriptorBlocks : 0);
            }
            return (int)Math.Min(credits, int.MaxValue);
        }
    }

    /// <summary>The largest step towards a size that one transaction can hold.</summary>
    /// <param name="current">The superblock now.</param>
    /// <param name="target">Blocks in the end.</param>
    /// <param name="reservedShare">Root's share of the blocks, 0 to 1.</param>
    /// <param name="deviceLength">Bytes in the device.</param>
    /// <param name="maximumCredits">Blocks in a transaction.</param>
    /// <exception cref="Ext4NotSupportedException">Not even the smallest step fits the journal.</exception>
    public static GrowthStep Next(Superblock current, ulong target, double reservedShare, long deviceLength, int maximumCredits)
    {
        Geometry before = Geometry.Create(current, deviceLength);
        uint groups = GroupsOf(before, target) - before.GroupCount;
        // A step of many groups costs as much as one of few; but its memory and its zeroing are in one piece.
        for (uint count = Math.Min(groups, MaximumGroups); ; count /= 2)
        {
            ulong end = count == groups ? target : EndOf(before, count);
            GrowthStep step = Create(current, before, end, reservedShare, deviceLength);
            if (step.Credits <= maximumCredits)
            {
                return step;
            }
            if (count == 0 || groups == 0)
            {
                throw TooShort(step.Credits, maximumCredits);
            }
            if (count == 1 && before.BlocksInGroup(before.GroupCount - 1) == before.BlocksPerGroup)
            {
                throw TooShort(step.Credits, maximumCredits);
            }
        }
    }

    private const uint MaximumGroups = 512;

    private static Ext4NotSupportedException TooShort(int credits, int maximum) =>
        new("journal", $"growing takes a transaction of {credits} blocks, and the journal takes {maximum}");

    private static uint GroupsOf(Geometry geometry, ulong blocks) =>
        (uint)((blocks - geometry.FirstDataBlock + geometry.BlocksPerGroup - 1) / geometry.BlocksPerGroup);

    // So many full groups more, or, where that can be, up to the end of a flex group.
    private static ulong EndOf(Geometry before, uint count)
    {
        uint groups = before.GroupCount + count;
        uint aligned = groups - (groups % before.GroupsPerFlex);
        return before.GroupStart(aligned > before.GroupCount ? aligned : groups);
    }

    private static GrowthStep Create(Superblock current, Geometry before, ulong blocks, double reservedShare, long deviceLength)
    {
        var next = new Superblock(current.Raw);
        uint groups = GroupsOf(before, blocks);
        uint tableBlocks = (groups + (uint)before.DescriptorsPerBlock - 1) / (uint)before.DescriptorsPerBlock;
        next.BlocksCount = blocks;
        next.InodesCount = groups * before.InodesPerGroup;
        next.ReservedGdtBlocks = (ushort)(before.ReservedDescriptorBlocks - (tableBlocks - before.DescriptorBlocks));
        next.ReservedBlocksCount = (ulong)(reservedShare * blocks);
        var step = new GrowthStep(next, before, Geometry.Create(next, deviceLength));
        ulong free = step.Lengthened, used = 0;
        foreach (AddedGroup group in step.Added)
        {
            free += group.State.FreeBlocks;
            used += group.Blocks - group.State.FreeBlocks;
        }
        next.FreeBlocksCount += free;
        next.FreeInodesCount += (uint)step.Added.Count * before.InodesPerGroup;
        if (next.OverheadClusters != 0)
        {
            next.OverheadClusters = (uint)Math.Min(next.OverheadClusters + used, uint.MaxValue);
        }
        return step;
    }
}
