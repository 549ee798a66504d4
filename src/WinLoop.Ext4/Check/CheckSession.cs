using WinLoop.Ext4.Format;
using WinLoop.Ext4.Journal;
using WinLoop.Ext4.Journal.Recovery;
using WinLoop.Storage;

namespace WinLoop.Ext4.Check;

/// <summary>
/// Checks one volume after another with the same working memory, which makes small volumes cheap. For one thread
/// at a time.
/// </summary>
public sealed class CheckSession
{
    private readonly CheckState _state = new();
    private readonly SuperblockPass _superblock;
    private readonly InodePass _inodes;
    private readonly DirectoryPass _directories;
    private readonly ConnectivityPass _connectivity;
    private readonly BitmapPass _bitmaps;

    /// <summary>Makes a session; memory grows with the largest volume checked.</summary>
    public CheckSession()
    {
        _superblock = new SuperblockPass(_state);
        _inodes = new InodePass(_state);
        _directories = new DirectoryPass(_state);
        _connectivity = new ConnectivityPass(_state);
        _bitmaps = new BitmapPass(_state);
    }

    /// <summary>What the last check knew; for repair.</summary>
    internal CheckState State => _state;

    /// <inheritdoc cref="Ext4Checker.Check"/>
    public CheckReport Check(IBlockDevice device, CheckOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(device);
        _state.Device = device;
        _state.Options = options ?? CheckOptions.Default;
        _state.Findings.Start(_state.Options.MaximumFindings);
        var report = new CheckReport();
        if (!TryOpen(report) || !_superblock.Run())
        {
            report.IsIncomplete = true;
            return Finish(report);
        }
        // Of a volume that was in use the totals in the superblock are those of the last unmount.
        _state.Findings.TotalsArePending = report.NeedsRecovery || _superblock.HasOrphans ||
            (!_state.Geometry.Has(CompatFeatures.HasJournal) && (_state.Superblock.State & Superblock.StateValid) == 0);
        _inodes.Run();
        _directories.Run();
        _connectivity.Run();
        _bitmaps.Run();
        report.Inodes = _state.Geometry.InodesCount;
        report.UsedInodes = _bitmaps.UsedInodes;
        report.Directories = (uint)_state.Directories.Count;
        report.Blocks = _state.Geometry.BlocksCount;
        report.UsedBlocks = _bitmaps.UsedBlocks;
        return Finish(report);
    }

    private CheckReport Finish(CheckReport report)
    {
        FindingSink findings = _state.Findings;
        report.Findings = findings.ToSorted();
        report.ErrorCount = findings.Errors;
        report.PendingCount = findings.Pending;
        report.IsTruncated = findings.IsTruncated;
        return report;
    }

    private bool TryOpen(CheckReport report)
    {
        FindingSink findings = _state.Findings;
        try
        {
            if (!TryReadSuperblock(out Superblock? superblock, out Geometry? geometry))
            {
                return false;
            }
            _state.SetVolume(superblock, geometry);
            if (superblock.Has(IncompatFeatures.Recover))
            {
                Recover(report);
            }
            if ((_state.Superblock.State & Superblock.StateError) != 0)
            {
                findings.Add(0, FindingCode.MarkedDamaged, "the volume is marked as damaged: errors were noted while it was mounted");
            }
            if ((_state.Superblock.State & Superblock.StateValid) == 0 && !_state.Geometry.Has(CompatFeatures.HasJournal))
            {
                findings.Add(0, FindingCode.NotUnmounted, "the volume was not unmounted");
            }
            return true;
        }
        catch (BlockDeviceException e)
        {
            findings.Add(0, FindingCode.ReadError, $"the superblock cannot be read: {e.Message}");
            return false;
        }
    }

    // The primary superblock; a torn one rebuilt; else a backup.
    private bool TryReadSuperblock([System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out Superblock? superblock,
        [System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out Geometry? geometry)
    {
        IBlockDevice device = _state.Device;
        FindingSink findings = _state.Findings;
        superblock = null;
        geometry = null;
        if (device.Length < Superblock.Offset + Superblock.Size)
        {
            findings.Add(0, FindingCode.BadSuperblock, $"this is no ext2, ext3 or ext4 volume ({device.Length} bytes hold none)");
            return false;
        }
        Span<byte> raw = stackalloc byte[Superblock.Size];
        device.Read(raw, Superblock.Offset);
        superblock = new Superblock(raw);
        if (superblock.Magic != Superblock.MagicValue)
        {
            findings.Add(0, FindingCode.BadSuperblock, $"the superblock's magic number is 0x{superblock.Magic:X4}");
        }
        else if (!superblock.HasValidChecksum)
        {
            if (TornSuperblock.TryRebuild(device) is { } rebuilt)
            {
                findings.Add(0, FindingCode.SuperblockRebuilt, "the superblock was torn by a power cut and is rebuilt from the journal or a backup");
                superblock = rebuilt;
            }
            else
            {
                findings.Add(0, FindingCode.SuperblockChecksum, $"the superblock has a wrong checksum (0x{superblock.Checksum:X8}, right is 0x{superblock.ComputeChecksum():X8})");
            }
        }
        if (superblock.Magic == Superblock.MagicValue && TryCreateGeometry(superblock, out geometry))
        {
            return true;
        }
        if (SuperblockReader.FindBackup(device) is not { } backup)
        {
            return false;
        }
        superblock = backup.Superblock;
        superblock.BlockGroupNumber = 0;
        return TryCreateGeometry(superblock, out geometry);
    }

    private bool TryCreateGeometry(Superblock superblock, [System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out Geometry? geometry)
    {
        geometry = null;
        try
        {
            geometry = Geometry.Create(superblock, _state.Device.Length);
        }
        catch (Ext4CorruptException e)
        {
            _state.Findings.Add(0, FindingCode.BadSuperblock, e.What);
            return false;
        }
        FeatureSupport.RequireMountable(superblock);
        FeatureSupport.RequireKnown(superblock);
        return true;
    }

    // Into memory: not one byte of the device changes.
    private void Recover(CheckReport report)
    {
        FindingSink findings = _state.Findings;
        report.NeedsRecovery = true;
        findings.Add(0, FindingCode.NeedsRecovery, "the journal has to be replayed; what follows is the volume after that");
        if (!_state.Geometry.Has(CompatFeatures.HasJournal))
        {
            findings.Add(0, FindingCode.RecoveryFailed, "the volume needs recovery, but has no journal");
            return;
        }
        if (_state.Superblock.JournalInode > _state.Geometry.InodesCount)
        {
            // The replay goes by the copy in the superblock, and may put the number right.
            findings.Add(0, FindingCode.JournalInode, $"the journal is said to be inode {_state.Superblock.JournalInode}");
        }
        var overlay = new OverlayDevice(_state.Device);
        try
        {
            JournalMap map = JournalMapReader.Read(overlay, _state.Geometry, _state.Superblock);
            JournalSuperblock journal = JournalRecovery.ReadSuperblock(overlay, _state.Geometry, map);
            JournalRecoveryResult result = JournalRecovery.Run(overlay, _state.Geometry, map, journal);
            report.ReplayedTransactions = result.Transactions;
        }
        catch (Ext4CorruptException e)
        {
            findings.Add(0, FindingCode.RecoveryFailed, $"the journal cannot be replayed: {e.Message}");
            return;
        }
        // Everything that was read so far may be another one now.
        Span<byte> raw = stackalloc byte[Superblock.Size];
        overlay.Read(raw, Superblock.Offset);
        var superblock = new Superblock(raw);
        if (superblock.Magic != Superblock.MagicValue || !superblock.HasValidChecksum)
        {
            findings.Add(0, FindingCode.RecoveryFailed, "the journal holds a damaged superblock");
            return;
        }
        if (TryCreateGeometry(superblock, out Geometry? geometry))
        {
            _state.Device = overlay;
            _state.SetVolume(superblock, geometry);
        }
    }
}
