using System.Diagnostics;
using WinLoop.Storage;
using WinLoop.TestKit;

namespace WinLoop.CrashTests;

/// <summary>
/// The power is cut at every write of some thousand workloads, in any order that the flushes allow, with torn sectors.
/// See docs/crash-safety.md for the settings and how to run it for hours.
/// </summary>
public sealed class CampaignTests(ITestOutputHelper output)
{
    [Fact]
    public void No_state_breaks_a_promise()
    {
        Shell.RequireLoopMounts();
        CrashSettings settings = CrashSettings.FromEnvironment();
        var statistics = new CrashStatistics();
        var watch = Stopwatch.StartNew();
        var campaign = new Campaign(settings, statistics, useKernel: true);
        CrashFailure? failure = campaign.Run(settings.IsFull ? Catalog.Full(settings.Seed) : Catalog.Standard(settings.Seed));
        TimeSpan standard = watch.Elapsed;
        if (failure is null && settings.Hours > 0)
        {
            failure = campaign.Run(Catalog.Endless(settings.Seed), null, TimeSpan.FromHours(settings.Hours) - watch.Elapsed);
        }
        output.WriteLine($"seed {settings.Seed}: {statistics}\n{standard.TotalSeconds:f0} s for the standard workloads, {watch.Elapsed.TotalSeconds:f0} s in all, {settings.Threads} threads");
        if (failure is not null)
        {
            CrashFailure smallest = new Shrinker(null, TimeSpan.FromSeconds(60)).Shrink(failure);
            Assert.Fail(CrashReplay.Report(smallest) + "\nBefore it was shrunk:\n" + CrashReplay.Report(failure));
        }
        if (settings == new CrashSettings { Seed = settings.Seed, Threads = settings.Threads, Hours = settings.Hours, IsFull = settings.IsFull })
        {
            AssertReach(statistics);
        }
    }

    // A test that judges less than it says is worse than none.
    private static void AssertReach(CrashStatistics statistics)
    {
        Assert.True(statistics.DistinctStates >= 100_000, $"only {statistics.DistinctStates} different states");
        Assert.True(statistics.Workloads >= 500, $"only {statistics.Workloads} workloads");
        Assert.All(Enum.GetValues<WriteTag>(), tag => Assert.True(statistics.CutsOf(tag) >= 1000, $"{tag} was cut in {statistics.CutsOf(tag)} states only"));
        Assert.True(statistics.Fsck * 100 >= statistics.DistinctStates * 9L, $"e2fsck judged {statistics.Fsck}");
        Assert.True(statistics.Kernel * 1000 >= statistics.DistinctStates * 17L, $"the kernel judged {statistics.Kernel}");
    }
}
