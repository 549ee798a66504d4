namespace WinLoop.CrashTests;

/// <summary>What a workload has done and was promised, step by step, beside the model of it.</summary>
internal sealed class History
{
    private readonly List<Step> _steps = [];
    private readonly List<Dictionary<string, TreeEntry>> _snapshots = [];
    private readonly List<Promise> _promises = [];
    private readonly Dictionary<int, List<Version>> _versions = [];

    /// <summary>What is on every image is there from the beginning.</summary>
    public History()
    {
        foreach (string operation in CrashImage.Setup)
        {
            Operations.Note(Model, operation, new Outcome(0, operation.StartsWith("write", StringComparison.Ordinal) ? int.Parse(operation.Split(' ')[3]) : 0));
        }
    }

    public CrashModel Model { get; } = new();

    public IReadOnlyList<Step> Steps => _steps;

    /// <summary>Files of which nobody knows what an operation that failed has left of their content.</summary>
    public HashSet<int> Uncertain { get; } = [];

    /// <summary>What is there now is the beginning, and promised.</summary>
    public void Begin()
    {
        _steps.Add(new Step("start", 0, 0, default, 0, false));
        _promises.Add(new Promise(0, 0, 0, 0));
        TakeSnapshot();
    }

    /// <summary>The number that the next step will have; what the model changes from here on is noted with it.</summary>
    public int BeginStep() => Model.Step = _steps.Count;

    /// <summary>A step has returned.</summary>
    /// <param name="operation">Its text.</param>
    /// <param name="outcome">What the engine answered; the model is told.</param>
    /// <param name="before">Entries of the log when it was issued.</param>
    /// <param name="after">And when it had returned.</param>
    /// <param name="spansCommit">A transaction was committed meanwhile, so that a part of it may be durable.</param>
    /// <param name="attempted">What the file would hold if an operation on its content had not failed; null without.</param>
    public void End(string operation, Outcome outcome, int before, int after, bool spansCommit, byte[]? attempted = null)
    {
        Operations.Note(Model, operation, outcome);
        bool isPersistence = Operations.IsPersistence(operation);
        int node = ContentNode(operation, outcome, attempted);
        if (attempted is not null && outcome.Content is null)
        {
            Uncertain.Add(node);
        }
        if (attempted is not null && _versions.TryGetValue(node, out List<Version>? versions))
        {
            versions.Add(new Version(_snapshots.Count, attempted));
            versions.Add(new Version(_snapshots.Count, Model.Find(operation.Split(' ')[1]).Content));
        }
        if (node != 0 && Model.Find(operation.Split(' ')[1]).Content is { } now)
        {
            // Also of a file without a name: if the loss of the name is lost, what was written since may be there.
            NoteVersion(node, now);
        }
        bool isSplit = outcome.Content is not null || attempted is not null || (!isPersistence && spansCommit);
        _steps.Add(new Step(operation, before, after, outcome, node, isSplit));
        if (isPersistence && outcome.Error == 0)
        {
            _promises.Add(Promised(operation, _steps.Count - 1, after));
        }
        TakeSnapshot();
    }

    /// <summary>All of it.</summary>
    public Recording ToRecording(byte[] start, Storage.RecordedOperation[] log, int blockSize) => new()
    {
        Base = start,
        Log = log,
        Steps = _steps,
        Snapshots = _snapshots,
        Promises = _promises,
        Versions = _versions,
        Uncertain = Uncertain,
        BlockSize = blockSize,
    };

    private int ContentNode(string operation, Outcome outcome, byte[]? attempted) =>
        Operations.IsContent(operation) && (outcome.Error == 0 || outcome.Content is not null || attempted is not null)
            ? Model.Find(operation.Split(' ')[1]).Id : 0;

    private Promise Promised(string operation, int step, int after)
    {
        string[] t = operation.Split(' ');
        if (t[0] is not ("fsync" or "fdatasync"))
        {
            return new Promise(after, step, 0, step);
        }
        CrashModel.Node node = Model.Find(t[1]);
        return new Promise(after, t[0] == "fsync" ? Math.Max(node.LastChange, node.LastResize) : node.LastResize, node.Id, step);
    }

    private void TakeSnapshot()
    {
        Dictionary<string, TreeEntry> snapshot = Model.Snapshot();
        foreach (TreeEntry entry in snapshot.Values)
        {
            if (entry.Content is { } content)
            {
                NoteVersion(entry.Node, content);
            }
        }
        _snapshots.Add(snapshot);
    }

    private void NoteVersion(int node, byte[] content)
    {
        if (!_versions.TryGetValue(node, out List<Version>? versions))
        {
            _versions[node] = versions = [];
        }
        if (versions.Count == 0 || !ReferenceEquals(versions[^1].Content, content))
        {
            versions.Add(new Version(_snapshots.Count, content));
        }
    }
}
