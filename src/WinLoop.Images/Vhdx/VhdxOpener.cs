using WinLoop.Storage;

namespace WinLoop.Images.Vhdx;

/// <summary>Opens the disk in a file: replays the log, reads the tables, checks that no two structures overlap.</summary>
internal static class VhdxOpener
{
    public static VhdxDisk Open(IGrowableDevice file, ImageFormatOptions options)
    {
        ParentFile.CheckDepth(options);
        bool isReadOnly = options.IsReadOnly || file.IsReadOnly;
        VhdxHeaders headers = VhdxHeaders.Read(file);
        if (!isReadOnly && headers.Current.LogLength > VhdxLayout.MaxLogLength)
        {
            throw VhdxError.Unsupported($"writing with a log of {headers.Current.LogLength} bytes; the largest is {VhdxLayout.MaxLogLength}");
        }

        IBlockDevice content = file;
        if (headers.Current.LogGuid != Guid.Empty)
        {
            if (isReadOnly)
            {
                content = LogReplay.IntoMemory(file, headers.Current);
            }
            else
            {
                LogReplay.IntoFile(file, headers);
            }
        }

        RegionTable regions = RegionTable.Read(content);
        var space = new SpaceMap(content.Length);
        space.Take((long)headers.Current.LogOffset, headers.Current.LogLength, headers.Current.LogLength, "the log");
        foreach (Region region in regions.All)
        {
            space.Take(region.Offset, region.Length, region.Length, "a region");
        }

        VhdxMetadata metadata = VhdxMetadata.Read(content, regions.Metadata);
        BlockTable table = BlockTable.Read(content, regions.Bat, metadata);
        CheckEntries(table, metadata, space);
        IBlockDevice? parent = metadata.Parent is { } locator ? ParentFile.Open(locator, metadata, options) : null;
        try
        {
            MetadataWriter? writer = isReadOnly ? null : new MetadataWriter(file, headers);
            return new VhdxDisk(content, metadata, table, headers.Current.DataWriteGuid, parent, writer,
                isReadOnly ? null : new FileSpace(file, space.End));
        }
        catch
        {
            parent?.Dispose();
            throw;
        }
    }

    private static void CheckEntries(BlockTable table, VhdxMetadata metadata, SpaceMap space)
    {
        for (long i = 0; i < table.EntryCount; i++)
        {
            if (table.IsEmptyPage(i))
            {
                i |= MetadataPage.WordCount - 1;
                continue;
            }

            BatEntry entry = table[i];
            if (entry.Raw == 0)
            {
                continue;
            }

            if (entry.OffsetMiB > VhdxLayout.MaxFileLength / VhdxLayout.MiB)
            {
                throw VhdxError.Damaged($"entry {i} of the block allocation table points to {entry.OffsetMiB} MiB");
            }

            if (table.IsBitmapEntry(i))
            {
                CheckBitmap(i, entry, space);
            }
            else
            {
                CheckBlock(table, i, entry, metadata, space);
            }
        }
    }

    private static void CheckBitmap(long index, BatEntry entry, SpaceMap space)
    {
        switch (entry.State)
        {
            case BlockState.NotPresent:
                space.Keep(entry.Offset, VhdxLayout.MiB);
                break;
            case BlockState.FullyPresent:
                space.Take(entry.Offset, VhdxLayout.MiB, VhdxLayout.MiB, "a sector bitmap");
                break;
            default:
                throw VhdxError.Damaged($"the sector bitmap of entry {index} of the block allocation table has the state {(int)entry.State}");
        }
    }

    private static void CheckBlock(BlockTable table, long index, BatEntry entry, VhdxMetadata metadata, SpaceMap space)
    {
        // The last entries of a differencing disk's table may stand for blocks behind its end.
        long block = table.BlockOfEntry(index);
        if (block >= table.BlockCount)
        {
            if (entry.IsInFile)
            {
                throw VhdxError.Damaged($"block {block} lies behind the end of the disk and has content");
            }

            return;
        }

        switch (entry.State)
        {
            case BlockState.NotPresent or BlockState.Undefined or BlockState.Zero or BlockState.Unmapped:
                space.Keep(entry.Offset, metadata.BlockSize);
                return;
            case BlockState.FullyPresent:
                break;
            case BlockState.PartiallyPresent when metadata.HasParent
                && table[table.EntryOfBitmap(table.ChunkOfEntry(index))].State == BlockState.FullyPresent:
                break;
            case BlockState.PartiallyPresent:
                throw VhdxError.Damaged(metadata.HasParent
                    ? $"block {block} is partly in the parent, and there is no sector bitmap for it"
                    : $"block {block} is partly in a parent, and there is no parent");
            default:
                throw VhdxError.Damaged($"block {block} has the state {(int)entry.State}");
        }

        long needed = Math.Min(metadata.BlockSize, metadata.DiskSize - (block * metadata.BlockSize));
        space.Take(entry.Offset, metadata.BlockSize, needed, $"block {block}");
    }
}
