using WinLoop.Ext4.Allocation;
using WinLoop.Ext4.Attributes;
using WinLoop.Ext4.Directories;
using WinLoop.Ext4.Format;
using WinLoop.Ext4.Inodes;
using WinLoop.Ext4.Journal;
using WinLoop.Ext4.Orphans;

namespace WinLoop.Ext4;

// References, attributes, durability and the end of an inode.
public sealed partial class Ext4Volume
{
    /// <summary>Returns a reference to an inode by number.</summary>
    /// <exception cref="Ext4Exception">ESTALE: not in use.</exception>
    public Inode GetInode(uint number)
    {
        try
        {
            if (number == 0 || number > Geometry.InodesCount || Geometry.IsSystemInode(number))
            {
                throw new Ext4Exception(Errno.ESTALE);
            }
            return Inodes.Get(number);
        }
        catch (Exception e) when (OnFailure(e))
        {
            throw;
        }
    }

    /// <summary>Takes another reference to an inode already held.</summary>
    public void AddReference(Inode inode) => InodeCache.AddReference(inode);

    /// <summary>Drops references; the last one of an unlinked inode frees it.</summary>
    public void Release(Inode inode, int count = 1)
    {
        if (!Inodes.Release(inode, count))
        {
            return;
        }
        try
        {
            Free(inode);
        }
        catch (Exception e) when (OnFailure(e))
        {
            throw;
        }
        finally
        {
            inode.IsFreed = true;
            Inodes.Remove(inode);
        }
    }

    /// <summary>Called when the last open file of an inode closes: gives its preallocated blocks back.</summary>
    public void OnLastClose(Inode inode)
    {
        if (inode.Preallocation is null)
        {
            return;
        }
        inode.Lock.EnterWrite();
        try
        {
            Blocks.DropPreallocation(inode);
        }
        finally
        {
            inode.Lock.ExitWrite();
        }
    }

    /// <summary>What stat tells.</summary>
    public FileAttributes GetAttributes(Inode inode)
    {
        inode.Lock.EnterRead();
        try
        {
            return new FileAttributes
            {
                Inode = inode.Number,
                Generation = inode.Generation,
                Mode = inode.Mode,
                Links = inode.Links,
                Uid = inode.Uid,
                Gid = inode.Gid,
                Size = inode.Size,
                Blocks = inode.Sectors,
                BlockSize = Geometry.BlockSize,
                Device = inode.Type is InodeMode.CharDevice or InodeMode.BlockDevice ? InodeCodec.DecodeDevice(inode) : 0,
                Flags = inode.Flags,
                AccessTime = inode.AccessTime,
                ModifyTime = inode.ModifyTime,
                ChangeTime = inode.ChangeTime,
                BirthTime = inode.BirthTime,
            };
        }
        finally
        {
            inode.Lock.ExitRead();
        }
    }

    /// <summary>chmod, chown, truncate, utimens.</summary>
    public void SetAttributes(Inode inode, in AttributeChanges changes, Caller caller)
    {
        try
        {
            RequireWritable();
            if (changes.Size is { } requested)
            {
                if (inode.IsDirectory)
                {
                    throw new Ext4Exception(Errno.EISDIR);
                }
                if (!inode.IsRegular || requested < 0)
                {
                    throw new Ext4Exception(Errno.EINVAL);
                }
            }
            inode.Lock.EnterWrite();
            try
            {
                SetAttributesLocked(inode, changes);
            }
            finally
            {
                inode.Lock.ExitWrite();
            }
        }
        catch (Exception e) when (OnFailure(e))
        {
            throw;
        }
    }

    private void SetAttributesLocked(Inode inode, in AttributeChanges changes)
    {
        RequireAlive(inode);
        bool onlyTimes = changes is { Mode: null, Uid: null, Gid: null, Size: null, KillSetId: false, HasGivenTimes: false };
        if ((inode.Flags & InodeFlags.Immutable) != 0 || ((inode.Flags & InodeFlags.Append) != 0 && !onlyTimes))
        {
            throw new Ext4Exception(Errno.EPERM);
        }
        if (changes.Size is { } size)
        {
            Files.TruncateLocked(inode, size);
        }
        using Handle handle = Journal.Start(2 + AttributeStore.Credits);
        ushort oldMode = inode.Mode;
        ushort mode = oldMode;
        if (changes.Mode is { } permissions)
        {
            mode = (ushort)((mode & InodeMode.TypeMask) | (permissions & InodeMode.Permissions));
        }
        if (changes.KillSetId)
        {
            mode = WithoutSetId(mode);
        }
        if (mode != oldMode)
        {
            inode.Mode = mode;
            if (changes.Mode is not null)
            {
                try
                {
                    // The ACL may need a block of its own: the one step that can fail comes first.
                    Attributes.OnModeChanged(handle, inode);
                }
                catch (Ext4Exception)
                {
                    inode.Mode = oldMode;
                    throw;
                }
            }
        }
        inode.Uid = changes.Uid ?? inode.Uid;
        inode.Gid = changes.Gid ?? inode.Gid;
        inode.AccessTime = changes.AccessTime is { } accessed ? Clamp(inode, accessed) : inode.AccessTime;
        inode.ModifyTime = changes.ModifyTime is { } modified ? Clamp(inode, modified) : inode.ModifyTime;
        inode.BirthTime = changes.BirthTime is { } born ? Clamp(inode, born) : inode.BirthTime;
        inode.ChangeTime = Clamp(inode, changes.ChangeTime ?? Timestamp.Now);
        inode.Version = unchecked(inode.Version + 1);
        Inodes.Write(handle, inode);
    }

    /// <summary>FS_IOC_SETFLAGS: changes the user-modifiable flags.</summary>
    /// <exception cref="Ext4Exception">EPERM: immutable and append-only are root's; EOPNOTSUPP: cannot be changed here.</exception>
    public void SetFlags(Inode inode, InodeFlags flags, Caller caller)
    {
        try
        {
            RequireWritable();
            inode.Lock.EnterWrite();
            try
            {
                RequireAlive(inode);
                InodeFlags changed = (inode.Flags ^ flags) & InodeFlags.UserModifiable;
                if ((changed & (InodeFlags.Immutable | InodeFlags.Append)) != 0 && caller.Uid != 0)
                {
                    throw new Ext4Exception(Errno.EPERM);
                }
                if ((changed & (InodeFlags.CaseFold | InodeFlags.JournalData | InodeFlags.Dax | InodeFlags.Extents)) != 0)
                {
                    throw new Ext4Exception(Errno.EOPNOTSUPP);
                }
                if (((flags ^ inode.Flags) & InodeFlags.UserVisible & ~InodeFlags.UserModifiable) != 0)
                {
                    throw new Ext4Exception(Errno.EOPNOTSUPP);
                }
                using Handle handle = Journal.Start(2);
                inode.Flags ^= changed;
                inode.ChangeTime = Clamp(inode, Timestamp.Now);
                Inodes.Write(handle, inode);
            }
            finally
            {
                inode.Lock.ExitWrite();
            }
        }
        catch (Exception e) when (OnFailure(e))
        {
            throw;
        }
    }

    /// <summary>Makes an inode's content and, unless <paramref name="dataOnly"/>, attributes durable.</summary>
    public void Synchronize(Inode inode, bool dataOnly)
    {
        if (MountedReadOnly)
        {
            return;
        }
        try
        {
            if (Journal.AbortReason is { } reason)
            {
                throw new Ext4Exception(Errno.EIO, reason.Message);
            }
            uint tid = dataOnly ? inode.DataSyncTid : inode.SyncTid;
            bool hasData = inode.HasUnflushedData;
            long sequence = inode.DataSequence;
            if (tid != 0 && !Journal.IsCommitted(tid))
            {
                // A commit that starts from here on flushes the data too; one that is under way may have
                // flushed before the data was written.
                hasData &= Journal.RunningTid != tid;
                Journal.Commit(tid);
            }
            if (hasData)
            {
                FlushOrAbort();
            }
            inode.MarkDataFlushed(sequence);
        }
        catch (Exception e) when (OnFailure(e))
        {
            throw;
        }
    }

    /// <summary>Makes everything durable.</summary>
    public void Synchronize()
    {
        if (MountedReadOnly)
        {
            return;
        }
        try
        {
            if (Journal.AbortReason is { } reason)
            {
                throw new Ext4Exception(Errno.EIO, reason.Message);
            }
            if (!Journal.IsActive)
            {
                FlushContent();
                return;
            }
            Journal.Commit(Journal.RunningTid);
        }
        catch (Exception e) when (OnFailure(e))
        {
            throw;
        }
    }

    /// <summary>statfs.</summary>
    public VolumeStatistics GetStatistics()
    {
        ulong overhead = Superblock.OverheadClusters != 0 ? Superblock.OverheadClusters : EstimateOverhead();
        bool isCounted = Journal.IsActive;
        ulong free = isCounted ? Blocks.FreeBlocks : Superblock.FreeBlocksCount;
        ulong reserved = Superblock.ReservedBlocksCount;
        return new VolumeStatistics
        {
            BlockSize = Geometry.BlockSize,
            Blocks = Geometry.BlocksCount - Math.Min(overhead, Geometry.BlocksCount),
            FreeBlocks = free,
            AvailableBlocks = isCounted ? Blocks.AvailableBlocks : free > reserved ? free - reserved : 0,
            Inodes = Geometry.InodesCount,
            FreeInodes = isCounted ? InodeNumbers.FreeInodes : Superblock.FreeInodesCount,
        };
    }

    // Bitmaps and inode tables of every group; descriptors where a superblock copy is.
    private ulong EstimateOverhead()
    {
        ulong overhead = Geometry.FirstDataBlock + ((ulong)Geometry.GroupCount * (2 + Geometry.InodeTableBlocks));
        for (uint group = 0; group < Math.Min(Geometry.GroupCount, 65536); group++)
        {
            if (Geometry.HasSuperblock(group))
            {
                overhead += 1 + Geometry.DescriptorBlocks + Geometry.ReservedDescriptorBlocks;
            }
        }
        return overhead;
    }

    /// <summary>Completes the truncate of an orphan that still has links.</summary>
    internal void FinishTruncate(Inode inode)
    {
        inode.Lock.EnterWrite();
        try
        {
            Files.TruncateLocked(inode, inode.Size);
            using Handle handle = Journal.Start(OrphanStore.Credits + 2);
            Orphans.Remove(handle, inode);
            Inodes.Write(handle, inode);
        }
        finally
        {
            inode.Lock.ExitWrite();
        }
    }

    // The caller is the inode's only user. Blocks go first, over as many transactions as they need; the
    // orphan entry leaves together with the number.
    private void Free(Inode inode)
    {
        inode.Lock.EnterWrite();
        try
        {
            Blocks.DropPreallocation(inode);
            Files.FreeAllBlocksLocked(inode);
            using Handle handle = Journal.Start(InodeAllocator.Credits + AttributeStore.Credits + OrphanStore.Credits + 2);
            Attributes.FreeAll(handle, inode);
            Orphans.Remove(handle, inode);
            inode.DeletionTime = (uint)Math.Clamp(Timestamp.Now.Seconds, 1, uint.MaxValue);
            inode.Links = 0;
            inode.Size = 0;
            Inodes.Write(handle, inode);
            InodeNumbers.Free(handle, inode.Number, inode.IsDirectory);
        }
        finally
        {
            inode.Lock.ExitWrite();
        }
    }

    private void FlushOrAbort()
    {
        try
        {
            FlushDevice();
        }
        catch (Storage.BlockDeviceException e)
        {
            // After a failed flush nobody knows what is on the disk: every later fsync fails too.
            Journal.Abort(e);
            throw;
        }
    }

    internal static void RequireAlive(Inode inode)
    {
        if (inode.IsFreed)
        {
            throw new Ext4Exception(Errno.ESTALE);
        }
    }

    /// <summary>The mode after a write by somebody without CAP_FSETID.</summary>
    internal static ushort WithoutSetId(ushort mode)
    {
        int result = mode & ~InodeMode.SetUid;
        if ((mode & 0x8) != 0)
        {
            result &= ~InodeMode.SetGid;
        }
        return (ushort)result;
    }

    // What the format cannot hold is cut here, so that memory and disk say the same.
    internal static Timestamp Clamp(Inode inode, Timestamp time)
    {
        bool hasExtra = InodeRecord.HasField(inode.ExtraSize, InodeRecord.AtimeExtraAt + 4);
        (uint seconds, uint extra) = InodeRecord.EncodeTime(time, hasExtra);
        return InodeRecord.DecodeTime(seconds, hasExtra ? extra : 0);
    }
}
