using WinLoop.Storage;

namespace WinLoop.Images.Vdi;

/// <summary>Makes new VDI files.</summary>
public static class VdiImage
{
    private const long Alignment = 1 << 20;

    /// <summary>Makes a disk of zeroes. What the file held before is gone.</summary>
    /// <param name="file">The file; it stays the caller's.</param>
    /// <param name="size">Bytes of the disk: a multiple of 512, 16 TiB at most.</param>
    /// <param name="isFixed">The file holds all of the disk from the beginning on.</param>
    /// <exception cref="ArgumentException">The size cannot be.</exception>
    /// <exception cref="BlockDeviceException">The file cannot be written.</exception>
    public static void Create(IGrowableDevice file, long size, bool isFixed = false)
    {
        ArgumentNullException.ThrowIfNull(file);
        if (size <= 0 || size % BlockMap.SectorSize != 0 || size > (long)VdiHeader.MaxBlocks * VdiHeader.DefaultBlockSize)
        {
            throw new ArgumentException($"A VDI cannot hold a disk of {size} bytes.", nameof(size));
        }

        int blocks = (int)((size + VdiHeader.DefaultBlockSize - 1) / VdiHeader.DefaultBlockSize);
        long data = (Alignment + ((long)blocks * sizeof(uint)) + Alignment - 1) / Alignment * Alignment;
        var header = new VdiHeader { Type = isFixed ? VdiType.Fixed : VdiType.Dynamic, MapOffset = Alignment, DataOffset = data, DiskSize = size };
        file.SetLength(0);
        file.SetLength(data + (isFixed ? (long)blocks * VdiHeader.DefaultBlockSize : 0));
        byte[] part = new byte[64 << 10];
        for (int done = 0; done < blocks;)
        {
            int count = Math.Min(blocks - done, part.Length / sizeof(uint));
            Span<uint> entries = System.Runtime.InteropServices.MemoryMarshal.Cast<byte, uint>(part.AsSpan())[..count];
            for (int i = 0; i < count; i++)
            {
                uint place = isFixed ? (uint)(done + i) : BlockMap.Unused;
                entries[i] = BitConverter.IsLittleEndian ? place : System.Buffers.Binary.BinaryPrimitives.ReverseEndianness(place);
            }

            file.Write(part.AsSpan(0, count * sizeof(uint)), Alignment + ((long)done * sizeof(uint)), WriteTag.Metadata);
            done += count;
        }

        file.Write(header.ToBytes(isFixed ? (uint)blocks : 0), 0, WriteTag.Superblock);
        file.Flush();
    }
}
