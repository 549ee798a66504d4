using WinLoop.Ext4;
using WinLoop.Storage;

namespace WinLoop.CrashTests;

/// <summary>What becomes of a volume whose device said that a flush was done, and then lost the power before it was.</summary>
internal sealed class LyingFlush(FaultStart start, string[] operations)
{
    // States of one cut; a device that never flushes again leaves a long list of writes.
    private const int MostStates = 40;

    private readonly Recovery _recovery = new();
    private readonly StateDevice _device = new(start.Bytes);
    private readonly SortedDictionary<string, int[]> _table = new(StringComparer.Ordinal);

    /// <summary>What can come of a state.</summary>
    internal enum Fate
    {
        /// <summary>Nothing that was promised is missing.</summary>
        Kept,
        /// <summary>The mount is refused: the journal misses what must be there.</summary>
        Refused,
        /// <summary>It mounts, and the checker finds the damage.</summary>
        FoundByCheck,
        /// <summary>Something that was promised is missing and nothing shows it.</summary>
        Lost,
    }

    /// <summary>What is lost when a commit block has reached the disk and what it vouches for has not.</summary>
    public const string HalfTransaction = "blocks of a transaction, not its commit block";

    /// <summary>States by fate.</summary>
    public int Of(Fate fate) => _table.Values.Sum(row => row[(int)fate]);

    /// <summary>States by what was lost and by fate.</summary>
    public int Of(string lost, Fate fate) => _table.TryGetValue(lost, out int[]? row) ? row[(int)fate] : 0;

    /// <summary>The n-th flush lies, for every n.</summary>
    public void Run(FaultKind kind, int most)
    {
        for (long first = 1; ; first++)
        {
            var run = new FaultRun(start, kind, first);
            run.Run(operations);
            Assert.True(run.MountFailure is null && run.Answers.All(a => a == 0), $"{kind} {first}: {string.Join(' ', run.Answers)}");
            if (run.Hits.Count == 0)
            {
                return;
            }
            if (first % Math.Max(1, 100 / most) == 0 || !kind.Lasts)
            {
                CutPower(run, $"{start.Image.Name}: {kind}, {first}");
            }
        }
    }

    /// <summary>One line for each kind of writes that were lost.</summary>
    public override string ToString() => string.Join("\n", _table.Select(row =>
        $"  {row.Key,-48} {row.Value[0],5} kept {row.Value[1],5} refused {row.Value[2],5} found by check {row.Value[3],5} lost"));

    // The power goes when the next flush that is none of the lies begins.
    private void CutPower(FaultRun run, string name)
    {
        Recording recording = run.Recording;
        var promises = new PromiseJudge(recording);
        List<Epoch> epochs = Epoch.Split(recording.Log);
        Epoch epoch = epochs.First(e => e.End >= run.FirstHitAt);
        CrashState[] states = [.. StateEnumerator.Enumerate(epoch, 1, new EnumerationLimits(6, 4))];
        int stride = Math.Max(1, states.Length / MostStates);
        CrashState all = new(epoch.Number, [.. Enumerable.Range(0, epoch.Changes.Count).Select(i => new Kept(i, default))]);
        var seen = new HashSet<StateHash>();
        foreach (CrashState state in states.Where((_, i) => i % stride == 0).Append(all))
        {
            Build(state);
            if (!seen.Add(_device.Hash()))
            {
                continue;
            }
            Fate fate = FateOf(promises, promises.WindowOf(epoch), () => Build(state), out string why);
            Assert.True(fate == Fate.Kept || state != all, $"{name}: nothing was lost, and yet: {why}");
            string lost = WhatWasLost(state.CutTags(epoch));
            if (!_table.TryGetValue(lost, out int[]? row))
            {
                _table[lost] = row = new int[4];
            }
            row[(int)fate]++;
        }

        void Build(CrashState state)
        {
            _device.Reset();
            foreach (RecordedOperation change in epochs.Take(epoch.Number).SelectMany(e => e.Changes))
            {
                change.ApplyTo(_device);
            }
            state.Apply(epoch, _device);
        }
    }

    private static string WhatWasLost(int tags)
    {
        bool Has(WriteTag tag) => (tags >> (int)tag & 1) != 0;
        bool isHome = Has(WriteTag.Metadata) || Has(WriteTag.Superblock) || Has(WriteTag.JournalSuperblock);
        bool isLog = Has(WriteTag.JournalDescriptor) || Has(WriteTag.JournalRevoke);
        return tags == 0 ? "nothing"
            : tags == 1 << (int)WriteTag.Data ? "content"
            : isHome && Has(WriteTag.JournalCommit) ? "home blocks and newer transactions"
            : isHome ? "home blocks"
            : Has(WriteTag.JournalCommit) ? "the newest transactions"
            : isLog && Has(WriteTag.Data) ? "content and blocks of a transaction"
            : isLog ? HalfTransaction : "other";
    }

    private Fate FateOf(PromiseJudge promises, PromiseJudge.Window window, Action rebuild, out string why)
    {
        StateHash before = _device.Hash();
        Dictionary<string, RecoveredTree.Item> tree;
        why = "";
        try
        {
            using var clock = new TestClock(TestClock.Start);
            Ext4Volume.Mount(_device, start.Image.Options()).Dispose();
        }
        catch (Exception e) when (e is Ext4CorruptException)
        {
            Assert.True(before == _device.Hash() || !start.Image.HasChecksums, $"a mount that is refused has written: {e.Message}");
            why = e.Message;
            return Fate.Refused;
        }
        rebuild();
        try
        {
            tree = _recovery.Recover(_device, start.Image);
        }
        catch (CrashViolation e)
        {
            why = e.Message;
            return Fate.FoundByCheck;
        }
        try
        {
            promises.Judge(tree, window);
            return Fate.Kept;
        }
        catch (CrashViolation e)
        {
            why = e.Message;
            return Fate.Lost;
        }
    }
}
