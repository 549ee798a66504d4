using WinLoop.Ext4.Cache;
using WinLoop.Ext4.Format;
using static System.Buffers.Binary.BinaryPrimitives;

namespace WinLoop.Ext4.Tests.Hostile;

/// <summary>Damages a structure or two of an image and makes the checksums right again, so that the parsers
/// behind them are reached.</summary>
internal sealed class ImageMutator(ImageMap map)
{
    private static readonly int[] s_superblockFields =
        [0x00, 0x04, 0x08, 0x0C, 0x10, 0x14, 0x18, 0x1C, 0x20, 0x24, 0x28, 0x38, 0x3A, 0x4C, 0x54, 0x58, 0x5C, 0x60, 0x64, 0xCE,
         0xE0, 0xE4, 0xE8, 0xFC, 0xFE, 0x104, 0x10C, 0x110, 0x118, 0x120, 0x148, 0x14C, 0x150, 0x154, 0x158, 0x15C, 0x15E, 0x160,
         0x168, 0x174, 0x175, 0x24C, 0x250, 0x270, 0x280];
    private static readonly int[] s_inodeFields =
        [0x00, 0x04, 0x14, 0x1A, 0x1C, 0x20, 0x28, 0x2A, 0x2C, 0x2E, 0x30, 0x34, 0x38, 0x3A, 0x3C, 0x40, 0x44, 0x46, 0x48, 0x54,
         0x58, 0x5C, 0x60, 0x64, 0x68, 0x6C, 0x74, 0x76, 0x80];
    private static readonly int[] s_htreeRootFields = [0x00, 0x04, 0x06, 0x0C, 0x10, 0x12, 0x18, 0x1C, 0x1D, 0x1E, 0x1F, 0x20, 0x22, 0x24, 0x28, 0x2C, 0x30];

    private const IncompatFeatures KnownIncompat = IncompatFeatures.FileType | IncompatFeatures.Extents | IncompatFeatures.Bit64 |
        IncompatFeatures.FlexBg | IncompatFeatures.CsumSeed;
    private const RoCompatFeatures KnownRoCompat = RoCompatFeatures.SparseSuper | RoCompatFeatures.LargeFile | RoCompatFeatures.HugeFile |
        RoCompatFeatures.DirNlink | RoCompatFeatures.ExtraIsize | RoCompatFeatures.MetadataCsum;

    private readonly List<Target> _touched = [];

    /// <summary>What was done, for a failure's report.</summary>
    public List<string> Log { get; } = [];

    /// <summary>How many mutations the last call had to choose from.</summary>
    public int Count { get; private set; }

    /// <summary>Damages an image.</summary>
    /// <param name="device">The image.</param>
    /// <param name="random">Decides what.</param>
    /// <param name="mask">The mutations that are made, a bit each; the others are thought out and left out.</param>
    public void Mutate(HostileDevice device, Random random, int mask = -1)
    {
        Begin();
        Count = random.Next(3) == 0 ? random.Next(2, 9) : 1;
        // Each has numbers of its own, so that it is the same without the others.
        int[] seeds = new int[Count];
        for (int i = 0; i < Count; i++)
        {
            seeds[i] = random.Next();
        }
        bool isFixed = random.Next(10) < 8;
        if (random.Next(10) < 7)
        {
            HideFeatures(device);
        }
        for (int i = 0; i < Count; i++)
        {
            if ((mask & (1 << i)) != 0)
            {
                MutateOnce(device, new Random(seeds[i]));
            }
        }
        if (isFixed)
        {
            Fix(device);
        }
    }

    // What stands in the way of a mount.
    private void HideFeatures(HostileDevice device)
    {
        (IReadOnlyList<string> refused, IReadOnlyList<string> readOnly) = FeatureSupport.Check(map.Superblock);
        if (refused.Count + readOnly.Count > 0 && map.Superblock.Has(IncompatFeatures.Extents))
        {
            Target superblock = map[TargetKind.Superblock, 0, 0];
            Set(device, superblock, 0x60, 4, (ulong)(map.Superblock.Incompat & KnownIncompat));
            Set(device, superblock, 0x64, 4, (ulong)(map.Superblock.RoCompat & KnownRoCompat));
        }
    }

    private void MutateOnce(HostileDevice device, Random random)
    {
        switch (random.Next(40))
        {
            case 0:
                device.Length = random.Next(2) == 0 ? random.NextInt64(device.Bytes.Length) : device.Bytes.Length - 1024;
                Log.Add($"cut {device.Length}");
                break;
            case 1:
                int at = random.Next(device.Bytes.Length);
                device.Touch(at, 1);
                int bit = random.Next(8);
                device.Bytes[at] ^= (byte)(1 << bit);
                Log.Add($"flip {at} {bit}");
                break;
            case 2:
                Target from = Pick(random), to = Pick(random);
                Copy(device, from, to);
                break;
            default:
                MutateField(device, Pick(random), random);
                break;
        }
    }

    private Target Pick(Random random)
    {
        Target[] targets = map.ByKind[random.Next(map.ByKind.Length)];
        return targets[random.Next(targets.Length)];
    }

    private void MutateField(HostileDevice device, Target target, Random random)
    {
        int width = 1 << random.Next(random.Next(4) == 0 ? 4 : 3);
        int field = Field(device.Bytes, target, ref width, random);
        width = Math.Min(width, target.Length - field);
        if (width is 3 or (> 4 and < 8))
        {
            width = width == 3 ? 2 : 4;
        }
        if (width <= 0)
        {
            return;
        }
        bool isBig = IsBig(target.Kind);
        ulong old = Get(device.Bytes.AsSpan(target.At + field, width), isBig);
        Set(device, target, field, width, Value(device.Bytes, target, field, width, old, isBig, random));
    }

    private static bool IsBig(TargetKind kind) => kind is TargetKind.JournalBlock or TargetKind.JournalSuperblock;

    /// <summary>Begins a new list of changes.</summary>
    public void Begin()
    {
        _touched.Clear();
        Log.Clear();
    }

    /// <summary>Sets a field.</summary>
    public void Set(HostileDevice device, Target target, int field, int width, ulong value)
    {
        device.Touch(target.At, target.Length);
        Set(device.Bytes.AsSpan(target.At + field, width), value, IsBig(target.Kind));
        _touched.Add(target);
        Log.Add($"set {target} +{field:X} {width} {value:X}");
    }

    /// <summary>Puts one structure over another.</summary>
    public void Copy(HostileDevice device, Target from, Target to)
    {
        int length = Math.Min(from.Length, to.Length);
        device.Touch(to.At, length);
        device.Bytes.AsSpan(from.At, length).ToArray().CopyTo(device.Bytes, to.At);
        _touched.Add(to);
        Log.Add($"copy {from} {to}");
    }

    /// <summary>Has the checksums of all that was changed match again.</summary>
    public void Fix(HostileDevice device)
    {
        foreach (Target target in _touched)
        {
            Fix(device, target);
            map.FixTag(device, target.At);
        }
        Log.Add("fix");
    }

    // Mostly a known field, else anywhere.
    private int Field(byte[] image, Target target, ref int width, Random random)
    {
        if (random.Next(8) == 0)
        {
            return random.Next(target.Length / width) * width;
        }
        switch (target.Kind)
        {
            case TargetKind.Superblock:
                return s_superblockFields[random.Next(s_superblockFields.Length)];
            case TargetKind.Inode when target.Length > 160 && random.Next(4) == 0:
                return random.Next(128 / 4, Math.Min(target.Length, 220) / 4) * 4 + (random.Next(2) * 2);
            case TargetKind.Inode:
                return s_inodeFields[random.Next(s_inodeFields.Length)];
            case TargetKind.Descriptor:
                return random.Next(Math.Min(target.Length, 64) / 2) * 2;
            case TargetKind.ExtentNode:
                return random.Next(2) == 0 ? random.Next(6) * 2 : 12 + (random.Next(12 * 8 / 2) * 2);
            case TargetKind.DirectoryLeaf:
                // The head of an entry: walk a random number of them.
                int at = 0;
                for (int skip = random.Next(8); skip > 0; skip--)
                {
                    int next = at + ReadUInt16LittleEndian(image.AsSpan(target.At + at + 4));
                    if (next <= at || next >= target.Length - 12)
                    {
                        break;
                    }
                    at = next;
                }
                int which = random.Next(4);
                width = which switch { 0 => 4, 1 => 2, _ => 1 };
                return Math.Min(at + which switch { 0 => 0, 1 => 4, 2 => 6, _ => 7 }, target.Length - 4);
            case TargetKind.HtreeRoot:
                return s_htreeRootFields[random.Next(s_htreeRootFields.Length)];
            case TargetKind.HtreeNode:
                return random.Next(24) * 2;
            case TargetKind.AttributeBlock:
                return random.Next(0, 24) * 4 + (random.Next(3) == 0 ? 2 : 0);
            case TargetKind.JournalSuperblock:
                return random.Next(4) == 0 ? 0x50 + (random.Next(4) * 4) : random.Next(0x2C / 4) * 4;
            case TargetKind.JournalBlock:
                return random.Next(24) * 4;
            case TargetKind.OrphanBlock:
                return random.Next(3) == 0 ? target.Length - 8 : random.Next(8) * 4;
            case TargetKind.PointerBlock:
                return random.Next(32) * 4;
            default:
                return random.Next(target.Length / width) * width;
        }
    }

    private ulong Value(byte[] image, Target target, int field, int width, ulong old, bool isBig, Random random)
    {
        ulong max = width == 8 ? ulong.MaxValue : (1UL << (8 * width)) - 1;
        Target other = Pick(random);
        Target[] same = map.ByKind.First(k => k[0].Kind == target.Kind);
        Target sibling = same[random.Next(same.Length)];
        ulong value = unchecked(random.Next(18) switch
        {
            0 => 0,
            1 => 1,
            2 => max,
            3 => max - 1,
            4 => (max >> 1) + 1,
            5 => max >> 1,
            6 => old + 1,
            7 => old - 1,
            8 => old * 2,
            9 => (ulong)random.NextInt64(),
            10 => (ulong)random.Next(256),
            11 => Get(image.AsSpan(sibling.At + field, Math.Min(width, sibling.Length - field)), isBig),
            12 => (ulong)(target.At >> map.Geometry.BlockSizeBits),
            13 => (ulong)(other.At >> map.Geometry.BlockSizeBits),
            14 => (ulong)random.NextInt64((long)map.Geometry.BlocksCount + 2),
            15 => target.Number,
            16 => (ulong)random.Next((int)map.Geometry.InodesCount + 2),
            _ => old ^ (1UL << random.Next(8 * width)),
        });
        return value & max;
    }

    private void Fix(HostileDevice device, Target target)
    {
        Geometry geometry = map.Geometry;
        Span<byte> raw = device.Bytes.AsSpan(target.At, target.Length);
        try
        {
            switch (target.Kind)
            {
                case TargetKind.Superblock:
                    var superblock = new Superblock(raw);
                    superblock.UpdateChecksum();
                    superblock.Raw.CopyTo(raw);
                    break;
                case TargetKind.Descriptor:
                    FixDescriptor(raw, target.Number);
                    break;
                case TargetKind.BlockBitmap or TargetKind.InodeBitmap:
                    int at = map.DescriptorAt(target.Number);
                    device.Touch(at, geometry.DescriptorSize);
                    Span<byte> table = device.Bytes.AsSpan(at, geometry.DescriptorSize);
                    var descriptor = new GroupDescriptor(table);
                    if (geometry.HasMetadataChecksums && target.Kind == TargetKind.BlockBitmap)
                    {
                        descriptor.BlockBitmapChecksum = Crc32C.Compute(geometry.ChecksumSeed, raw[..Math.Min(raw.Length, (int)geometry.BlocksPerGroup / 8)]);
                    }
                    else if (geometry.HasMetadataChecksums)
                    {
                        descriptor.InodeBitmapChecksum = Crc32C.Compute(geometry.ChecksumSeed, raw[..((int)geometry.InodesPerGroup / 8)]);
                    }
                    FixDescriptor(table, target.Number);
                    map.FixTag(device, at);
                    break;
                case TargetKind.Inode when geometry.HasMetadataChecksums:
                    uint seed = geometry.InodeSeed(target.Number, ReadUInt32LittleEndian(raw[InodeRecord.GenerationAt..]));
                    InodeRecord.UpdateChecksum(raw, seed, InodeRecord.ExtraSize(raw));
                    break;
                case TargetKind.JournalSuperblock:
                    var journal = new JournalSuperblock(raw[..1024]);
                    journal.UpdateChecksum();
                    journal.Raw.CopyTo(raw);
                    break;
                case TargetKind.JournalBlock:
                    FixJournalBlock(raw);
                    break;
                default:
                    if (Kind(target.Kind) is { } kind)
                    {
                        new BlockChecksums(geometry).Update((ulong)(target.At >> geometry.BlockSizeBits), raw, kind, target.Seed);
                    }
                    break;
            }
        }
        catch (Ext4CorruptException)
        {
            // No place for a checksum is left.
        }
    }

    private void FixDescriptor(Span<byte> raw, uint group)
    {
        var descriptor = new GroupDescriptor(raw);
        descriptor.Checksum = descriptor.ComputeChecksum(map.Geometry, map.Uuid, group);
    }

    private void FixJournalBlock(Span<byte> raw)
    {
        uint seed = Crc32C.Compute(Crc32C.Initial, map.JournalUuid);
        uint type = ReadUInt32BigEndian(raw[4..]);
        if (type is 1 or 5)
        {
            WriteUInt32BigEndian(raw[^4..], Crc32C.ComputeZeroes(Crc32C.Compute(seed, raw[..^4]), 4));
        }
        else if (type == 2)
        {
            raw.Slice(0x10, 4).Clear();
            WriteUInt32BigEndian(raw[0x10..], Crc32C.Compute(seed, raw));
        }
    }

    private static BufferKind? Kind(TargetKind kind) => kind switch
    {
        TargetKind.ExtentNode => BufferKind.ExtentNode,
        TargetKind.DirectoryLeaf => BufferKind.DirectoryLeaf,
        TargetKind.HtreeRoot => BufferKind.HtreeRoot,
        TargetKind.HtreeNode => BufferKind.HtreeNode,
        TargetKind.AttributeBlock => BufferKind.AttributeBlock,
        TargetKind.OrphanBlock => BufferKind.OrphanBlock,
        _ => null,
    };

    private static ulong Get(ReadOnlySpan<byte> place, bool isBig)
    {
        ulong value = 0;
        for (int i = 0; i < place.Length; i++)
        {
            value |= (ulong)place[isBig ? place.Length - 1 - i : i] << (8 * i);
        }
        return value;
    }

    private static void Set(Span<byte> place, ulong value, bool isBig)
    {
        for (int i = 0; i < place.Length; i++)
        {
            place[isBig ? place.Length - 1 - i : i] = (byte)(value >> (8 * i));
        }
    }
}
