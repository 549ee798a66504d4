using WinLoop.Ext4.Format;
using WinLoop.Ext4.Journal;
using WinLoop.Ext4.Journal.Recovery;
using WinLoop.Storage;

namespace WinLoop.Ext4.Check.Repair;

/// <summary>Mends what one check has found, as far as it can be mended; the next check sees what that came to.</summary>
internal sealed class RepairRound(CheckState state, IBlockDevice device, RepairOptions options, List<string> actions)
{
    private readonly InodeRepair _inodes = new(state, device, actions);
    private readonly DirectoryRepair _directories = new(state, device, options, actions);
    private readonly GroupRepair _groups = new(state, device, actions);

    public void Run(CheckReport report)
    {
        RepairSuperblock(report);
        if (report.Has(FindingCode.OrphanInode) && report.ErrorCount == 0 && TryLetMountRun("freed and truncated orphans", _ => { }))
        {
            return;
        }
        if (report is { ErrorCount: 1 } && report.Has(FindingCode.LostAndFound) && TryLetMountRun("made lost+found", MakeLostAndFound))
        {
            return;
        }
        bool blocksAreKnown = true;
        bool groupsDiffer = false;
        foreach (Finding finding in report.Findings)
        {
            blocksAreKnown &= !HidesBlocks(finding.Code);
            groupsDiffer |= IsOfGroups(finding.Code);
            RepairOne(finding, report);
        }
        // What is not seen to be in use would be taken for free.
        if (blocksAreKnown && groupsDiffer)
        {
            _groups.Run();
        }
    }

    private void RepairOne(in Finding finding, CheckReport report)
    {
        switch (finding.Code)
        {
            case FindingCode.InodeChecksum or FindingCode.InodeBlocks or FindingCode.DeletionTime or FindingCode.InodeField or
                FindingCode.InodeTime or FindingCode.SpecialInode or FindingCode.LinkCount or FindingCode.OrphanInode:
            case FindingCode.InodeSize when options.MayDiscard || state.FindDirectory(finding.Inode ?? 0) >= 0:
                _inodes.Repair(finding, report.Findings);
                break;
            case FindingCode.ExtentChecksum:
                _inodes.RenewChecksum(finding, Cache.BufferKind.ExtentNode, "extent block");
                break;
            case FindingCode.AttributeChecksum:
                _inodes.RenewChecksum(finding, Cache.BufferKind.AttributeBlock, "attribute block");
                break;
            case FindingCode.AttributeReferences:
                _inodes.SetOwners(finding);
                break;
            case FindingCode.DirectoryChecksum or FindingCode.HtreeChecksum or FindingCode.EntryType or FindingCode.WrongParent:
            case FindingCode.HtreeRoot or FindingCode.HtreeNode or FindingCode.HtreeReference or FindingCode.HtreeHash:
                _directories.Repair(finding);
                break;
            case FindingCode.EntryInode or FindingCode.EntryUnused or FindingCode.EntryName or FindingCode.DuplicateName or
                FindingCode.LinkedDirectory or FindingCode.DirectoryEntry or FindingCode.UnattachedInode or FindingCode.UnconnectedDirectory
                when options.MayDiscard:
                _directories.Repair(finding);
                break;
        }
    }

    private void RepairSuperblock(CheckReport report)
    {
        Superblock superblock = state.Superblock;
        int before = actions.Count;
        if (report.Has(FindingCode.SuperblockRebuilt) || (report.Has(FindingCode.SuperblockChecksum) && TornSuperblock.IsPlausible(superblock)))
        {
            actions.Add("renewed the superblock's checksum");
        }
        else if (report.Has(FindingCode.BadSuperblock) && IsPrimaryUseless())
        {
            superblock.State |= Superblock.StateValid;
            actions.Add("took the superblock from a backup");
        }
        if (report.Has(FindingCode.FreeBlocks) || report.Has(FindingCode.FreeInodes))
        {
            superblock.FreeBlocksCount = state.FreeBlocks;
            superblock.FreeInodesCount = state.FreeInodes;
            actions.Add("set the free counts of the superblock");
        }
        if (report.Has(FindingCode.OrphanFlag))
        {
            superblock.RoCompat &= ~RoCompatFeatures.OrphanPresent;
            actions.Add("noted that the orphan file is empty");
        }
        if (report.Has(FindingCode.OrphanList))
        {
            superblock.LastOrphan = 0;
            actions.Add("dropped the list of orphans");
        }
        if (report.Has(FindingCode.LargeFileFeature))
        {
            superblock.RoCompat |= RoCompatFeatures.LargeFile;
            actions.Add("set the large_file feature");
        }
        RepairJournal(report);
        if (actions.Count > before)
        {
            Ext4Repair.Write(device, superblock);
        }
    }

    private void RepairJournal(CheckReport report)
    {
        bool isDiscarded = report.Has(FindingCode.JournalNotEmpty) && options.MayDiscard;
        if (!isDiscarded && !report.Has(FindingCode.JournalAborted))
        {
            return;
        }
        try
        {
            JournalMap map = JournalMapReader.Read(device, state.Geometry, state.Superblock);
            JournalSuperblock journal = JournalRecovery.ReadSuperblock(device, state.Geometry, map);
            journal.ErrorCode = 0;
            JournalRecovery.WriteSuperblock(device, state.Geometry, map, journal, WriteTag.JournalSuperblock);
            if (isDiscarded)
            {
                JournalRecovery.Discard(device, state.Geometry, map, journal);
            }
            actions.Add(isDiscarded ? "emptied the journal, which is older than the volume" : "cleared the journal's error mark");
        }
        catch (Ext4CorruptException)
        {
            // Then it stays a finding.
        }
    }

    private bool IsPrimaryUseless()
    {
        try
        {
            Geometry.Create(SuperblockReader.Read(device), device.Length);
            return false;
        }
        catch (Ext4CorruptException)
        {
            return true;
        }
    }

    // On a volume without damage the engine can do what it does at every mount, over the same memory.
    private bool TryLetMountRun(string action, Action<Ext4Volume> work)
    {
        if (FeatureSupport.ReadOnlyReason(state.Superblock) is not null)
        {
            return false;
        }
        bool isMarked = SetErrorMark(false);
        try
        {
            using (var volume = Ext4Volume.Mount(new OverlayView(device), new Ext4MountOptions { UseBackgroundCommit = false }))
            {
                if (volume.IsReadOnly)
                {
                    return false;
                }
                work(volume);
                volume.Synchronize();
            }
            actions.Add(action);
            return true;
        }
        catch (IOException)
        {
            return false; // the next check tells what is left
        }
        finally
        {
            if (isMarked)
            {
                SetErrorMark(true);
            }
        }
    }

    // A volume that is marked as damaged is mounted read-only; here it is known what the mark stands for. It goes for good
    // when nothing is left to mend.
    private bool SetErrorMark(bool isSet)
    {
        try
        {
            Superblock superblock = SuperblockReader.Read(device);
            bool wasSet = (superblock.State & Superblock.StateError) != 0;
            if (wasSet != isSet)
            {
                superblock.State ^= Superblock.StateError;
                Ext4Repair.Write(device, superblock);
            }
            return wasSet;
        }
        catch (Ext4CorruptException)
        {
            return false;
        }
    }

    private static void MakeLostAndFound(Ext4Volume volume)
    {
        Inode root = volume.GetInode(Ext4Volume.RootInode);
        try
        {
            volume.Release(volume.CreateDirectory(root, "lost+found"u8, 0x1C0, Caller.Root));
        }
        finally
        {
            volume.Release(root);
        }
    }

    private static bool HidesBlocks(FindingCode code) => code is FindingCode.ExtentHeader or FindingCode.ExtentRange or
        FindingCode.ExtentOrder or FindingCode.BlockRange or FindingCode.MultiplyClaimed or FindingCode.ReadError or FindingCode.DescriptorRange or
        FindingCode.MetadataOverlap or FindingCode.InodeMode or FindingCode.ReservedInode or FindingCode.ResizeInode or FindingCode.AttributeBlock or
        FindingCode.BadSuperblock;

    private static bool IsOfGroups(FindingCode code) => code is FindingCode.DescriptorChecksum or FindingCode.DescriptorFlags or
        FindingCode.BlockBitmap or FindingCode.InodeBitmap or FindingCode.BitmapChecksum or FindingCode.BitmapPadding or
        FindingCode.GroupFreeBlocks or FindingCode.GroupFreeInodes or FindingCode.GroupDirectories;

    // Unmounting disposes the device; the overlay lives on.
    private sealed class OverlayView(IBlockDevice device) : IBlockDevice
    {
        public long Length => device.Length;
        public bool IsReadOnly => device.IsReadOnly;
        public int SectorSize => device.SectorSize;
        public void Read(Span<byte> buffer, long offset) => device.Read(buffer, offset);
        public void Write(ReadOnlySpan<byte> buffer, long offset, WriteTag tag = WriteTag.Data) => device.Write(buffer, offset, tag);
        public void Flush() => device.Flush();
        public void Discard(long offset, long length) => device.Discard(offset, length);
        public void WriteZeroes(long offset, long length, WriteTag tag = WriteTag.Data) => device.WriteZeroes(offset, length, tag);
        public void Dispose()
        {
        }
    }
}
