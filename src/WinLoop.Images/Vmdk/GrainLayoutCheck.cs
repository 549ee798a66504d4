using WinLoop.Storage;

namespace WinLoop.Images.Vmdk;

/// <summary>Checks where the parts of a sparse extent are.</summary>
internal static class GrainLayoutCheck
{
    /// <summary>Throws if a grain or a table is outside the file, or shares a sector with something else.</summary>
    /// <returns>The first sector behind all of them.</returns>
    public static long FindEnd(IBlockDevice file, SparseHeader header, GrainTables tables)
    {
        // Where each begins, and above that, in the lower half, how many sectors it has.
        List<ulong> parts = [Part(0, 1)];
        long directory = ((long)header.DirectoryEntries * sizeof(uint) + SparseHeader.Size - 1) / SparseHeader.Size;
        parts.Add(Part(header.Directory, directory));
        if (header.DescriptorOffset != 0)
        {
            parts.Add(Part(header.DescriptorOffset, header.DescriptorSize));
        }

        if (tables.RedundantPlaces.Length > 0)
        {
            parts.Add(Part(header.RedundantDirectory, directory));
        }

        AddTables(parts, tables.Places);
        AddTables(parts, tables.RedundantPlaces);
        for (long grain = 0; grain < tables.Count; grain++)
        {
            uint sector = tables[grain];
            if (sector == GrainTables.Unused)
            {
                continue;
            }

            if (sector == GrainTables.Zeroed && (header.Flags & SparseFlags.ZeroedGrains) != 0)
            {
                continue;
            }

            // How long a compressed grain is stands in front of it. The last one of the extent may be short.
            long needed = header.IsCompressed ? 1 : Math.Min(header.GrainSize, header.Capacity - (grain * header.GrainSize));
            if (needed > (file.Length / SparseHeader.Size) - sector)
            {
                throw VmdkError.Damaged($"grain {grain} at sector {sector} ends past the end of the file ({file.Length} bytes)");
            }

            parts.Add(Part(sector, needed));
        }

        parts.Sort();
        long end = 0;
        foreach (ulong part in parts)
        {
            long start = (long)(part >> 32);
            if (start < end)
            {
                throw VmdkError.Damaged($"two grains or tables share sector {start}");
            }

            end = start + (uint)part;
        }

        return end;
    }

    private static void AddTables(List<ulong> parts, ReadOnlySpan<uint> places)
    {
        foreach (uint place in places)
        {
            if (place != 0)
            {
                parts.Add(Part(place, GrainTables.TableSectors));
            }
        }
    }

    private static ulong Part(long start, long sectors) => ((ulong)start << 32) | (ulong)sectors;
}
