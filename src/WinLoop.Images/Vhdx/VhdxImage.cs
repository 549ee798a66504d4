using System.Buffers.Binary;
using System.Numerics;
using System.Text;
using WinLoop.Storage;

namespace WinLoop.Images.Vhdx;

/// <summary>Makes new VHDX files.</summary>
public static class VhdxImage
{
    private const long LogOffset = VhdxLayout.MiB;
    private const long MetadataOffset = 2 * VhdxLayout.MiB;
    private const long BatOffset = 3 * VhdxLayout.MiB;
    private const int LargeBlock = 32 * VhdxLayout.MiB;
    private const long LargeDisk = 1L << 41;

    /// <summary>Makes an empty disk: all zeroes, or all of the parent. What the file held before is gone.</summary>
    /// <param name="file">The file; it stays the caller's.</param>
    /// <param name="size">Bytes of the disk: a multiple of its sectors, 64 TiB at most.</param>
    /// <param name="options">What it is like; null: as they are by themselves.</param>
    /// <exception cref="ArgumentException">The size or an option cannot be.</exception>
    /// <exception cref="BlockDeviceException">The file cannot be written.</exception>
    public static void Create(IGrowableDevice file, long size, VhdxCreateOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(file);
        options ??= new VhdxCreateOptions();
        VhdxMetadata metadata = Describe(size, options);
        long entries = BlockTable.CountEntries(metadata);
        var bat = new Region(BatOffset, VhdxLayout.AlignUp(entries * sizeof(ulong)));
        long blocks = (size + metadata.BlockSize - 1) / metadata.BlockSize;
        long end = bat.Offset + bat.Length;
        file.SetLength(0);
        file.SetLength(end + (options.IsFixed ? blocks * metadata.BlockSize : 0));
        file.Write(metadata.ToBytes(), MetadataOffset, WriteTag.Metadata);
        if (options.IsFixed)
        {
            WriteFixedTable(file, bat.Offset, entries, end, metadata);
        }

        WriteStart(file, bat);
        file.Flush();
    }

    private static VhdxMetadata Describe(long size, VhdxCreateOptions options)
    {
        int blockSize = options.BlockSize != 0 ? options.BlockSize : size > LargeDisk ? LargeBlock : VhdxLayout.MiB;
        if (!BitOperations.IsPow2(blockSize) || blockSize is < VhdxLayout.MiB or > 256 * VhdxLayout.MiB)
        {
            throw new ArgumentException($"A VHDX cannot have blocks of {blockSize} bytes.", nameof(options));
        }

        if (options.LogicalSectorSize is not (512 or 4096) || options.PhysicalSectorSize is not (512 or 4096))
        {
            throw new ArgumentException("The sectors of a VHDX have 512 or 4096 bytes.", nameof(options));
        }

        if (size is <= 0 or > VhdxLayout.MaxDiskSize || size % options.LogicalSectorSize != 0)
        {
            throw new ArgumentException($"A VHDX cannot hold a disk of {size} bytes.", nameof(size));
        }

        return new VhdxMetadata
        {
            BlockSize = blockSize,
            IsFixed = options.IsFixed,
            HasParent = options.Parent is not null,
            DiskSize = size,
            LogicalSectorSize = options.LogicalSectorSize,
            PhysicalSectorSize = options.PhysicalSectorSize,
            DiskId = Guid.NewGuid(),
            Parent = options.Parent is { } parent ? Locate(parent, options) : null,
        };
    }

    private static ParentLocator Locate(VhdxParent parent, VhdxCreateOptions options)
    {
        if (options.IsFixed || parent.Disk is not VhdxDisk disk || disk.SectorSize != options.LogicalSectorSize)
        {
            throw new ArgumentException("The parent is not a VHDX with sectors of the same size, or the disk is to be fixed.", nameof(options));
        }

        ArgumentException.ThrowIfNullOrEmpty(parent.RelativePath, nameof(options));
        string linkage = disk.DataWriteGuid.ToString("B");
        string relative = parent.RelativePath.Replace('/', '\\');
        return parent.AbsolutePath is { } absolute
            ? new ParentLocator { [ParentLocator.Linkage] = linkage, [ParentLocator.RelativePath] = relative, [ParentLocator.AbsolutePath] = absolute }
            : new ParentLocator { [ParentLocator.Linkage] = linkage, [ParentLocator.RelativePath] = relative };
    }

    private static void WriteFixedTable(IGrowableDevice file, long offset, long entries, long firstBlock, VhdxMetadata metadata)
    {
        byte[] buffer = new byte[VhdxLayout.MiB];
        long ratio = VhdxLayout.SectorsPerBitmap * metadata.LogicalSectorSize / metadata.BlockSize, place = firstBlock;
        for (long first = 0; first < entries; first += buffer.Length / sizeof(ulong))
        {
            int count = (int)Math.Min(buffer.Length / sizeof(ulong), entries - first);
            for (int i = 0; i < count; i++)
            {
                bool isBitmap = (first + i) % (ratio + 1) == ratio;
                BatEntry entry = isBitmap ? default : new BatEntry(BlockState.FullyPresent, place);
                BinaryPrimitives.WriteUInt64LittleEndian(buffer.AsSpan(i * sizeof(ulong)), entry.Raw);
                place += isBitmap ? 0 : metadata.BlockSize;
            }

            file.Write(buffer.AsSpan(0, count * sizeof(ulong)), offset + (first * sizeof(ulong)), WriteTag.Metadata);
        }
    }

    private static void WriteStart(IGrowableDevice file, Region bat)
    {
        byte[] start = new byte[VhdxLayout.RegionTable2 + VhdxLayout.TableSize];
        VhdxLayout.Signature.CopyTo(start);
        Encoding.Unicode.GetBytes("WinLoop", start.AsSpan(VhdxLayout.Signature.Length));
        var header = new VhdxHeader
        {
            Sequence = 1,
            FileWriteGuid = Guid.NewGuid(),
            DataWriteGuid = Guid.NewGuid(),
            Version = 1,
            LogLength = VhdxLayout.MiB,
            LogOffset = (ulong)LogOffset,
        };
        header.WriteTo(start.AsSpan((int)VhdxLayout.Header1));
        (header with { Sequence = 2 }).WriteTo(start.AsSpan((int)VhdxLayout.Header2));
        var metadata = new Region(MetadataOffset, VhdxLayout.MiB);
        RegionTable.Write(start.AsSpan((int)VhdxLayout.RegionTable1), bat, metadata);
        RegionTable.Write(start.AsSpan((int)VhdxLayout.RegionTable2), bat, metadata);
        file.Write(start, 0, WriteTag.Superblock);
    }
}
