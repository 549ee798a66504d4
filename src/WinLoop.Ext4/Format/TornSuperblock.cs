using WinLoop.Storage;

namespace WinLoop.Ext4.Format;

/// <summary>
/// Rebuilds a primary superblock that a power cut tore: its 1,024 bytes are two or more sectors, each of them
/// old or new as a whole. Between the old and the new state only counters, times and marks differ, and any
/// mixture of those is as good as either; so it is enough that everything else is proven to be right.
/// </summary>
internal static class TornSuperblock
{
    private const CompatFeatures KnownCompat = CompatFeatures.HasJournal | CompatFeatures.ExtAttr | CompatFeatures.ResizeInode |
        CompatFeatures.DirIndex | CompatFeatures.SparseSuper2 | CompatFeatures.FastCommit | CompatFeatures.StableInodes | CompatFeatures.OrphanFile;
    private const RoCompatFeatures SetWhileMounted = RoCompatFeatures.LargeFile | RoCompatFeatures.DirNlink | RoCompatFeatures.OrphanPresent;

    /// <summary>The superblock with a fresh checksum, or null if it is not a torn one.</summary>
    public static Superblock? TryRebuild(IBlockDevice device)
    {
        if (!SuperblockReader.HasMagic(device))
        {
            return null;
        }
        Span<byte> raw = stackalloc byte[Superblock.Size];
        device.Read(raw, Superblock.Offset);
        var torn = new Superblock(raw);
        if (torn.HasValidChecksum || !torn.Has(RoCompatFeatures.MetadataCsum))
        {
            return null;
        }
        torn.UpdateChecksum();
        try
        {
            Geometry geometry = Geometry.Create(torn, device.Length);
            // Without a backup to compare it with, at least nothing that no mkfs writes.
            bool isProven = IsPlausible(torn) && HasMatchingDescriptor(device, geometry, torn) &&
                (SuperblockReader.FindBackup(device) is not { } backup || DescribesSameVolume(torn, backup.Superblock));
            return isProven ? torn : null;
        }
        catch (Ext4CorruptException)
        {
            return null;
        }
    }

    /// <summary>Whether the fields that no other proof covers hold what some mkfs writes.</summary>
    internal static bool IsPlausible(Superblock superblock) => superblock.RevisionLevel == 1 && (superblock.Compat & ~KnownCompat) == 0;

    // The checksum of group 0's descriptor is seeded with the volume's seed.
    private static bool HasMatchingDescriptor(IBlockDevice device, Geometry geometry, Superblock sb)
    {
        Span<byte> raw = stackalloc byte[geometry.DescriptorSize];
        device.Read(raw, (long)(geometry.FirstDataBlock + 1) << geometry.BlockSizeBits);
        var descriptor = new GroupDescriptor(raw);
        return descriptor.Checksum == descriptor.ComputeChecksum(geometry, sb.Uuid, 0);
    }

    /// <summary>Whether all that no driver changes while it is mounted is the same.</summary>
    internal static bool DescribesSameVolume(Superblock a, Superblock b) =>
        a.Uuid.SequenceEqual(b.Uuid) && a.RevisionLevel == b.RevisionLevel && a.BlocksCount == b.BlocksCount && a.InodesCount == b.InodesCount &&
        a.LogBlockSize == b.LogBlockSize && a.BlocksPerGroup == b.BlocksPerGroup && a.InodesPerGroup == b.InodesPerGroup &&
        a.InodeSize == b.InodeSize && a.DescriptorSize == b.DescriptorSize && a.FirstInode == b.FirstInode &&
        (a.Incompat & ~IncompatFeatures.Recover) == (b.Incompat & ~IncompatFeatures.Recover) &&
        (a.Compat & ~CompatFeatures.ExtAttr) == (b.Compat & ~CompatFeatures.ExtAttr) &&
        (a.RoCompat & ~SetWhileMounted) == (b.RoCompat & ~SetWhileMounted) &&
        a.HashSeed.SequenceEqual(b.HashSeed) && a.JournalInode == b.JournalInode && a.OrphanFileInode == b.OrphanFileInode &&
        a.ChecksumSeed == b.ChecksumSeed && a.LogGroupsPerFlex == b.LogGroupsPerFlex;
}
