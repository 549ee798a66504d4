namespace WinLoop.Images.Qcow2;

/// <summary>The reference counts of the clusters of the file: a table of blocks, which are read when they are needed.
/// Under the map lock.</summary>
internal sealed class RefcountStore(PageCache pages, TopTable table, int clusterBits, int order)
{
    private readonly int _blockShift = BlockShift(clusterBits, order);

    /// <summary>The refcount table: where the blocks are; 0: all counts of the block are 0.</summary>
    public TopTable Table { get; set; } = table;

    /// <summary>The pages of the blocks.</summary>
    public PageCache Pages => pages;

    /// <summary>Clusters whose counts a block holds, as a power of two.</summary>
    public static int BlockShift(int clusterBits, int order) => clusterBits + 3 - order;

    /// <summary>The block that has the count of a cluster.</summary>
    public long BlockOf(long cluster) => cluster >> _blockShift;

    /// <summary>Where a block is in the file; 0: nowhere.</summary>
    public long OffsetOf(long block) => block < Table.Count ? (long)Table[block] : 0;

    /// <summary>The count of a cluster.</summary>
    public ulong Get(long cluster)
    {
        long block = OffsetOf(BlockOf(cluster));
        if (block == 0)
        {
            return 0;
        }

        (int word, int shift) = Place(cluster);
        return (pages.Read(block + ((long)word * sizeof(ulong))) >> shift) & Mask(order);
    }

    /// <summary>Changes the count of a cluster whose block is there.</summary>
    /// <returns>False: only after a commit.</returns>
    public bool TrySet(long cluster, ulong value) => TrySet(OffsetOf(BlockOf(cluster)), cluster, value);

    /// <summary>As above, in a block that the table does not name yet.</summary>
    public bool TrySet(long blockOffset, long cluster, ulong value)
    {
        (int word, int shift) = Place(cluster);
        if (!pages.TryHold(blockOffset + ((long)word * sizeof(ulong)), out MetadataPage page, out int index))
        {
            return false;
        }

        page[index] = (page[index] & ~(Mask(order) << shift)) | (value << shift);
        return true;
    }

    /// <summary>Where the count of a cluster is in its block.</summary>
    /// <returns>The 64-bit word, and the bits to the right of it there.</returns>
    public (int Word, int Shift) Place(long cluster) => Place((int)(cluster & ((1L << _blockShift) - 1)), order);

    /// <summary>As above.</summary>
    public static (int Word, int Shift) Place(int index, int order)
    {
        // Counts of whole bytes are big-endian; smaller ones fill a byte from its lowest bit on.
        long bit = (long)index << order;
        int inWord = (int)(bit & 63), word = (int)(bit >> 6);
        return order >= 3 ? (word, 64 - inWord - (1 << order)) : (word, 56 - (inWord & ~7) + (inWord & 7));
    }

    private static ulong Mask(int order) => ulong.MaxValue >> (64 - (1 << order));
}
