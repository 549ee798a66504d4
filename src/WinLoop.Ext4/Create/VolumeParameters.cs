using System.Text;
using WinLoop.Ext4.Format;
using WinLoop.Storage;

namespace WinLoop.Ext4.Create;

/// <summary>The numbers of a new volume: pure arithmetic from the device's size and the options.</summary>
internal sealed class VolumeParameters
{
    private const long KiB = 1024, MiB = 1024 * KiB, GiB = 1024 * MiB, TiB = 1024 * GiB;

    // Volumes end on a page: kernels cannot read the rest of the last page of a device.
    private const int PageSize = 4096;

    // A last group must hold its own metadata and at least so many blocks of data.
    private const uint SmallestRest = 50;
    private const uint MinimumJournalBlocks = 1024, MaximumJournalBlocks = 10_240_000;
    private const uint FirstInode = 11;
    private const int JournalInode = 8;

    /// <summary>The superblock with everything that does not depend on placement.</summary>
    public required Superblock Superblock { get; init; }
    /// <summary>Sizes and counts of <see cref="Superblock"/>.</summary>
    public required Geometry Geometry { get; init; }
    /// <summary>Blocks of the journal; 0 = none.</summary>
    public required uint JournalBlocks { get; init; }
    /// <summary>Blocks of the orphan file; 0 = none.</summary>
    public required uint OrphanFileBlocks { get; init; }
    /// <summary>Blocks of lost+found.</summary>
    public required uint LostAndFoundBlocks { get; init; }
    /// <summary>All times.</summary>
    public required Timestamp Time { get; init; }

    /// <summary>Computes them.</summary>
    /// <exception cref="Ext4Exception">EINVAL: an option is impossible; ENOSPC: the device is too small;
    /// EFBIG: it is too large for the options.</exception>
    public static VolumeParameters Compute(IBlockDevice device, Ext4CreateOptions options)
    {
        CheckOptions(options);
        long length = device.Length;
        int blockSize = ChooseBlockSize(options, length, device.SectorSize);
        Require(options.InodeSize <= blockSize, $"inodes of {options.InodeSize} bytes do not fit blocks of {blockSize} bytes");
        ulong wanted = (ulong)length / (ulong)blockSize;
        wanted -= wanted % (uint)(PageSize / blockSize);
        if (wanted < 64)
        {
            throw TooSmall(length);
        }
        if (wanted > uint.MaxValue && !options.Is64Bit)
        {
            throw new Ext4Exception(Errno.EFBIG, $"{wanted} blocks of {blockSize} bytes need the 64bit feature");
        }

        GroupSizing sizing = ComputeGroups(options, length, blockSize, wanted);
        bool hasJournal = options.HasJournal && sizing.Blocks >= 2048;
        uint journalBlocks = !hasJournal ? 0 : options.JournalBlocks != 0 ? options.JournalBlocks : DefaultJournalBlocks(sizing.Blocks);
        bool hasOrphanFile = options.HasOrphanFile && hasJournal;
        Superblock sb = BuildSuperblock(options, blockSize, sizing, hasJournal, hasOrphanFile);

        Timestamp time = new((options.Time ?? Timestamp.Now).Seconds, 0);
        sb.MakeTime = sb.WriteTime = sb.LastCheckTime = time.Seconds;
        return new VolumeParameters
        {
            Superblock = sb,
            Geometry = Geometry.Create(sb, length),
            JournalBlocks = journalBlocks,
            OrphanFileBlocks = hasOrphanFile ? DefaultOrphanFileBlocks(sizing.Blocks) : 0,
            LostAndFoundBlocks = Math.Min(12, Math.Max(2, (16 * 1024 + (uint)blockSize - 1) / (uint)blockSize)),
            Time = time,
        };
    }

    private readonly record struct GroupSizing(ulong Blocks, uint BlocksPerGroup, uint Groups, uint InodesPerGroup,
        ulong ReservedBlocks, uint ReservedDescriptorBlocks);

    private static void CheckOptions(Ext4CreateOptions o)
    {
        Require(o.BlockSize is 0 or 1024 or 2048 or 4096, $"the block size must be 1024, 2048 or 4096, not {o.BlockSize}");
        Require(o.InodeSize is >= 128 and <= 4096 && int.IsPow2(o.InodeSize), $"the inode size must be a power of two from 128 to 4096, not {o.InodeSize}");
        Require(o.BytesPerInode is 0 or (>= 1024 and <= 67_108_864), $"bytes per inode must be 1024 to 67108864, not {o.BytesPerInode}");
        Require(o.JournalBlocks is 0 or (>= MinimumJournalBlocks and <= MaximumJournalBlocks),
            $"a journal has {MinimumJournalBlocks} to {MaximumJournalBlocks} blocks, not {o.JournalBlocks}");
        Require(o.HasJournal || o.JournalBlocks == 0, "a size for the journal, but no journal");
        Require(o.ReservedPercent is >= 0 and <= 50, "the reserved share must be 0 to 50 per cent");
        Require(Encoding.UTF8.GetByteCount(o.Label) <= 16, $"the label \"{o.Label}\" is longer than 16 bytes");
        Require(o.HasMetadataChecksums || !o.HasChecksumSeed, "metadata_csum_seed needs metadata_csum");
        Require(o.HasMetadataChecksums || !o.UseLazyInodeTables, "lazily zeroed inode tables need metadata_csum");
        Require(o.HasJournal || !o.HasOrphanFile, "orphan_file needs a journal");
        Require(o.Time is not { } t || t.Seconds is >= int.MinValue and <= Timestamp.MaxSeconds, "the time is outside 1901 to 2446");
    }

    private static int ChooseBlockSize(Ext4CreateOptions options, long length, int sectorSize)
    {
        if (options.BlockSize != 0)
        {
            Require(options.BlockSize >= sectorSize, $"blocks of {options.BlockSize} bytes are smaller than the device's sectors ({sectorSize} bytes)");
            return options.BlockSize;
        }
        return Math.Max(length < 512 * MiB ? 1024 : 4096, sectorSize);
    }

    private static int ChooseBytesPerInode(Ext4CreateOptions options, long length, int blockSize)
    {
        int ratio = options.BytesPerInode != 0 ? options.BytesPerInode : length switch
        {
            < 3 * MiB => 8192,
            < 512 * MiB => 4096,
            < 4 * TiB => 16384,
            < 16 * TiB => 32768,
            _ => 65536,
        };
        return Math.Max(ratio, blockSize);
    }

    // Blocks, groups and inodes depend on each other; a step that does not fit changes one and starts again.
    private static GroupSizing ComputeGroups(Ext4CreateOptions options, long length, int blockSize, ulong wanted)
    {
        uint first = blockSize == 1024 ? 1u : 0u;
        uint perInode = (uint)ChooseBytesPerInode(options, length, blockSize);
        uint inodes = (uint)Math.Clamp(wanted * (ulong)blockSize / perInode, FirstInode + 1, uint.MaxValue);
        Require((ulong)inodes * (ulong)options.InodeSize < wanted * (ulong)blockSize,
            $"{inodes} inodes of {options.InodeSize} bytes fill the device");
        uint blocksPerGroup = 8u * (uint)blockSize;
        uint inodesPerBlock = (uint)(blockSize / options.InodeSize);
        uint descriptorsPerBlock = (uint)(blockSize / (options.Is64Bit ? 64 : 32));
        ulong blocks = wanted;
        while (true)
        {
            ulong manyGroups = (blocks - first + blocksPerGroup - 1) / blocksPerGroup;
            if (manyGroups > uint.MaxValue / 64)
            {
                throw TooLarge(blockSize);
            }
            uint groups = (uint)manyGroups;
            uint perGroup = (uint)(((ulong)inodes + groups - 1) / groups);
            if (perGroup > 8u * (uint)blockSize)
            {
                Require(blocksPerGroup >= 256, $"{inodes} inodes are too many");
                blocksPerGroup -= 8;
                blocks = wanted;
                continue;
            }
            perGroup = RoundInodes(Math.Min(perGroup, 65536 - inodesPerBlock), inodesPerBlock);
            while ((ulong)perGroup * groups > uint.MaxValue)
            {
                perGroup = RoundInodes(perGroup - inodesPerBlock, inodesPerBlock);
            }
            if ((ulong)perGroup * groups <= FirstInode)
            {
                perGroup += 8;
            }
            uint tableBlocks = (perGroup + inodesPerBlock - 1) / inodesPerBlock;
            uint gdt = (groups + descriptorsPerBlock - 1) / descriptorsPerBlock;
            uint reservedGdt = ReservedDescriptorBlocks(blocks, first, blocksPerGroup, descriptorsPerBlock, gdt, blockSize);
            if (gdt + reservedGdt > blocksPerGroup / 4 * 3)
            {
                throw TooLarge(blockSize);
            }
            uint rest = (uint)((blocks - first) % blocksPerGroup);
            uint needed = 2 + tableBlocks + (IsBackupGroup(groups - 1) ? 1 + gdt + reservedGdt : 0);
            if (rest != 0 && rest < needed + SmallestRest)
            {
                if (groups == 1)
                {
                    throw TooSmall(length);
                }
                blocks -= rest;
                continue;
            }
            ulong reserved = (ulong)(options.ReservedPercent * wanted / 100.0);
            reserved = blocks == wanted ? reserved : (ulong)(reserved * (blocks / (double)wanted));
            return new GroupSizing(blocks, blocksPerGroup, groups, perGroup, reserved, reservedGdt);
        }
    }

    // Up to the end of the last table block, then down to a multiple of 8.
    private static uint RoundInodes(uint perGroup, uint inodesPerBlock)
    {
        uint filled = (perGroup + inodesPerBlock - 1) / inodesPerBlock * inodesPerBlock;
        return Math.Max(filled, 8) & ~7u;
    }

    // Room for growth by a factor of 1,024, as far as one indirect block of the resize inode goes.
    private static uint ReservedDescriptorBlocks(ulong blocks, uint first, uint blocksPerGroup, uint descriptorsPerBlock, uint gdt, int blockSize)
    {
        if (!HasResizeInode(blocks))
        {
            return 0;
        }
        uint limit = (uint)blockSize / 4;
        ulong maximum = blocks < uint.MaxValue / 1024 ? blocks * 1024 : uint.MaxValue;
        ulong groups = (maximum - first + blocksPerGroup - 1) / blocksPerGroup;
        ulong total = (groups + descriptorsPerBlock - 1) / descriptorsPerBlock;
        return (uint)Math.Min(total - gdt, limit);
    }

    // The resize inode is block-mapped: its pointers have 32 bits.
    private static bool HasResizeInode(ulong blocks) => blocks <= uint.MaxValue;

    private static bool IsBackupGroup(uint group) => group <= 1 || IsPowerOf(group, 3) || IsPowerOf(group, 5) || IsPowerOf(group, 7);

    private static bool IsPowerOf(uint value, uint radix)
    {
        while (value % radix == 0)
        {
            value /= radix;
        }
        return value == 1;
    }

    private static uint DefaultJournalBlocks(ulong blocks) => blocks switch
    {
        < 32768 => 1024,
        < 262144 => 4096,
        < 524288 => 8192,
        < 4194304 => 16384,
        < 8388608 => 32768,
        < 16777216 => 65536,
        < 33554432 => 131072,
        _ => 262144,
    };

    private static uint DefaultOrphanFileBlocks(ulong blocks) => blocks switch
    {
        < 131072 => 32,
        < 2097152 => (uint)(blocks / 4096),
        _ => 512,
    };

    private static Superblock BuildSuperblock(Ext4CreateOptions o, int blockSize, in GroupSizing sizing, bool hasJournal, bool hasOrphanFile)
    {
        var sb = new Superblock
        {
            Magic = Superblock.MagicValue,
            RevisionLevel = 1,
            Compat = CompatFeatures.ExtAttr | CompatFeatures.DirIndex | (HasResizeInode(sizing.Blocks) ? CompatFeatures.ResizeInode : 0) |
                     (hasJournal ? CompatFeatures.HasJournal : 0) | (hasOrphanFile ? CompatFeatures.OrphanFile : 0),
            Incompat = IncompatFeatures.FileType | IncompatFeatures.Extents | IncompatFeatures.FlexBg |
                       (o.Is64Bit ? IncompatFeatures.Bit64 : 0) | (o.HasChecksumSeed ? IncompatFeatures.CsumSeed : 0),
            RoCompat = RoCompatFeatures.SparseSuper | RoCompatFeatures.LargeFile | RoCompatFeatures.HugeFile |
                       RoCompatFeatures.DirNlink | RoCompatFeatures.ExtraIsize |
                       (o.HasMetadataChecksums ? RoCompatFeatures.MetadataCsum : 0),
            // Setters of 64-bit fields look at the features: those come first.
            BlocksCount = sizing.Blocks,
            ReservedBlocksCount = sizing.ReservedBlocks,
            InodesCount = sizing.InodesPerGroup * sizing.Groups,
            FirstDataBlock = blockSize == 1024 ? 1u : 0u,
            LogBlockSize = (uint)int.Log2(blockSize / 1024),
            LogClusterSize = (uint)int.Log2(blockSize / 1024),
            BlocksPerGroup = sizing.BlocksPerGroup,
            ClustersPerGroup = sizing.BlocksPerGroup,
            InodesPerGroup = sizing.InodesPerGroup,
            State = Superblock.StateValid,
            ErrorsBehaviour = 1,
            MaxMountCount = -1,
            FirstInode = FirstInode,
            InodeSize = (ushort)o.InodeSize,
            ReservedGdtBlocks = (ushort)sizing.ReservedDescriptorBlocks,
            JournalInode = hasJournal ? JournalInode : 0u,
            DefaultHashVersion = 1,
            Flags = 1,
            DescriptorSize = (ushort)(o.Is64Bit ? 64 : 0),
            DefaultMountOptions = 0x0C,
            LogGroupsPerFlex = 4,
            ChecksumType = (byte)(o.HasMetadataChecksums ? 1 : 0),
        };
        if (o.InodeSize > InodeRecord.GoodOldSize)
        {
            sb.MinExtraInodeSize = sb.WantExtraInodeSize = InodeImage.ExtraSize;
        }
        (o.Uuid ?? Guid.NewGuid()).TryWriteBytes(sb.Uuid, bigEndian: true, out _);
        (o.HashSeed ?? Guid.NewGuid()).TryWriteBytes(sb.HashSeed, bigEndian: true, out _);
        Encoding.UTF8.GetBytes(o.Label, sb.VolumeName);
        if (o.HasChecksumSeed)
        {
            sb.ChecksumSeed = Crc32C.Compute(Crc32C.Initial, sb.Uuid);
        }
        return sb;
    }

    private static Ext4Exception TooSmall(long length) =>
        new(Errno.ENOSPC, $"a device of {length} bytes is too small for a file system");

    private static Ext4Exception TooLarge(int blockSize) =>
        new(Errno.EFBIG, $"the device is too large for blocks of {blockSize} bytes");

    private static void Require(bool holds, string message)
    {
        if (!holds)
        {
            throw new Ext4Exception(Errno.EINVAL, message);
        }
    }
}
