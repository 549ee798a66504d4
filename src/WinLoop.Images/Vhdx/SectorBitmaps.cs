using System.Numerics;
using WinLoop.Storage;

namespace WinLoop.Images.Vhdx;

/// <summary>
/// The sector bitmaps of a differencing disk: one bit for each sector, set if the sector is in this file. Pages are read
/// when they are needed first and stay in memory, 4 KiB for 32768 sectors. Bits are read without a lock and set under the
/// map lock, after the sector's content is in the file.
/// </summary>
internal sealed class SectorBitmaps(IBlockDevice file, BlockTable table)
{
    private const int PageBitsShift = 15;
    private const int PagesPerChunk = VhdxLayout.MiB / VhdxLayout.Sector;
    private const int SectorsPerPage = 1 << PageBitsShift;

    private readonly MetadataPage?[]?[] _chunks = new MetadataPage[table.ChunkOf(table.BlockCount - 1) + 1][];

    /// <summary>How many sectors from one on are alike.</summary>
    /// <param name="sector">The first one; its chunk has a bitmap.</param>
    /// <param name="limit">The most that matter, 1 at least; all in one chunk.</param>
    /// <param name="isPresent">Whether they are in this file.</param>
    public long RunLength(long sector, long limit, out bool isPresent)
    {
        isPresent = false;
        long count = 0;
        while (count < limit)
        {
            long at = sector + count;
            MetadataPage page = Page(at);
            int bit = (int)(at & (SectorsPerPage - 1));
            ulong word = Volatile.Read(ref page.Words[bit >> 6]) >> (bit & 63);
            if (count == 0)
            {
                isPresent = (word & 1) != 0;
            }

            int valid = 64 - (bit & 63);
            int run = Math.Min(valid, BitOperations.TrailingZeroCount(isPresent ? ~word : word));
            count += run;
            if (run < valid)
            {
                break;
            }
        }

        return Math.Min(count, limit);
    }

    /// <summary>Pages that a range of sectors touches.</summary>
    public static int PagesOf(long sector, long count) =>
        (int)(((sector + count - 1) >> PageBitsShift) - (sector >> PageBitsShift) + 1);

    /// <summary>Sets or clears the bits of a range. Under the map lock, with room for <see cref="PagesOf"/>.</summary>
    public void Fill(long sector, long count, bool isPresent, MetadataWriter writer)
    {
        while (count > 0)
        {
            MetadataPage page = Page(sector);
            int bit = (int)(sector & (SectorsPerPage - 1));
            int part = (int)Math.Min(count, 64 - (bit & 63));
            ulong mask = (part == 64 ? ulong.MaxValue : (1UL << part) - 1) << (bit & 63);
            ref ulong word = ref page.Words[bit >> 6];
            ulong value = isPresent ? word | mask : word & ~mask;
            if (value != word)
            {
                Volatile.Write(ref word, value);
                writer.MarkDirty(page);
            }

            sector += part;
            count -= part;
        }
    }

    private MetadataPage Page(long sector)
    {
        long chunk = sector / VhdxLayout.SectorsPerBitmap;
        int index = (int)((sector >> PageBitsShift) & (PagesPerChunk - 1));
        ref MetadataPage?[]? pages = ref _chunks[chunk];
        MetadataPage?[] there = Volatile.Read(ref pages) ?? Put(ref pages, new MetadataPage[PagesPerChunk]);
        return Volatile.Read(ref there[index]) ?? Load(ref there[index], chunk, index);
    }

    private MetadataPage Load(ref MetadataPage? place, long chunk, int index)
    {
        BatEntry entry = table[table.EntryOfBitmap(chunk)];
        var page = new MetadataPage(entry.Offset + ((long)index * VhdxLayout.Sector));
        file.Read(page.Bytes, page.Offset);
        return Put(ref place, page);
    }

    // The first one counts: all threads see the same page.
    private static T Put<T>(ref T? place, T made)
        where T : class => Interlocked.CompareExchange(ref place, made, null) ?? made;
}
