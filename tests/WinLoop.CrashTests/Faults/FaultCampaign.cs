using System.Collections.Concurrent;
using System.Diagnostics;
using WinLoop.Storage;

namespace WinLoop.CrashTests;

/// <summary>Runs a workload once for every operation that a fault can befall.</summary>
internal sealed class FaultCampaign(FaultStart start, string[] operations)
{
    private readonly ConcurrentBag<string> _violations = [];
    private IReadOnlyList<int> _usual = [];

    public FaultStatistics Statistics { get; } = new();

    /// <summary>What went wrong, at most a few of it.</summary>
    public IEnumerable<string> Violations => _violations.Order(StringComparer.Ordinal);

    /// <summary>Each kind at every n, until the workload passes untouched.</summary>
    /// <param name="kinds">The faults.</param>
    /// <param name="most">At most so many n of each kind, evenly spread.</param>
    public void Run(IEnumerable<FaultKind> kinds, int most = int.MaxValue)
    {
        var plans = new List<(FaultKind Kind, long First)>();
        var totals = new Dictionary<DeviceOperations, long>();
        foreach (FaultKind kind in kinds)
        {
            if (!totals.TryGetValue(kind.Operations, out long total))
            {
                totals[kind.Operations] = total = CountOf(kind.Operations);
            }
            // Each kind begins elsewhere, so that together they befall more of the operations.
            long stride = Math.Max(1, total / most);
            for (long first = 1 + (plans.Count % stride); first <= total; first += stride)
            {
                plans.Add((kind, first));
            }
            plans.Add((kind, total + 1));
        }
        string memory = Directory.Exists("/dev/shm") ? "/dev/shm" : Path.GetTempPath();
        string folder = Path.Combine(memory, $"winloop-faults-{Environment.ProcessId}-{Guid.NewGuid():n}");
        Parallel.ForEach(
            Partitioner.Create(plans, loadBalance: true),
            new ParallelOptions { MaxDegreeOfParallelism = Environment.ProcessorCount },
            () => new FaultJudge(start, Path.Combine(folder, Guid.NewGuid().ToString("n")), Statistics),
            (plan, loop, judge) =>
            {
                Judge(plan.Kind, plan.First, plan.First > totals[plan.Kind.Operations], judge);
                if (_violations.Count > 20)
                {
                    loop.Stop();
                }
                return judge;
            },
            judge =>
            {
                try
                {
                    judge.Flush();
                }
                catch (CrashViolation e)
                {
                    _violations.Add(e.Message);
                }
                judge.Dispose();
            });
        if (Directory.Exists(folder))
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private void Judge(FaultKind kind, long first, bool isUntouched, FaultJudge judge)
    {
        string name = $"{start.Image.Name}: {kind}, operation {first}";
        FaultRun? run = null;
        try
        {
            var watch = Stopwatch.StartNew();
            run = new FaultRun(start, kind, first, _usual);
            run.Run(operations);
            Statistics.AddRun(run.IsAborted);
            Assert.True(isUntouched == (run.Hits.Count == 0) || (kind.Lasts && !isUntouched), $"{name}: {run.Hits.Count} hits");
            Assert.True(watch.Elapsed < TimeSpan.FromSeconds(20), $"{name} takes {watch.Elapsed}");
            judge.Judge(run, name);
        }
        catch (CrashViolation e)
        {
            string hits = run is null ? "" : string.Join(", ", run.Hits.Take(3).Select(h => $"{h.Kind} {h.Tag} {h.Length}@{h.Offset}"));
            _violations.Add($"{name} ({hits}): {e.Message}");
        }
        catch (Exception e) when (!FaultRun.IsHonest(e) && e is not Xunit.Sdk.XunitException)
        {
            _violations.Add($"{name}: {e}");
        }
        catch (Exception e)
        {
            _violations.Add($"{name}: {e.GetType().Name}: {e.Message}\n{e.StackTrace}");
        }
    }

    // How many such operations there are when nothing fails.
    private long CountOf(DeviceOperations kind)
    {
        var run = new FaultRun(start, new FaultKind("nothing", kind, false), long.MaxValue);
        run.Run(operations);
        _usual = run.Answers;
        return run.Rule.Matched;
    }
}
