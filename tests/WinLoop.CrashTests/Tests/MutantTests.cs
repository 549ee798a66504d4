using WinLoop.TestKit;

namespace WinLoop.CrashTests;

/// <summary>The crash test catches what it is there to catch: an engine with each of these defects fails it.</summary>
public sealed class MutantTests(ITestOutputHelper output)
{
    public static TheoryData<string> Names => [.. Mutant.Names];

    [Theory]
    [MemberData(nameof(Names))]
    public void A_defect_is_caught(string name)
    {
        Shell.Require("mkfs.ext4", "dumpe2fs", "e2fsck");
        var settings = new CrashSettings { FsckEvery = 0, AgainEvery = 0, Threads = 1 };
        var statistics = new CrashStatistics();
        // Without e2fsck and the kernel: the first judge alone has to see it.
        CrashFailure? failure = new Campaign(settings, statistics, useKernel: false).Run(Catalog.Specials(1).Concat(Catalog.Singles(1)), () => new Mutant(name));
        Assert.True(failure is not null, $"{name} was not caught in {statistics.DistinctStates} states of {statistics.Workloads} workloads");
        output.WriteLine($"caught after {statistics.DistinctStates} states of {statistics.Workloads + 1} workloads: {failure.Message}");
        CrashFailure smallest = new Shrinker(() => new Mutant(name), TimeSpan.FromSeconds(10)).Shrink(failure);
        output.WriteLine(CrashReplay.Report(smallest, name));
        Assert.True(smallest.Workload.Operations.Length <= failure.Workload.Operations.Length);
    }
}
