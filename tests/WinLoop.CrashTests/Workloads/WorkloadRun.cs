using WinLoop.Ext4;
using WinLoop.Storage;

namespace WinLoop.CrashTests;

/// <summary>A workload while it runs: the engine and the model side by side.</summary>
internal sealed class WorkloadRun
{
    private readonly CrashImage _image;
    private readonly RecordingDevice _recorder;
    private readonly Mutant? _mutant;
    private readonly History _history = new();
    private EngineDriver _driver;

    public WorkloadRun(CrashImage image, RecordingDevice recorder, Mutant? mutant)
    {
        _image = image;
        _recorder = recorder;
        _mutant = mutant;
        _history.Model.HasFineTimes = image.HasFineTimes;
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
        Operations.Note(_history.Model, operation, Operations.Do(_driver, operation));
    }

    /// <summary>Makes everything so far durable.</summary>
    public void EndWarmUp()
    {
        _driver.Volume.Synchronize();
        _mutant?.Settle();
    }

    /// <summary>What is there now is the beginning, and promised.</summary>
    public void Begin() => _history.Begin();

    /// <summary>An operation that is recorded.</summary>
    public void Do(string operation)
    {
        int step = _history.BeginStep();
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
        }
        _mutant?.Settle();
        int after = _recorder.Count;
        _recorder.Mark($"end {step} {outcome.Error}");
        _history.End(operation, outcome, before, after, HasCommit(_recorder, before, after));
    }

    /// <summary>The engine and the model have to agree on the end, or one of them is wrong.</summary>
    public Recording Finish(byte[] start)
    {
        Recording recording = _history.ToRecording(start, _recorder.GetLog(), _image.BlockSize);
        _recorder.IsRecording = false;
        using Ext4Volume volume = Ext4Volume.Mount(_recorder, _image.Options() with { IsReadOnly = true });
        Dictionary<string, RecoveredTree.Item> tree = RecoveredTree.Read(volume);
        string? difference = TreeComparison.Difference(tree, recording.Snapshots[^1]);
        Assert.True(difference is null || _mutant is not null, $"without any cut: {difference}");
        return recording;
    }

    /// <summary>True if a part of a log has a commit block in it.</summary>
    public static bool HasCommit(RecordingDevice recorder, int before, int after)
    {
        if (before == after)
        {
            return false;
        }
        RecordedOperation[] log = recorder.GetLog();
        for (int i = before; i < after; i++)
        {
            if (log[i].Tag == WriteTag.JournalCommit)
            {
                return true;
            }
        }
        return false;
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
}
