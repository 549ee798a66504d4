using System.Collections.Concurrent;
using WinLoop.Storage;

namespace WinLoop.CrashTests;

/// <summary>What a campaign has judged; counted by several threads.</summary>
internal sealed class CrashStatistics
{
    private const int Shards = 64;

    // The different states, and the kinds of writes already counted for each.
    private readonly Dictionary<StateHash, ushort>[] _states = [.. Enumerable.Range(0, Shards).Select(_ => new Dictionary<StateHash, ushort>())];
    private long _distinct;
    private readonly long[] _cuts = new long[Enum.GetValues<WriteTag>().Length];
    private readonly long[] _writes = new long[Enum.GetValues<WriteTag>().Length];
    private readonly ConcurrentDictionary<string, int> _families = new();
    private long _workloads, _judged, _promises, _kernel, _fsck, _again, _used, _epochs, _sampled;

    /// <summary>Different states, over all workloads.</summary>
    public long DistinctStates => Volatile.Read(ref _distinct);

    public long Workloads => Volatile.Read(ref _workloads);

    /// <summary>Recoveries run and judged.</summary>
    public long Judged => Volatile.Read(ref _judged);

    public long Kernel => Volatile.Read(ref _kernel);

    public long Fsck => Volatile.Read(ref _fsck);

    /// <summary>States that a second cut inside recovery left.</summary>
    public long Again => Volatile.Read(ref _again);

    /// <summary>Different states in which a write of a kind was lost or torn.</summary>
    public long CutsOf(WriteTag tag) => Volatile.Read(ref _cuts[(int)tag]);

    public void AddWorkload(string family)
    {
        Interlocked.Increment(ref _workloads);
        _families.AddOrUpdate(family, 1, (_, n) => n + 1);
    }

    public void AddWrites(IEnumerable<RecordedOperation> changes)
    {
        foreach (RecordedOperation change in changes)
        {
            Interlocked.Increment(ref _writes[(int)change.Tag]);
        }
    }

    public void AddEpoch(bool isSampled)
    {
        Interlocked.Increment(ref _epochs);
        if (isSampled)
        {
            Interlocked.Increment(ref _sampled);
        }
    }

    /// <summary>Counts a recovery.</summary>
    public void AddRecovery(bool isAgain)
    {
        Interlocked.Increment(ref _judged);
        if (isAgain)
        {
            Interlocked.Increment(ref _again);
        }
    }

    /// <summary>Counts a state, and each kind of write that was lost or torn on the way to it; the same state counts
    /// once for each.</summary>
    public void AddState(StateHash state, int cutTags)
    {
        Dictionary<StateHash, ushort> shard = _states[state.High % Shards];
        lock (shard)
        {
            ref ushort counted = ref System.Runtime.InteropServices.CollectionsMarshal.GetValueRefOrAddDefault(shard, state, out bool exists);
            if (!exists)
            {
                Interlocked.Increment(ref _distinct);
            }
            int more = cutTags & ~counted;
            counted |= (ushort)cutTags;
            for (int tag = 0; tag < _cuts.Length; tag++)
            {
                if ((more >> tag & 1) != 0)
                {
                    Interlocked.Increment(ref _cuts[tag]);
                }
            }
        }
    }

    public void AddPromise() => Interlocked.Increment(ref _promises);

    public void AddKernel() => Interlocked.Increment(ref _kernel);

    public void AddFsck() => Interlocked.Increment(ref _fsck);

    public void AddUse() => Interlocked.Increment(ref _used);

    public override string ToString()
    {
        string families = string.Join(", ", _families.OrderBy(f => f.Key, StringComparer.Ordinal).Select(f => $"{f.Key} {f.Value}"));
        string tags = string.Join("\n", Enum.GetValues<WriteTag>().Select(t => $"  {t}: {_writes[(int)t]} writes, cut in {CutsOf(t)} states"));
        return $"{Workloads} workloads ({families})\n{DistinctStates} different states, {Judged} recoveries judged, {_promises} comparisons with promises, " +
            $"{Again} after a second cut inside recovery, {_used} used afterwards\n" +
            $"{Fsck} by e2fsck ({100.0 * Fsck / Math.Max(1, DistinctStates):f1} %), {Kernel} by the kernel ({100.0 * Kernel / Math.Max(1, DistinctStates):f1} %)\n" +
            $"{_epochs} epochs, {_epochs - _sampled} with all subsets\n{tags}";
    }
}
