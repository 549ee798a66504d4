using WinLoop.Ext4.Format;
using WinLoop.Storage;
using static System.Buffers.Binary.BinaryPrimitives;

namespace WinLoop.Ext4.Create;

/// <summary>Writes a computed layout. The primary superblock comes last, behind a flush: a device on which
/// this was cut off is not taken for a file system.</summary>
internal sealed class VolumeWriter(IBlockDevice device, VolumeParameters parameters, VolumeLayout layout, Ext4CreateOptions options)
{
    // Other file systems and partition tables keep signatures at both ends.
    private const long SignatureAreaStart = 4096, SignatureAreaEnd = 64 * 1024;
    private const uint OrphanBlockMagic = 0x0B10CA04;

    private readonly Geometry _geometry = parameters.Geometry;
    private readonly Superblock _superblock = parameters.Superblock;
    private readonly SpecialInodes _inodes = new(parameters, layout);
    private readonly BlockWriter _blocks = new(device, parameters.Geometry.BlockSize);

    /// <summary>Writes everything and flushes.</summary>
    public void Write()
    {
        if (!options.IsZeroed)
        {
            Wipe();
        }
        WriteBitmaps();
        WriteInodes();
        WriteDirectories();
        WriteResizeInode();
        WriteJournal();
        WriteOrphanFile();
        _blocks.Flush();
        WriteDescriptorsAndSuperblocks();
    }

    private uint? SeedOf(uint inode) => _geometry.HasMetadataChecksums ? _geometry.InodeSeed(inode, 0) : null;

    // What is read before it is written must be zero: the ends, the inode tables and the journal.
    private void Wipe()
    {
        device.WriteZeroes(0, Math.Min(SignatureAreaStart, device.Length), WriteTag.Metadata);
        long end = Math.Max(0, device.Length - SignatureAreaEnd) & ~4095L;
        device.WriteZeroes(end, device.Length - end, WriteTag.Metadata);
        device.Flush();
        if (options.Discard)
        {
            device.Discard(0, device.Length);
            device.WriteZeroes(0, SignatureAreaStart, WriteTag.Metadata);
            device.WriteZeroes(end, device.Length - end, WriteTag.Metadata);
        }
        if (!options.UseLazyInodeTables)
        {
            ZeroInodeTables();
        }
        foreach (BlockRun run in layout.Journal)
        {
            Zero(run);
        }
    }

    private void ZeroInodeTables()
    {
        var tables = new BlockRun(0, 0);
        for (uint group = 0; group < _geometry.GroupCount; group++)
        {
            ulong start = layout.Descriptor(group).InodeTable;
            if (start == tables.End)
            {
                tables = new BlockRun(tables.Start, tables.Length + _geometry.InodeTableBlocks);
                continue;
            }
            Zero(tables);
            tables = new BlockRun(start, _geometry.InodeTableBlocks);
        }
        Zero(tables);
    }

    private void Zero(BlockRun run)
    {
        if (run.Length != 0)
        {
            device.WriteZeroes((long)run.Start * _geometry.BlockSize, (long)run.Length * _geometry.BlockSize, WriteTag.Metadata);
        }
    }

    // A bitmap that can be computed from the descriptors (an UNINIT flag) stays unwritten.
    private void WriteBitmaps()
    {
        var inodeBitmaps = new BlockWriter(device, _geometry.BlockSize);
        bool isTableZero = options.IsZeroed || !options.UseLazyInodeTables;
        for (uint group = 0; group < _geometry.GroupCount; group++)
        {
            GroupDescriptor descriptor = layout.Descriptor(group);
            if ((descriptor.Flags & GroupFlags.BlockUninit) == 0)
            {
                Span<byte> bitmap = _blocks.Next(descriptor.BlockBitmap);
                ulong start = _geometry.GroupStart(group);
                uint blocks = _geometry.BlocksInGroup(group);
                layout.Used.SetBits(bitmap, start, start + blocks);
                Bits.Set(bitmap, (int)blocks, (bitmap.Length * 8) - (int)blocks);
                descriptor.BlockBitmapChecksum = BitmapChecksum(bitmap, _geometry.BlocksPerGroup);
            }
            if ((descriptor.Flags & GroupFlags.InodeUninit) == 0)
            {
                Span<byte> bitmap = inodeBitmaps.Next(descriptor.InodeBitmap);
                Bits.Set(bitmap, 0, (int)layout.UsedInodesIn(group));
                Bits.Set(bitmap, (int)_geometry.InodesPerGroup, (bitmap.Length * 8) - (int)_geometry.InodesPerGroup);
                descriptor.InodeBitmapChecksum = BitmapChecksum(bitmap, _geometry.InodesPerGroup);
            }
            if (isTableZero)
            {
                descriptor.Flags |= GroupFlags.InodeZeroed;
            }
            descriptor.Checksum = descriptor.ComputeChecksum(_geometry, _superblock.Uuid, group);
        }
        inodeBitmaps.Flush();
        _blocks.Flush();
    }

    private uint BitmapChecksum(ReadOnlySpan<byte> bitmap, uint bits) =>
        _geometry.HasMetadataChecksums ? Crc32C.Compute(_geometry.ChecksumSeed, bitmap[..((int)bits / 8)]) : 0;

    private void WriteInodes()
    {
        var table = new byte[_inodes.TableBlocks * (uint)_geometry.BlockSize];
        _inodes.Write(table, options);
        if (parameters.JournalBlocks != 0)
        {
            _inodes.BackUpJournal(table, _superblock);
        }
        if (parameters.OrphanFileBlocks != 0)
        {
            _superblock.OrphanFileInode = SpecialInodes.OrphanFile;
        }
        int groupBytes = (int)_geometry.InodeTableBlocks * _geometry.BlockSize;
        for (int at = 0; at < table.Length; at += groupBytes)
        {
            uint group = (uint)(at / groupBytes);
            _blocks.Write(table.AsSpan(at, Math.Min(groupBytes, table.Length - at)), layout.Descriptor(group).InodeTable);
        }
    }

    private void WriteDirectories()
    {
        var root = new DirectoryImage(_blocks.Next(layout.RootBlock), SeedOf(SpecialInodes.Root));
        root.Add(SpecialInodes.Root, "."u8);
        root.Add(SpecialInodes.Root, ".."u8);
        root.Add(SpecialInodes.LostAndFound, "lost+found"u8);
        root.Finish();
        bool isFirst = true;
        foreach (BlockRun run in layout.LostAndFound)
        {
            for (ulong block = run.Start; block < run.End; block++)
            {
                var directory = new DirectoryImage(_blocks.Next(block), SeedOf(SpecialInodes.LostAndFound));
                if (isFirst)
                {
                    directory.Add(SpecialInodes.LostAndFound, "."u8);
                    directory.Add(SpecialInodes.Root, ".."u8);
                    isFirst = false;
                }
                directory.Finish();
            }
        }
    }

    private void WriteResizeInode()
    {
        if (layout.ResizeBlock == 0)
        {
            return;
        }
        _inodes.WriteResizeBlock(_blocks.Next(layout.ResizeBlock));
        if (options.IsZeroed && _geometry.GroupCount == 1)
        {
            return; // no backups to name
        }
        for (uint i = 0; i < _geometry.ReservedDescriptorBlocks; i++)
        {
            _inodes.WriteReservedBlock(_blocks.Next(_inodes.ReservedBlock(i)), i);
        }
    }

    private void WriteJournal()
    {
        if (parameters.JournalBlocks == 0)
        {
            return;
        }
        if (layout.JournalExtentBlock != 0)
        {
            ExtentImage.WriteLeafBlock(_blocks.Next(layout.JournalExtentBlock), layout.Journal, SeedOf(SpecialInodes.Journal));
        }
        JournalImage.Write(_blocks.Next(layout.Journal[0].Start), parameters.JournalBlocks, _superblock.Uuid);
    }

    private void WriteOrphanFile()
    {
        foreach (BlockRun run in layout.OrphanFile)
        {
            for (ulong number = run.Start; number < run.End; number++)
            {
                Span<byte> block = _blocks.Next(number);
                WriteUInt32LittleEndian(block[^8..], OrphanBlockMagic);
                if (SeedOf(SpecialInodes.OrphanFile) is { } seed)
                {
                    WriteUInt32LittleEndian(block[^4..], Crc32C.Compute(Crc32C.Compute(seed, number), block[..^8]));
                }
            }
        }
    }

    private void WriteDescriptorsAndSuperblocks()
    {
        _superblock.FreeBlocksCount = layout.FreeBlocks;
        _superblock.FreeInodesCount = _geometry.InodesCount - layout.UsedInodes;
        _superblock.OverheadClusters = (uint)Math.Min(layout.OverheadBlocks, uint.MaxValue);
        for (uint group = 0; group < _geometry.GroupCount; group++)
        {
            if (!_geometry.HasSuperblock(group))
            {
                continue;
            }
            ulong start = _geometry.GroupStart(group);
            _blocks.Write(layout.Descriptors, start + 1);
            if (group != 0)
            {
                WriteBackup(group, start);
            }
        }
        _blocks.Flush();
        device.Flush();
        _superblock.KilobytesWritten = (ulong)(_blocks.BytesWritten + Superblock.Size) / 1024;
        _superblock.UpdateChecksum();
        device.Write(_superblock.Raw, Superblock.Offset, WriteTag.Superblock);
        device.Flush();
    }

    // A backup never says that the volume is clean.
    private void WriteBackup(uint group, ulong block)
    {
        var copy = new Superblock(_superblock.Raw)
        {
            BlockGroupNumber = (ushort)Math.Min(group, ushort.MaxValue),
            State = 0,
        };
        copy.UpdateChecksum();
        Span<byte> raw = _blocks.Next(block);
        copy.Raw.CopyTo(raw);
        _blocks.Flush();
    }
}
