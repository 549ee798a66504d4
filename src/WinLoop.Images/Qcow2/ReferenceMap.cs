namespace WinLoop.Images.Qcow2;

/// <summary>Which clusters of the file something refers to, and what is wrong about that.</summary>
internal sealed class ReferenceMap(long fileClusters, ClusterSet tables, RefcountStore refcounts)
{
    // Those that must have only one reference.
    private readonly ulong[] _single = new ulong[(fileClusters / 64) + 1];

    /// <summary>A bit for each cluster that an L2 table refers to.</summary>
    public ulong[] Bits { get; } = new ulong[(fileClusters / 64) + 1];

    /// <summary>Adds what an entry refers to.</summary>
    /// <returns>What is wrong; null: nothing.</returns>
    public string? Add(L2Entry entry, int clusterBits)
    {
        if (entry.Kind == ClusterKind.Compressed)
        {
            // The last sector may end behind the end of the file.
            long start = entry.CompressedOffset(clusterBits), last = (start + entry.CompressedSize(clusterBits) - 1) >> clusterBits;
            if (start >> clusterBits >= fileClusters)
            {
                return $"compressed data at {start} is past the end of the file";
            }

            string? problem = null;
            for (long cluster = start >> clusterBits; cluster <= Math.Min(last, fileClusters - 1); cluster++)
            {
                problem ??= Take(cluster, isSingle: false, clusterBits);
            }

            return problem;
        }

        if (entry.Offset == 0)
        {
            return null;
        }

        if ((entry.Offset & ((1L << clusterBits) - 1)) != 0 || entry.Offset >> clusterBits >= fileClusters)
        {
            return $"content at {entry.Offset} is past the end of the file, or not at a cluster";
        }

        return Take(entry.Offset >> clusterBits, entry.IsCopied, clusterBits);
    }

    /// <summary>Looks whether all tables are counted.</summary>
    public string? CheckTables(long[] l2Tables)
    {
        foreach (long cluster in l2Tables)
        {
            if (refcounts.Get(cluster) == 0)
            {
                return $"the L2 table in cluster {cluster} is counted as free";
            }
        }

        return null;
    }

    private string? Take(long cluster, bool isSingle, int clusterBits)
    {
        ref ulong word = ref Bits[cluster >> 6];
        ref ulong single = ref _single[cluster >> 6];
        ulong bit = 1UL << (int)(cluster & 63);
        bool isSecond = (word & bit) != 0, isTaken = (single & bit) != 0;
        word |= bit;
        single |= isSingle ? bit : 0;
        if (tables.Contains(cluster))
        {
            return $"content is at {cluster << clusterBits}, where a table is";
        }

        if (isTaken || (isSecond && isSingle))
        {
            return $"two clusters of the disk share bytes at {cluster << clusterBits}";
        }

        return isSecond || refcounts.Get(cluster) != 0 ? null : $"the cluster at {cluster << clusterBits} is in use and counted as free";
    }
}
