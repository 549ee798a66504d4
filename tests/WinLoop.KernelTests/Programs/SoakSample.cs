using System.Globalization;
using System.Text.Json;

namespace WinLoop.KernelTests.Programs;

/// <summary>What the serving process holds at one moment.</summary>
/// <param name="Seconds">Since the load began.</param>
/// <param name="Resident">VmRSS in KiB.</param>
/// <param name="Anonymous">RssAnon in KiB: heap, native cache, stacks; what could leak.</param>
/// <param name="ManagedHeap">KiB after the last garbage collection.</param>
/// <param name="CachedBlocks">Metadata blocks in native memory.</param>
/// <param name="CachedBlockLimit">Their bound.</param>
/// <param name="CachedInodes">Inodes in memory.</param>
/// <param name="Descriptors">Open file descriptors.</param>
/// <param name="Threads">Threads.</param>
/// <param name="Requests">FUSE requests answered since the mount.</param>
/// <param name="Commits">Transactions committed.</param>
internal sealed record SoakSample(double Seconds, long Resident, long Anonymous, long ManagedHeap, long CachedBlocks, long CachedBlockLimit,
    long CachedInodes, long Descriptors, long Threads, long Requests, long Commits)
{
    /// <summary>The heading of <see cref="Row"/>.</summary>
    public const string Heading = "| s | RSS KiB | anonymous KiB | managed heap KiB | cached blocks | cached inodes | descriptors | threads | requests | commits |\n" +
        "|---|---|---|---|---|---|---|---|---|---|";

    /// <summary>One line of a Markdown table.</summary>
    public string Row => string.Create(CultureInfo.InvariantCulture,
        $"| {Seconds:f0} | {Resident} | {Anonymous} | {ManagedHeap} | {CachedBlocks} | {CachedInodes} | {Descriptors} | {Threads} | {Requests} | {Commits} |");

    /// <summary>Takes one.</summary>
    public static SoakSample Take(WinLoopMount mount, double seconds)
    {
        using JsonDocument statistics = mount.Statistics();
        JsonElement engine = statistics.RootElement.GetProperty("engine");
        long requests = 0;
        foreach (JsonElement queue in statistics.RootElement.GetProperty("queues").EnumerateArray())
        {
            if (queue.GetProperty("name").GetString() == "host")
            {
                requests += queue.GetProperty("operations").EnumerateArray().Sum(o => o.GetProperty("count").GetInt64());
            }
        }
        string[] status = File.ReadAllLines($"/proc/{mount.ProcessId}/status");
        return new SoakSample(seconds, Field(status, "VmRSS:"), Field(status, "RssAnon:"), Of(engine, "managedHeap") / 1024, Of(engine, "cachedBlocks"),
            Of(engine, "cachedBlockLimit"), Of(engine, "cachedInodes"), Directory.GetFileSystemEntries($"/proc/{mount.ProcessId}/fd").Length,
            Field(status, "Threads:"), requests, Of(engine, "commits"));
    }

    private static long Of(JsonElement engine, string name) => engine.GetProperty(name).GetInt64();

    private static long Field(string[] status, string name)
    {
        string line = status.First(l => l.StartsWith(name, StringComparison.Ordinal));
        return long.Parse(line[name.Length..].Trim().Split(' ')[0], CultureInfo.InvariantCulture);
    }
}
