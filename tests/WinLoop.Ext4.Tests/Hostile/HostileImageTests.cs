namespace WinLoop.Ext4.Tests.Hostile;

/// <summary>
/// Damaged images never make the engine crash, hang, read out of bounds or use memory without bounds, and a
/// read-only mount never changes one. WINLOOP_HOSTILE_SEED and WINLOOP_HOSTILE_ITERATION repeat one
/// execution; WINLOOP_HOSTILE_SECONDS sets the time.
/// </summary>
public sealed class HostileImageTests(ITestOutputHelper output)
{
    private const int Enough = 20_000;

    [Fact]
    public void Damaged_images_are_refused_or_read_as_far_as_they_go()
    {
        int seed = (int)Number("WINLOOP_HOSTILE_SEED", Environment.TickCount & 0xFFFFFF);
        long seconds = Number("WINLOOP_HOSTILE_SECONDS", 20);
        long only = Number("WINLOOP_HOSTILE_ITERATION", -1);
        output.WriteLine($"WINLOOP_HOSTILE_SEED={seed}");
        var campaign = new HostileCampaign(HostileCorpus.Make(), seed);
        if (only >= 0)
        {
            campaign.Run(TimeSpan.FromMinutes(5), 1, only, 1);
        }
        else
        {
            // On a machine that is slow, longer, until enough are done.
            campaign.Run(TimeSpan.FromSeconds(seconds), Environment.ProcessorCount);
            while (campaign.Executions < Enough)
            {
                campaign.Run(TimeSpan.FromSeconds(seconds), Environment.ProcessorCount, first: campaign.Executions);
            }
        }
        output.WriteLine($"{campaign.Executions} executions, {campaign.Mounted} mounts, {campaign.Writable} writable, longest {campaign.Longest.TotalMilliseconds:F0} ms, {campaign.LongestProcessorTime.TotalMilliseconds:F0} ms of processor time");
        string failures = string.Join('\n', campaign.Failures);
        Assert.True(failures.Length == 0, $"WINLOOP_HOSTILE_SEED={seed}\n{failures}");
        Assert.True(campaign.Mounted > 0);
    }

    private static long Number(string variable, long otherwise) =>
        long.TryParse(Environment.GetEnvironmentVariable(variable), out long value) ? value : otherwise;
}
