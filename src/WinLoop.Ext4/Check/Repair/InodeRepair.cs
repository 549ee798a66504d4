using WinLoop.Ext4.Cache;
using WinLoop.Ext4.Format;
using WinLoop.Storage;
using static System.Buffers.Binary.BinaryPrimitives;

namespace WinLoop.Ext4.Check.Repair;

/// <summary>Fields of inodes that follow from the rest, and the checksums of blocks that belong to one.</summary>
internal sealed class InodeRepair(CheckState state, IBlockDevice device, List<string> actions)
{
    private const int LinkMaximum = 65000;

    private readonly BlockWalker _walker = new(state);
    private byte[] _raw = [];

    public void Repair(in Finding finding, IReadOnlyList<Finding> all)
    {
        if (finding.Inode is not { } inode || !Read(inode))
        {
            return;
        }
        switch (finding.Code)
        {
            case FindingCode.InodeChecksum:
                // If anything else is wrong with it, that comes first; the checksum is renewed with it.
                foreach (Finding other in all)
                {
                    if (other.Inode == inode && other is { Severity: FindingSeverity.Error, Pass: 1 } && other.Code != FindingCode.InodeChecksum)
                    {
                        return;
                    }
                }
                break;
            case FindingCode.InodeBlocks:
                SetBlocks(inode);
                break;
            case FindingCode.InodeSize:
                SetSize(inode);
                break;
            case FindingCode.DeletionTime:
                bool isInUse = ReadUInt16LittleEndian(_raw.AsSpan(InodeRecord.LinksAt)) != 0;
                WriteUInt32LittleEndian(_raw.AsSpan(InodeRecord.DtimeAt), isInUse ? 0 : Now());
                break;
            case FindingCode.InodeField:
                ClearFields();
                break;
            case FindingCode.InodeTime:
                ClearEpochs();
                break;
            case FindingCode.SpecialInode:
                uint flags = ReadUInt32LittleEndian(_raw.AsSpan(InodeRecord.FlagsAt));
                flags &= ~(uint)(InodeFlags.Extents | InodeFlags.Index | InodeFlags.Immutable | InodeFlags.Append);
                WriteUInt32LittleEndian(_raw.AsSpan(InodeRecord.FlagsAt), flags);
                StoreSize(0);
                break;
            case FindingCode.LinkCount:
                int names = state.Names[state.SlotOf(inode)];
                WriteUInt16LittleEndian(_raw.AsSpan(InodeRecord.LinksAt), (ushort)(names > LinkMaximum ? 1 : names));
                break;
            case FindingCode.OrphanInode:
                if (!FreeOrphan(inode))
                {
                    return;
                }
                break;
        }
        Write(inode);
        actions.Add($"inode {inode}: mended \"{finding.Text}\"");
    }

    /// <summary>Stores the right checksum in a block that belongs to an inode.</summary>
    public void RenewChecksum(in Finding finding, BufferKind kind, string what)
    {
        if (finding.Block is not { } block || finding.Inode is not { } inode || !Read(inode))
        {
            return;
        }
        byte[] data = new byte[state.Geometry.BlockSize];
        device.Read(data, (long)(block << state.Geometry.BlockSizeBits));
        uint seed = kind == BufferKind.AttributeBlock ? state.Geometry.ChecksumSeed : Seed(inode);
        state.Checksums.Update(block, data, kind, seed);
        device.Write(data, (long)(block << state.Geometry.BlockSizeBits), WriteTag.Metadata);
        actions.Add($"inode {inode}: renewed the checksum of {what} {block}");
    }

    /// <summary>Stores how many inodes share an attribute block.</summary>
    public void SetOwners(in Finding finding)
    {
        foreach ((ulong block, uint owners) in state.AttributeBlocks.Wrong())
        {
            if (block != finding.Block)
            {
                continue;
            }
            byte[] data = new byte[state.Geometry.BlockSize];
            device.Read(data, (long)(block << state.Geometry.BlockSizeBits));
            WriteUInt32LittleEndian(data.AsSpan(4), owners);
            state.Checksums.Update(block, data, BufferKind.AttributeBlock, state.Geometry.ChecksumSeed);
            device.Write(data, (long)(block << state.Geometry.BlockSizeBits), WriteTag.Metadata);
            actions.Add($"attribute block {block}: set {owners} owners");
        }
    }

    private void SetBlocks(uint inode)
    {
        Geometry geometry = state.Geometry;
        Walk(inode);
        ulong blocks = _walker.Blocks;
        blocks += ReadUInt32LittleEndian(_raw.AsSpan(InodeRecord.FileAclAt)) != 0 ? 1u : 0u;
        uint flags = ReadUInt32LittleEndian(_raw.AsSpan(InodeRecord.FlagsAt));
        bool isHuge = geometry.Has(RoCompatFeatures.HugeFile);
        ulong units = isHuge && (flags & (uint)InodeFlags.HugeFile) != 0 ? blocks : blocks * (ulong)geometry.SectorsPerBlock;
        if (units >> (isHuge ? 48 : 32) != 0)
        {
            return;
        }
        WriteUInt32LittleEndian(_raw.AsSpan(InodeRecord.BlocksAt), unchecked((uint)units));
        if (isHuge)
        {
            WriteUInt16LittleEndian(_raw.AsSpan(InodeRecord.BlocksHighAt), (ushort)(units >> 32));
        }
    }

    private void SetSize(uint inode)
    {
        Walk(inode);
        if (_walker.LastBlock >= 0)
        {
            bool isDirectory = (ReadUInt16LittleEndian(_raw) & InodeMode.TypeMask) == InodeMode.Directory;
            StoreSize((ulong)((isDirectory ? _walker.LastBlock : _walker.LastWritten) + 1) << state.Geometry.BlockSizeBits);
        }
    }

    // Blocks of fast links and of devices are no blocks.
    private void Walk(uint inode)
    {
        int type = ReadUInt16LittleEndian(_raw) & InodeMode.TypeMask;
        bool hasExtents = (ReadUInt32LittleEndian(_raw.AsSpan(InodeRecord.FlagsAt)) & (uint)InodeFlags.Extents) != 0;
        bool hasBlocks = type is InodeMode.Regular or InodeMode.Directory ||
            (type == InodeMode.Symlink && ReadUInt32LittleEndian(_raw.AsSpan(InodeRecord.SizeAt)) >= 60);
        byte[] area = hasBlocks ? _raw[InodeRecord.BlockAreaAt..(InodeRecord.BlockAreaAt + 60)] : new byte[60];
        _walker.Walk(area, inode, Seed(inode), hasExtents && hasBlocks, WalkMode.Collect);
    }

    private void StoreSize(ulong size)
    {
        WriteUInt32LittleEndian(_raw.AsSpan(InodeRecord.SizeAt), unchecked((uint)size));
        WriteUInt32LittleEndian(_raw.AsSpan(InodeRecord.SizeHighAt), (uint)(size >> 32));
    }

    private void ClearFields()
    {
        WriteUInt32LittleEndian(_raw.AsSpan(0x70), 0);
        if (!state.Geometry.Has(IncompatFeatures.Bit64))
        {
            WriteUInt16LittleEndian(_raw.AsSpan(InodeRecord.FileAclHighAt), 0);
        }
        if (!state.Geometry.Has(RoCompatFeatures.HugeFile))
        {
            WriteUInt16LittleEndian(_raw.AsSpan(InodeRecord.BlocksHighAt), 0);
        }
    }

    private void ClearEpochs()
    {
        int extra = ReadUInt16LittleEndian(_raw.AsSpan(InodeRecord.ExtraSizeAt));
        foreach ((int at, int extraAt) in ((int, int)[])[(InodeRecord.CtimeAt, InodeRecord.CtimeExtraAt), (InodeRecord.MtimeAt, InodeRecord.MtimeExtraAt),
            (InodeRecord.AtimeAt, InodeRecord.AtimeExtraAt), (InodeRecord.CrtimeAt, InodeRecord.CrtimeExtraAt)])
        {
            if (InodeRecord.HasField(extra, extraAt + 4) && (_raw[at + 3] & 0x80) != 0 && (_raw[extraAt] & 3) == 3)
            {
                _raw[extraAt] &= 0xFC;
            }
        }
    }

    // What has no name is deleted; its blocks become free with the bitmaps. What has one would have to be cut to
    // its size, which is left to a mount.
    private bool FreeOrphan(uint inode)
    {
        if (ReadUInt16LittleEndian(_raw.AsSpan(InodeRecord.LinksAt)) != 0 || state.Superblock.LastOrphan == 0)
        {
            return false;
        }
        StoreSize(0);
        WriteUInt32LittleEndian(_raw.AsSpan(InodeRecord.DtimeAt), Now());
        WriteUInt32LittleEndian(_raw.AsSpan(InodeRecord.BlocksAt), 0);
        WriteUInt16LittleEndian(_raw.AsSpan(InodeRecord.BlocksHighAt), 0);
        WriteUInt32LittleEndian(_raw.AsSpan(InodeRecord.FileAclAt), 0);
        WriteUInt16LittleEndian(_raw.AsSpan(InodeRecord.FileAclHighAt), 0);
        Span<byte> area = _raw.AsSpan(InodeRecord.BlockAreaAt, 60);
        area.Clear();
        if ((ReadUInt32LittleEndian(_raw.AsSpan(InodeRecord.FlagsAt)) & (uint)InodeFlags.Extents) != 0)
        {
            new ExtentNode(area).Initialize(ExtentNode.RootCapacity, 0);
        }
        // The list goes with its inodes; an orphan that is still on it is found without it.
        state.Superblock.LastOrphan = 0;
        Ext4Repair.Write(device, state.Superblock);
        state.Superblock.LastOrphan = inode;
        return true;
    }

    private bool Read(uint inode)
    {
        if (_raw.Length != state.Geometry.InodeSize)
        {
            _raw = new byte[state.Geometry.InodeSize];
        }
        // From the device being mended: another finding may have changed it in this round.
        return inode >= 1 && inode <= state.Geometry.InodesCount && state.SlotOf(inode) >= 0 && state.TryReadInode(inode, _raw);
    }

    private void Write(uint inode)
    {
        Geometry geometry = state.Geometry;
        int extra = geometry.InodeSize > InodeRecord.GoodOldSize ? ReadUInt16LittleEndian(_raw.AsSpan(InodeRecord.ExtraSizeAt)) : 0;
        if (geometry.HasMetadataChecksums)
        {
            InodeRecord.UpdateChecksum(_raw, Seed(inode), extra);
        }
        ulong table = state.Descriptor(geometry.GroupOfInode(inode)).InodeTable;
        ulong at = (table << geometry.BlockSizeBits) + ((ulong)((inode - 1) % geometry.InodesPerGroup) * (ulong)geometry.InodeSize);
        device.Write(_raw, (long)at, WriteTag.Metadata);
    }

    private uint Seed(uint inode) => state.Geometry.InodeSeed(inode, ReadUInt32LittleEndian(_raw.AsSpan(InodeRecord.GenerationAt)));

    private static uint Now() => (uint)Math.Clamp(Timestamp.Now.Seconds, 1, uint.MaxValue);
}
