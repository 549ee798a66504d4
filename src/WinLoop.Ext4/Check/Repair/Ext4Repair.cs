using WinLoop.Ext4.Format;
using WinLoop.Ext4.Journal;
using WinLoop.Ext4.Journal.Recovery;
using WinLoop.Storage;

namespace WinLoop.Ext4.Check.Repair;

/// <summary>
/// Repairs a volume. All changes are made in memory, over the device, and checked; only a volume that is then
/// without a finding is written out. One that cannot be repaired stays as it is, to the byte.
/// </summary>
public static class Ext4Repair
{
    // Each round mends what the check before it found; a mend may lay open more, but not for ever.
    private const int MaximumRounds = 12;

    /// <summary>Repairs a volume that nobody else has open.</summary>
    /// <param name="device">The volume.</param>
    /// <param name="options">How.</param>
    /// <exception cref="Ext4NotSupportedException">The volume uses a feature this engine does not read.</exception>
    /// <exception cref="BlockDeviceException">Writing failed; the repair may be run again.</exception>
    public static RepairReport Repair(IBlockDevice device, RepairOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(device);
        options ??= new RepairOptions();
        var session = new CheckSession();
        // Every class has to be seen in every round; a list cut off would end the repair early, not wrongly.
        CheckOptions check = options.Check with { MaximumFindings = Math.Max(options.Check.MaximumFindings, 100_000) };
        CheckReport before = session.Check(device, check);
        if ((before.IsSpotless && !before.NeedsRecovery) || before.IsIncomplete)
        {
            return new RepairReport { Before = before, After = before };
        }
        using var overlay = new OverlayDevice(device);
        var actions = new List<string>();
        CheckReport after = before;
        if (before.NeedsRecovery)
        {
            if (before.Has(FindingCode.RecoveryFailed) || !TryReplay(overlay, actions))
            {
                return new RepairReport { Before = before, After = before, Actions = actions };
            }
            after = session.Check(overlay, check);
        }
        for (int round = 0; round < MaximumRounds && !after.IsSpotless && !after.IsIncomplete; round++)
        {
            int done = actions.Count;
            new RepairRound(session.State, overlay, options, actions).Run(after);
            if (actions.Count == done)
            {
                break;
            }
            after = session.Check(overlay, check);
        }
        if (!after.IsSpotless || after.NeedsRecovery || after.IsIncomplete)
        {
            return new RepairReport { Before = before, After = after, Actions = actions };
        }
        ClearMarks(overlay, actions);
        after = session.Check(overlay, check);
        WriteOut(overlay, device, session.State);
        return new RepairReport { Before = before, After = after, Actions = actions, IsRepaired = true };
    }

    private static bool TryReplay(OverlayDevice overlay, List<string> actions)
    {
        try
        {
            Superblock superblock = TornSuperblock.TryRebuild(overlay) ?? SuperblockReader.Read(overlay);
            Geometry geometry = Geometry.Create(superblock, overlay.Length);
            JournalMap map = JournalMapReader.Read(overlay, geometry, superblock);
            JournalSuperblock journal = JournalRecovery.ReadSuperblock(overlay, geometry, map);
            JournalRecoveryResult result = JournalRecovery.Run(overlay, geometry, map, journal);
            actions.Add($"replayed {result.Transactions} transactions from the journal");
            superblock = SuperblockReader.Read(overlay);
            superblock.Incompat &= ~IncompatFeatures.Recover;
            Write(overlay, superblock);
            return true;
        }
        catch (Ext4CorruptException)
        {
            return false;
        }
    }

    // Errors that were noted while the volume was mounted are mended now.
    private static void ClearMarks(OverlayDevice overlay, List<string> actions)
    {
        Superblock superblock = SuperblockReader.Read(overlay);
        bool isMarked = (superblock.State & Superblock.StateError) != 0;
        bool isUnclean = (superblock.State & Superblock.StateValid) == 0;
        if (isMarked || isUnclean)
        {
            superblock.State = (ushort)((superblock.State & ~Superblock.StateError) | Superblock.StateValid);
            superblock.ErrorRecord.Clear();
            Write(overlay, superblock);
            actions.Add("marked the volume as clean");
        }
    }

    internal static void Write(IBlockDevice device, Superblock superblock)
    {
        superblock.UpdateChecksum();
        device.Write(superblock.Raw, Superblock.Offset, WriteTag.Superblock);
    }

    // The superblock and the journal's come last, behind a barrier: until then the journal can be replayed again.
    private static void WriteOut(OverlayDevice overlay, IBlockDevice device, CheckState state)
    {
        var last = new List<long> { Superblock.Offset };
        if (state.Geometry.Has(CompatFeatures.HasJournal))
        {
            JournalMap map = JournalMapReader.Read(overlay, state.Geometry, state.Superblock);
            last.Add((long)(map[0] << state.Geometry.BlockSizeBits));
        }
        overlay.CopyChangesTo(device, last);
    }
}
