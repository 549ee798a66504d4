using WinLoop.Ext4.Cache;
using WinLoop.Ext4.Format;
using static System.Buffers.Binary.BinaryPrimitives;

namespace WinLoop.Ext4.Tests.Hostile;

internal enum TargetKind
{
    Superblock, Descriptor, BlockBitmap, InodeBitmap, Inode, ExtentNode, PointerBlock, DirectoryLeaf, HtreeRoot, HtreeNode,
    AttributeBlock, JournalSuperblock, JournalBlock, OrphanBlock, Data,
}

/// <summary>A structure of an image.</summary>
/// <param name="Kind">What it is.</param>
/// <param name="At">Its first byte.</param>
/// <param name="Length">Its bytes.</param>
/// <param name="Number">Group or inode number (its own or its owner's).</param>
/// <param name="Seed">Seed of its checksum where the owner decides.</param>
/// <param name="Index">Which of those with the same kind and number.</param>
internal readonly record struct Target(TargetKind Kind, int At, int Length, uint Number, uint Seed, int Index = 0)
{
    /// <summary>As recipes name it.</summary>
    public override string ToString() => $"{Kind} {Number} {Index}";
}

/// <summary>Where the structures of an honest image are; reads the format by itself and trusts it.</summary>
internal sealed class ImageMap
{
    private readonly byte[] _image;
    private readonly List<Target> _targets = [];
    private readonly JournalCopies? _copies;
    private List<uint> _journal = [];

    /// <param name="seed">The image. What is in its journal is found there.</param>
    public ImageMap(HostileSeed seed) : this(seed.Settled ?? seed.Image)
    {
        if (seed.Settled is null)
        {
            return;
        }
        _copies = new JournalCopies(seed.Image, Geometry.BlockSizeBits, _journal);
        ByKind = [.. ByKind.Select(kind => kind.Select(t => t with { At = _copies.Locate(t.At) }).ToArray())];
    }

    public ImageMap(byte[] image)
    {
        _image = image;
        Superblock = new Superblock(image.AsSpan(1024, 1024));
        Geometry = Geometry.Create(Superblock, image.Length);
        Uuid = Superblock.Uuid.ToArray();
        _targets.Add(new Target(TargetKind.Superblock, 1024, 1024, 0, 0));
        for (uint group = 0; group < Geometry.GroupCount; group++)
        {
            AddGroup(group);
        }
        var seen = new Dictionary<(TargetKind, uint), int>();
        for (int i = 0; i < _targets.Count; i++)
        {
            (TargetKind, uint) key = (_targets[i].Kind, _targets[i].Number);
            int index = seen.GetValueOrDefault(key);
            seen[key] = index + 1;
            _targets[i] = _targets[i] with { Index = index };
        }
        ByKind = _targets.GroupBy(t => t.Kind).Select(g => g.ToArray()).ToArray();
        JournalUuid = _targets.Find(t => t.Kind == TargetKind.JournalSuperblock) is { Length: > 0 } jsb
            ? image.AsSpan(jsb.At + 0x30, 16).ToArray() : new byte[16];
    }

    public Superblock Superblock { get; }
    public Geometry Geometry { get; }
    public byte[] Uuid { get; }
    public byte[] JournalUuid { get; }
    /// <summary>The structures, those of one kind together.</summary>
    public Target[][] ByKind { get; }

    /// <summary>A descriptor's first byte, in the journal if it is there.</summary>
    public int DescriptorAt(uint group) => _copies?.Locate(HomeOfDescriptor(group)) ?? HomeOfDescriptor(group);

    /// <summary>A structure by the name that it has in recipes.</summary>
    public Target this[TargetKind kind, uint number, int index] =>
        ByKind.Single(k => k[0].Kind == kind).Single(t => t.Number == number && t.Index == index);

    /// <summary>Has the tag of a block in the journal match it again; nothing if it is not in the journal.</summary>
    public void FixTag(HostileDevice device, int at) => _copies?.FixTag(device, at);

    private int HomeOfDescriptor(uint group) =>
        ((Geometry.BlockSize == 1024 ? 2 : 1) << Geometry.BlockSizeBits) + ((int)group * Geometry.DescriptorSize);

    private void AddGroup(uint group)
    {
        int at = HomeOfDescriptor(group);
        _targets.Add(new Target(TargetKind.Descriptor, at, Geometry.DescriptorSize, group, 0));
        var descriptor = new GroupDescriptor(_image.AsSpan(at, Geometry.DescriptorSize));
        AddBlock(TargetKind.BlockBitmap, descriptor.BlockBitmap, group, 0);
        AddBlock(TargetKind.InodeBitmap, descriptor.InodeBitmap, group, 0);
        int table = (int)descriptor.InodeTable << Geometry.BlockSizeBits;
        for (uint i = 0; i < Geometry.InodesPerGroup; i++)
        {
            int inode = table + ((int)i * Geometry.InodeSize);
            if (U16(inode) != 0)
            {
                AddInode((group * Geometry.InodesPerGroup) + i + 1, inode);
            }
        }
    }

    private void AddInode(uint number, int at)
    {
        uint seed = Geometry.InodeSeed(number, U32(at + InodeRecord.GenerationAt));
        _targets.Add(new Target(TargetKind.Inode, at, Geometry.InodeSize, number, seed));
        if (U32(at + InodeRecord.FileAclAt) is not 0 and var acl)
        {
            AddBlock(TargetKind.AttributeBlock, acl, number, Geometry.ChecksumSeed);
        }
        int type = U16(at) & 0xF000;
        const uint inlineData = 0x10000000;
        if (type is not (0x8000 or 0x4000 or 0xA000) || (U32(at + InodeRecord.FlagsAt) & inlineData) != 0)
        {
            return;
        }
        bool isIndexed = (U32(at + InodeRecord.FlagsAt) & (uint)InodeFlags.Index) != 0;
        var blocks = new List<(uint Logical, uint Physical)>();
        int area = at + InodeRecord.BlockAreaAt;
        if ((U32(at + InodeRecord.FlagsAt) & (uint)InodeFlags.Extents) != 0)
        {
            AddExtents(area, number, seed, blocks);
        }
        else if (type != 0xA000 || U32(at + InodeRecord.SizeAt) >= 60)
        {
            AddPointers(area, number, blocks);
        }
        if (number == Superblock.JournalInode && Superblock.Has(CompatFeatures.HasJournal))
        {
            _journal = [.. blocks.Select(b => b.Physical)];
        }
        foreach ((uint logical, uint block) in blocks)
        {
            TargetKind kind = type == 0x4000 ? DirectoryKind(isIndexed, logical, block)
                : number == Superblock.JournalInode && Superblock.Has(CompatFeatures.HasJournal)
                    ? logical == 0 ? TargetKind.JournalSuperblock : TargetKind.JournalBlock
                : number == Superblock.OrphanFileInode && Superblock.Has(CompatFeatures.OrphanFile) ? TargetKind.OrphanBlock : TargetKind.Data;
            if (kind != TargetKind.JournalBlock || U32((int)(block << Geometry.BlockSizeBits)) == 0x98393BC0)
            {
                AddBlock(kind, block, number, seed);
            }
        }
    }

    private TargetKind DirectoryKind(bool isIndexed, uint logical, uint block)
    {
        int at = (int)(block << Geometry.BlockSizeBits);
        return !isIndexed ? TargetKind.DirectoryLeaf
            : logical == 0 ? TargetKind.HtreeRoot
            : U32(at) == 0 && U16(at + 4) == Geometry.BlockSize ? TargetKind.HtreeNode : TargetKind.DirectoryLeaf;
    }

    private void AddExtents(int at, uint number, uint seed, List<(uint, uint)> blocks)
    {
        int entries = U16(at + 2), depth = U16(at + 6);
        for (int i = 1; i <= entries; i++)
        {
            int entry = at + (12 * i);
            if (depth == 0)
            {
                int length = U16(entry + 4) > 32768 ? U16(entry + 4) - 32768 : U16(entry + 4);
                for (uint j = 0; j < length; j++)
                {
                    blocks.Add((U32(entry) + j, U32(entry + 8) + j));
                }
            }
            else
            {
                AddBlock(TargetKind.ExtentNode, U32(entry + 4), number, seed);
                AddExtents((int)U32(entry + 4) << Geometry.BlockSizeBits, number, seed, blocks);
            }
        }
    }

    private void AddPointers(int area, uint number, List<(uint, uint)> blocks)
    {
        for (uint i = 0; i < 12; i++)
        {
            AddLeaf(i, U32(area + (4 * (int)i)));
        }
        for (int level = 1; level <= 3; level++)
        {
            AddTree(U32(area + 44 + (4 * level)), level);
        }

        void AddLeaf(uint logical, uint block)
        {
            if (block != 0)
            {
                blocks.Add((logical, block));
            }
        }

        void AddTree(uint block, int level)
        {
            if (block == 0)
            {
                return;
            }
            AddBlock(TargetKind.PointerBlock, block, number, 0);
            for (int i = 0; i < Geometry.BlockSize; i += 4)
            {
                uint child = U32((int)(block << Geometry.BlockSizeBits) + i);
                if (level == 1)
                {
                    AddLeaf(12, child);
                }
                else
                {
                    AddTree(child, level - 1);
                }
            }
        }
    }

    private void AddBlock(TargetKind kind, ulong block, uint number, uint seed) =>
        _targets.Add(new Target(kind, (int)(block << Geometry.BlockSizeBits), Geometry.BlockSize, number, seed));

    private int U16(int at) => ReadUInt16LittleEndian(_image.AsSpan(at));

    private uint U32(int at) => ReadUInt32LittleEndian(_image.AsSpan(at));
}
