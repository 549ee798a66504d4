namespace WinLoop.Ext4.Tests.Hostile;

/// <summary>
/// Damaged images never make the engine crash, hang, read out of bounds or use memory without bounds, and a
/// read-only mount never changes one. WINLOOP_HOSTILE_SEED and WINLOOP_HOSTILE_ITERATION repeat one
/// execution; WINLOOP_HOSTILE_IMAGES sets how many, or WINLOOP_HOSTILE_SECONDS how long; WINLOOP_HOSTILE_THREADS with how many threads.
/// </summary>
public sealed class HostileImageTests(ITestOutputHelper output)
{
    [Fact]
    public void Damaged_images_are_refused_or_read_as_far_as_they_go()
    {
        int seed = (int)Number("WINLOOP_HOSTILE_SEED", Environment.TickCount & 0xFFFFFF);
        long seconds = Number("WINLOOP_HOSTILE_SECONDS", 0);
        long images = Number("WINLOOP_HOSTILE_IMAGES", seconds > 0 ? long.MaxValue : 20_000);
        long only = Number("WINLOOP_HOSTILE_ITERATION", -1);
        int threads = (int)Number("WINLOOP_HOSTILE_THREADS", Environment.ProcessorCount);
        output.WriteLine($"WINLOOP_HOSTILE_SEED={seed}");
        var campaign = new HostileCampaign(HostileCorpus.Make(withRefused: true), seed);
        if (only >= 0)
        {
            campaign.Run(TimeSpan.FromMinutes(5), 1, only, 1);
        }
        else
        {
            campaign.Run(seconds > 0 ? TimeSpan.FromSeconds(seconds) : TimeSpan.FromDays(7), threads, 0, images);
        }
        output.WriteLine($"at most {campaign.MostAllocated >> 10} KiB allocated by one mount");
        output.WriteLine($"{campaign.Executions} executions, {campaign.Mounted} mounts, {campaign.Writable} writable, longest {campaign.Longest.TotalMilliseconds:F0} ms, {campaign.LongestProcessorTime.TotalMilliseconds:F0} ms of processor time");
        string failures = string.Join('\n', campaign.Failures);
        Assert.True(failures.Length == 0, $"WINLOOP_HOSTILE_SEED={seed}\n{failures}");
        Assert.True(campaign.Mounted > campaign.Executions / 2);
    }

    private static long Number(string variable, long otherwise) =>
        long.TryParse(Environment.GetEnvironmentVariable(variable), out long value) ? value : otherwise;
}
