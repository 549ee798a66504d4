using System.Collections.Concurrent;
using WinLoop.Ext4.Cache;
using WinLoop.Ext4.Format;
using WinLoop.Ext4.Journal;

namespace WinLoop.Ext4.Inodes;

/// <summary>The inodes in memory: one object per number, kept while referenced and for a while after.</summary>
internal sealed class InodeCache(Ext4Volume volume)
{
    // Below zero by far: the object is on its way out and takes no new references.
    private const int Retired = int.MinValue / 2;
    private const int Stripes = 64;
    // Blocks of an inode table that are fetched together; a power of two.
    private const uint ReadAheadBlocks = 32;

    private readonly ConcurrentDictionary<uint, Inode> _inodes = new();
    private readonly ConcurrentQueue<Inode> _clock = new();
    private readonly object[] _loading = [.. Enumerable.Range(0, Stripes).Select(_ => new object())];
    private int _count;
    // Entries of the clock; freed inodes stay in it until the hand meets them.
    private int _queued;
    private int _evicting;
    // A Guid, because RandomNumberGenerator loads OpenSSL: 5 ms of a mount.
    private uint _generation = volume.Options.Hooks?.FirstGeneration ?? BitConverter.ToUInt32(Guid.NewGuid().ToByteArray());

    /// <summary>Inodes in memory now.</summary>
    public int Count => Volatile.Read(ref _count);

    /// <summary>A reference to an inode, read and verified if it is not in memory.</summary>
    /// <exception cref="Ext4CorruptException">The number or the inode is bad.</exception>
    /// <exception cref="Ext4Exception">ESTALE: the inode is not in use.</exception>
    public Inode Get(uint number) => Get(number, allowUnlinked: false);

    /// <summary>As <see cref="Get(uint)"/>, also for an inode whose links are 0 (orphans).</summary>
    public Inode Get(uint number, bool allowUnlinked)
    {
        while (true)
        {
            if (_inodes.TryGetValue(number, out Inode? inode))
            {
                if (TryReference(inode))
                {
                    inode.IsRecent = true;
                    return inode;
                }
                Thread.Yield(); // being freed or evicted by another thread, which removes it in a moment
                continue;
            }
            if (number == 0 || number > volume.Geometry.InodesCount)
            {
                throw new Ext4CorruptException($"inode {number}", $"the volume has {volume.Geometry.InodesCount}");
            }
            // Reading the slot and publishing the object is one step, so that no one publishes an older state.
            lock (_loading[number % Stripes])
            {
                if (_inodes.ContainsKey(number))
                {
                    continue;
                }
                inode = Load(number, allowUnlinked);
                inode.References = 1;
                Publish(inode);
                return inode;
            }
        }
    }

    /// <summary>A referenced object for a number just allocated: generation chosen, all else empty.</summary>
    public Inode CreateNew(uint number)
    {
        var inode = new Inode(number)
        {
            Generation = Interlocked.Increment(ref _generation),
            References = 1,
            IsNew = true,
            ExtraSize = volume.Geometry.InodeSize > InodeRecord.GoodOldSize
                ? Math.Clamp(volume.Superblock.WantExtraInodeSize & ~3, 28, volume.Geometry.InodeSize - InodeRecord.GoodOldSize)
                : 0,
        };
        inode.ChecksumSeed = volume.Geometry.InodeSeed(number, inode.Generation);
        while (true)
        {
            if (_inodes.TryGetValue(number, out Inode? old))
            {
                // A dead object of the number's last life, or one that a stale handle just read.
                if (Volatile.Read(ref old.References) == 0 && TryRetire(old))
                {
                    Remove(old);
                }
                else if (Volatile.Read(ref old.References) > 0)
                {
                    throw new Ext4CorruptException($"inode {number}", "free in the bitmap and in use");
                }
                Thread.Yield();
                continue;
            }
            lock (_loading[number % Stripes])
            {
                if (!_inodes.ContainsKey(number))
                {
                    Publish(inode);
                    return inode;
                }
            }
        }
    }

    /// <summary>Takes another reference to an inode that is referenced already.</summary>
    public static void AddReference(Inode inode) => Interlocked.Increment(ref inode.References);

    /// <summary>Drops references; true if they were the last and the inode is to be freed by the caller,
    /// who then is its only user.</summary>
    public bool Release(Inode inode, int count)
    {
        int left = Interlocked.Add(ref inode.References, -count);
        if (left > 0)
        {
            return false;
        }
        if (left < 0)
        {
            throw new InvalidOperationException($"Inode {inode.Number} was released {-left} times too often.");
        }
        if (inode.Links == 0 && !inode.IsFreed && !volume.IsReadOnly)
        {
            return TryRetire(inode);
        }
        if (IsOverfull)
        {
            Evict();
        }
        return false;
    }

    /// <summary>Takes a new object whose creation failed out of the cache; nobody else knows it.</summary>
    public void Discard(Inode inode)
    {
        Volatile.Write(ref inode.References, Retired);
        Remove(inode);
    }

    /// <summary>Takes the object of a number out of the cache, because the inode gets another number.</summary>
    /// <exception cref="Ext4Exception">EBUSY: somebody uses it.</exception>
    public void Forget(uint number)
    {
        if (_inodes.TryGetValue(number, out Inode? inode))
        {
            if (!TryRetire(inode))
            {
                throw new Ext4Exception(Errno.EBUSY, $"inode {number} is in use");
            }
            volume.Blocks.DropPreallocation(inode);
            inode.IsFreed = true; // the clock drops it
            Remove(inode);
        }
    }

    /// <summary>The raw bytes of any inode, whether it is in use or not; see <see cref="GetRaw(Inode, out Span{byte})"/>.</summary>
    public MetadataBuffer GetRaw(uint number, out Span<byte> raw) => GetRaw(number, out raw, out _);

    /// <summary>Takes a retired object out of the cache.</summary>
    public void Remove(Inode inode)
    {
        if (_inodes.TryRemove(new KeyValuePair<uint, Inode>(inode.Number, inode)))
        {
            Interlocked.Decrement(ref _count);
        }
    }

    /// <summary>All inodes in memory, for unmounting.</summary>
    public IEnumerable<Inode> All => _inodes.Values;

    /// <summary>Encodes the inode into its table block inside the handle (all of the slot if it is new).</summary>
    public void Write(Handle handle, Inode inode)
    {
        using MetadataBuffer buffer = GetRaw(inode, out Span<byte> raw);
        handle.Join(buffer);
        lock (buffer)
        {
            if (inode.IsNew)
            {
                raw.Clear();
                inode.IsNew = false;
            }
            InodeCodec.Encode(inode, raw, volume.Geometry);
        }
        inode.SyncTid = handle.Tid;
    }

    /// <summary>Changes only i_dtime of an inode whose lock the caller does not hold (its orphan-list link).</summary>
    public void WriteOrphanLink(Handle handle, Inode inode)
    {
        using MetadataBuffer buffer = GetRaw(inode, out Span<byte> raw);
        handle.Join(buffer);
        lock (buffer)
        {
            InodeCodec.EncodeDeletionTime(inode, raw, volume.Geometry);
        }
    }

    /// <summary>The inode's raw bytes in its table block, for the attribute area behind i_extra_isize. Dispose
    /// the buffer; join it to a handle before changing anything.</summary>
    public MetadataBuffer GetRaw(Inode inode, out Span<byte> raw) => GetRaw(inode.Number, out raw, out _);

    private MetadataBuffer GetRaw(uint number, out Span<byte> raw, out bool isUnused)
    {
        Geometry geometry = volume.Geometry;
        uint group = geometry.GroupOfInode(number);
        uint slot = (number - 1) % geometry.InodesPerGroup;
        isUnused = volume.Groups.IsUnusedSlot(group, slot);
        uint blockInTable = slot / (uint)geometry.InodesPerBlock;
        ulong table = volume.Groups.InodeTable(group);
        ulong block = table + blockInTable;
        if (!volume.Cache.IsCached(block))
        {
            // Inodes of one directory are neighbours: their blocks are fetched together (as ext4's inode_readahead_blks).
            uint first = blockInTable & ~(ReadAheadBlocks - 1);
            volume.Cache.Prefetch(table + first, Math.Min(ReadAheadBlocks, geometry.InodeTableBlocks - first));
        }
        MetadataBuffer buffer = volume.Cache.Read(block, BufferKind.Raw);
        raw = buffer.Data.Slice((int)(slot % (uint)geometry.InodesPerBlock) * geometry.InodeSize, geometry.InodeSize);
        return buffer;
    }

    private Inode Load(uint number, bool allowUnlinked)
    {
        using MetadataBuffer buffer = GetRaw(number, out Span<byte> raw, out bool isUnused);
        if (isUnused)
        {
            throw new Ext4Exception(Errno.ESTALE, $"inode {number} was never used");
        }
        Inode inode;
        lock (buffer)
        {
            inode = InodeCodec.Decode(number, raw, volume.Geometry);
            // Its last change may still be on its way to the disk.
            inode.SyncTid = buffer.Transaction?.Tid ?? buffer.LastTid;
        }
        inode.DataSyncTid = inode.SyncTid;
        inode.HasUnflushedData = !volume.IsReadOnly;
        if (inode.Links == 0 && !allowUnlinked)
        {
            throw new Ext4Exception(Errno.ESTALE, $"inode {number} is not in use");
        }
        return inode;
    }

    private void Publish(Inode inode)
    {
        if (!_inodes.TryAdd(inode.Number, inode))
        {
            throw new InvalidOperationException($"Inode {inode.Number} is in memory twice.");
        }
        _clock.Enqueue(inode);
        Interlocked.Increment(ref _queued);
        Interlocked.Increment(ref _count);
        if (IsOverfull)
        {
            Evict();
        }
    }

    private bool IsOverfull => Volatile.Read(ref _count) > volume.Options.CachedInodes ||
        Volatile.Read(ref _queued) > 2 * volume.Options.CachedInodes;

    private void Evict()
    {
        if (Interlocked.Exchange(ref _evicting, 1) != 0)
        {
            return;
        }
        int budget = 64;
        while (IsOverfull && budget-- > 0 && _clock.TryDequeue(out Inode? inode))
        {
            if (inode.IsFreed)
            {
                Interlocked.Decrement(ref _queued);
                continue;
            }
            if (inode.IsRecent || Volatile.Read(ref inode.References) != 0 || inode.Links == 0)
            {
                inode.IsRecent = false;
                _clock.Enqueue(inode);
            }
            else if (TryRetire(inode))
            {
                volume.Blocks.DropPreallocation(inode);
                Remove(inode);
                Interlocked.Decrement(ref _queued);
            }
            else
            {
                _clock.Enqueue(inode);
            }
        }
        Volatile.Write(ref _evicting, 0);
    }

    private static bool TryReference(Inode inode)
    {
        int seen = Volatile.Read(ref inode.References);
        while (seen >= 0)
        {
            int now = Interlocked.CompareExchange(ref inode.References, seen + 1, seen);
            if (now == seen)
            {
                return true;
            }
            seen = now;
        }
        return false;
    }

    private static bool TryRetire(Inode inode) => Interlocked.CompareExchange(ref inode.References, Retired, 0) == 0;
}
