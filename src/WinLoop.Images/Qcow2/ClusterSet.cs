namespace WinLoop.Images.Qcow2;

/// <summary>The clusters of the file that hold tables: nothing may be written there through the disk, whatever an L2 table
/// says. Asked without a lock; changed under the map lock.</summary>
/// <param name="sorted">Those at the opening, in order.</param>
internal sealed class ClusterSet(long[] sorted)
{
    // Those since then, open addressing; 0 is free, and never a table's.
    private long[] _added = new long[64];
    private int _count;
    private Span _l1 = new(0, 0);
    private Span _refcountTable = new(0, 0);

    /// <summary>Says where the L1 table is, in clusters.</summary>
    public void SetL1(long first, long end) => Volatile.Write(ref _l1, new Span(first, end));

    /// <summary>Says where the refcount table is, in clusters; where it was is free.</summary>
    public void SetRefcountTable(long first, long end) => Volatile.Write(ref _refcountTable, new Span(first, end));

    /// <summary>Whether a cluster holds a table or the header.</summary>
    public bool Contains(long cluster)
    {
        if (cluster == 0 || Volatile.Read(ref _l1).Contains(cluster) || Volatile.Read(ref _refcountTable).Contains(cluster)
            || Array.BinarySearch(sorted, cluster) >= 0)
        {
            return true;
        }

        long[] added = Volatile.Read(ref _added);
        for (int i = Home(cluster, added.Length); ; i = (i + 1) & (added.Length - 1))
        {
            long there = Volatile.Read(ref added[i]);
            if (there == 0 || there == cluster)
            {
                return there == cluster;
            }
        }
    }

    /// <summary>Adds a new table.</summary>
    public void Add(long cluster)
    {
        if ((_count + 1) * 2 > _added.Length)
        {
            long[] larger = new long[_added.Length * 2];
            foreach (long old in _added)
            {
                if (old != 0)
                {
                    Insert(larger, old);
                }
            }

            Volatile.Write(ref _added, larger);
        }

        Insert(_added, cluster);
        _count++;
    }

    private static void Insert(long[] table, long cluster)
    {
        int i = Home(cluster, table.Length);
        while (table[i] != 0)
        {
            i = (i + 1) & (table.Length - 1);
        }

        Volatile.Write(ref table[i], cluster);
    }

    private static int Home(long cluster, int length) => (int)(((ulong)cluster * 0x9E37_79B9_7F4A_7C15) >> 32) & (length - 1);

    private sealed record Span(long First, long End)
    {
        public bool Contains(long cluster) => cluster >= First && cluster < End;
    }
}
