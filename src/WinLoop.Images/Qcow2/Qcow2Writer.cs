using System.Buffers.Binary;
using WinLoop.Storage;

namespace WinLoop.Images.Qcow2;

/// <summary>
/// The way of every change of metadata into the file. There is no log: at every moment what a table on the disk names is
/// there, and is counted.
/// </summary>
/// <remarks>
/// Order of a commit: (1) copy what has changed; (2) write the refcount blocks; flush, which makes durable also the content
/// of new clusters and new, empty tables; (3) write the refcount table if it names new blocks, flush; (4) write the entries
/// of the L2 tables and the L1 table, flush; (5) only now give back the clusters that the old entries named. A cut leaves at
/// most clusters that are counted and that nobody refers to.
/// Locks: the commit lock, the map lock, the one of the compressed clusters, that of a page cache.
/// </remarks>
internal sealed class Qcow2Writer(
    IGrowableDevice file, Qcow2Header header, TopTable l1, PageCache l2, RefcountStore refcounts, ClusterSet tables, ClusterAllocator allocator,
    CompressedClusters compressed)
{
    private const int MaxDrops = 8192;

    private readonly Lock _commitLock = new();
    // Clusters that lose a reference: with the next commit, with the one that is being written, and already (but not counted yet).
    private List<long> _drops = [], _takenDrops = [];
    private readonly Queue<long> _dropped = [];
    private volatile bool _hasChanged;
    private BlockDeviceException? _failure;

    /// <summary>Guards changes of the tables, and the space in the file.</summary>
    public Lock MapLock { get; } = new();

    /// <summary>Gives out clusters. Under the map lock.</summary>
    public ClusterAllocator Allocator => allocator;

    /// <summary>The counts. Under the map lock.</summary>
    public RefcountStore Refcounts => refcounts;

    /// <summary>The clusters that hold tables.</summary>
    public ClusterSet Tables => tables;

    /// <summary>Whether references can be dropped before a commit. Under the map lock.</summary>
    public bool HasRoomForDrops => _drops.Count < MaxDrops;

    /// <summary>A reference goes with the next commit. Under the map lock.</summary>
    public void Drop(long cluster) => _drops.Add(cluster);

    /// <summary>Before any change: fails if an earlier one could not be made durable; the first one prepares the header.</summary>
    public void BeginChange()
    {
        ThrowIfFailed();
        if (_hasChanged)
        {
            return;
        }

        lock (_commitLock)
        {
            if (!_hasChanged)
            {
                Guarded(static self => self.Prepare());
                _hasChanged = true;
            }
        }
    }

    /// <summary>Makes durable what was changed before: content, counts, mapping.</summary>
    public void Commit()
    {
        lock (_commitLock)
        {
            ThrowIfFailed();
            Guarded(static self => self.CommitChanges());
        }
    }

    /// <summary>Makes the refcount table larger.</summary>
    public void GrowTable()
    {
        lock (_commitLock)
        {
            ThrowIfFailed();
            Guarded(static self => self.CommitChanges());
            lock (MapLock)
            {
                if (allocator.IsTableFull)
                {
                    ReplaceTable();
                }
            }
        }
    }

    /// <summary>Commits, and counts also what was given back by that.</summary>
    public void Close()
    {
        lock (_commitLock)
        {
            if (_failure is not null || !_hasChanged)
            {
                return;
            }

            Guarded(static self =>
            {
                self.CommitChanges();
                while (self._dropped.Count > 0 || self.HasCounts)
                {
                    self.CommitChanges();
                }

                self.TrimFile();
            });
        }
    }

    private bool HasCounts => refcounts.Pages.HasDirty;

    private void Prepare()
    {
        // What ends in the middle of a cluster (qemu's files do) gets the rest of it.
        long clusterSize = header.ClusterSize, rest = file.Length % clusterSize;
        if (rest != 0)
        {
            file.SetLength(file.Length + clusterSize - rest);
        }

        if (header.Autoclear != 0)
        {
            // Whoever changes the disk and not what these features need must say so. They lie in one sector.
            file.Write(new byte[sizeof(ulong)], Qcow2Header.AutoclearAt, WriteTag.Superblock);
            file.Flush();
        }
    }

    private void CommitChanges()
    {
        bool hasCounts, hasBlocks, hasEntries;
        lock (MapLock)
        {
            CountDropped();
            hasBlocks = refcounts.Table.Take();
            hasCounts = refcounts.Pages.Take();
            hasEntries = l2.Take() | l1.Take();
            (_drops, _takenDrops) = (_takenDrops, _drops);
        }

        if (hasCounts)
        {
            refcounts.Pages.WriteTaken();
        }

        file.Flush();
        if (hasBlocks)
        {
            refcounts.Table.WriteTaken(file);
            file.Flush();
        }

        if (hasEntries)
        {
            l2.WriteTaken();
            l1.WriteTaken(file);
            file.Flush();
        }

        if (_takenDrops.Count > 0)
        {
            lock (MapLock)
            {
                foreach (long cluster in _takenDrops)
                {
                    _dropped.Enqueue(cluster);
                }

                _takenDrops.Clear();
                CountDropped();
            }
        }
    }

    private void CountDropped()
    {
        if (_dropped.Count == 0)
        {
            return;
        }

        // Whoever reads a compressed cluster by its old entry is done when this lock is free.
        lock (compressed.Lock)
        {
            compressed.Forget();
        }

        while (_dropped.TryPeek(out long cluster) && allocator.TryDrop(cluster))
        {
            _dropped.Dequeue();
        }
    }

    /// <summary>Makes a larger table behind the end of the file, with the blocks that count it. Under both locks.</summary>
    private void ReplaceTable()
    {
        TopTable old = refcounts.Table;
        int entriesPerCluster = header.ClusterSize / sizeof(ulong);
        long first = allocator.End, blocks = 1, tableClusters;
        while (true)
        {
            long wanted = Math.Max(2L * old.Count, refcounts.BlockOf(first + blocks) + 2);
            tableClusters = (wanted + entriesPerCluster - 1) / entriesPerCluster;
            long needed = refcounts.BlockOf(first + blocks + tableClusters - 1) - refcounts.BlockOf(first) + 1;
            if (needed <= blocks)
            {
                break;
            }

            blocks = needed;
        }

        long count = tableClusters * entriesPerCluster;
        if (count > Qcow2Header.MaxRefcountTableSize / sizeof(ulong) || refcounts.BlockOf(first + blocks + tableClusters) >= count)
        {
            throw new BlockDeviceException(BlockDeviceError.NoSpace, $"the qcow2 cannot get any larger with clusters of {header.ClusterSize} bytes");
        }

        allocator.Append(blocks + tableClusters);
        Guarded(self => self.UseTable(first, blocks, tableClusters, old));
    }

    /// <summary>Writes the new table; when all of it is durable, the header is changed, in one sector.</summary>
    private void UseTable(long first, long blocks, long tableClusters, TopTable old)
    {
        int entriesPerCluster = header.ClusterSize / sizeof(ulong);
        var entries = new ulong[tableClusters * entriesPerCluster];
        old.Entries.CopyTo(entries);
        WriteBlocks(first, blocks, tableClusters, entries);
        long offset = (first + blocks) << header.ClusterBits;
        WriteTable(entries, offset);
        file.Flush();
        WriteHeader(offset, (uint)tableClusters);
        file.Flush();

        refcounts.Table = new TopTable(entries, offset);
        tables.SetRefcountTable(first + blocks, first + blocks + tableClusters);
        for (long i = 0; i < old.Count / entriesPerCluster; i++)
        {
            _dropped.Enqueue((old.Offset >> header.ClusterBits) + i);
        }
    }

    private void WriteBlocks(long first, long blocks, long tableClusters, ulong[] entries)
    {
        byte[] content = new byte[header.ClusterSize];
        for (long i = 0; i < blocks; i++)
        {
            long block = refcounts.BlockOf(first) + i;
            Array.Clear(content);
            for (long cluster = first; cluster < first + blocks + tableClusters; cluster++)
            {
                if (refcounts.BlockOf(cluster) == block)
                {
                    (int word, int shift) = refcounts.Place(cluster);
                    Span<byte> at = content.AsSpan(word * sizeof(ulong));
                    BinaryPrimitives.WriteUInt64BigEndian(at, BinaryPrimitives.ReadUInt64BigEndian(at) | (1UL << shift));
                }
            }

            file.Write(content, (first + i) << header.ClusterBits, WriteTag.Metadata);
            entries[block] = (ulong)((first + i) << header.ClusterBits);
            tables.Add(first + i);
        }
    }

    private void WriteTable(ulong[] entries, long offset)
    {
        byte[] content = new byte[entries.Length * sizeof(ulong)];
        for (int i = 0; i < entries.Length; i++)
        {
            BinaryPrimitives.WriteUInt64BigEndian(content.AsSpan(i * sizeof(ulong)), entries[i]);
        }

        file.Write(content, offset, WriteTag.Metadata);
    }

    private void WriteHeader(long tableOffset, uint tableClusters)
    {
        Span<byte> fields = stackalloc byte[sizeof(ulong) + sizeof(uint)];
        BinaryPrimitives.WriteUInt64BigEndian(fields, (ulong)tableOffset);
        BinaryPrimitives.WriteUInt32BigEndian(fields[sizeof(ulong)..], tableClusters);
        file.Write(fields, Qcow2Header.RefcountTableOffsetAt, WriteTag.Superblock);
    }

    private void TrimFile()
    {
        lock (MapLock)
        {
            allocator.Trim();
        }
    }

    /// <summary>After a failure in the middle nobody knows what is durable, so there is no second try.</summary>
    private void Guarded(Action<Qcow2Writer> action)
    {
        try
        {
            action(this);
        }
        catch (BlockDeviceException e)
        {
            Volatile.Write(ref _failure, e);
            throw;
        }
    }

    private void ThrowIfFailed()
    {
        if (Volatile.Read(ref _failure) is { } failure)
        {
            throw new BlockDeviceException(failure.Error, failure.Message, failure);
        }
    }
}
