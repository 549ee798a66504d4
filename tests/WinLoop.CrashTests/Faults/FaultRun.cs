using WinLoop.Ext4;
using WinLoop.Storage;

namespace WinLoop.CrashTests;

/// <summary>One run of a workload on a device with one fault. Whatever the engine does that it must not do while it
/// runs is thrown as <see cref="CrashViolation"/>; what it leaves on the device is for <see cref="FaultJudge"/>.</summary>
internal sealed class FaultRun
{
    private readonly CrashImage _image;
    private readonly FaultStart _start;
    private readonly FaultKind _kind;
    private readonly RecordingDevice _recorder;
    private readonly FaultDevice _faulty;
    private readonly History _history = new();
    // Operations that were befallen, and the first place among the attempts of the step that runs.
    private readonly List<DeviceOperation> _hits = [];
    private readonly List<DeviceOperation> _attempts = [];
    private readonly HashSet<string> _unsure = [];
    private readonly IReadOnlyList<int>? _usual;
    private readonly List<int> _answers = [];
    private EngineDriver? _driver;
    private int _comesBackIn = -1;

    /// <param name="start">What it begins with.</param>
    /// <param name="kind">What fails.</param>
    /// <param name="first">The first operation that does.</param>
    /// <param name="usual">What each operation answers when nothing fails; null if this run is to find out.</param>
    public FaultRun(FaultStart start, FaultKind kind, long first, IReadOnlyList<int>? usual = null)
    {
        _usual = usual;
        _start = start;
        _image = start.Image;
        _kind = kind;
        _recorder = new RecordingDevice(new OverlayDevice(start.Device));
        _faulty = new FaultDevice(_recorder);
        _faulty.Add(new FaultRule
        {
            When = operation =>
            {
                Observe(operation);
                return false;
            },
        });
        Rule = _faulty.Add(kind.ToRule(first, hit =>
        {
            FirstHitAt = _hits.Count == 0 ? _recorder.Count : FirstHitAt;
            _hits.Add(hit);
        }));
    }

    public FaultRule Rule { get; }

    public FaultKind Kind => _kind;

    /// <summary>Operations of the device that failed or lied or were late.</summary>
    public IReadOnlyList<DeviceOperation> Hits => _hits;

    /// <summary>Entries of the log when the first of them came.</summary>
    public int FirstHitAt { get; private set; }

    /// <summary>What each operation answered: 0 or an errno.</summary>
    public IReadOnlyList<int> Answers => _answers;

    /// <summary>The mount did not come about.</summary>
    public Exception? MountFailure { get; private set; }

    /// <summary>The volume was mounted and cannot be written.</summary>
    public bool IsReadOnlyMount { get; private set; }

    /// <summary>The volume stopped writing.</summary>
    public bool IsAborted { get; private set; }

    /// <summary>Paths that an operation that failed was about.</summary>
    public IReadOnlySet<string> Unsure => _unsure;

    /// <summary>All that was done and promised, and what reached the device.</summary>
    public Recording Recording => _history.ToRecording(_start.Bytes, _recorder.GetLog(), _image.BlockSize);

    private Exception? AbortReason => _driver?.Volume.Journal?.AbortReason;

    /// <summary>From the mount to the unmount.</summary>
    public void Run(string[] operations)
    {
        using var clock = new TestClock(TestClock.Start);
        _history.Model.HasFineTimes = _image.HasFineTimes;
        _start.Note(_history.Model);
        _history.Begin();
        try
        {
            _driver = new EngineDriver(Ext4Volume.Mount(_faulty, _image.Options()));
        }
        catch (Exception e) when (IsHonest(e))
        {
            MountFailure = e;
            Require(_hits.Count > 0, $"the mount failed without a fault: {e.Message}");
            return;
        }
        IsReadOnlyMount = _driver.Volume.IsReadOnly;
        Require(!IsReadOnlyMount || _hits.Count > 0, "mounted read-only without a fault");
        foreach (string operation in operations)
        {
            Do(operation);
        }
        IsAborted = AbortReason is not null;
        if (IsAborted)
        {
            LookAround();
        }
        Do("unmount");
    }

    public static bool IsHonest(Exception e) =>
        e is Ext4Exception or Ext4NotSupportedException or Ext4CorruptException or BlockDeviceException;

    private static void Require(bool condition, string message)
    {
        if (!condition)
        {
            throw new CrashViolation(message);
        }
    }

    private void Do(string operation)
    {
        bool wasAborted = AbortReason is not null;
        int hitsBefore = _hits.Count, logBefore = _recorder.Count;
        _history.BeginStep();
        _attempts.Clear();
        int count = 0;
        Exception? failure = null;
        byte[]? attempted = null;
        try
        {
            Perform(operation, hitsBefore, ref count);
        }
        catch (Exception e) when (IsHonest(e))
        {
            failure = e;
            attempted = Attempted(operation);
        }
        DeviceOperation[] hits = [.. _hits.Skip(hitsBefore)];
        _answers.Add(failure is null ? 0 : ErrnoOf(failure));
        JudgeAnswer(operation, failure, hits, count, wasAborted);
        if (failure is not null)
        {
            _unsure.UnionWith(operation.Split(' ').Skip(1));
        }
        Outcome outcome = failure is null ? new Outcome(0, count) : new Outcome(ErrnoOf(failure), 0, attempted is null ? null : ReadBack(operation));
        if (IsForTheModel(operation))
        {
            bool promisesNothing = wasAborted || (operation == "unmount" && IsReadOnlyMount);
            _history.End(promisesNothing && outcome.Error == 0 ? "nothing" : operation, outcome, logBefore, _recorder.Count,
                WorkloadRun.HasCommit(_recorder, logBefore, _recorder.Count), attempted);
        }
        if (_faulty.IsGone && _kind.ComesBackAfter > 0 && (_comesBackIn = _comesBackIn < 0 ? _kind.ComesBackAfter : _comesBackIn - 1) == 0)
        {
            _faulty.IsGone = false;
        }
    }

    private static bool IsForTheModel(string operation) => !operation.StartsWith("read ", StringComparison.Ordinal) && operation != "checkpoint";

    private void Perform(string operation, int hitsBefore, ref int count)
    {
        if (operation == "unmount")
        {
            try
            {
                _driver!.Dispose();
            }
            finally
            {
                _driver!.Volume.Dispose();
            }
        }
        else if (operation.StartsWith("read ", StringComparison.Ordinal))
        {
            string path = operation[5..];
            byte[] content = _driver!.ReadAll(path);
            bool mayDiffer = _unsure.Count > 0 || (_kind.IsWrongBytes && (_hits.Count > hitsBefore || !_image.HasChecksums));
            Require(mayDiffer || content.AsSpan().SequenceEqual(_history.Model.Find(path).Content), $"{operation}: other bytes than were written, and no error");
        }
        else
        {
            Operations.Perform(_driver!, operation, ref count);
        }
    }

    // (a) the error reaches the caller whose operation it befell, and nobody else; (b) what follows it.
    private void JudgeAnswer(string operation, Exception? failure, DeviceOperation[] hits, int count, bool wasAborted)
    {
        string text = $"'{operation}' {(failure is null ? "succeeded" : $"failed ({failure.GetType().Name}: {failure.Message})")}";
        if (_hits.Count == 0 || _kind.IsHarmless)
        {
            Require(_usual is null || _answers[^1] == _usual[_answers.Count - 1], $"{text} on a device that works");
            return;
        }
        bool isRefusal = operation is not "unmount" && (wasAborted || IsReadOnlyMount);
        bool isChange = IsForTheModel(operation) && operation.Split(' ')[0] is not ("open" or "close" or "unmount");
        if (isRefusal && (isChange || operation == "checkpoint") && !(IsReadOnlyMount && Operations.IsPersistence(operation)))
        {
            Require(failure is not null, $"{text} although the volume had stopped writing ({AbortReason?.Message})");
        }
        if (_kind.Lies || _kind.IsWrongBytes)
        {
            return; // no error to report, unless a checksum finds it
        }
        bool isShort = count > 0 && count < Intended(operation);
        Require(failure is not null || isShort || hits.All(h => h.Kind == DeviceOperations.Discard) || wasAborted,
            $"{text} although {string.Join(", ", hits.Select(Describe))} did not");
        bool isFatal = hits.Any(h => h.Kind == DeviceOperations.Flush || ((h.Kind & DeviceOperations.Changes) != 0 && h.Tag != WriteTag.Data));
        Require(!isFatal || operation == "unmount" || AbortReason is not null, $"after {string.Join(", ", hits.Select(Describe))} the volume is still writable");
    }

    // Nothing but the note of the error is written once the volume has stopped writing, and nothing that failed is tried again.
    private void Observe(DeviceOperation operation)
    {
        bool isNote = operation.Kind == DeviceOperations.Flush || operation.Tag is WriteTag.JournalSuperblock or WriteTag.Superblock;
        Require(operation.Kind == DeviceOperations.Read || isNote || AbortReason is null,
            $"{Describe(operation)} after the volume had stopped writing: {AbortReason?.Message}");
        bool isRetry = operation.Kind is DeviceOperations.Write or DeviceOperations.WriteZeroes && !isNote &&
            _hits.Any(h => h.Kind == operation.Kind && h.Offset == operation.Offset && h.Length == operation.Length) && _attempts.Contains(operation);
        Require(!isRetry || _kind.IsHarmless, $"{Describe(operation)} is tried again in the same operation");
        _attempts.Add(operation);
    }

    // (b) on a volume that has stopped writing: changes and every fsync fail, readers go on.
    private void LookAround()
    {
        Ext4Volume volume = _driver!.Volume;
        Require(volume.IsReadOnly && volume.ReadOnlyReason is not null, "the journal was aborted and the volume is not read-only");
        RequireErrno(Errno.EIO, "sync", volume.Synchronize);
        if (!_kind.LeavesReads || _faulty.IsGone)
        {
            return;
        }
        try
        {
            RequireErrno(Errno.EIO, "fsync", () => _driver.OnInode("", root => volume.Synchronize(root, dataOnly: false)));
            RequireErrno(Errno.EIO, "fdatasync", () => _driver.OnInode("", root => volume.Synchronize(root, dataOnly: true)));
            RequireErrno(Errno.EROFS, "create", () => _driver.OnParent("more", (d, n) => volume.Create(d, n, 0x81A4, 0, Caller.Root)));
            RecoveredTree.Read(volume);
        }
        catch (Exception e) when (IsHonest(e))
        {
            Require(_kind.IsWrongBytes, $"a reader fails after the volume has stopped writing: {e.Message}");
        }
    }

    private static void RequireErrno(Errno errno, string what, Action action)
    {
        try
        {
            action();
        }
        catch (Ext4Exception e) when (e.Errno == errno)
        {
            return;
        }
        throw new CrashViolation($"{what} does not fail with {errno} after the volume has stopped writing");
    }

    // What the file would hold if the operation had succeeded.
    private byte[]? Attempted(string operation)
    {
        if (!Operations.IsContent(operation))
        {
            return null;
        }
        try
        {
            return Operations.NewContent(_history.Model.Find(operation.Split(' ')[1]).Content, operation.Split(' '), Intended(operation));
        }
        catch (KeyNotFoundException)
        {
            return null; // an operation before it had failed, so there is no such file
        }
    }

    private byte[]? ReadBack(string operation)
    {
        try
        {
            byte[] content = _driver!.ReadAll(operation.Split(' ')[1]);
            return _kind.IsWrongBytes && _hits.Count > 0 ? null : content; // what is read may not be what is there
        }
        catch (Exception e) when (IsHonest(e))
        {
            return null;
        }
    }

    /// <summary>Bytes that a write is to write; 0 for other operations.</summary>
    public static int Intended(string operation) => operation.Split(' ') switch
    {
        ["write", _, _, var length, _] => int.Parse(length),
        ["append", _, var length, _] => int.Parse(length),
        _ => 0,
    };

    private static string Describe(DeviceOperation operation) => $"{operation.Kind} ({operation.Tag}) of {operation.Length} at {operation.Offset}";

    private static int ErrnoOf(Exception e) => e switch
    {
        Ext4Exception x => (int)x.Errno,
        Ext4CorruptException => (int)Errno.EUCLEAN,
        BlockDeviceException { Error: BlockDeviceError.NoSpace } => (int)Errno.ENOSPC,
        _ => (int)Errno.EIO,
    };
}
