using System.Diagnostics;

namespace WinLoop.CrashTests;

/// <summary>Judges workloads on several threads until they end, time is up, or something is wrong.</summary>
internal sealed class Campaign(CrashSettings settings, CrashStatistics statistics, bool useKernel)
{
    private readonly Lock _lock = new();
    private CrashFailure? _failure;
    private Exception? _broken;
    private volatile bool _stops;

    /// <summary>Runs; returns the first failure.</summary>
    /// <param name="workloads">What to judge; taken in order.</param>
    /// <param name="mutant">Makes the defect to build in; null for none.</param>
    /// <param name="limit">No workload is begun after that time.</param>
    public CrashFailure? Run(IEnumerable<CrashWorkload> workloads, Func<Mutant>? mutant = null, TimeSpan? limit = null)
    {
        using IEnumerator<CrashWorkload> source = workloads.Take(settings.Workloads).GetEnumerator();
        var watch = Stopwatch.StartNew();
        Thread[] threads = [.. Enumerable.Range(0, Math.Max(1, settings.Threads)).Select(_ => new Thread(Work, 4 << 20))];
        foreach (Thread thread in threads)
        {
            thread.Start();
        }
        foreach (Thread thread in threads)
        {
            thread.Join();
        }
        return _broken is { } broken ? throw new InvalidOperationException("The crash test itself failed: " + broken, broken) : _failure;

        void Work()
        {
            try
            {
                using var judge = new WorkloadJudge(settings, statistics, useKernel);
                while (!_stops && (limit is null || watch.Elapsed < limit) && Next() is { } workload)
                {
                    Note(judge.Judge(workload, mutant?.Invoke()));
                }
                Note(judge.Flush());
            }
            catch (Exception e)
            {
                _broken = e;
                _stops = true;
            }
        }

        CrashWorkload? Next()
        {
            lock (_lock)
            {
                return source.MoveNext() ? source.Current : null;
            }
        }
    }

    private void Note(CrashFailure? failure)
    {
        if (failure is not null)
        {
            lock (_lock)
            {
                _failure ??= failure;
            }
            _stops = true;
        }
    }
}
