using WinLoop.Storage;

namespace WinLoop.Images.Vhd;

/// <summary>Checks where the blocks of a dynamic disk are.</summary>
internal static class VhdLayoutCheck
{
    /// <summary>Throws if a block is outside the file, or shares bytes with another structure.</summary>
    /// <returns>The end of the last structure but the footer.</returns>
    public static long FindEnd(IBlockDevice file, VhdFooter footer, VhdDynamicHeader header, BlockMap table, bool hasEndFooter)
    {
        long limit = file.Length - (hasEndFooter ? VhdFooter.Size : 0);
        long tableEnd = header.TableOffset + ((long)table.Count * sizeof(uint));
        long headerStart = (long)footer.DataOffset;
        (long Start, long End)[] fixedParts =
            [(0, VhdFooter.Size), (headerStart, headerStart + VhdDynamicHeader.Size), (header.TableOffset, tableEnd)];
        for (int i = 0; i < fixedParts.Length; i++)
        {
            for (int n = 0; n < i; n++)
            {
                if (fixedParts[n].Start < fixedParts[i].End && fixedParts[i].Start < fixedParts[n].End)
                {
                    throw VhdError.Damaged($"the header or the table at {fixedParts[i].Start} shares bytes with another structure");
                }
            }
        }

        long end = fixedParts.Max(part => part.End), whole = VhdDynamicDisk.BitmapSize(header.BlockSize) + (long)header.BlockSize;
        var starts = new List<uint>();
        for (int block = 0; block < table.Count; block++)
        {
            uint sector = table[block];
            if (sector == BlockMap.Unused)
            {
                continue;
            }

            // The last block of the disk may be short.
            long start = sector * 512L;
            long needed = VhdDynamicDisk.BitmapSize(header.BlockSize) + Math.Min(header.BlockSize, (long)footer.CurrentSize - ((long)block * header.BlockSize));
            if (start > limit || needed > limit - start)
            {
                throw VhdError.Damaged($"block {block} at {start} ends past the end of the file ({file.Length} bytes)");
            }

            if (fixedParts.Any(part => start < part.End && part.Start < start + needed))
            {
                throw VhdError.Damaged($"block {block} at {start} lies in the header or the table");
            }

            starts.Add(sector);
            end = Math.Max(end, Math.Min(start + whole, limit));
        }

        starts.Sort();
        for (int i = 1; i < starts.Count; i++)
        {
            if ((starts[i] - (long)starts[i - 1]) * 512 < whole && !IsShortLast(table, footer, header, starts[i - 1], starts[i]))
            {
                throw VhdError.Damaged($"two blocks share bytes at {starts[i] * 512L}");
            }
        }

        return (end + 511) / 512 * 512;
    }

    private static bool IsShortLast(BlockMap table, VhdFooter footer, VhdDynamicHeader header, uint first, uint second)
    {
        long used = (long)footer.CurrentSize - ((table.Count - 1L) * header.BlockSize);
        return table[table.Count - 1] == first && first != second
            && (second - (long)first) * 512 >= VhdDynamicDisk.BitmapSize(header.BlockSize) + used;
    }
}
