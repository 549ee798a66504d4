using System.Numerics;
using WinLoop.Storage;

namespace WinLoop.Images.Vhd;

/// <summary>Makes new VHD files.</summary>
public static class VhdImage
{
    private const int DefaultBlockSize = 2 * 1024 * 1024;

    /// <summary>Makes a disk of zeroes. What the file held before is gone.</summary>
    /// <param name="file">The file; it stays the caller's.</param>
    /// <param name="size">Bytes of the disk: a multiple of 512, 2040 GiB at most.</param>
    /// <param name="isFixed">The file holds all of the disk from the beginning on.</param>
    /// <param name="blockSize">Bytes of a block: a power of two, 512 KiB at least; 0: 2 MiB.</param>
    /// <exception cref="ArgumentException">The size or the block size cannot be.</exception>
    /// <exception cref="BlockDeviceException">The file cannot be written.</exception>
    public static void Create(IGrowableDevice file, long size, bool isFixed = false, int blockSize = 0)
    {
        ArgumentNullException.ThrowIfNull(file);
        blockSize = blockSize == 0 ? DefaultBlockSize : blockSize;
        if (size <= 0 || size % 512 != 0 || (ulong)size > VhdFormat.MaxDiskSize)
        {
            throw new ArgumentException($"A VHD cannot hold a disk of {size} bytes.", nameof(size));
        }

        if (!BitOperations.IsPow2(blockSize) || blockSize is < VhdDynamicHeader.MinBlockSize or > VhdDynamicHeader.MaxBlockSize)
        {
            throw new ArgumentException($"A VHD cannot have blocks of {blockSize} bytes.", nameof(blockSize));
        }

        file.SetLength(0);
        if (isFixed)
        {
            byte[] only = new VhdFooter { CurrentSize = (ulong)size, Type = VhdDiskType.Fixed, Id = Guid.NewGuid() }.ToBytes();
            file.SetLength(size + VhdFooter.Size);
            file.Write(only, size, WriteTag.Superblock);
        }
        else
        {
            WriteDynamic(file, size, blockSize);
        }

        file.Flush();
    }

    private static void WriteDynamic(IGrowableDevice file, long size, int blockSize)
    {
        const int TableOffset = VhdFooter.Size + VhdDynamicHeader.Size;
        uint blocks = (uint)((size + blockSize - 1) / blockSize);
        byte[] footer = new VhdFooter
        {
            CurrentSize = (ulong)size,
            Type = VhdDiskType.Dynamic,
            DataOffset = VhdFooter.Size,
            Id = Guid.NewGuid(),
        }.ToBytes();
        byte[] table = new byte[((blocks * sizeof(uint)) + VhdFooter.Size - 1) / VhdFooter.Size * VhdFooter.Size];
        table.AsSpan().Fill(0xFF);
        file.SetLength(TableOffset + table.Length + VhdFooter.Size);
        file.Write(footer, 0, WriteTag.Superblock);
        file.Write(new VhdDynamicHeader { TableOffset = TableOffset, EntryCount = blocks, BlockSize = blockSize }.ToBytes(), VhdFooter.Size, WriteTag.Metadata);
        file.Write(table, TableOffset, WriteTag.Metadata);
        file.Write(footer, TableOffset + table.Length, WriteTag.Superblock);
    }
}
