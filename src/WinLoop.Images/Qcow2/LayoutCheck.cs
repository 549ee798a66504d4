using WinLoop.Storage;

namespace WinLoop.Images.Qcow2;

/// <summary>Checks where the tables are, and, if the file is not too large, where everything is.</summary>
internal sealed class LayoutCheck(IBlockDevice file, Qcow2Header header)
{
    /// <summary>L2 tables of more bytes are not all read at the opening.</summary>
    public const long MaxScan = 16L << 20;

    private const long MaxMappedClusters = 1L << 26;

    private long FileClusters => (file.Length >> header.ClusterBits) + (file.Length % header.ClusterSize != 0 ? 1 : 0);

    /// <summary>Checks the entries of the L1 table.</summary>
    /// <returns>The clusters of the L2 tables, in order.</returns>
    public long[] CheckL1(TopTable l1) => Sorted(l1, L2Entry.OffsetMask, "the L1 table", "an L2 table");

    /// <summary>Reads the refcount table and checks its entries.</summary>
    public TopTable ReadRefcountTable(out long[] blocks)
    {
        ulong size = (ulong)header.RefcountTableClusters << header.ClusterBits, offset = header.RefcountTableOffset;
        if (size is 0 or > Qcow2Header.MaxRefcountTableSize)
        {
            throw Qcow2Error.Damaged($"a refcount table of {header.RefcountTableClusters} clusters cannot be");
        }

        if (offset == 0 || offset % (ulong)header.ClusterSize != 0 || offset > (ulong)file.Length || size > (ulong)file.Length - offset)
        {
            throw Qcow2Error.Damaged($"the refcount table, {size} bytes at {offset}, is not in the file ({file.Length} bytes) or not at a cluster");
        }

        TopTable table = TopTable.Read(file, (long)offset, (int)(size / sizeof(ulong)));
        blocks = Sorted(table, ulong.MaxValue, "the refcount table", "a refcount block");
        return table;
    }

    /// <summary>Checks that no two tables share a cluster.</summary>
    /// <returns>The clusters of all tables.</returns>
    public ClusterSet CheckTables(TopTable l1, long[] l2Tables, TopTable refcountTable, long[] blocks)
    {
        long[] all = [.. l2Tables, .. blocks];
        Array.Sort(all);
        for (int i = 1; i < all.Length; i++)
        {
            if (all[i] == all[i - 1])
            {
                throw Qcow2Error.Damaged($"an L2 table and a refcount block are both at {all[i] << header.ClusterBits}");
            }
        }

        (long First, long End) l1Span = SpanOf(l1), countSpan = SpanOf(refcountTable);
        if (l1Span.First < countSpan.End && countSpan.First < l1Span.End)
        {
            throw Qcow2Error.Damaged($"the refcount table at {refcountTable.Offset} shares bytes with the L1 table");
        }

        var tables = new ClusterSet([]);
        tables.SetL1(l1Span.First, l1Span.End);
        tables.SetRefcountTable(countSpan.First, countSpan.End);
        foreach (long cluster in all)
        {
            if (tables.Contains(cluster))
            {
                throw Qcow2Error.Damaged($"a table at {cluster << header.ClusterBits} shares bytes with the header, the L1 table or the refcount table");
            }
        }

        tables = new ClusterSet(all);
        tables.SetL1(l1Span.First, l1Span.End);
        tables.SetRefcountTable(countSpan.First, countSpan.End);
        return tables;
    }

    /// <summary>Finds all clusters that something refers to, if the file is small enough for that and nothing in it is unknown.</summary>
    /// <param name="l2Tables">The clusters of the L2 tables.</param>
    /// <param name="tables">The clusters of all tables.</param>
    /// <param name="refcounts">The counts.</param>
    /// <param name="problem">Why the disk should not be written.</param>
    /// <returns>A bit for each cluster; null: not looked for.</returns>
    public ulong[]? TryMap(long[] l2Tables, ClusterSet tables, RefcountStore refcounts, out string? problem)
    {
        problem = null;
        if (l2Tables.Length > MaxScan >> header.ClusterBits || FileClusters > MaxMappedClusters || header.SnapshotCount != 0
            || header.Extensions.HasBitmaps || header.Extensions.HasUnknown)
        {
            return null;
        }

        var map = new ReferenceMap(FileClusters, tables, refcounts);
        byte[] table = new byte[header.ClusterSize];
        foreach (long cluster in l2Tables)
        {
            long offset = cluster << header.ClusterBits;
            int there = (int)Math.Min(table.Length, file.Length - offset);
            file.Read(table.AsSpan(0, there), offset);
            table.AsSpan(there).Clear();
            for (int i = 0; i < table.Length; i += sizeof(ulong))
            {
                problem ??= map.Add(new L2Entry(System.Buffers.Binary.BinaryPrimitives.ReadUInt64BigEndian(table.AsSpan(i))), header.ClusterBits);
            }
        }

        problem ??= map.CheckTables(l2Tables);
        return map.Bits;
    }

    private (long First, long End) SpanOf(TopTable table)
    {
        long first = table.Offset >> header.ClusterBits, bytes = (long)table.Count * sizeof(ulong);
        return (first, first + ((bytes + header.ClusterSize - 1) >> header.ClusterBits));
    }

    private long[] Sorted(TopTable table, ulong mask, string name, string what)
    {
        int count = 0;
        foreach (ulong entry in table.Entries)
        {
            count += (entry & mask) != 0 ? 1 : 0;
        }

        long[] clusters = new long[count];
        count = 0;
        for (int i = 0; i < table.Count; i++)
        {
            ulong offset = table[i] & mask;
            if (offset == 0)
            {
                continue;
            }

            if (offset % (ulong)header.ClusterSize != 0 || offset >= (ulong)file.Length)
            {
                throw Qcow2Error.Damaged($"entry {i} of {name} points to {offset}, which is not in the file ({file.Length} bytes) or not at a cluster");
            }

            clusters[count++] = (long)(offset >> header.ClusterBits);
        }

        Array.Sort(clusters);
        for (int i = 1; i < clusters.Length; i++)
        {
            if (clusters[i] == clusters[i - 1])
            {
                throw Qcow2Error.Damaged($"two entries of {name} have {what} at {clusters[i] << header.ClusterBits}");
            }
        }

        return clusters;
    }
}
