using System.Numerics;
using WinLoop.Storage;

namespace WinLoop.Images.Vhdx;

/// <summary>
/// The block allocation table in memory (MS-VHDX, 2.5). Pages of zeroes take no memory. Entries are read without a lock;
/// an entry is changed under the map lock, in one store, after everything that it points to is there.
/// </summary>
internal sealed class BlockTable
{
    private const int EntrySize = sizeof(ulong);
    private const int PageShift = 9; // 512 entries in 4 KiB

    private readonly long _offset;
    private readonly int _chunkShift;
    private readonly MetadataPage?[] _pages;

    private BlockTable(Region region, VhdxMetadata metadata)
    {
        _offset = region.Offset;
        BlockCount = (metadata.DiskSize + metadata.BlockSize - 1) / metadata.BlockSize;
        _chunkShift = BitOperations.Log2((ulong)(VhdxLayout.SectorsPerBitmap * metadata.LogicalSectorSize / metadata.BlockSize));
        EntryCount = CountEntries(metadata);
        if (EntryCount * EntrySize > region.Length)
        {
            throw VhdxError.Damaged($"the block allocation table has {region.Length} bytes and needs {EntryCount * EntrySize}");
        }

        _pages = new MetadataPage[(EntryCount + MetadataPage.WordCount - 1) >> PageShift];
    }

    /// <summary>Blocks of the disk.</summary>
    public long BlockCount { get; }

    /// <summary>Entries that are in use: one for each block, and one for the sector bitmap after each chunk of blocks.</summary>
    public long EntryCount { get; }

    /// <summary>Blocks whose sectors one block of the sector bitmap stands for.</summary>
    public long ChunkRatio => 1L << _chunkShift;

    /// <summary>How many entries a disk needs.</summary>
    public static long CountEntries(VhdxMetadata metadata)
    {
        long blocks = (metadata.DiskSize + metadata.BlockSize - 1) / metadata.BlockSize;
        long ratio = VhdxLayout.SectorsPerBitmap * metadata.LogicalSectorSize / metadata.BlockSize;
        return metadata.HasParent
            ? (blocks + ratio - 1) / ratio * (ratio + 1)
            : blocks + ((blocks - 1) / ratio);
    }

    /// <summary>Reads the table. The entries are not checked.</summary>
    public static BlockTable Read(IBlockDevice file, Region region, VhdxMetadata metadata)
    {
        var table = new BlockTable(region, metadata);
        byte[] buffer = new byte[VhdxLayout.MiB];
        const int PagesAtOnce = VhdxLayout.MiB / VhdxLayout.Sector;
        for (int first = 0; first < table._pages.Length; first += PagesAtOnce)
        {
            int count = Math.Min(PagesAtOnce, table._pages.Length - first);
            file.Read(buffer.AsSpan(0, count * VhdxLayout.Sector), region.Offset + ((long)first * VhdxLayout.Sector));
            for (int i = 0; i < count; i++)
            {
                ReadOnlySpan<byte> bytes = buffer.AsSpan(i * VhdxLayout.Sector, VhdxLayout.Sector);
                if (bytes.ContainsAnyExcept((byte)0))
                {
                    bytes.CopyTo(table.GetOrAddPage(first + i).Bytes);
                }
            }
        }

        return table;
    }

    /// <summary>Whether an entry is that of a sector bitmap.</summary>
    public bool IsBitmapEntry(long entry) => entry % (ChunkRatio + 1) == ChunkRatio;

    /// <summary>The chunk that an entry belongs to.</summary>
    public long ChunkOfEntry(long entry) => entry / (ChunkRatio + 1);

    /// <summary>The block of an entry that is not a bitmap's.</summary>
    public long BlockOfEntry(long entry) => entry - ChunkOfEntry(entry);

    /// <summary>The chunk that a block is in.</summary>
    public long ChunkOf(long block) => block >> _chunkShift;

    /// <summary>The entry of a block.</summary>
    public long EntryOfBlock(long block) => block + (block >> _chunkShift);

    /// <summary>The entry of a chunk's sector bitmap.</summary>
    public long EntryOfBitmap(long chunk) => ((chunk + 1) * (ChunkRatio + 1)) - 1;

    /// <summary>What a block is.</summary>
    public BatEntry Block(long block) => this[EntryOfBlock(block)];

    /// <summary>Any entry.</summary>
    public BatEntry this[long entry] => Volatile.Read(ref _pages[entry >> PageShift]) is { } page
        ? new BatEntry(Volatile.Read(ref page.Words[entry & (MetadataPage.WordCount - 1)]))
        : default;

    /// <summary>Whether a page of entries holds nothing, so that its entries need not be looked at.</summary>
    public bool IsEmptyPage(long entry) => _pages[entry >> PageShift] is null;

    /// <summary>Changes an entry. Under the map lock.</summary>
    public void Set(long entry, BatEntry value, MetadataWriter writer)
    {
        MetadataPage page = GetOrAddPage(entry >> PageShift);
        Volatile.Write(ref page.Words[entry & (MetadataPage.WordCount - 1)], value.Raw);
        writer.MarkDirty(page);
    }

    private MetadataPage GetOrAddPage(long index)
    {
        ref MetadataPage? place = ref _pages[index];
        if (place is null)
        {
            Volatile.Write(ref place, new MetadataPage(_offset + (index * VhdxLayout.Sector)));
        }

        return place!;
    }
}
