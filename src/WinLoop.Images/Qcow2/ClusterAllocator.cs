using WinLoop.Storage;

namespace WinLoop.Images.Qcow2;

/// <summary>How a change of the mapping went.</summary>
internal enum ChangeResult
{
    Done,

    /// <summary>Too much waits to be written: again after a commit.</summary>
    NeedsCommit,

    /// <summary>The refcount table is full: again when it is larger.</summary>
    NeedsTable,
}

/// <summary>Gives out clusters of the file: those that were given back, those that nobody refers to, and those behind the
/// end. Under the map lock.</summary>
/// <param name="file">The file, whose length is a multiple of the cluster size when the first one is asked for.</param>
/// <param name="refcounts">The counts.</param>
/// <param name="tables">The clusters that hold tables.</param>
/// <param name="referenced">A bit for each cluster that something refers to, if that is known: then clusters that were lost
/// in a power cut are found again. Null: the counts say which are free.</param>
/// <param name="clusterBits">Cluster size as a power of two.</param>
internal sealed class ClusterAllocator(IGrowableDevice file, RefcountStore refcounts, ClusterSet tables, ulong[]? referenced, int clusterBits)
{
    private const int ScanStep = 1 << 16;
    private const int MaxFreed = 1 << 16;
    private const long GrowthStep = 1 << 20;
    private const long MaxOffset = 1L << 55;

    private readonly Stack<long> _freed = [];
    // What the file held when it was opened: it may be anything, for example a cluster that a power cut has left behind.
    private readonly long _oldEnd = EndOf(file.Length, clusterBits);
    private readonly long _fileLength = file.Length;
    private long _scan = 1;

    /// <summary>The first cluster behind all that were given out.</summary>
    public long End { get; private set; } = EndOf(file.Length, clusterBits);

    /// <summary>The next cluster has no place in the refcount table.</summary>
    public bool IsTableFull => refcounts.BlockOf(Candidate()) >= refcounts.Table.Count;

    private int ClusterSize => 1 << clusterBits;

    /// <summary>Gives out a cluster with the count 1.</summary>
    /// <param name="isZeroed">It must read as zeroes; otherwise it may hold anything.</param>
    /// <param name="offset">Its first byte.</param>
    /// <exception cref="BlockDeviceException">There is no room, or the file cannot be written. No cluster is given out.</exception>
    public ChangeResult TryAllocate(bool isZeroed, out long offset)
    {
        offset = 0;
        while (true)
        {
            long cluster = Candidate();
            long block = refcounts.BlockOf(cluster);
            if (block >= refcounts.Table.Count)
            {
                return ChangeResult.NeedsTable;
            }

            bool isBlock = refcounts.OffsetOf(block) == 0;
            if (!TryPrepare(cluster, isZeroed || isBlock))
            {
                continue; // the file cannot grow, and there is more to look through
            }

            long at = cluster << clusterBits;
            if (!refcounts.TrySet(isBlock ? at : refcounts.OffsetOf(block), cluster, 1))
            {
                return ChangeResult.NeedsCommit;
            }

            Consume(cluster);
            if (!isBlock)
            {
                offset = at;
                return ChangeResult.Done;
            }

            // The block counts itself, and is durable before the table names it.
            tables.Add(cluster);
            refcounts.Table.Set(block, (ulong)at);
        }
    }

    /// <summary>Takes back a cluster that was just given out and that nobody refers to.</summary>
    public void TakeBack(long offset)
    {
        long cluster = offset >> clusterBits;
        if (refcounts.TrySet(cluster, 0))
        {
            Reuse(cluster);
        }
    }

    /// <summary>One reference to a cluster is gone, durably.</summary>
    /// <returns>False: only after a commit.</returns>
    public bool TryDrop(long cluster)
    {
        ulong count = refcounts.Get(cluster);
        if (count == 0)
        {
            return true; // the file was wrong
        }

        if (!refcounts.TrySet(cluster, count - 1))
        {
            return false;
        }

        if (count == 1)
        {
            Reuse(cluster);
        }

        return true;
    }

    /// <summary>Makes room behind the end for several clusters that follow each other; their counts are the caller's.</summary>
    public long Append(long count)
    {
        long first = End;
        Grow(first + count);
        End = first + count;
        return first;
    }

    /// <summary>Gives the file back what was made in advance.</summary>
    public void Trim()
    {
        long length = Math.Max(End << clusterBits, _fileLength);
        if (file.Length > length)
        {
            file.SetLength(length);
        }
    }

    private static long EndOf(long length, int clusterBits) => (length >> clusterBits) + ((length & ((1L << clusterBits) - 1)) != 0 ? 1 : 0);

    private void Reuse(long cluster)
    {
        if (_freed.Count < MaxFreed)
        {
            _freed.Push(cluster);
        }
    }

    private long Candidate()
    {
        while (_freed.TryPeek(out long freed))
        {
            if (refcounts.Get(freed) == 0 && !tables.Contains(freed))
            {
                return freed;
            }

            _freed.Pop();
        }

        for (int i = 0; i < ScanStep && _scan < _oldEnd; i++, _scan++)
        {
            if (IsFree(_scan))
            {
                return _scan;
            }
        }

        return End;
    }

    private bool IsFree(long cluster)
    {
        bool isFree = referenced is null ? refcounts.Get(cluster) == 0 : (referenced[cluster >> 6] >> (int)(cluster & 63) & 1) == 0;
        return isFree && !tables.Contains(cluster);
    }

    private void Consume(long cluster)
    {
        if (_freed.TryPeek(out long freed) && freed == cluster)
        {
            _freed.Pop();
        }
        else if (cluster == _scan && cluster < _oldEnd)
        {
            _scan++;
        }
        else
        {
            End = cluster + 1;
        }
    }

    private bool TryPrepare(long cluster, bool isZeroed)
    {
        try
        {
            Grow(cluster + 1);
        }
        catch (BlockDeviceException e) when (e.Error == BlockDeviceError.NoSpace && _scan < _oldEnd)
        {
            return false;
        }

        if (isZeroed && (cluster < _oldEnd || !IsFresh(cluster)))
        {
            file.WriteZeroes(cluster << clusterBits, ClusterSize, WriteTag.Metadata);
        }

        return true;
    }

    // Behind the old end a cluster is zero unless it was given out before.
    private bool IsFresh(long cluster) => cluster >= End;

    private void Grow(long end)
    {
        if (end > MaxOffset >> clusterBits)
        {
            throw new BlockDeviceException(BlockDeviceError.NoSpace, "the qcow2 cannot get any larger");
        }

        long needed = end << clusterBits;
        if (needed <= file.Length)
        {
            return;
        }

        // Some in advance: a size costs as much as a write.
        long wanted = Math.Max(needed, ((file.Length + GrowthStep) >> clusterBits) << clusterBits);
        try
        {
            file.SetLength(wanted);
        }
        catch (BlockDeviceException e) when (e.Error == BlockDeviceError.NoSpace && wanted > needed)
        {
            file.SetLength(needed);
        }
    }
}
