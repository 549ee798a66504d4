using WinLoop.Ext4.Cache;
using WinLoop.Ext4.Format;
using WinLoop.Ext4.Journal;

namespace WinLoop.Ext4.Allocation;

/// <summary>Hands out and takes back inode numbers: directories spread over groups (Orlov), files near their directory.</summary>
/// <remarks>Which group to try is in InodeAllocator.Placement.cs.</remarks>
internal sealed partial class InodeAllocator
{
    /// <summary>Blocks that <see cref="Allocate"/> or <see cref="Free"/> joins: inode bitmap, block bitmap of a
    /// group used for the first time, descriptor.</summary>
    public const int Credits = 4;

    private readonly Ext4Volume _volume;
    private readonly Geometry _geometry;
    private readonly BlockGroups _groups;
    private readonly GroupBitmaps _bitmaps;
    private readonly object _initializing = new();
    // Groups that are to be cut off give no inodes.
    private uint _limitGroups = uint.MaxValue;
    private volatile bool _isReady;
    private long _free;
    private long _directories;
    private int _pending;

    public InodeAllocator(Ext4Volume volume)
    {
        _volume = volume;
        _geometry = volume.Geometry;
        _groups = volume.Groups;
        _bitmaps = new GroupBitmaps(volume, BufferKind.InodeBitmap);
        _flexGroups = Math.Min(_geometry.GroupsPerFlex, MaximumFlex);
    }

    /// <summary>Free inodes now.</summary>
    public uint FreeInodes
    {
        get
        {
            EnsureReady();
            return (uint)Math.Max(0, Volatile.Read(ref _free));
        }
    }

    /// <summary>The loaded bitmaps, for consistency checks; use them under the group's lock.</summary>
    internal GroupBitmaps Bitmaps
    {
        get
        {
            EnsureReady();
            return _bitmaps;
        }
    }

    /// <summary>Inode numbers that a commit would make available.</summary>
    public int PendingInodes => Volatile.Read(ref _pending);

    /// <summary>A free inode number, marked used in bitmap and descriptor (itable_unused, flags, used_dirs).</summary>
    /// <param name="handle">An open handle.</param>
    /// <param name="parent">The directory that will name it.</param>
    /// <param name="isDirectory">Chooses the policy and counts used_dirs.</param>
    /// <exception cref="Ext4Exception">ENOSPC; nothing was changed. If <see cref="PendingInodes"/> is not 0 a
    /// commit (with no handle open) and another try will succeed.</exception>
    public uint Allocate(Handle handle, Inode parent, bool isDirectory)
    {
        EnsureReady();
        uint number = 0;
        if (Volatile.Read(ref _free) > 0)
        {
            uint home = _geometry.GroupOfInode(parent.Number);
            number = isDirectory ? AllocateDirectory(handle, parent, home) : AllocateFile(handle, home);
            if (number == 0)
            {
                number = AllocateAnywhere(handle, home, isDirectory);
            }
        }
        return number != 0 ? number : throw new Ext4Exception(Errno.ENOSPC, "No free inodes are left.");
    }

    /// <summary>Frees an inode number; not handed out again before the transaction is durable.</summary>
    /// <exception cref="Ext4CorruptException">A reserved inode, or free already; nothing was changed.</exception>
    public void Free(Handle handle, uint inode, bool isDirectory)
    {
        EnsureReady();
        if (inode == Ext4Volume.RootInode || inode > _geometry.InodesCount || _geometry.IsSystemInode(inode))
        {
            throw new Ext4CorruptException($"inode {inode}", "to be freed, but reserved or beyond the last");
        }
        uint group = _geometry.GroupOfInode(inode);
        int bit = (int)((inode - 1) % _geometry.InodesPerGroup);
        lock (_groups.LockOf(group))
        {
            GroupBitmap bitmap = _bitmaps.Get(group);
            if (!Bitmap.AreSet(bitmap.Disk, bit, 1))
            {
                throw new Ext4CorruptException($"inode {inode}", "to be freed, but free already");
            }
            handle.Join(bitmap.Buffer);
            handle.JoinDescriptor(group);
            Bitmap.Clear(bitmap.Disk, bit, 1);
            bitmap.Held++;
            ref GroupState state = ref _groups.Get(group);
            state.FreeInodes++;
            if (isDirectory && state.UsedDirectories > 0)
            {
                state.UsedDirectories--;
                Interlocked.Decrement(ref _directories);
            }
            state.Marks |= GroupMarks.InodeBitmapChanged;
        }
        Interlocked.Increment(ref _pending);
        Interlocked.Increment(ref _free);
        lock (handle.Transaction.Buffers)
        {
            handle.Transaction.FreedInodes.Add(inode);
        }
    }

    /// <summary>Takes over groups that were added to the volume; the caller holds every group's lock.</summary>
    public void Extend(uint first, ReadOnlySpan<GroupState> added)
    {
        EnsureReady();
        _bitmaps.Extend(first, added);
        long free = 0;
        foreach (ref readonly GroupState state in added)
        {
            free += state.FreeInodes;
        }
        Interlocked.Add(ref _free, free);
    }

    /// <summary>Copies the bitmap of a group; its unused tail is zero.</summary>
    /// <returns>How many bits count.</returns>
    public int CopyUsed(uint group, Span<ulong> words)
    {
        EnsureReady();
        lock (_groups.LockOf(group))
        {
            _bitmaps.Get(group).Disk.CopyTo(words);
        }
        return (int)_geometry.InodesPerGroup;
    }

    /// <summary>Keeps the groups from this one on from giving inodes; <see cref="uint.MaxValue"/> ends that.</summary>
    public void SetLimit(uint groups)
    {
        EnsureReady();
        _limitGroups = groups;
        for (uint group = 0; groups == uint.MaxValue && group < _geometry.GroupCount; group++)
        {
            _bitmaps.Hints[group] = (ushort)Math.Min(_groups.Get(group).FreeInodes, ushort.MaxValue);
        }
    }

    /// <summary>Takes over a smaller size, which <see cref="Ext4Volume.Geometry"/> has already.</summary>
    public void Cut()
    {
        _limitGroups = uint.MaxValue;
        _bitmaps.Cut(_geometry.GroupCount);
        _free = (long)_groups.CountFree().FreeInodes;
        long directories = 0;
        for (uint group = 0; group < _geometry.GroupCount; group++)
        {
            directories += _groups.Get(group).UsedDirectories;
        }
        _directories = directories;
    }

    /// <summary>True if the bitmap says that the inode is in use.</summary>
    /// <exception cref="Ext4CorruptException">The bitmap or the descriptor is bad.</exception>
    public bool IsAllocated(uint inode)
    {
        if (inode == 0 || inode > _geometry.InodesCount)
        {
            return false;
        }
        uint group = _geometry.GroupOfInode(inode);
        uint slot = (inode - 1) % _geometry.InodesPerGroup;
        if (_groups.IsUnusedSlot(group, slot))
        {
            return false;
        }
        lock (_groups.LockOf(group))
        {
            return Bitmap.AreSet(_bitmaps.Get(group).Disk, (int)slot, 1);
        }
    }

    /// <summary>Called by the journal when a transaction is durable.</summary>
    public void OnCommitted(List<uint> freed)
    {
        foreach (uint inode in freed)
        {
            uint group = _geometry.GroupOfInode(inode);
            int bit = (int)((inode - 1) % _geometry.InodesPerGroup);
            lock (_groups.LockOf(group))
            {
                GroupBitmap bitmap = _bitmaps.Get(group);
                Bitmap.Clear(bitmap.Busy, bit, 1);
                bitmap.Held--;
                bitmap.Cursor = Math.Min(bitmap.Cursor, bit);
                ref ushort hint = ref _bitmaps.Hints[group];
                hint = (ushort)Math.Min(hint + 1, ushort.MaxValue);
            }
        }
        Interlocked.Add(ref _pending, -freed.Count);
        _bitmaps.Trim();
    }

    // Takes the first free inode of a group; 0 if there is none.
    private uint TryAllocate(Handle handle, uint group, bool isDirectory)
    {
        if (group >= _limitGroups)
        {
            _bitmaps.Hints[group] = 0;
        }
        if (Volatile.Read(ref _bitmaps.Hints[group]) == 0)
        {
            return 0;
        }
        lock (_groups.LockOf(group))
        {
            GroupBitmap bitmap;
            try
            {
                if (_bitmaps.Hints[group] == 0)
                {
                    return 0;
                }
                bitmap = _bitmaps.Get(group);
                // A group whose inodes are used has a block bitmap on disk, too.
                _volume.Blocks.InitializeBitmap(handle, group);
            }
            catch (Ext4CorruptException)
            {
                // Another group can serve; this one is not asked again.
                _bitmaps.Hints[group] = 0;
                return 0;
            }
            int bit = Bitmap.NextZero(bitmap.Busy, Math.Max(bitmap.Cursor, FirstBit(group)));
            // A bitmap that calls one of the file system's own inodes free is damaged.
            if (bit >= (int)_geometry.InodesPerGroup || _geometry.IsSystemInode((group * _geometry.InodesPerGroup) + (uint)bit + 1))
            {
                bitmap.Cursor = bit;
                _bitmaps.Hints[group] = 0;
                return 0;
            }
            handle.Join(bitmap.Buffer);
            handle.JoinDescriptor(group);
            Bitmap.Set(bitmap.Disk, bit, 1);
            Bitmap.Set(bitmap.Busy, bit, 1);
            bitmap.Cursor = bit + 1;
            ref GroupState state = ref _groups.Get(group);
            state.FreeInodes--;
            if (isDirectory)
            {
                state.UsedDirectories++;
                Interlocked.Increment(ref _directories);
            }
            // Readers without the lock look at the flag first: the count has to be right before it goes.
            Volatile.Write(ref state.InodeTableUnused, Math.Min(state.InodeTableUnused, _geometry.InodesPerGroup - (uint)bit - 1));
            state.Flags &= ~GroupFlags.InodeUninit;
            state.Marks |= GroupMarks.InodeBitmapChanged;
            ref ushort hint = ref _bitmaps.Hints[group];
            if (hint < ushort.MaxValue)
            {
                hint = (ushort)Math.Max(hint - 1, state.FreeInodes > 0 ? 1 : 0);
            }
            Interlocked.Decrement(ref _free);
            return (group * _geometry.InodesPerGroup) + (uint)bit + 1;
        }
    }

    // The first bit of the group that belongs to an ordinary inode.
    private int FirstBit(uint group)
    {
        ulong first = (ulong)group * _geometry.InodesPerGroup;
        return _geometry.FirstInode - 1 <= first ? 0 : (int)Math.Min(_geometry.FirstInode - 1 - first, _geometry.InodesPerGroup);
    }

    private void EnsureReady()
    {
        if (_isReady)
        {
            return;
        }
        lock (_initializing)
        {
            if (_isReady)
            {
                return;
            }
            // Block bitmaps are started from within a group's lock later on.
            _ = _volume.Blocks.FreeBlocks;
            _bitmaps.InitializeHints();
            long directories = 0;
            for (uint group = 0; group < _geometry.GroupCount; group++)
            {
                directories += _groups.Get(group).UsedDirectories;
            }
            _directories = directories;
            _free = (long)_groups.CountFree().FreeInodes;
            _isReady = true;
        }
    }
}
