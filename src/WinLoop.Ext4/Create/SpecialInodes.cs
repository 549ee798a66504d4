using WinLoop.Ext4.Format;
using static System.Buffers.Binary.BinaryPrimitives;

namespace WinLoop.Ext4.Create;

/// <summary>The inodes that a new volume has: reserved ones, root, resize inode, journal, lost+found, orphan file.</summary>
internal sealed class SpecialInodes(VolumeParameters parameters, VolumeLayout layout)
{
    public const uint BadBlocks = 1, Root = 2, Resize = 7, Journal = 8, LostAndFound = 11, OrphanFile = 12;

    private readonly Geometry _geometry = parameters.Geometry;

    /// <summary>Blocks of inode tables that hold them; a group's table has whole blocks of inodes.</summary>
    public uint TableBlocks => (layout.UsedInodes + (uint)_geometry.InodesPerBlock - 1) / (uint)_geometry.InodesPerBlock;

    /// <summary>Writes them.</summary>
    /// <param name="table">The first <see cref="TableBlocks"/> blocks of the groups' tables, zero.</param>
    /// <param name="options">For the root directory's owner.</param>
    public void Write(Span<byte> table, Ext4CreateOptions options)
    {
        InodeImage.FillTimes(At(table, BadBlocks), parameters.Time, hasExtra: false);

        Span<byte> root = At(table, Root);
        FillMapped(root, InodeMode.Directory | 0x1ED, 3, [new BlockRun(layout.RootBlock, 1)]);
        InodeImage.SetOwner(root, options.RootUid, options.RootGid);

        FillMapped(At(table, LostAndFound), InodeMode.Directory | 0x1C0, 2, layout.LostAndFound);
        if (layout.ResizeBlock != 0)
        {
            FillResize(At(table, Resize));
        }
        if (parameters.JournalBlocks != 0)
        {
            FillJournal(At(table, Journal));
        }
        if (parameters.OrphanFileBlocks != 0)
        {
            FillMapped(At(table, OrphanFile), InodeMode.Regular | 0x180, 1, layout.OrphanFile);
        }
        if (_geometry.HasMetadataChecksums)
        {
            for (uint number = 1; number <= layout.UsedInodes; number++)
            {
                Span<byte> raw = At(table, number);
                InodeRecord.UpdateChecksum(raw, _geometry.InodeSeed(number, 0), InodeRecord.ExtraSize(raw));
            }
        }
    }

    /// <summary>The copy of the journal's place in the superblock, from the finished table.</summary>
    public void BackUpJournal(Span<byte> table, Superblock sb)
    {
        Span<byte> raw = At(table, Journal);
        raw.Slice(InodeRecord.BlockAreaAt, 60).CopyTo(sb.JournalBlocks);
        raw.Slice(InodeRecord.SizeHighAt, 4).CopyTo(sb.JournalBlocks[60..]);
        raw.Slice(InodeRecord.SizeAt, 4).CopyTo(sb.JournalBlocks[64..]);
        sb.JournalBackupType = 1;
    }

    /// <summary>The resize inode's double-indirect block: it names the reserved descriptor blocks of group 0.</summary>
    public void WriteResizeBlock(Span<byte> block)
    {
        uint slots = (uint)block.Length / 4;
        for (uint i = 0; i < _geometry.ReservedDescriptorBlocks; i++)
        {
            uint slot = (_geometry.DescriptorBlocks + i) % slots;
            WriteUInt32LittleEndian(block[(int)(slot * 4)..], ReservedBlock(i));
        }
    }

    /// <summary>A reserved descriptor block of group 0, which is an indirect block: it names its copies in the backup groups.</summary>
    public void WriteReservedBlock(Span<byte> block, uint index)
    {
        int slot = 0;
        for (uint group = 1; group < _geometry.GroupCount; group++)
        {
            if (_geometry.HasSuperblock(group))
            {
                WriteUInt32LittleEndian(block[slot..], (uint)(ReservedBlock(index) + ((ulong)group * _geometry.BlocksPerGroup)));
                slot += 4;
            }
        }
    }

    /// <summary>The place of a reserved descriptor block of group 0.</summary>
    public uint ReservedBlock(uint index) => _geometry.FirstDataBlock + 1 + _geometry.DescriptorBlocks + index;

    private Span<byte> At(Span<byte> table, uint number) =>
        table.Slice((int)(number - 1) * _geometry.InodeSize, _geometry.InodeSize);

    private void FillMapped(Span<byte> raw, ushort mode, ushort links, IReadOnlyList<BlockRun> runs)
    {
        ulong blocks = 0;
        foreach (BlockRun run in runs)
        {
            blocks += run.Length;
        }
        Fill(raw, mode, links, blocks * (ulong)_geometry.BlockSize, blocks, InodeFlags.Extents);
        ExtentImage.WriteRoot(raw.Slice(InodeRecord.BlockAreaAt, 60), runs);
    }

    private void FillJournal(Span<byte> raw)
    {
        if (layout.JournalExtentBlock == 0)
        {
            FillMapped(raw, InodeMode.Regular | 0x180, 1, layout.Journal);
            return;
        }
        ulong blocks = parameters.JournalBlocks;
        Fill(raw, InodeMode.Regular | 0x180, 1, blocks * (ulong)_geometry.BlockSize, blocks + 1, InodeFlags.Extents);
        ExtentImage.WriteIndexRoot(raw.Slice(InodeRecord.BlockAreaAt, 60), layout.JournalExtentBlock);
    }

    // Block-mapped, and only the double-indirect pointer is set; the size is that of a full double-indirect map.
    private void FillResize(Span<byte> raw)
    {
        ulong slots = (ulong)_geometry.BlockSize / 4;
        ulong copies = 0;
        for (uint group = 0; group < _geometry.GroupCount; group++)
        {
            copies += _geometry.HasSuperblock(group) ? 1u : 0;
        }
        ulong size = ((slots * slots) + slots + 12) * (ulong)_geometry.BlockSize;
        Fill(raw, InodeMode.Regular | 0x180, 1, size, 1 + (_geometry.ReservedDescriptorBlocks * copies), InodeFlags.None);
        WriteUInt32LittleEndian(raw[(InodeRecord.BlockAreaAt + (13 * 4))..], (uint)layout.ResizeBlock);
    }

    private void Fill(Span<byte> raw, ushort mode, ushort links, ulong size, ulong blocks, InodeFlags flags) =>
        InodeImage.Fill(raw, mode, links, size, blocks * (ulong)_geometry.SectorsPerBlock, flags, parameters.Time);
}
