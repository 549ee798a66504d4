using System.Collections.Concurrent;
using System.Diagnostics;
using System.Text.RegularExpressions;

namespace WinLoop.Ext4.Tests.Hostile;

/// <summary>Workers over a range of iterations, with a watchdog.</summary>
internal sealed partial class HostileCampaign(IReadOnlyList<HostileSeed> seeds, int seed)
{
    // An execution takes milliseconds; on a busy machine a thread may stand still for seconds.
    private static readonly TimeSpan s_hang = TimeSpan.FromSeconds(30);

    private readonly ConcurrentDictionary<string, (int Count, string Report)> _failures = new();
    private long _next;

    public long Executions;
    public long Mounted, Writable;
    public TimeSpan Longest, LongestProcessorTime;
    public long MostAllocated;

    /// <summary>One report for each place that failed, with how often.</summary>
    public IEnumerable<string> Failures => _failures.Values.OrderByDescending(f => f.Count).Select(f => $"{f.Count} x {f.Report}");

    /// <summary>Runs until the time is over; a worker that hangs is left behind and reported.</summary>
    public void Run(TimeSpan time, int workers, long first = 0, long count = long.MaxValue)
    {
        _next = first;
        long end = count == long.MaxValue ? count : first + count;
        long start = Stopwatch.GetTimestamp();
        var running = new List<(Thread Thread, HostileExecutor Executor)>();
        for (int i = 0; i < workers; i++)
        {
            Start(running, time, start, end);
        }
        while (running.Count > 0)
        {
            Thread.Sleep(50);
            foreach ((Thread thread, HostileExecutor executor) in running.ToList())
            {
                long since = Volatile.Read(ref executor.Since);
                bool isHung = since != 0 && Stopwatch.GetElapsedTime(since) > s_hang;
                if (isHung)
                {
                    Note("hang", $"iteration {executor.Current} hangs");
                    Start(running, time, start, end);
                }
                if (isHung || !thread.IsAlive)
                {
                    Mounted += executor.Mounted;
                    Writable += executor.Writable;
                    Longest = executor.Longest > Longest ? executor.Longest : Longest;
                    LongestProcessorTime = executor.LongestProcessorTime > LongestProcessorTime ? executor.LongestProcessorTime : LongestProcessorTime;
                    MostAllocated = Math.Max(MostAllocated, executor.MostAllocated);
                    running.Remove((thread, executor));
                }
            }
        }
    }

    private void Start(List<(Thread, HostileExecutor)> running, TimeSpan time, long start, long end)
    {
        var executor = new HostileExecutor(seeds);
        var thread = new Thread(() =>
        {
            while (Stopwatch.GetElapsedTime(start) < time)
            {
                long iteration = Interlocked.Increment(ref _next) - 1;
                if (iteration >= end)
                {
                    return;
                }
                if (executor.Run(seed, iteration) is { } wrong)
                {
                    Note(Place(wrong), Shrink(executor, iteration, wrong));
                }
                Interlocked.Increment(ref Executions);
            }
        })
        { IsBackground = true, Name = "hostile" };
        thread.Start();
        running.Add((thread, executor));
    }

    // Leaves mutations out as long as the same place fails.
    private string Shrink(HostileExecutor executor, long iteration, string wrong)
    {
        string place = Place(wrong);
        if (_failures.ContainsKey(place))
        {
            return wrong;
        }
        int mask = (1 << executor.Mutations) - 1;
        for (int bit = 1, all = mask; bit <= all; bit <<= 1)
        {
            if (mask != bit && executor.Run(seed, iteration, mask & ~bit) is { } smaller && Place(smaller) == place)
            {
                mask &= ~bit;
                wrong = smaller;
            }
        }
        return $"{wrong}\n  WINLOOP_HOSTILE_SEED={seed} WINLOOP_HOSTILE_ITERATION={iteration}";
    }

    private void Note(string key, string report) => _failures.AddOrUpdate(key, (1, report), (_, old) => (old.Count + 1, old.Report));

    // Failures at one place of the code are one failure.
    private static string Place(string report)
    {
        string text = report[(report.IndexOf(": ", StringComparison.Ordinal) + 2)..];
        Match at = Frame().Match(text);
        return at.Success ? text[..text.IndexOfAny([':', '\n'])] + at.Value : Digits().Replace(text.Split('\n')[0], "#");
    }

    [GeneratedRegex(@"at WinLoop\..*")]
    private static partial Regex Frame();

    [GeneratedRegex(@"\d+")]
    private static partial Regex Digits();
}
