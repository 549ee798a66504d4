using WinLoop.Ext4.Format;
using static System.Buffers.Binary.BinaryPrimitives;

namespace WinLoop.Ext4.Check;

// What an inode's type asks of its size, blocks and flags.
internal sealed partial class InodeScanner
{
    private const uint ResizeInode = 7, BadBlocksInode = 1, BootLoaderInode = 5;
    private const int FastSymlinkLimit = 60;
    private const int ExtentDepthAt = 6;
    // Blocks that a directory may have past its size (s_prealloc_dir_blocks) are not worth a field: nobody has any.

    /// <summary>Reserved inodes. True if it goes on like an ordinary one.</summary>
    private bool CheckReserved(uint inode, Span<byte> raw, ushort mode, ushort links, uint seed)
    {
        Geometry geometry = state.Geometry;
        bool isJournal = geometry.Has(CompatFeatures.HasJournal) && inode == state.Superblock.JournalInode;
        bool isQuota = geometry.Has(RoCompatFeatures.Quota) &&
            (inode == state.Superblock.UserQuotaInode || inode == state.Superblock.GroupQuotaInode);
        bool isResize = inode == ResizeInode && geometry.Has(CompatFeatures.ResizeInode);
        if (isJournal || isQuota)
        {
            if ((mode & InodeMode.TypeMask) != InodeMode.Regular || links == 0)
            {
                Add(FindingCode.ReservedInode, inode, $"the {(isJournal ? "journal" : "quota file")} is no regular file in use (mode 0{Octal(mode)}, {links} links)");
                return false;
            }
            return true;
        }
        if (isResize)
        {
            if (ReadUInt32LittleEndian(raw[InodeRecord.DtimeAt..]) is var deleted && deleted != 0 && deleted < geometry.InodesCount)
            {
                Add(FindingCode.DeletionTime, inode, "in use, but with a deletion time");
            }
            // Its structure was checked in pass 0; here its count of blocks.
            _walker.Walk(raw.Slice(InodeRecord.BlockAreaAt, 60), inode, seed, hasExtents: false, WalkMode.ClaimTop);
            CheckBlockCount(inode, raw, _walker.Blocks);
            return false;
        }
        if (inode == BadBlocksInode)
        {
            if (mode != 0 || links != 0 || ReadUInt16LittleEndian(raw[InodeRecord.UidAt..]) != 0 || FileAcl(raw) != 0)
            {
                Add(FindingCode.ReservedInode, inode, "the list of bad blocks has a mode, links, an owner or attributes");
            }
            else
            {
                _walker.Walk(raw.Slice(InodeRecord.BlockAreaAt, 60), inode, seed, hasExtents: false, WalkMode.Claim);
            }
            return false;
        }
        if (inode == BootLoaderInode ? (mode & InodeMode.TypeMask) == InodeMode.Directory : mode != 0)
        {
            Add(FindingCode.ReservedInode, inode, $"a reserved inode has the mode 0{Octal(mode)}");
            return false;
        }
        if ((inode == ResizeInode || inode == state.Superblock.JournalInode) && links != 0)
        {
            Add(FindingCode.ReservedInode, inode, "is not used by this volume, but not clear");
        }
        return inode == BootLoaderInode && mode != 0 && links != 0;
    }

    private void CheckContent(uint inode, Span<byte> raw, DirectoryEntryType type, uint seed, InodeState known, bool countsAcl)
    {
        var flags = (InodeFlags)ReadUInt32LittleEndian(raw[InodeRecord.FlagsAt..]);
        ulong extraBlocks = countsAcl ? 1u : 0u;
        bool hasExtents = (flags & InodeFlags.Extents) != 0;
        Span<byte> area = raw.Slice(InodeRecord.BlockAreaAt, 60);
        switch (type)
        {
            case DirectoryEntryType.Directory:
                CheckDirectory(inode, raw, seed, flags, extraBlocks);
                break;
            case DirectoryEntryType.Regular:
                _walker.Walk(area, inode, seed, hasExtents, WalkMode.Claim);
                CheckBlockCount(inode, raw, _walker.Blocks + extraBlocks);
                CheckFileSize(inode, Size(raw), flags, known);
                if ((flags & InodeFlags.Index) != 0)
                {
                    Add(FindingCode.InodeFlags, inode, "has the flag of an indexed directory, but is none");
                }
                break;
            case DirectoryEntryType.Symlink:
                CheckSymlink(inode, raw, seed, flags, extraBlocks);
                break;
            case DirectoryEntryType.Unknown:
                Add(FindingCode.InodeMode, inode, $"the mode 0{Octal(ReadUInt16LittleEndian(raw))} is of no type");
                break;
            default:
                CheckSpecial(inode, raw, flags, extraBlocks);
                break;
        }
    }

    private void CheckDirectory(uint inode, Span<byte> raw, uint seed, InodeFlags flags, ulong extraBlocks)
    {
        Geometry geometry = state.Geometry;
        ulong size = Size(raw);
        int first = DirectoryBlocks.Count;
        _walker.Walk(raw.Slice(InodeRecord.BlockAreaAt, 60), inode, seed, (flags & InodeFlags.Extents) != 0, WalkMode.Claim, Directories.Count);
        ulong sizeInBlocks = size >> geometry.BlockSizeBits;
        bool isIndexed = (flags & InodeFlags.Index) != 0;
        Directories.Add(new CheckedDirectory
        {
            Inode = inode,
            Generation = ReadUInt32LittleEndian(raw[InodeRecord.GenerationAt..]),
            FirstBlock = first,
            BlockCount = DirectoryBlocks.Count - first,
            SizeInBlocks = (uint)Math.Min(sizeInBlocks, uint.MaxValue),
            IsIndexed = isIndexed && geometry.Has(CompatFeatures.DirIndex),
        });
        if (isIndexed && !geometry.Has(CompatFeatures.DirIndex))
        {
            Add(FindingCode.InodeFlags, inode, "is indexed on a volume without dir_index");
        }
        CheckBlockCount(inode, raw, _walker.Blocks + extraBlocks);
        if (_walker.DataBlocks == 0)
        {
            if (_walker.IsComplete)
            {
                Add(FindingCode.EmptyDirectory, inode, "a directory without a block");
            }
        }
        else if (_walker.IsComplete && ((size & ((ulong)geometry.BlockSize - 1)) != 0 || sizeInBlocks != (ulong)(_walker.LastBlock + 1)))
        {
            Add(FindingCode.InodeSize, inode, $"a directory of {size} bytes whose last block is {_walker.LastBlock}");
        }
        else if (_walker.IsComplete && _walker.DataBlocks < (ulong)(_walker.LastBlock + 1))
        {
            state.Findings.Add(2, FindingCode.DirectoryHole, $"{(ulong)(_walker.LastBlock + 1) - _walker.DataBlocks} blocks of the directory are holes", inode);
        }
    }

    private void CheckFileSize(uint inode, ulong size, InodeFlags flags, InodeState known)
    {
        Geometry geometry = state.Geometry;
        if (size >= 0x80000000)
        {
            HasLargeFile = true;
        }
        bool hasExtents = (flags & InodeFlags.Extents) != 0;
        ulong perBlock = (ulong)geometry.BlockSize / 4;
        ulong maximumBlocks = hasExtents ? uint.MaxValue : Math.Min(12 + perBlock + (perBlock * perBlock) + (perBlock * perBlock * perBlock), uint.MaxValue);
        if (size > maximumBlocks << geometry.BlockSizeBits)
        {
            Add(FindingCode.InodeSize, inode, $"{size} bytes are more than a file can have");
        }
        // Preallocated blocks may lie behind the end, others not, unless the file is being truncated. Verity keeps
        // its tree there.
        else if (_walker.IsComplete && _walker.LastWritten >= 0 && (known & InodeState.Orphan) == 0 && (flags & InodeFlags.Verity) == 0 &&
            size < (ulong)_walker.LastWritten << geometry.BlockSizeBits)
        {
            Add(FindingCode.InodeSize, inode, $"{size} bytes, but block {_walker.LastWritten} is in use");
        }
    }

    private void CheckBlockCount(uint inode, ReadOnlySpan<byte> raw, ulong blocks)
    {
        if (!_walker.IsComplete)
        {
            return;
        }
        Geometry geometry = state.Geometry;
        bool isHuge = geometry.Has(RoCompatFeatures.HugeFile);
        ulong stored = ReadUInt32LittleEndian(raw[InodeRecord.BlocksAt..]) |
            (isHuge ? (ulong)ReadUInt16LittleEndian(raw[InodeRecord.BlocksHighAt..]) << 32 : 0);
        bool isInBlocks = isHuge && (ReadUInt32LittleEndian(raw[InodeRecord.FlagsAt..]) & (uint)InodeFlags.HugeFile) != 0;
        ulong right = isInBlocks ? blocks : blocks * (ulong)geometry.SectorsPerBlock;
        if (stored != right)
        {
            Add(FindingCode.InodeBlocks, inode, $"i_blocks is {stored}, it has {right}");
        }
    }

    private void CheckSymlink(uint inode, Span<byte> raw, uint seed, InodeFlags flags, ulong extraBlocks)
    {
        Span<byte> area = raw.Slice(InodeRecord.BlockAreaAt, 60);
        ulong size = Size(raw);
        bool hasExtents = (flags & InodeFlags.Extents) != 0;
        if (size == 0 || size >= (ulong)state.Geometry.BlockSize || (flags & InodeFlags.Index) != 0)
        {
            Add(FindingCode.Symlink, inode, $"a symbolic link of {size} bytes" + ((flags & InodeFlags.Index) != 0 ? " with the index flag" : ""));
            return;
        }
        if (size < FastSymlinkLimit)
        {
            if (hasExtents)
            {
                Add(FindingCode.Symlink, inode, "a short symbolic link with the extents flag");
            }
            else if (area.IndexOf((byte)0) != (int)size)
            {
                Add(FindingCode.Symlink, inode, $"the target has another length than {size} bytes");
            }
            _walker.Walk(s_empty, inode, seed, hasExtents: false, WalkMode.Claim);
            CheckBlockCount(inode, raw, extraBlocks);
            return;
        }
        _walker.Walk(area, inode, seed, hasExtents, WalkMode.Claim);
        CheckBlockCount(inode, raw, _walker.Blocks + extraBlocks);
        if (!_walker.IsComplete)
        {
            return;
        }
        if (_walker.DataBlocks != 1 || _walker.FirstPhysical == 0)
        {
            Add(FindingCode.Symlink, inode, $"a symbolic link with {_walker.DataBlocks} blocks");
            return;
        }
        bool hasTree = hasExtents
            ? ReadUInt16LittleEndian(area[ExtentDepthAt..]) != 0
            : area[sizeof(uint)..].ContainsAnyExcept((byte)0);
        if (hasTree)
        {
            Add(FindingCode.Symlink, inode, "a symbolic link with blocks that map blocks");
            return;
        }
        if (_target.Length != state.Geometry.BlockSize)
        {
            _target = new byte[state.Geometry.BlockSize];
        }
        if (state.TryRead(1, _target, _walker.FirstPhysical, inode) && _target.AsSpan().IndexOf((byte)0) != (int)size)
        {
            Add(FindingCode.Symlink, inode, $"the target has another length than {size} bytes");
        }
    }

    private static readonly byte[] s_empty = new byte[60];

    private void CheckSpecial(uint inode, ReadOnlySpan<byte> raw, InodeFlags flags, ulong extraBlocks)
    {
        if ((flags & (InodeFlags.Extents | InodeFlags.Index | InodeFlags.Immutable | InodeFlags.Append)) != 0)
        {
            Add(FindingCode.SpecialInode, inode, $"a device, pipe or socket with the flags 0x{(uint)flags:X}");
        }
        if (Size(raw) != 0)
        {
            Add(FindingCode.SpecialInode, inode, $"a device, pipe or socket of {Size(raw)} bytes");
        }
        _walker.Walk(s_empty, inode, 0, hasExtents: false, WalkMode.Claim);
        CheckBlockCount(inode, raw, extraBlocks);
    }

    // The second look, after some block was claimed twice: who claims such a block?
    private void Probe(uint inode, Span<byte> raw, int slot)
    {
        var known = (InodeState)state.States[slot];
        if ((known & InodeState.InUse) == 0)
        {
            return;
        }
        ulong acl = FileAcl(raw);
        ulong? conflict = acl != 0 && state.Geometry.IsValidRange(acl, 1) && state.Claims.IsConflicting(acl) ? acl : null;
        var type = (DirectoryEntryType)(byte)(known & InodeState.TypeMask);
        bool hasBlocks = type is DirectoryEntryType.Regular or DirectoryEntryType.Directory ||
            (type == DirectoryEntryType.Symlink && Size(raw) >= FastSymlinkLimit);
        if (hasBlocks && conflict is null)
        {
            uint seed = state.Geometry.InodeSeed(inode, ReadUInt32LittleEndian(raw[InodeRecord.GenerationAt..]));
            bool hasExtents = (ReadUInt32LittleEndian(raw[InodeRecord.FlagsAt..]) & (uint)InodeFlags.Extents) != 0;
            _walker.Walk(raw.Slice(InodeRecord.BlockAreaAt, 60), inode, seed, hasExtents, WalkMode.Probe);
            conflict = _walker.Conflict;
        }
        if (conflict is { } block)
        {
            state.Findings.Add(1, FindingCode.MultiplyClaimed, $"block {block} is in use more than once", inode, block);
        }
    }

    private static string Octal(ushort mode) => Convert.ToString(mode, 8);
}
