using WinLoop.Ext4.Cache;
using WinLoop.Ext4.Format;
using WinLoop.Storage;

namespace WinLoop.Ext4.Check;

/// <summary>What is known of an inode while a check runs.</summary>
[Flags]
internal enum InodeState : byte
{
    Free = 0,
    /// <summary>The low bits are the type as a directory entry tells it; 8 = none of the types.</summary>
    TypeMask = 0x0F,
    BadType = 0x08,
    InUse = 0x10,
    /// <summary>On the orphan list or in the orphan file.</summary>
    Orphan = 0x20,
    /// <summary>Has no name and needs none: reserved inodes, journal, quota files, the orphan file.</summary>
    Hidden = 0x40,
}

/// <summary>A directory.</summary>
internal struct CheckedDirectory
{
    public uint Inode;
    /// <summary>The directory whose entry names this one; 0 = none was seen.</summary>
    public uint Parent;
    /// <summary>What ".." says; 0 = unreadable.</summary>
    public uint DotDot;
    public uint Generation;
    /// <summary>Where its blocks start in <see cref="CheckState.DirectoryBlocks"/>.</summary>
    public int FirstBlock;
    public int BlockCount;
    /// <summary>i_size in blocks.</summary>
    public uint SizeInBlocks;
    public bool IsIndexed;
    /// <summary>0 = not looked up, 255 = none, else the version plus one.</summary>
    public byte HashVersion;
}

/// <summary>A block of a directory.</summary>
internal struct CheckedDirectoryBlock
{
    public ulong Physical;
    public uint Logical;
    public int Directory;
    /// <summary>Of the names in it, if its directory is indexed; Minimum above Maximum = none.</summary>
    public uint MinimumHash, MaximumHash;
}

/// <summary>
/// The working memory of a check, kept from one volume to the next: about a bit per block, seven bytes per inode
/// in the used part of the tables, 28 bytes per directory, 24 bytes per directory block, and the group descriptors.
/// </summary>
internal sealed class CheckState
{
    public IBlockDevice Device { get; set; } = null!;
    public Superblock Superblock { get; set; } = null!;
    public Geometry Geometry { get; private set; } = null!;
    public CheckOptions Options { get; set; } = null!;
    public DirectoryFormat Format { get; private set; } = null!;
    public BlockChecksums Checksums { get; private set; } = null!;
    public HtreeHash Hash { get; private set; } = null!;
    public FindingSink Findings { get; } = new();
    public BlockClaims Claims { get; } = new();
    public SharedAttributeBlocks AttributeBlocks { get; } = new();

    /// <summary>The primary group descriptors, one behind the other.</summary>
    public Growable<byte> Descriptors { get; } = new();
    /// <summary>By group: bg_flags as far as they can be trusted.</summary>
    public Growable<ushort> GroupFlagsOf { get; } = new();
    /// <summary>By group: how many inodes from the table's start on may be in use.</summary>
    public Growable<uint> ReadableInodes { get; } = new();
    /// <summary>By group: the place of its first inode in the arrays by inode.</summary>
    public Growable<int> FirstSlot { get; } = new();

    /// <summary>By group: blocks that superblock, descriptors, bitmaps and tables take in it.</summary>
    public Growable<uint> MetadataBlocks { get; } = new();

    public Growable<byte> States { get; } = new();
    /// <summary>i_links_count.</summary>
    public Growable<ushort> Links { get; } = new();
    /// <summary>Names seen.</summary>
    public Growable<int> Names { get; } = new();

    /// <summary>By inode number, ascending.</summary>
    public Growable<CheckedDirectory> Directories { get; } = new();
    /// <summary>By directory, then by logical block.</summary>
    public Growable<CheckedDirectoryBlock> DirectoryBlocks { get; } = new();

    /// <summary>What the superblock's totals should be.</summary>
    public ulong FreeBlocks { get; set; }
    public uint FreeInodes { get; set; }

    public int Threads { get; set; }
    public bool HasLargeFile { get; set; }
    /// <summary>Its inode; 0 = there is none.</summary>
    public uint LostAndFound { get; set; }

    public void SetVolume(Superblock superblock, Geometry geometry)
    {
        Superblock = superblock;
        Geometry = geometry;
        Format = new DirectoryFormat(geometry.BlockSize, geometry.InodesCount,
            geometry.Has(IncompatFeatures.FileType), geometry.HasMetadataChecksums);
        Checksums = new BlockChecksums(geometry);
        Hash = new HtreeHash(superblock.HashSeed, (superblock.Flags & 2) != 0);
        AttributeBlocks.Clear();
        Directories.Clear();
        DirectoryBlocks.Clear();
        HasLargeFile = false;
    }

    public GroupDescriptor Descriptor(uint group) =>
        new(Descriptors.Items.AsSpan((int)(group * (uint)Geometry.DescriptorSize), Geometry.DescriptorSize));

    /// <summary>The place of an inode in the arrays; −1 if it lies in the never used end of its table.</summary>
    public int SlotOf(uint inode)
    {
        uint group = (inode - 1) / Geometry.InodesPerGroup;
        uint index = inode - 1 - (group * Geometry.InodesPerGroup);
        return index < ReadableInodes[(int)group] ? FirstSlot[(int)group] + (int)index : -1;
    }

    public InodeState StateOf(uint inode) => SlotOf(inode) is >= 0 and var slot ? (InodeState)States[slot] : InodeState.Free;

    /// <summary>The place of a directory in <see cref="Directories"/>; negative if it is none.</summary>
    public int FindDirectory(uint inode)
    {
        CheckedDirectory[] items = Directories.Items;
        int low = 0, high = Directories.Count - 1;
        while (low <= high)
        {
            int middle = (low + high) >> 1;
            uint at = items[middle].Inode;
            if (at == inode)
            {
                return middle;
            }
            if (at < inode)
            {
                low = middle + 1;
            }
            else
            {
                high = middle - 1;
            }
        }
        return -1;
    }

    /// <summary>The hash function of an indexed directory; null if its root cannot be read or says none.</summary>
    public HtreeHashVersion? HashVersionOf(int directory)
    {
        ref CheckedDirectory entry = ref Directories[directory];
        if (entry.HashVersion == 0)
        {
            Span<byte> head = stackalloc byte[0x20];
            entry.HashVersion = byte.MaxValue;
            if (entry.BlockCount > 0 && DirectoryBlocks[entry.FirstBlock] is { Logical: 0 } first)
            {
                try
                {
                    Device.Read(head, (long)(first.Physical << Geometry.BlockSizeBits));
                    entry.HashVersion = head[0x1C] <= (byte)HtreeHashVersion.Tea ? (byte)(head[0x1C] + 1) : byte.MaxValue;
                }
                catch (BlockDeviceException)
                {
                    // The block's own check reports it.
                }
            }
        }
        return entry.HashVersion == byte.MaxValue ? null : (HtreeHashVersion)(entry.HashVersion - 1);
    }

    /// <summary>Reads; a failure is a finding.</summary>
    public bool TryRead(int pass, Span<byte> target, ulong block, uint? inode = null)
    {
        try
        {
            Device.Read(target, (long)(block << Geometry.BlockSizeBits));
            return true;
        }
        catch (BlockDeviceException e)
        {
            Findings.Add(pass, FindingCode.ReadError, $"block {block} cannot be read: {e.Message}", inode, block);
            return false;
        }
    }

    /// <summary>Reads one inode from its table; false if the place or the device is bad, without a finding.</summary>
    public bool TryReadInode(uint inode, Span<byte> target)
    {
        uint group = Geometry.GroupOfInode(inode);
        ulong table = Descriptor(group).InodeTable;
        if (!Geometry.IsValidRange(table, Geometry.InodeTableBlocks))
        {
            return false;
        }
        try
        {
            ulong index = (inode - 1) % Geometry.InodesPerGroup;
            Device.Read(target, (long)((table << Geometry.BlockSizeBits) + (index * (ulong)Geometry.InodeSize)));
            return true;
        }
        catch (BlockDeviceException)
        {
            return false;
        }
    }

    /// <summary>True if a block's checksum is right or it has none.</summary>
    public bool IsChecksumRight(ulong block, ReadOnlySpan<byte> data, BufferKind kind, uint seed)
    {
        try
        {
            Checksums.Verify(block, data, kind, seed);
            return true;
        }
        catch (Ext4CorruptException)
        {
            return false;
        }
    }
}
