using WinLoop.Ext4;
using WinLoop.Ext4.Format;
using WinLoop.Storage;

namespace WinLoop.CrashTests;

/// <summary>Judges all states of one workload after another. For one thread.</summary>
internal sealed class WorkloadJudge : IDisposable
{
    // States of a second cut that are judged per state; a recovery writes little.
    private const int MostAgain = 40;

    private readonly CrashSettings _settings;
    private readonly CrashStatistics _statistics;
    private readonly Recovery _recovery = new();
    private readonly FsckJudge _fsck;
    private readonly KernelJudge? _kernel;

    public WorkloadJudge(CrashSettings settings, CrashStatistics statistics, bool useKernel)
    {
        _settings = settings;
        _statistics = statistics;
        string memory = Directory.Exists("/dev/shm") ? "/dev/shm" : Path.GetTempPath();
        string folder = Path.Combine(memory, $"winloop-crash-{Environment.ProcessId}-{Guid.NewGuid():n}");
        _fsck = new FsckJudge(Path.Combine(folder, "fsck"));
        _kernel = useKernel && settings.KernelEvery > 0 ? new KernelJudge(folder, CrashImage.Kinds.Max(k => k.Megabytes)) : null;
    }

    /// <summary>The first failure of a workload; null if there is none, as far as it is known yet (<see cref="Flush"/>).</summary>
    public CrashFailure? Judge(CrashWorkload workload, Mutant? mutant = null)
    {
        try
        {
            JudgeAll(workload, mutant);
            return null;
        }
        catch (CrashFailureException e)
        {
            return e.Failure;
        }
    }

    /// <summary>Judges one state.</summary>
    public CrashFailure? Judge(CrashWorkload workload, Mutant? mutant, CrashState state, CrashState? again)
    {
        try
        {
            Recording recording = workload.Record(mutant);
            var device = new StateDevice(recording.Base);
            List<Epoch> epochs = Epoch.Split(recording.Log);
            foreach (RecordedOperation change in epochs.Take(state.Epoch).SelectMany(e => e.Changes))
            {
                device.Settle(change);
            }
            var run = new StateRun(workload, recording, device, CrashImage.Get(workload.Image), epochs[state.Epoch], state);
            run.Rebuild();
            byte[] before = device.ToArray();
            var tree = Recover(run);
            Promise(run, tree, new PromiseJudge(recording));
            CompareWithKernel(run, before, tree);
            if (again is not null)
            {
                CutAgain(run, tree, again);
            }
            return null;
        }
        catch (CrashFailureException e)
        {
            return e.Failure;
        }
    }

    /// <summary>Waits for the judges that work in batches.</summary>
    public CrashFailure? Flush()
    {
        try
        {
            _fsck.Flush();
            return null;
        }
        catch (CrashFailureException e)
        {
            return e.Failure;
        }
    }

    public void Dispose()
    {
        _fsck.Dispose();
        _kernel?.Dispose();
    }

    // One state and what belongs to it.
    private sealed record StateRun(CrashWorkload Workload, Recording Recording, StateDevice Device, CrashImage Image, Epoch Epoch, CrashState State,
        StateHash Origin = default)
    {
        public void Rebuild()
        {
            Device.Reset();
            State.Apply(Epoch, Device);
        }
    }

    private void JudgeAll(CrashWorkload workload, Mutant? mutant)
    {
        Recording recording;
        try
        {
            recording = workload.Record(mutant);
        }
        catch (Exception e)
        {
            throw new CrashFailureException(new CrashFailure(workload, null, null, $"{e.GetType().Name}: {e.Message}"));
        }
        if (mutant is null && OrderRules.Breach(recording.Log) is { } breach)
        {
            throw new CrashFailureException(new CrashFailure(workload, null, null, breach));
        }
        CrashImage image = CrashImage.Get(workload.Image);
        var device = new StateDevice(recording.Base);
        StateHash origin = StateDevice.Difference(image.Bytes, recording.Base) + StateDevice.OfName(image.Name);
        var promises = new PromiseJudge(recording);
        var judged = new Dictionary<StateHash, Dictionary<string, RecoveredTree.Item>>();
        List<Epoch> epochs = Epoch.Split(recording.Log);
        EnumerationLimits limits = LimitsFor(epochs);
        foreach (Epoch epoch in epochs)
        {
            _statistics.AddEpoch(epoch.Changes.Count > limits.Exhaustive);
            _statistics.AddWrites(epoch.Changes);
            var seen = new HashSet<StateHash>();
            foreach (CrashState state in StateEnumerator.Enumerate(epoch, workload.Seed, limits))
            {
                var run = new StateRun(workload, recording, device, image, epoch, state, origin);
                run.Rebuild();
                StateHash hash = device.Hash();
                if (!seen.Add(hash))
                {
                    continue;
                }
                _statistics.AddState(origin + hash, state.CutTags(epoch));
                if (!judged.TryGetValue(hash, out Dictionary<string, RecoveredTree.Item>? tree))
                {
                    judged[hash] = tree = JudgeNew(run, origin + hash);
                }
                Promise(run, tree, promises);
            }
            device.Reset();
            foreach (RecordedOperation change in epoch.Changes)
            {
                device.Settle(change);
            }
        }
        _statistics.AddWorkload(mutant is null ? workload.Family : "mutant");
    }

    // All subsets where there is room for them; a workload of many long epochs gets samples of them.
    private EnumerationLimits LimitsFor(List<Epoch> epochs)
    {
        int exhaustive = 12;
        while (exhaustive > 3 && epochs.Sum(e => e.Changes.Count <= exhaustive ? 1L << e.Changes.Count : 4L * e.Changes.Count) > _settings.StatesPerWorkload)
        {
            exhaustive--;
        }
        return new EnumerationLimits(exhaustive, exhaustive >= 8 ? 64 : 16);
    }

    private Dictionary<string, RecoveredTree.Item> JudgeNew(StateRun run, StateHash hash)
    {
        StateDevice device = run.Device;
        bool Samples(int every, int salt) => every > 0 && (hash.Low >> salt) % (ulong)every == 0;
        bool usesKernel = Samples(_settings.KernelEvery, 3), cutsAgain = Samples(_settings.AgainEvery, 11);
        byte[]? before = usesKernel ? device.ToArray() : null;
        Dictionary<string, RecoveredTree.Item> tree = Recover(run);
        if (Samples(_settings.FsckEvery, 7))
        {
            _statistics.AddFsck();
            _fsck.Add(device.ToArray(), text => Fail(run, null, "after recovery: " + text));
        }
        if (Samples(_settings.UseEvery, 19))
        {
            Use(run, tree, hash);
        }
        if (before is not null)
        {
            CompareWithKernel(run, before, tree);
        }
        if (cutsAgain)
        {
            CutAgain(run, tree, null);
        }
        return tree;
    }

    private Dictionary<string, RecoveredTree.Item> Recover(StateRun run)
    {
        _statistics.AddRecovery(isAgain: false);
        try
        {
            return _recovery.Recover(run.Device, run.Image);
        }
        catch (CrashViolation e)
        {
            throw Failed(run, null, e.Message + "\n" + _fsck.Ask(run.Device.ToArray()));
        }
    }

    private void Use(StateRun run, Dictionary<string, RecoveredTree.Item> tree, StateHash hash)
    {
        _statistics.AddUse();
        try
        {
            _recovery.Use(run.Device, run.Image, tree, fills: (hash.Low >> 23) % 8 == 0);
        }
        catch (CrashViolation e)
        {
            throw Failed(run, null, e.Message + "\n" + _fsck.Ask(run.Device.ToArray()));
        }
        if ((hash.Low >> 29) % 8 == 0)
        {
            _fsck.Add(run.Device.ToArray(), text => Fail(run, null, "after recovery and use: " + text));
        }
    }

    private void Promise(StateRun run, Dictionary<string, RecoveredTree.Item> tree, PromiseJudge promises)
    {
        _statistics.AddPromise();
        try
        {
            promises.Judge(tree, promises.WindowOf(run.Epoch));
        }
        catch (CrashViolation e)
        {
            throw Failed(run, null, e.Message);
        }
    }

    // A torn superblock is rebuilt by WinLoop and refused by the kernel: there it is no judge.
    private void CompareWithKernel(StateRun run, byte[] before, Dictionary<string, RecoveredTree.Item> tree)
    {
        var superblock = new Superblock(before.AsSpan(Superblock.Offset, Superblock.Size));
        if (_kernel is null || (superblock.Has(RoCompatFeatures.MetadataCsum) && !superblock.HasValidChecksum))
        {
            return;
        }
        _statistics.AddKernel();
        try
        {
            (Dictionary<string, RecoveredTree.Item> theirs, byte[] after) = _kernel.Recover(before);
            if (TreeComparison.Difference(tree, theirs) is { } difference)
            {
                throw new CrashViolation($"WinLoop recovers another tree than the kernel: {difference}");
            }
            if (_kernel.Count % 5 == 0)
            {
                _fsck.Add(after, text => Fail(run, null, "after the kernel's recovery: " + text));
            }
        }
        catch (CrashViolation e)
        {
            throw Failed(run, null, e.Message);
        }
    }

    // Recovery is recorded like a workload and cut again; whatever is left has to be recovered to the same tree.
    private void CutAgain(StateRun run, Dictionary<string, RecoveredTree.Item> tree, CrashState? only)
    {
        run.Rebuild();
        var recorder = new RecordingDevice(run.Device);
        _recovery.Recover(recorder, run.Image);
        List<Epoch> epochs = Epoch.Split(recorder.GetLog());
        CrashState[] states = only is not null ? [only]
            : [.. epochs.Where(e => e.Changes.Count > 0).SelectMany(e => StateEnumerator.Enumerate(e, run.Workload.Seed, new EnumerationLimits(4, 2)))];
        int stride = Math.Max(1, states.Length / MostAgain);
        var seen = new HashSet<StateHash>();
        for (int i = 0; i < states.Length; i += stride)
        {
            run.Rebuild();
            foreach (RecordedOperation change in epochs.Take(states[i].Epoch).SelectMany(e => e.Changes))
            {
                change.ApplyTo(run.Device);
            }
            states[i].Apply(epochs[states[i].Epoch], run.Device);
            StateHash hash = run.Device.Hash();
            if (!seen.Add(hash))
            {
                continue;
            }
            _statistics.AddState(hash + run.Origin, states[i].CutTags(epochs[states[i].Epoch]));
            _statistics.AddRecovery(isAgain: true);
            try
            {
                Dictionary<string, RecoveredTree.Item> second = _recovery.Recover(run.Device, run.Image);
                if (TreeComparison.Difference(second, tree.ToDictionary(t => t.Key, t => t.Value.Entry)) is { } difference)
                {
                    throw new CrashViolation($"the second recovery gives another tree than the first: {difference}");
                }
            }
            catch (CrashViolation e)
            {
                throw Failed(run, states[i], "after a second cut inside recovery: " + e.Message);
            }
        }
    }

    private static CrashFailureException Failed(StateRun run, CrashState? again, string message) =>
        new(new CrashFailure(run.Workload, run.State, again, message));

    private static void Fail(StateRun run, CrashState? again, string message) => throw Failed(run, again, message);
}
