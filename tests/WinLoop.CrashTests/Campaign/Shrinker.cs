using System.Diagnostics;

namespace WinLoop.CrashTests;

/// <summary>Makes a failure small: first operations are dropped, then lost and torn writes are given back, as long as
/// something is still wrong.</summary>
internal sealed class Shrinker(Func<Mutant>? mutant, TimeSpan limit)
{
    private readonly Stopwatch _watch = Stopwatch.StartNew();

    /// <summary>The smallest failure found in the time.</summary>
    public CrashFailure Shrink(CrashFailure failure)
    {
        // Which judge spoke decides which have to be asked about each candidate.
        bool asksFsck = failure.Message.Contains("e2fsck -fn exits 4", StringComparison.Ordinal), asksKernel = failure.Message.Contains("the kernel", StringComparison.Ordinal);
        var settings = new CrashSettings { FsckEvery = asksFsck ? 1 : 0, KernelEvery = asksKernel ? 1 : 0, AgainEvery = failure.Again is null ? 0 : 1, UseEvery = 4 };
        using var judge = new WorkloadJudge(settings, new CrashStatistics(), asksKernel);
        CrashFailure smallest = failure;
        smallest = DropLines(judge, smallest, w => w.Operations, (w, lines) => w with { Operations = lines });
        smallest = DropLines(judge, smallest, w => w.WarmUp, (w, lines) => w with { WarmUp = lines });
        return smallest.State is null ? smallest : GiveBack(judge, smallest);
    }

    private CrashFailure DropLines(WorkloadJudge judge, CrashFailure failure, Func<CrashWorkload, string[]> lines, Func<CrashWorkload, string[], CrashWorkload> with)
    {
        for (int size = Math.Max(1, lines(failure.Workload).Length / 2); size > 0; size /= 2)
        {
            for (int at = lines(failure.Workload).Length - size; at >= 0 && _watch.Elapsed < limit; at -= size)
            {
                string[] all = lines(failure.Workload);
                if (at + size > all.Length)
                {
                    continue;
                }
                CrashWorkload candidate = with(failure.Workload, [.. all[..at], .. all[(at + size)..]]);
                // A failure without a cut may be the candidate's own nonsense.
                if ((judge.Judge(candidate, mutant?.Invoke()) ?? judge.Flush()) is { } still && (still.State is not null || failure.State is null))
                {
                    failure = still;
                }
            }
        }
        return failure;
    }

    private CrashFailure GiveBack(WorkloadJudge judge, CrashFailure failure)
    {
        List<Epoch> epochs = Epoch.Split(failure.Workload.Record(mutant?.Invoke()).Log);
        int count = epochs[failure.State!.Epoch].Changes.Count;
        for (int i = 0; i < count && _watch.Elapsed < limit; i++)
        {
            if (failure.State!.Changes.Any(k => k.Index == i && k.Tear.Pattern == TearPattern.Whole))
            {
                continue;
            }
            Kept[] kept = [.. failure.State.Changes.Where(k => k.Index != i).Append(new Kept(i, default)).OrderBy(k => k.Index)];
            if (judge.Judge(failure.Workload, mutant?.Invoke(), failure.State with { Changes = kept }, failure.Again) is { } still)
            {
                failure = still;
            }
        }
        return failure;
    }
}
