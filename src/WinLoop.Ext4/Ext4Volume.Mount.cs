using WinLoop.Ext4.Cache;
using WinLoop.Ext4.Extents;
using WinLoop.Ext4.Format;
using WinLoop.Ext4.Journal;
using WinLoop.Ext4.Journal.Recovery;
using WinLoop.Ext4.Suspend;
using WinLoop.Storage;

namespace WinLoop.Ext4;

// Mount and unmount: superblock, recovery, orphans, the marks of use and of cleanliness.
public sealed partial class Ext4Volume
{
    private bool _isMarkedInUse;

    /// <summary>Mounts: checks the superblock, recovers the journal, processes orphans. A clean volume is not
    /// written to before its first change.</summary>
    /// <param name="device">The volume's device; disposed with the volume, also when mounting fails.</param>
    /// <param name="options">How.</param>
    /// <exception cref="Ext4NotSupportedException">An INCOMPAT feature this engine does not have.</exception>
    /// <exception cref="Ext4CorruptException">Not ext4, or damaged.</exception>
    public static Ext4Volume Mount(IBlockDevice device, Ext4MountOptions options)
    {
        var witness = new ImageWitness(device, options.Hooks?.SleepClock ?? new SleepClock());
        IBlockDevice current = device = witness;
        Ext4Volume? volume = null;
        try
        {
            (Superblock superblock, bool isRebuilt) = ReadSuperblock(device);
            FeatureSupport.RequireMountable(superblock);
            string? reason = options.IsReadOnly ? null : WhyReadOnly(superblock, device.IsReadOnly);
            bool isReadOnly = options.IsReadOnly || reason is not null;
            string? report = null;
            JournalRecoveryResult? recovered = null;
            if (superblock.Has(IncompatFeatures.Recover) && superblock.Has(CompatFeatures.HasJournal) && !(isReadOnly && options.SkipRecovery))
            {
                if (isReadOnly)
                {
                    // Replayed into memory: not one byte of the device changes.
                    current = new OverlayDevice(device, ownsBase: true);
                }
                (superblock, recovered) = Recover(current, superblock);
                report = $"replayed {recovered.Value.Transactions} transactions ({recovered.Value.Blocks} blocks) from the journal";
            }
            volume = new Ext4Volume(current, superblock, options) 
            {
                Witness = witness,
                MountedReadOnly = isReadOnly,
                ReadOnlyReason = reason,
                RecoveryReport = report,
            };
            witness.OnChanged = volume.OnImageChanged;
            volume.Open(recovered is not null, isRebuilt);
            return volume;
        }
        catch
        {
            volume?.Cache.Dispose();
            current.Dispose();
            throw;
        }
    }

    /// <summary>Why a volume that can be mounted would be mounted read-only; null if it can be written.</summary>
    public static string? WhyReadOnly(Superblock superblock, bool isDeviceReadOnly)
    {
        if (FeatureSupport.ReadOnlyReason(superblock) is { } reason)
        {
            return reason;
        }
        if (isDeviceReadOnly)
        {
            return "the image is read-only";
        }
        if ((superblock.State & Superblock.StateError) != 0)
        {
            return "the file system is marked as damaged (run e2fsck)";
        }
        if (!superblock.Has(CompatFeatures.HasJournal) && superblock.Has(IncompatFeatures.Recover))
        {
            return "the file system needs recovery, but has no journal (run e2fsck)";
        }
        if (!superblock.Has(CompatFeatures.HasJournal) && (superblock.State & Superblock.StateValid) == 0)
        {
            return "the file system has no journal and was not unmounted cleanly (run e2fsck)";
        }
        return null;
    }

    private static (Superblock Superblock, bool IsRebuilt) ReadSuperblock(IBlockDevice device) =>
        TornSuperblock.TryRebuild(device) is { } rebuilt ? (rebuilt, true) : (SuperblockReader.Read(device), false);

    private static (Superblock Superblock, JournalRecoveryResult Result) Recover(IBlockDevice device, Superblock superblock)
    {
        Geometry geometry = Geometry.Create(superblock, device.Length);
        JournalMap map = JournalMapReader.Read(device, geometry, superblock);
        JournalSuperblock journal = JournalRecovery.ReadSuperblock(device, geometry, map);
        JournalRecoveryResult result = JournalRecovery.Run(device, geometry, map, journal);
        // The primary superblock is itself a journaled block, and everything in it is to be checked again.
        // The error record is not journaled: what was noted before the crash is kept.
        (Superblock replayed, _) = ReadSuperblock(device);
        FeatureSupport.RequireMountable(replayed);
        if (replayed.ErrorCount != superblock.ErrorCount)
        {
            superblock.ErrorRecord.CopyTo(replayed.ErrorRecord);
            replayed.State |= (ushort)(superblock.State & Superblock.StateError);
        }
        if (result.ErrorCode != 0)
        {
            replayed.State |= Superblock.StateError;
        }
        return (replayed, result);
    }

    // JBD2_MIN_JOURNAL_BLOCKS without the superblock.
    private const long ShortestLog = 1023;

    private void Open(bool isRecovered, bool isRebuilt)
    {
        if (MountedReadOnly)
        {
            Journal = new JournalManager(this, null);
            Witness.Start(-1);
            return;
        }
        JournalLog? log = null;
        long journalAt = -1;
        if (Geometry.Has(CompatFeatures.HasJournal))
        {
            JournalMap map = JournalMapReader.Read(Device, Geometry, Superblock);
            JournalSuperblock journal = JournalRecovery.ReadSuperblock(Device, Geometry, map);
            JournalFormat format = JournalFormat.Create(journal, Geometry.BlockSize, map.Count);
            if (format.End - format.First < ShortestLog)
            {
                // A transaction would not fit; the kernel does not take it either.
                MountedReadOnly = true;
                ReadOnlyReason = "the journal is too short";
                Journal = new JournalManager(this, null);
                Witness.Start(-1);
                return;
            }
            if (journal.Start != 0)
            {
                // The volume was marked clean over a log that was not: nobody may replay that later.
                JournalRecovery.Discard(Device, Geometry, map, journal);
            }
            journalAt = (long)(map[0] << Geometry.BlockSizeBits);
            log = new JournalLog(Device, Geometry, map, journal, Options.CacheBytes);
        }
        Journal = new JournalManager(this, log);
        Witness.Start(journalAt);
        if (isRecovered)
        {
            // The log is empty and durable; from here on the volume is as after a clean unmount.
            if ((Superblock.State & Superblock.StateError) != 0)
            {
                MountedReadOnly = true;
                ReadOnlyReason = "the file system is marked as damaged (run e2fsck)";
                return;
            }
            RefreshFreeCounts();
            Superblock.Incompat &= ~IncompatFeatures.Recover;
        }
        bool clearsMark = ClearEmptyOrphanMark();
        if (isRecovered || isRebuilt || clearsMark)
        {
            WriteSuperblockNow();
        }
        if (isRebuilt)
        {
            RecoveryReport = (RecoveryReport is null ? "" : RecoveryReport + ", ") + "rebuilt the torn superblock";
        }
        if (Superblock.LastOrphan != 0 || Superblock.Has(RoCompatFeatures.OrphanPresent))
        {
            (int freed, int truncated) = Orphans.ProcessAll();
            if (freed + truncated > 0)
            {
                RecoveryReport = (RecoveryReport is null ? "" : RecoveryReport + ", ") +
                    $"freed {freed} and truncated {truncated} orphan inodes";
            }
        }
    }

    // After a crash the superblock says that the orphan file may hold something. With nothing in it there is nothing to
    // do, so no unmount would take the mark back.
    private bool ClearEmptyOrphanMark()
    {
        if (!Orphans.HasFile || !Superblock.Has(RoCompatFeatures.OrphanPresent))
        {
            return false;
        }
        Orphans.OpenFile();
        if (!Orphans.IsFileEmpty())
        {
            return false;
        }
        Superblock.RoCompat &= ~RoCompatFeatures.OrphanPresent;
        return true;
    }

    /// <summary>Called before the first change since the mount or since <see cref="MarkUnused"/>: from here on the disk
    /// says that the volume is in use. No handle is open, so the superblock in memory holds nothing uncommitted.</summary>
    internal void MarkInUse(bool isFirst)
    {
        Groups.LoadAll();
        Orphans.OpenFile();
        long now = Timestamp.Now.Seconds;
        Superblock.WriteTime = now;
        if (isFirst)
        {
            NoteMount(now);
        }
        if (Geometry.Has(CompatFeatures.HasJournal))
        {
            Superblock.Incompat |= IncompatFeatures.Recover;
            if (Orphans.HasFile)
            {
                Superblock.RoCompat |= RoCompatFeatures.OrphanPresent;
            }
        }
        else
        {
            Superblock.State &= unchecked((ushort)~Superblock.StateValid);
        }
        _isMarkedInUse = true;
        WriteSuperblockNow();
    }

    /// <summary>Marks the volume clean; everything is committed and home, and no handle is open.</summary>
    internal void MarkUnused()
    {
        RefreshFreeCounts();
        Superblock.WriteTime = Timestamp.Now.Seconds;
        Superblock.Incompat &= ~IncompatFeatures.Recover;
        if (!Geometry.Has(CompatFeatures.HasJournal))
        {
            Superblock.State |= Superblock.StateValid;
        }
        if (Orphans.HasFile && Orphans.IsFileEmpty())
        {
            Superblock.RoCompat &= ~RoCompatFeatures.OrphanPresent;
        }
        WriteSuperblockNow();
        _isMarkedInUse = false;
    }

    private void NoteMount(long now)
    {
        Superblock.MountTime = now;
        Superblock.MountCount = unchecked((ushort)(Superblock.MountCount + 1));
        if (Options.MountPoint is { } path)
        {
            Span<byte> field = Superblock.LastMounted;
            field.Clear();
            System.Text.Encoding.UTF8.TryGetBytes(path.Length > 63 ? path[..63] : path, field[..63], out _);
        }
    }

    private void Unmount()
    {
        if (Journal is null || MountedReadOnly)
        {
            return;
        }
        if (!Journal.IsActive)
        {
            FlushContent();
            return;
        }
        Journal.Shutdown();
        if (Journal.AbortReason is not null || !_isMarkedInUse)
        {
            return;
        }
        MarkUnused();
    }

    private void RefreshFreeCounts()
    {
        (ulong blocks, ulong inodes) = Groups.CountFree();
        Superblock.FreeBlocksCount = blocks;
        Superblock.FreeInodesCount = (uint)inodes;
    }

    // ---- the superblock's block

    private ulong SuperblockBlock => (ulong)(Superblock.Offset / Geometry.BlockSize);

    private int SuperblockOffset => Superblock.Offset % Geometry.BlockSize;

    internal MetadataBuffer ReadSuperblockBuffer() => Cache.Read(SuperblockBlock, BufferKind.Superblock);

    /// <summary>Puts the in-memory superblock into its block.</summary>
    internal void EncodeSuperblock(Span<byte> block)
    {
        lock (Superblock)
        {
            Superblock.UpdateChecksum();
            Superblock.Raw.CopyTo(block[SuperblockOffset..]);
        }
    }

    // Outside the journal; only while the log is empty, or for the error record.
    private void WriteSuperblockNow()
    {
        using (MetadataBuffer buffer = ReadSuperblockBuffer())
        {
            lock (buffer)
            {
                EncodeSuperblock(buffer.Data);
                Device.Write(buffer.Data.Slice(SuperblockOffset, Superblock.Size), Superblock.Offset, WriteTag.Superblock);
            }
        }
        FlushDevice();
    }

    private void NoteError()
    {
        Superblock.State |= Superblock.StateError;
        Superblock.ErrorCount = unchecked(Superblock.ErrorCount + 1);
        if (!Journal.IsActive)
        {
            return; // a volume that was only read stays as it is
        }
        try
        {
            NoteErrorOnDisk();
        }
        catch (BlockDeviceException)
        {
            // Nothing more can be done on a failing device.
        }
    }

    // The on-disk superblock as it is, plus the error mark: journaled fields in memory may be ahead of it.
    private void NoteErrorOnDisk()
    {
        Span<byte> raw = stackalloc byte[Superblock.Size];
        Device.Read(raw, Superblock.Offset);
        var onDisk = new Superblock(raw);
        if (onDisk.Magic != Superblock.MagicValue || !onDisk.HasValidChecksum ||
            onDisk.Has(RoCompatFeatures.MetadataCsum) != Geometry.HasMetadataChecksums || !TornSuperblock.DescribesSameVolume(onDisk, Superblock))
        {
            return; // a device that reads something else: to write that back would destroy what is there
        }
        onDisk.State |= Superblock.StateError;
        onDisk.ErrorCount = Superblock.ErrorCount;
        onDisk.UpdateChecksum();
        Device.Write(onDisk.Raw, Superblock.Offset, WriteTag.Superblock);
        Device.Flush();
    }
}
