namespace WinLoop.Ext4.Format;

/// <summary>
/// Everything that follows from the superblock: sizes, counts and places, checked once
/// (<see cref="Create"/>) and then used without further checks.
/// </summary>
public sealed class Geometry
{
#pragma warning disable CS1591
    /// <summary>Bytes per block: 1,024 to 65,536.</summary>
    public int BlockSize { get; private init; }
    public int BlockSizeBits { get; private init; }
    /// <summary>Blocks in the volume, including those before <see cref="FirstDataBlock"/>.</summary>
    public ulong BlocksCount => _extent.Blocks;
    public uint FirstDataBlock { get; private init; }
    public uint BlocksPerGroup { get; private init; }
    public uint InodesPerGroup { get; private init; }
    public uint InodesCount => _extent.Inodes;
    public uint GroupCount => _extent.Groups;
    public int InodeSize { get; private init; }
    public int InodesPerBlock { get; private init; }
    public uint InodeTableBlocks { get; private init; }
    public uint FirstInode { get; private init; }
    /// <summary>Bytes per group descriptor: 32, or s_desc_size with 64bit.</summary>
    public int DescriptorSize { get; private init; }
    public int DescriptorsPerBlock { get; private init; }
    public uint DescriptorBlocks => _extent.DescriptorBlocks;
    public uint ReservedDescriptorBlocks => _extent.ReservedDescriptorBlocks;
    public uint GroupsPerFlex { get; private init; }
    /// <summary>Seed of all metadata checksums but the superblock's.</summary>
    public uint ChecksumSeed { get; private init; }
    public bool HasMetadataChecksums { get; private init; }
    public bool HasGdtChecksums { get; private init; }
    public CompatFeatures Compat { get; private init; }
    public IncompatFeatures Incompat { get; private init; }
    public RoCompatFeatures RoCompat { get; private init; }
    /// <summary>512-byte sectors per block.</summary>
    public int SectorsPerBlock => BlockSize >> 9;
    public bool Has(CompatFeatures feature) => (Compat & feature) != 0;
    public bool Has(IncompatFeatures feature) => (Incompat & feature) != 0;
    public bool Has(RoCompatFeatures feature) => (RoCompat & feature) != 0;
#pragma warning restore CS1591

    // What a change of the size changes, in one piece: a reader sees the old size or the new one.
    // The backup groups are s_backup_bgs of sparse_super2; 0 = unused.
    private sealed record Extent(ulong Blocks, uint Groups, uint Inodes, uint DescriptorBlocks, uint ReservedDescriptorBlocks,
        uint BackupGroup0, uint BackupGroup1);

    // Few: a look through them is cheaper than a set.
    private uint[] _systemInodes = [];

    private volatile Extent _extent;

    private Geometry(Extent extent) => _extent = extent;

    /// <summary>Checks the superblock's numbers against each other and the device.</summary>
    /// <param name="sb">The superblock; its magic, checksum and feature bits are checked elsewhere.</param>
    /// <param name="deviceLength">Bytes in the device.</param>
    /// <exception cref="Ext4CorruptException">A number is impossible.</exception>
    public static Geometry Create(Superblock sb, long deviceLength)
    {
        Check(sb.RevisionLevel <= 1, "s_rev_level", sb.RevisionLevel);
        Check(sb.LogBlockSize <= 6, "s_log_block_size", sb.LogBlockSize);
        int blockSize = 1024 << (int)sb.LogBlockSize;
        bool is64 = sb.Has(IncompatFeatures.Bit64);
        int descSize = is64 ? sb.DescriptorSize : 32;
        Check(descSize >= (is64 ? 64 : 32) && descSize <= 1024 && descSize <= blockSize && int.IsPow2(descSize), "s_desc_size", descSize);
        int inodeSize = sb.InodeSize;
        Check(inodeSize >= 128 && inodeSize <= blockSize && int.IsPow2(inodeSize), "s_inode_size", inodeSize);
        int inodesPerBlock = blockSize / inodeSize;
        bool bigalloc = sb.Has(RoCompatFeatures.BigAlloc);
        if (!bigalloc)
        {
            Check(sb.LogClusterSize == sb.LogBlockSize || sb.RevisionLevel == 0, "s_log_cluster_size", sb.LogClusterSize);
            Check(sb.BlocksPerGroup == sb.ClustersPerGroup || sb.RevisionLevel == 0, "s_clusters_per_group", sb.ClustersPerGroup);
            Check(sb.BlocksPerGroup is > 0 && sb.BlocksPerGroup <= 8u * (uint)blockSize && sb.BlocksPerGroup % 8 == 0,
                "s_blocks_per_group", sb.BlocksPerGroup);
        }
        else
        {
            Check(sb.LogClusterSize >= sb.LogBlockSize && sb.LogClusterSize <= 20, "s_log_cluster_size", sb.LogClusterSize);
            uint ratioBits = sb.LogClusterSize - sb.LogBlockSize;
            Check(sb.ClustersPerGroup > 0 && sb.ClustersPerGroup <= 8u * (uint)blockSize && sb.ClustersPerGroup % 8 == 0,
                "s_clusters_per_group", sb.ClustersPerGroup);
            Check(sb.BlocksPerGroup == (ulong)sb.ClustersPerGroup << (int)ratioBits, "s_blocks_per_group", sb.BlocksPerGroup);
        }
        Check(sb.InodesPerGroup >= inodesPerBlock && sb.InodesPerGroup <= 8u * (uint)blockSize && sb.InodesPerGroup % 8 == 0,
            "s_inodes_per_group", sb.InodesPerGroup);
        ulong blocks = sb.BlocksCount;
        Check(blocks > 0 && blocks <= (ulong)deviceLength / (ulong)blockSize, "s_blocks_count",
            $"{blocks} blocks of {blockSize} bytes on a device of {deviceLength} bytes");
        Check(sb.FirstDataBlock == (blockSize == 1024 && !bigalloc ? 1u : 0u) && sb.FirstDataBlock < blocks,
            "s_first_data_block", sb.FirstDataBlock);
        ulong groups = (blocks - sb.FirstDataBlock + sb.BlocksPerGroup - 1) / sb.BlocksPerGroup;
        Check(groups <= uint.MaxValue / 64, "group count", groups);
        Check(groups * sb.InodesPerGroup == sb.InodesCount, "s_inodes_count", sb.InodesCount);
        uint firstInode = sb.FirstInode;
        Check(firstInode >= 11 && firstInode <= sb.InodesCount, "s_first_ino", firstInode);
        Check(sb.LogGroupsPerFlex <= 31, "s_log_groups_per_flex", sb.LogGroupsPerFlex);
        if (sb.Has(RoCompatFeatures.MetadataCsum))
        {
            Check(sb.ChecksumType == 1, "s_checksum_type", sb.ChecksumType);
        }
        int perBlock = blockSize / descSize;
        uint gdtBlocks = (uint)((groups + (uint)perBlock - 1) / (uint)perBlock);
        Check(sb.Has(IncompatFeatures.MetaBg) || sb.FirstDataBlock + 1ul + gdtBlocks + sb.ReservedGdtBlocks <= blocks,
            "group descriptor table", $"{gdtBlocks} blocks in a volume of {blocks}");
        Check(!sb.Has(IncompatFeatures.MetaBg) || sb.FirstMetaBg <= gdtBlocks, "s_first_meta_bg", sb.FirstMetaBg);
        Check(sb.ReservedGdtBlocks <= blockSize / 4, "s_reserved_gdt_blocks", sb.ReservedGdtBlocks);
        Check(sb.ReservedBlocksCount <= blocks, "s_r_blocks_count", sb.ReservedBlocksCount);

        return new Geometry(new Extent(blocks, (uint)groups, sb.InodesCount, gdtBlocks, sb.ReservedGdtBlocks, sb.BackupGroup0, sb.BackupGroup1))
        {
            BlockSize = blockSize,
            BlockSizeBits = 10 + (int)sb.LogBlockSize,
            FirstDataBlock = sb.FirstDataBlock,
            BlocksPerGroup = sb.BlocksPerGroup,
            InodesPerGroup = sb.InodesPerGroup,
            InodeSize = inodeSize,
            InodesPerBlock = inodesPerBlock,
            InodeTableBlocks = (sb.InodesPerGroup + (uint)inodesPerBlock - 1) / (uint)inodesPerBlock,
            FirstInode = firstInode,
            DescriptorSize = descSize,
            DescriptorsPerBlock = perBlock,
            GroupsPerFlex = sb.Has(IncompatFeatures.FlexBg) ? 1u << Math.Min((int)sb.LogGroupsPerFlex, 30) : 1,
            ChecksumSeed = sb.ComputeFileSystemSeed(),
            HasMetadataChecksums = sb.Has(RoCompatFeatures.MetadataCsum),
            HasGdtChecksums = sb.Has(RoCompatFeatures.GdtCsum) && !sb.Has(RoCompatFeatures.MetadataCsum),
            Compat = sb.Compat,
            Incompat = sb.Incompat,
            RoCompat = sb.RoCompat,
            _systemInodes = [.. new[] { sb.JournalInode, sb.UserQuotaInode, sb.GroupQuotaInode, sb.ProjectQuotaInode,
                sb.Has(CompatFeatures.OrphanFile) ? sb.OrphanFileInode : 0 }.Where(n => n >= firstInode).Distinct()],
        };
    }

    /// <summary>True for inodes that are the file system's own: no directory names them and nobody opens them. Those below
    /// <see cref="FirstInode"/> but the root, and what the superblock names as journal, quota or orphan file.</summary>
    public bool IsSystemInode(uint number) => number < FirstInode ? number != 2 : _systemInodes.AsSpan().Contains(number);

    /// <summary>First block of group <paramref name="group"/>.</summary>
    public ulong GroupStart(uint group) => FirstDataBlock + ((ulong)group * BlocksPerGroup);

    /// <summary>Blocks in group <paramref name="group"/>; fewer than the others' in the last group only.</summary>
    public uint BlocksInGroup(uint group)
    {
        Extent extent = _extent;
        return group == extent.Groups - 1 ? (uint)(extent.Blocks - GroupStart(group)) : BlocksPerGroup;
    }

    /// <summary>The group of a block.</summary>
    public uint GroupOfBlock(ulong block) => (uint)((block - FirstDataBlock) / BlocksPerGroup);

    /// <summary>The group of an inode.</summary>
    public uint GroupOfInode(uint inode) => (inode - 1) / InodesPerGroup;

    /// <summary>True if a copy of the superblock starts group <paramref name="group"/>.</summary>
    public bool HasSuperblock(uint group)
    {
        if (group == 0)
        {
            return true;
        }
        if (Has(CompatFeatures.SparseSuper2))
        {
            Extent extent = _extent;
            return group == extent.BackupGroup0 || group == extent.BackupGroup1;
        }
        if (group == 1 || !Has(RoCompatFeatures.SparseSuper))
        {
            return true;
        }
        return IsPowerOf(group, 3) || IsPowerOf(group, 5) || IsPowerOf(group, 7);
    }

    /// <summary>True if <paramref name="count"/> blocks from <paramref name="block"/> on lie inside the volume's data area.</summary>
    public bool IsValidRange(ulong block, ulong count)
    {
        ulong blocks = BlocksCount;
        return block >= FirstDataBlock && block < blocks && count <= blocks - block;
    }

    /// <summary>Takes over the size of another geometry of the same volume, after the volume was resized.</summary>
    internal void Adopt(Geometry resized) => _extent = resized._extent;

    /// <summary>The seed of the checksums of one inode's own structures.</summary>
    internal uint InodeSeed(uint inode, uint generation) =>
        Crc32C.Compute(Crc32C.Compute(ChecksumSeed, inode), generation);

    private static bool IsPowerOf(uint value, uint radix)
    {
        while (value > 1 && value % radix == 0)
        {
            value /= radix;
        }
        return value == 1;
    }

    private static void Check(bool holds, string field, object value)
    {
        if (!holds)
        {
            throw new Ext4CorruptException("superblock", $"{field} is impossible ({value})");
        }
    }
}
