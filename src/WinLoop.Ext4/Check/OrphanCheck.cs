using WinLoop.Ext4.Cache;
using WinLoop.Ext4.Format;
using static System.Buffers.Binary.BinaryPrimitives;

namespace WinLoop.Ext4.Check;

/// <summary>
/// Inodes that were unlinked or being truncated when the volume was last in use: the list from s_last_orphan
/// through i_dtime, and the orphan file. They are in use until the next mount has freed them.
/// </summary>
internal sealed class OrphanCheck(CheckState state)
{
    private const uint BlockMagic = 0x0B10CA04;
    private const int TailSize = 8;

    private readonly BlockWalker _walker = new(state);
    private byte[] _inode = [], _block = [];

    /// <summary>Inodes that wait.</summary>
    public int Count { get; private set; }

    public void Run()
    {
        Count = 0;
        Array.Resize(ref _inode, state.Geometry.InodeSize);
        WalkList();
        if (state.Geometry.Has(CompatFeatures.OrphanFile))
        {
            ReadFile();
        }
        else
        {
            CheckAbsence();
        }
    }

    private void CheckAbsence()
    {
        if (state.Geometry.Has(RoCompatFeatures.OrphanPresent))
        {
            state.Findings.Add(0, FindingCode.OrphanFile, "orphans are said to be in a file that the volume does not have");
        }
        uint number = state.Superblock.OrphanFileInode;
        if (number >= state.Geometry.FirstInode && number <= state.Geometry.InodesCount && state.SlotOf(number) >= 0 && state.TryReadInode(number, _inode) &&
            _inode.AsSpan().IndexOfAnyExcept((byte)0) >= 0)
        {
            state.Findings.Add(0, FindingCode.OrphanFile, $"inode {number} is named as orphan file on a volume without one");
        }
    }

    private void WalkList()
    {
        uint inode = state.Superblock.LastOrphan;
        uint from = 0;
        while (inode != 0)
        {
            if (!Mark(inode, from == 0 ? "the superblock" : $"inode {from}") || !state.TryReadInode(inode, _inode))
            {
                return;
            }
            from = inode;
            inode = ReadUInt32LittleEndian(_inode.AsSpan(InodeRecord.DtimeAt));
        }
    }

    // An inode that was marked before ends the list: each one is visited once.
    private bool Mark(uint inode, string by)
    {
        int slot = inode >= state.Geometry.FirstInode && inode <= state.Geometry.InodesCount ? state.SlotOf(inode) : -1;
        if (slot < 0 || ((InodeState)state.States[slot] & InodeState.Orphan) != 0)
        {
            state.Findings.Add(0, FindingCode.OrphanList, slot < 0
                ? $"{by} names the orphan {inode}, which cannot be one"
                : $"{by} names the orphan {inode} for the second time");
            return false;
        }
        state.States[slot] |= (byte)InodeState.Orphan;
        Count++;
        state.Findings.Add(0, FindingCode.OrphanInode, "is an orphan: it is freed or truncated at the next writable mount", inode);
        return true;
    }

    private void ReadFile()
    {
        Geometry geometry = state.Geometry;
        uint number = state.Superblock.OrphanFileInode;
        int slot = number >= geometry.FirstInode && number <= geometry.InodesCount ? state.SlotOf(number) : -1;
        if (slot < 0 || !state.TryReadInode(number, _inode))
        {
            state.Findings.Add(0, FindingCode.OrphanFile, $"the orphan file is said to be inode {number}");
            return;
        }
        state.States[slot] |= (byte)InodeState.Hidden;
        ulong size = ReadUInt32LittleEndian(_inode.AsSpan(InodeRecord.SizeAt)) | (ulong)ReadUInt32LittleEndian(_inode.AsSpan(InodeRecord.SizeHighAt)) << 32;
        if ((ReadUInt16LittleEndian(_inode) & InodeMode.TypeMask) != InodeMode.Regular || ReadUInt16LittleEndian(_inode.AsSpan(InodeRecord.LinksAt)) == 0)
        {
            state.Findings.Add(0, FindingCode.OrphanFile, "the orphan file is no regular file in use", number);
            return;
        }
        uint seed = geometry.InodeSeed(number, ReadUInt32LittleEndian(_inode.AsSpan(InodeRecord.GenerationAt)));
        bool hasExtents = (ReadUInt32LittleEndian(_inode.AsSpan(InodeRecord.FlagsAt)) & (uint)InodeFlags.Extents) != 0;
        _walker.Walk(_inode.AsSpan(InodeRecord.BlockAreaAt, 60), number, seed, hasExtents, WalkMode.Collect);
        if (!_walker.IsComplete || size == 0 || (size & ((ulong)geometry.BlockSize - 1)) != 0 ||
            size >> geometry.BlockSizeBits != (ulong)_walker.Collected.Count)
        {
            state.Findings.Add(0, FindingCode.OrphanFile, $"the orphan file of {size} bytes has {_walker.Collected.Count} blocks", number);
            return;
        }
        if (_block.Length != geometry.BlockSize)
        {
            _block = new byte[geometry.BlockSize];
        }
        int before = Count;
        for (int i = 0; i < _walker.Collected.Count; i++)
        {
            ReadBlock(_walker.Collected[i], number, seed);
        }
        if (Count > before && !geometry.Has(RoCompatFeatures.OrphanPresent))
        {
            state.Findings.Add(0, FindingCode.OrphanFile, "the orphan file is not empty, but said to be", number);
        }
        else if (Count == before && geometry.Has(RoCompatFeatures.OrphanPresent))
        {
            state.Findings.Add(0, FindingCode.OrphanFlag, "the orphan file is said to hold orphans, but is empty", number);
        }
    }

    private void ReadBlock(ulong block, uint number, uint seed)
    {
        if (!state.TryRead(0, _block, block, number))
        {
            return;
        }
        int end = _block.Length - TailSize;
        if (ReadUInt32LittleEndian(_block.AsSpan(end)) != BlockMagic)
        {
            state.Findings.Add(0, FindingCode.OrphanFile, $"block {block} of the orphan file has no magic number", number, block);
            return;
        }
        if (!state.IsChecksumRight(block, _block, BufferKind.OrphanBlock, seed))
        {
            state.Findings.Add(0, FindingCode.OrphanFile, $"block {block} of the orphan file has a wrong checksum", number, block);
            return;
        }
        for (int at = 0; at < end; at += sizeof(uint))
        {
            uint inode = ReadUInt32LittleEndian(_block.AsSpan(at));
            if (inode != 0)
            {
                Mark(inode, "the orphan file");
            }
        }
    }
}
