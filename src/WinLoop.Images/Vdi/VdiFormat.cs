using WinLoop.Storage;

namespace WinLoop.Images.Vdi;

/// <summary>VDI, the format of VirtualBox.</summary>
public sealed class VdiFormat : IImageFormat
{
    /// <inheritdoc/>
    public string Name => "VDI";

    /// <inheritdoc/>
    public bool Matches(IGrowableDevice file)
    {
        ArgumentNullException.ThrowIfNull(file);
        if (file.Length < VdiHeader.Size)
        {
            return false;
        }

        Span<byte> bytes = stackalloc byte[VdiHeader.Size];
        file.Read(bytes, 0);
        return VdiHeader.Matches(bytes);
    }

    /// <inheritdoc/>
    public IBlockDevice Open(IGrowableDevice file, ImageFormatOptions options)
    {
        ArgumentNullException.ThrowIfNull(file);
        ArgumentNullException.ThrowIfNull(options);
        if (file.Length < VdiHeader.Size)
        {
            throw VdiError.Damaged($"the file has only {file.Length} bytes");
        }

        byte[] bytes = new byte[VdiHeader.Size];
        file.Read(bytes, 0);
        VdiHeader header = VdiHeader.Read(bytes, file.Length);
        BlockMap map = BlockMap.Read(file, header.MapOffset, header.Blocks, isBigEndian: false);
        return new VdiDisk(file, header, bytes, map, CountPlaces(file, header, map), options.IsReadOnly || file.IsReadOnly);
    }

    /// <summary>Throws if a block is outside the file or shares its place with another.</summary>
    /// <returns>How many places there are up to the last one in use.</returns>
    private static uint CountPlaces(IGrowableDevice file, VdiHeader header, BlockMap map)
    {
        long stride = header.BlockExtra + (long)header.BlockSize;
        long places = Math.Min((file.Length - header.DataOffset) / stride, header.MaxPlaces);
        var taken = new ulong[(places / 64) + 1];
        uint count = 0;
        for (int block = 0; block < map.Count; block++)
        {
            uint place = map[block];
            if (place >= VdiDisk.Zero)
            {
                continue;
            }

            if (place >= places)
            {
                throw VdiError.Damaged($"block {block} at place {place} is past the last one that can be (the file has {file.Length} bytes)");
            }

            ref ulong word = ref taken[place >> 6];
            ulong bit = 1UL << (int)(place & 63);
            if ((word & bit) != 0)
            {
                throw VdiError.Damaged($"two blocks are at place {place}");
            }

            word |= bit;
            count = Math.Max(count, place + 1);
        }

        return count;
    }
}
