using WinLoop.Ext4.Attributes;
using WinLoop.Ext4.Format;
using static System.Buffers.Binary.BinaryPrimitives;

namespace WinLoop.Ext4.Check;

/// <summary>
/// Pass 1 for one group after the other: reads the used part of an inode table in long runs and checks each
/// inode. One per thread.
/// </summary>
internal sealed partial class InodeScanner(CheckState state)
{
    private const int ChunkBytes = 1 << 18;
    private const uint ImagicFlag = 0x2000, CompressedBlockFlag = 0x200;

    private readonly BlockWalker _walker = new(state);
    private readonly AttributeScanner _attributes = new(state);
    private byte[] _chunk = [];
    private byte[] _target = [];

    /// <summary>The directories found; block ranges are in <see cref="DirectoryBlocks"/>.</summary>
    public Growable<CheckedDirectory> Directories { get; } = new();

    public Growable<CheckedDirectoryBlock> DirectoryBlocks => _walker.DirectoryBlocks;

    /// <summary>A file of 2 GiB or more was seen.</summary>
    public bool HasLargeFile { get; private set; }

    public void Reset()
    {
        Directories.Clear();
        DirectoryBlocks.Clear();
        HasLargeFile = false;
    }

    /// <summary>Checks the inodes of a group.</summary>
    /// <param name="group">The group.</param>
    /// <param name="probe">The second look: only say which inodes have blocks that others have too.</param>
    public void ScanGroup(uint group, bool probe)
    {
        Geometry geometry = state.Geometry;
        uint count = state.ReadableInodes[(int)group];
        ulong table = state.Descriptor(group).InodeTable;
        if (count == 0 || !geometry.IsValidRange(table, geometry.InodeTableBlocks))
        {
            return;
        }
        if (_chunk.Length < Math.Max(ChunkBytes, geometry.BlockSize))
        {
            _chunk = new byte[Math.Max(ChunkBytes, geometry.BlockSize)];
        }
        int size = geometry.InodeSize;
        uint perChunk = (uint)(_chunk.Length / size);
        long at = (long)(table << geometry.BlockSizeBits);
        for (uint first = 0; first < count; first += perChunk)
        {
            int inodes = (int)Math.Min(perChunk, count - first);
            Span<byte> chunk = _chunk.AsSpan(0, inodes * size);
            if (!ReadTable(chunk, at + ((long)first * size), group))
            {
                continue;
            }
            uint number = (group * geometry.InodesPerGroup) + first + 1;
            int slot = state.FirstSlot[(int)group] + (int)first;
            for (int i = 0; i < inodes; i++)
            {
                Span<byte> raw = chunk.Slice(i * size, size);
                if (probe)
                {
                    Probe(number + (uint)i, raw, slot + i);
                }
                else
                {
                    Check(number + (uint)i, raw, slot + i);
                }
            }
        }
    }

    private bool ReadTable(Span<byte> chunk, long offset, uint group)
    {
        try
        {
            state.Device.Read(chunk, offset);
            return true;
        }
        catch (Storage.BlockDeviceException e)
        {
            state.Findings.Add(1, FindingCode.ReadError, $"the inode table cannot be read: {e.Message}", group: group);
            return false;
        }
    }

    private void Check(uint inode, Span<byte> raw, int slot)
    {
        var known = (InodeState)state.States[slot]; // Orphan and Hidden are set before
        if (raw.IndexOfAnyExcept((byte)0) < 0)
        {
            return;
        }
        Geometry geometry = state.Geometry;
        bool hasGoodExtra = CheckExtraSize(raw, out int extra);
        uint seed = geometry.InodeSeed(inode, ReadUInt32LittleEndian(raw[InodeRecord.GenerationAt..]));
        // Slots that were never used may have only their second half filled by a lazily made table.
        if (geometry.HasMetadataChecksums && !InodeRecord.VerifyChecksum(raw, seed, extra) &&
            raw[..InodeRecord.GoodOldSize].IndexOfAnyExcept((byte)0) >= 0)
        {
            Add(FindingCode.InodeChecksum, inode, "wrong checksum");
        }
        ushort mode = ReadUInt16LittleEndian(raw);
        ushort links = ReadUInt16LittleEndian(raw[InodeRecord.LinksAt..]);
        uint deleted = ReadUInt32LittleEndian(raw[InodeRecord.DtimeAt..]);
        state.Links[slot] = links;
        if (inode < geometry.FirstInode && inode != Ext4Volume.RootInode)
        {
            known |= InodeState.Hidden;
            state.States[slot] = (byte)known;
            if (!CheckReserved(inode, raw, mode, links, seed))
            {
                return;
            }
        }
        else if (links == 0 && (known & InodeState.Orphan) == 0)
        {
            if (mode != 0 && deleted == 0)
            {
                Add(FindingCode.DeletionTime, inode, "deleted, but without a deletion time");
            }
            else if (deleted != 0 && deleted < geometry.InodesCount)
            {
                Add(FindingCode.DeletionTime, inode, $"looks like a member of the list of orphans, with inode {deleted} behind it");
            }
            return;
        }
        DirectoryEntryType type = DirectoryEntryTypes.FromMode(mode);
        known |= InodeState.InUse | (type == DirectoryEntryType.Unknown ? InodeState.BadType : (InodeState)(byte)type);
        state.States[slot] = (byte)known;
        if (deleted != 0 && (known & InodeState.Orphan) == 0)
        {
            Add(FindingCode.DeletionTime, inode, $"in use, but with the deletion time {deleted}");
        }
        CheckFields(inode, raw, mode, extra, hasGoodExtra);
        if (hasGoodExtra && raw.Length > InodeRecord.GoodOldSize + extra + 4 &&
            ReadUInt32LittleEndian(raw[(InodeRecord.GoodOldSize + extra)..]) == AttributeArea.Magic && extra > 0)
        {
            _attributes.CheckInInode(raw[(InodeRecord.GoodOldSize + extra + 4)..], inode);
        }
        ulong acl = FileAcl(raw);
        bool countsAcl = acl != 0 && _attributes.CheckBlock(acl, inode);
        CheckContent(inode, raw, type, seed, known, countsAcl);
    }

    private bool CheckExtraSize(ReadOnlySpan<byte> raw, out int extra)
    {
        extra = 0;
        if (raw.Length <= InodeRecord.GoodOldSize)
        {
            return true;
        }
        extra = ReadUInt16LittleEndian(raw[InodeRecord.ExtraSizeAt..]);
        return extra == 0 || (extra >= 4 && extra <= raw.Length - InodeRecord.GoodOldSize && extra % 4 == 0);
    }

    private void CheckFields(uint inode, ReadOnlySpan<byte> raw, ushort mode, int extra, bool hasGoodExtra)
    {
        Geometry geometry = state.Geometry;
        if (!hasGoodExtra)
        {
            Add(FindingCode.ExtraSize, inode, $"i_extra_isize is {extra}");
        }
        else if (extra > 0)
        {
            CheckTime(inode, raw, extra, InodeRecord.CtimeAt, InodeRecord.CtimeExtraAt, "change");
            CheckTime(inode, raw, extra, InodeRecord.MtimeAt, InodeRecord.MtimeExtraAt, "modification");
            CheckTime(inode, raw, extra, InodeRecord.AtimeAt, InodeRecord.AtimeExtraAt, "access");
            CheckTime(inode, raw, extra, InodeRecord.CrtimeAt, InodeRecord.CrtimeExtraAt, "birth");
        }
        if (ReadUInt32LittleEndian(raw[0x70..]) != 0)
        {
            Add(FindingCode.InodeField, inode, "i_faddr is not zero");
        }
        if (!geometry.Has(IncompatFeatures.Bit64) && ReadUInt16LittleEndian(raw[InodeRecord.FileAclHighAt..]) != 0)
        {
            Add(FindingCode.InodeField, inode, "i_file_acl_high is set on a volume of 32-bit block numbers");
        }
        if (!geometry.Has(RoCompatFeatures.HugeFile) && ReadUInt16LittleEndian(raw[InodeRecord.BlocksHighAt..]) != 0)
        {
            Add(FindingCode.InodeField, inode, "i_blocks_high is set on a volume without huge_file");
        }
        uint flags = ReadUInt32LittleEndian(raw[InodeRecord.FlagsAt..]);
        uint wrong = 0;
        wrong |= geometry.Has(CompatFeatures.ImagicInodes) ? 0 : flags & ImagicFlag;
        wrong |= geometry.Has(IncompatFeatures.Extents) ? 0 : flags & (uint)InodeFlags.Extents;
        wrong |= flags & ((uint)InodeFlags.InlineData | (uint)InodeFlags.EaInode | CompressedBlockFlag);
        wrong |= flags & ((uint)InodeFlags.Encrypt | (uint)InodeFlags.CaseFold);
        if (wrong != 0)
        {
            Add(FindingCode.InodeFlags, inode, $"flags 0x{wrong:X} are of features that the volume does not have");
        }
        int type = mode & InodeMode.TypeMask;
        if ((flags & (uint)InodeFlags.Extents) == 0 && inode != ResizeInode && type is InodeMode.Regular or InodeMode.Directory &&
            (flags & (uint)InodeFlags.Extents) == 0 && LooksLikeExtents(raw[InodeRecord.BlockAreaAt..]))
        {
            Add(FindingCode.InodeFlags, inode, "has an extent tree, but not the flag");
        }
    }

    private static bool LooksLikeExtents(ReadOnlySpan<byte> area) =>
        ReadUInt16LittleEndian(area) == ExtentNode.MagicValue && ReadUInt16LittleEndian(area[4..]) is <= 4 and >= 2 &&
        ReadUInt16LittleEndian(area[2..]) <= ReadUInt16LittleEndian(area[4..]) && ReadUInt16LittleEndian(area[6..]) <= ExtentNode.MaxDepth;

    // Dates before 1970 that an old kernel wrote with the epoch bits of a date after 2310.
    private void CheckTime(uint inode, ReadOnlySpan<byte> raw, int extra, int at, int extraAt, string which)
    {
        if (InodeRecord.HasField(extra, extraAt + 4) && (raw[at + 3] & 0x80) != 0 && (raw[extraAt] & 3) == 3)
        {
            Add(FindingCode.InodeTime, inode, $"the {which} time is past 2310");
        }
    }

    private ulong FileAcl(ReadOnlySpan<byte> raw) => ReadUInt32LittleEndian(raw[InodeRecord.FileAclAt..]) |
        (state.Geometry.Has(IncompatFeatures.Bit64) ? (ulong)ReadUInt16LittleEndian(raw[InodeRecord.FileAclHighAt..]) << 32 : 0);

    private static ulong Size(ReadOnlySpan<byte> raw) =>
        ReadUInt32LittleEndian(raw[InodeRecord.SizeAt..]) | (ulong)ReadUInt32LittleEndian(raw[InodeRecord.SizeHighAt..]) << 32;

    private void Add(FindingCode code, uint inode, string text) => state.Findings.Add(1, code, text, inode);
}
