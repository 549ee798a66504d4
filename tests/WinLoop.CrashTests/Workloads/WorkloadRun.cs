using WinLoop.Ext4;
using WinLoop.Storage;

namespace WinLoop.CrashTests;

/// <summary>A workload while it runs: the engine and the model side by side.</summary>
internal sealed class WorkloadRun
{
    private readonly CrashImage _image;
    private readonly RecordingDevice _recorder;
    private readonly Mutant? _mutant;
    private readonly CrashModel _model = new();
    private readonly List<Step> _steps = [];
    private readonly List<Dictionary<string, TreeEntry>> _snapshots = [];
    private readonly List<Promise> _promises = [];
    private readonly Dictionary<int, List<Version>> _versions = [];
    private EngineDriver _driver;

    public WorkloadRun(CrashImage image, RecordingDevice recorder, Mutant? mutant)
    {
        _image = image;
        _recorder = recorder;
        _mutant = mutant;
        foreach (string operation in CrashImage.Setup)
        {
            Operations.Note(_model, operation, new Outcome(0, operation.StartsWith("write", StringComparison.Ordinal) ? int.Parse(operation.Split(' ')[3]) : 0));
        }
        _driver = Mount();
    }

    /// <summary>An operation before the recording.</summary>
    public void WarmUp(string operation)
    {
        if (operation == "remount")
        {
            Remount();
            return;
        }
        Operations.Note(_model, operation, Operations.Do(_driver, operation));
    }

    /// <summary>Makes everything so far durable.</summary>
    public void EndWarmUp()
    {
        _driver.Volume.Synchronize();
        _mutant?.Settle();
    }

    /// <summary>What is there now is the beginning, and promised.</summary>
    public void Begin()
    {
        _steps.Add(new Step("start", 0, 0, default, 0, false));
        _promises.Add(new Promise(0, 0, 0, 0));
        TakeSnapshot();
    }

    /// <summary>An operation that is recorded.</summary>
    public void Do(string operation)
    {
        int step = _steps.Count;
        _model.Step = step;
        _recorder.Mark($"begin {step} {operation}");
        int before = _recorder.Count;
        Outcome outcome = default;
        if (operation == "unmount")
        {
            Unmount();
        }
        else if (operation == "remount")
        {
            Remount();
        }
        else
        {
            outcome = Operations.Do(_driver, operation);
            Operations.Note(_model, operation, outcome);
        }
        _mutant?.Settle();
        int after = _recorder.Count;
        _recorder.Mark($"end {step} {outcome.Error}");
        bool isPersistence = Operations.IsPersistence(operation);
        bool isSplit = outcome.Content is not null || (!isPersistence && HasCommit(before, after));
        _steps.Add(new Step(operation, before, after, outcome, ContentNode(operation, outcome), isSplit));
        if (isPersistence && outcome.Error == 0)
        {
            _promises.Add(Promised(operation, step, after));
        }
        TakeSnapshot();
    }

    /// <summary>The engine and the model have to agree on the end, or one of them is wrong.</summary>
    public Recording Finish(byte[] start)
    {
        RecordedOperation[] log = _recorder.GetLog();
        _recorder.IsRecording = false;
        using (Ext4Volume volume = Ext4Volume.Mount(_recorder, _image.Options() with { IsReadOnly = true }))
        {
            Dictionary<string, RecoveredTree.Item> tree = RecoveredTree.Read(volume);
            string? difference = TreeComparison.Difference(tree, _snapshots[^1]);
            Assert.True(difference is null || _mutant is not null, $"without any cut: {difference}");
        }
        return new Recording
        {
            Base = start,
            Log = log,
            Steps = _steps,
            Snapshots = _snapshots,
            Promises = _promises,
            Versions = _versions,
            BlockSize = _image.BlockSize,
        };
    }

    private EngineDriver Mount()
    {
        IBlockDevice device = _mutant?.Wrap(_recorder) ?? _recorder;
        return new EngineDriver(Ext4Volume.Mount(device, _image.Options(_mutant?.Hooks)));
    }

    private void Unmount()
    {
        _driver.Dispose();
        _driver.Volume.Dispose();
    }

    private void Remount()
    {
        Unmount();
        _driver = Mount();
    }

    private bool HasCommit(int before, int after)
    {
        RecordedOperation[] log = _recorder.GetLog();
        for (int i = before; i < after; i++)
        {
            if (log[i].Tag == WriteTag.JournalCommit)
            {
                return true;
            }
        }
        return false;
    }

    private int ContentNode(string operation, Outcome outcome)
    {
        string[] t = operation.Split(' ');
        bool changesContent = t[0] is "write" or "append" or "truncate" or "falloc" or "punch" or "zero" or "collapse" or "insert" &&
            (outcome.Error == 0 || outcome.Content is not null);
        return changesContent ? _model.Find(t[1]).Id : 0;
    }

    private Promise Promised(string operation, int step, int after)
    {
        string[] t = operation.Split(' ');
        if (t[0] is not ("fsync" or "fdatasync"))
        {
            return new Promise(after, step, 0, step);
        }
        CrashModel.Node node = _model.Find(t[1]);
        return new Promise(after, t[0] == "fsync" ? Math.Max(node.LastChange, node.LastResize) : node.LastResize, node.Id, step);
    }

    private void TakeSnapshot()
    {
        Dictionary<string, TreeEntry> snapshot = _model.Snapshot();
        foreach (TreeEntry entry in snapshot.Values)
        {
            if (entry.Content is not { } content)
            {
                continue;
            }
            if (!_versions.TryGetValue(entry.Node, out List<Version>? versions))
            {
                _versions[entry.Node] = versions = [];
            }
            if (versions.Count == 0 || !ReferenceEquals(versions[^1].Content, content))
            {
                versions.Add(new Version(_snapshots.Count, content));
            }
        }
        _snapshots.Add(snapshot);
    }
}
