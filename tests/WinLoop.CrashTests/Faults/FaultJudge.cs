using WinLoop.Ext4;
using WinLoop.Ext4.Check.Repair;
using WinLoop.Ext4.Format;
using WinLoop.Ext4.Journal.Recovery;
using WinLoop.Storage;
using WinLoop.TestKit;

namespace WinLoop.CrashTests;

/// <summary>
/// Judges what a run has left on the device: with all that was written, and as a power cut right after it could leave it.
/// Nothing that was promised before the fault may be missing. For one thread.
/// </summary>
internal sealed class FaultJudge(FaultStart start, string folder, FaultStatistics statistics) : IDisposable
{
    // One in so many goes to that judge, by the hash of the image.
    private const int FsckEvery = 40, RepairEvery = 16, OtherRepairEvery = 320;

    private readonly Recovery _recovery = new();
    private readonly FsckJudge _fsck = new(folder);
    private readonly StateDevice _device = new(start.Bytes);

    /// <summary>Judges a run; throws <see cref="CrashViolation"/>.</summary>
    /// <param name="run">It, when it has ended.</param>
    /// <param name="name">For e2fsck's complaints, which come later.</param>
    public void Judge(FaultRun run, string name)
    {
        CrashImage image = start.Image;
        Recording recording = run.Recording;
        StateDevice device = _device;
        List<Epoch> epochs = Epoch.Split(recording.Log);
        Epoch last = epochs[^1];
        CrashState all = new(last.Number, [.. Enumerable.Range(0, last.Changes.Count).Select(i => new Kept(i, default))]);
        if (!image.HasJournal)
        {
            Build(all);
            JudgeWithoutJournal(device, image, run, recording, name);
            return;
        }
        var seen = new HashSet<StateHash>();
        foreach (CrashState state in StatesOf(last, all))
        {
            Build(state);
            StateHash hash = device.Hash();
            if (seen.Add(hash))
            {
                JudgeState(device, image, run, recording, () => Build(state), hash, $"{name}, state {state}");
            }
        }

        void Build(CrashState state)
        {
            device.Reset();
            foreach (RecordedOperation change in epochs.SkipLast(1).SelectMany(e => e.Changes))
            {
                change.ApplyTo(device);
            }
            state.Apply(last, device);
        }
    }

    /// <summary>Waits for e2fsck.</summary>
    public void Flush() => _fsck.Flush();

    public void Dispose() => _fsck.Dispose();

    // All that was written; nothing since the last flush; and two in between.
    private static IEnumerable<CrashState> StatesOf(Epoch last, CrashState all)
    {
        yield return all;
        if (last.Changes.Count == 0)
        {
            yield break;
        }
        yield return new CrashState(last.Number, []);
        var random = new Random(last.Number + last.Changes.Count);
        for (int i = 0; i < 2 && last.Changes.Count > 1; i++)
        {
            yield return new CrashState(last.Number, [.. all.Changes.Where(_ => random.Next(2) == 0)]);
        }
    }

    private void JudgeState(StateDevice device, CrashImage image, FaultRun run, Recording recording, Action rebuild, StateHash hash, string name)
    {
        statistics.AddState();
        if (run.Kind.IsWrongBytes)
        {
            JudgeAfterWrongBytes(device, image, run, recording);
            return;
        }
        bool isMarked = IsMarked(device);
        if (isMarked)
        {
            JudgeMarked(device, image, recording);
            rebuild();
            if (hash.Low % RepairEvery == 0)
            {
                JudgeRepairs(device, image, recording, hash, name);
                rebuild();
            }
            ForgetErrors(device);
        }
        Dictionary<string, RecoveredTree.Item> tree = _recovery.Recover(device, image);
        JudgePromises(tree, recording);
        if ((hash.Low >> 8) % FsckEvery == 0)
        {
            statistics.AddFsck();
            _fsck.Add(device.ToArray(), text => throw new CrashViolation($"{name}: {text}"));
        }
    }

    // Nobody can see wrong bytes where there is no checksum, or that a device shows another content for good. Where there is
    // one, what they have spoilt is seen at the latest when it is read or checked; a block of inodes has a checksum for each,
    // so that a neighbour may be the spoilt one.
    private void JudgeAfterWrongBytes(StateDevice device, CrashImage image, FaultRun run, Recording recording)
    {
        Dictionary<string, RecoveredTree.Item> tree;
        try
        {
            if (IsMarked(device))
            {
                ForgetErrors(device);
            }
            tree = _recovery.Recover(device, image);
        }
        catch (Exception e) when (e is CrashViolation or Ext4CorruptException)
        {
            statistics.AddDetected();
            return;
        }
        if (image.HasChecksums && !run.Kind.Lasts)
        {
            JudgePromises(tree, recording);
            return;
        }
        try
        {
            JudgePromises(tree, recording);
        }
        catch (CrashViolation)
        {
            statistics.AddUnseen();
        }
    }

    private static void JudgePromises(Dictionary<string, RecoveredTree.Item> tree, Recording recording) =>
        new PromiseJudge(recording).Judge(tree, new PromiseJudge.Window(recording.Promises.Max(p => p.Prefix), recording.Steps.Count - 1, int.MaxValue));

    // The error was noted on the disk: the next mount says so, is read-only, and shows what was promised.
    private static void JudgeMarked(StateDevice device, CrashImage image, Recording recording)
    {
        using var clock = new TestClock(TestClock.Start);
        using Ext4Volume volume = Ext4Volume.Mount(device, image.Options());
        if (!volume.IsReadOnly || volume.ReadOnlyReason?.Contains("damaged", StringComparison.Ordinal) != true)
        {
            throw new CrashViolation($"the error that was noted does not make the next mount read-only ({volume.ReadOnlyReason})");
        }
        JudgePromises(RecoveredTree.Read(volume), recording);
    }

    // What the user is told to run: `winloop check --repair`, or e2fsck.
    private void JudgeRepairs(StateDevice device, CrashImage image, Recording recording, StateHash hash, string name)
    {
        statistics.AddRepair();
        byte[] before = device.ToArray();
        RepairReport report = Ext4Repair.Repair(device);
        if (!report.IsRepaired && !report.Before.IsSpotless)
        {
            throw new CrashViolation($"the repair fails: {string.Join("; ", report.After.Findings.Take(5))}");
        }
        JudgePromises(_recovery.Recover(device, image), recording);
        _fsck.Add(device.ToArray(), text => throw new CrashViolation($"{name}, repaired: {text}"));
        if ((hash.Low >> 8) % (OtherRepairEvery / RepairEvery) == 0)
        {
            string path = Path.Combine(Directory.CreateDirectory(folder).FullName, "repair.img");
            File.WriteAllBytes(path, before);
            Shell.Result result = Shell.Run("e2fsck", ["-fy", path]);
            if (result.ExitCode > 1)
            {
                throw new CrashViolation($"e2fsck -fy exits {result.ExitCode}\n{result.All}");
            }
            JudgePromises(_recovery.Recover(new StateDevice(File.ReadAllBytes(path)), image), recording);
        }
    }

    // A part of a transaction may be in place and the rest not. What was synced and then left alone is there.
    private void JudgeWithoutJournal(StateDevice device, CrashImage image, FaultRun run, Recording recording, string name)
    {
        statistics.AddState();
        int first = recording.Promises.Max(p => p.Node == 0 ? p.Prefix : 0);
        IEnumerable<KeyValuePair<string, TreeEntry>> untouched = recording.Snapshots[first].Where(e => e.Value.Content is not null &&
            !run.Unsure.Contains(e.Key) && recording.Snapshots.Skip(first).All(s => s.GetValueOrDefault(e.Key) == e.Value));
        using var clock = new TestClock(TestClock.Start);
        bool isDamaged = false;
        try
        {
            using Ext4Volume volume = Ext4Volume.Mount(device, image.Options());
            if (!volume.IsReadOnly && run.IsAborted && recording.Log.Any(o => o.Tag == WriteTag.Metadata))
            {
                throw new CrashViolation("the volume is mounted writable after a run that was broken off");
            }
            using var driver = new EngineDriver(volume);
            foreach ((string path, TreeEntry entry) in untouched)
            {
                if (!driver.ReadAll(path).AsSpan().SequenceEqual(entry.Content))
                {
                    throw new CrashViolation($"'{path}' was synced, left alone, and has another content");
                }
            }
        }
        catch (Exception e) when (e is Ext4CorruptException or CrashViolation && (run.Kind.IsWrongBytes || (run.Kind.ShortBytes > 0 && e is Ext4CorruptException)))
        {
            // A block of metadata that was written in part, or read wrong and written: that is what the journal is for.
            isDamaged = true;
            statistics.AddDetected();
        }
        // e2fsck has nothing to begin with when the superblock is torn and there is no copy; WinLoop rebuilds it.
        bool isTorn = TornSuperblock.TryRebuild(device) is not null;
        if (!isTorn && (isDamaged || device.Hash().Low % FsckEvery == 0))
        {
            statistics.AddFsck();
            string path = Path.Combine(Directory.CreateDirectory(folder).FullName, "repair.img");
            File.WriteAllBytes(path, device.ToArray());
            Shell.Result result = Shell.Run("e2fsck", ["-fy", path]);
            if (result.ExitCode > 1)
            {
                throw new CrashViolation($"{name}: e2fsck -fy exits {result.ExitCode}\n{result.All}");
            }
        }
    }

    private static bool IsMarked(IBlockDevice device)
    {
        (Superblock superblock, JournalSuperblock? journal, _) = ReadMarks(device);
        return (superblock.State & Superblock.StateError) != 0 || (superblock.Has(IncompatFeatures.Recover) && journal?.ErrorCode is not (null or 0));
    }

    // The marks are right to be there; without them the volume may be written, and so be judged like any other.
    private static void ForgetErrors(IBlockDevice device)
    {
        (Superblock superblock, JournalSuperblock? journal, long at) = ReadMarks(device);
        superblock.State = (ushort)((superblock.State & ~Superblock.StateError) | Superblock.StateValid);
        superblock.ErrorCount = 0;
        superblock.UpdateChecksum();
        device.Write(superblock.Raw, Superblock.Offset);
        if (journal is not null)
        {
            journal.ErrorCode = 0;
            journal.UpdateChecksum();
            device.Write(journal.Raw, at);
        }
    }

    private static (Superblock Superblock, JournalSuperblock? Journal, long At) ReadMarks(IBlockDevice device)
    {
        Superblock superblock = TornSuperblock.TryRebuild(device) ?? SuperblockReader.Read(device);
        Geometry geometry = Geometry.Create(superblock, device.Length);
        JournalMap map = JournalMapReader.Read(device, geometry, superblock);
        return (superblock, JournalRecovery.ReadSuperblock(device, geometry, map), (long)(map[0] << geometry.BlockSizeBits));
    }
}
