namespace WinLoop.CrashTests;

/// <summary>How much was run and judged. For several threads.</summary>
internal sealed class FaultStatistics
{
    private long _runs, _states, _fsck, _repairs, _aborts, _detected, _unseen;

    public long Runs => _runs;
    public long Fsck => _fsck;
    public long Repairs => _repairs;
    public long Aborts => _aborts;

    public void AddRun(bool isAborted)
    {
        Interlocked.Increment(ref _runs);
        Interlocked.Add(ref _aborts, isAborted ? 1 : 0);
    }

    /// <summary>Wrong bytes of a read reached the disk and are found there.</summary>
    public void AddDetected() => Interlocked.Increment(ref _detected);

    /// <summary>They are not found, because the volume has no checksums.</summary>
    public void AddUnseen() => Interlocked.Increment(ref _unseen);

    public void AddState() => Interlocked.Increment(ref _states);

    public void AddFsck() => Interlocked.Increment(ref _fsck);

    public void AddRepair() => Interlocked.Increment(ref _repairs);

    public override string ToString() => $"{_runs} runs, {_aborts} of which stopped writing; {_states} images judged, {_fsck} by e2fsck, {_repairs} repaired; " +
        $"spoilt by wrong bytes: {_detected} found, {_unseen} not";
}
