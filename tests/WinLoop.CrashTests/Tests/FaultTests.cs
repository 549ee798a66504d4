using System.Diagnostics;
using WinLoop.TestKit;

namespace WinLoop.CrashTests;

/// <summary>
/// Every single read, write and flush of a workload fails in every way a device can, once and from then on. WINLOOP_FAULTS_FULL=1
/// runs every workload on every image; else each image has the standard workload or a part of the special ones.
/// </summary>
public sealed class FaultTests(ITestOutputHelper output)
{
    private static readonly bool s_isFull = Environment.GetEnvironmentVariable("WINLOOP_FAULTS_FULL") == "1";

    // What writes differently enough to be looked at whole in every build.
    private static readonly string[] s_images = ["1k", "1k-nocsum", "1k-orphanfile", "1k-groups", "1k-discard", "4k", "1k-nojournal", "4k-nojournal"];

    public static TheoryData<string> Images =>
        s_isFull ? [.. CrashImage.Kinds.Concat(CrashImage.WithoutJournal).Select(k => k.Name)] : [.. s_images];

    public static TheoryData<string, string> Families
    {
        get
        {
            var data = new TheoryData<string, string>();
            foreach (string image in s_isFull ? CrashImage.Kinds.Select(k => k.Name) : ["1k", "4k-orphanfile"])
            {
                foreach (string family in (string[])["wrap", "revoke", "orphans", "truncates", "big", "full", "windows"])
                {
                    data.Add(image, family);
                }
            }
            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Images))]
    public void Every_fault_at_every_operation_ends_as_promised(string name) =>
        Run(new FaultStart(CrashImage.Get(name)), StandardWorkload.Operations, FaultKind.Honest());

    [Theory]
    [InlineData("1k")]
    [InlineData("1k-nocsum")]
    [InlineData("4k-orphanfile")]
    public void Every_fault_inside_recovery_ends_as_promised(string name) =>
        Run(new FaultStart(CrashImage.Get(name), StandardWorkload.Left, isCrashed: true), ["read A/x", "append A/x 10 50", "fsync A/x"], FaultKind.Honest());

    // A log that wraps, revoked blocks, orphans, truncates over several transactions, a transaction that fills the log, a full
    // volume: longer workloads, so in the run of every build only some of their operations fail.
    [Theory]
    [MemberData(nameof(Families))]
    public void Faults_in_every_part_of_the_engine_end_as_promised(string image, string family)
    {
        foreach (CrashWorkload workload in Catalog.Specials(1).Where(w => w.Image == image && w.Family == family).Take(s_isFull ? 9 : 1))
        {
            Run(new FaultStart(CrashImage.Get(image), workload.WarmUp.Where(o => o != "remount"), isCrashed: false),
                [.. workload.Operations.Where(o => o != "remount")], FaultKind.Honest().Where(k => !k.IsHarmless), most: s_isFull ? int.MaxValue : 8);
        }
    }

    // What a device that lies about flushes costs. With the power on, nothing; without, what it had promised. Where the journal's
    // checksums show that a transaction lacks its blocks, the mount is refused; a lost tail of the journal and lost content
    // cannot be seen by anybody. The table that it prints is the one in docs/crash-safety.md.
    [Theory]
    [InlineData("1k")]
    [InlineData("4k")]
    [InlineData("1k-nocsum")]
    public void A_flush_that_lies_costs_nothing_until_the_power_goes(string name)
    {
        Shell.Require("mkfs.ext4", "dumpe2fs", "e2fsck");
        var watch = Stopwatch.StartNew();
        CrashImage image = CrashImage.Get(name);
        var lies = new LyingFlush(new FaultStart(image), StandardWorkload.Operations);
        foreach (FaultKind kind in FaultKind.Lying())
        {
            lies.Run(kind, most: s_isFull ? 100 : 20);
        }
        output.WriteLine($"{name}, {watch.Elapsed.TotalSeconds:f1} s, states by what was lost:\n{lies}");
        Assert.True(lies.Of(LyingFlush.Fate.Lost) > 0, "nothing was ever lost: the test does not cut");
        Assert.True(lies.Of(LyingFlush.Fate.Refused) > 0, "no lie was ever seen");
        if (image.HasChecksums)
        {
            Assert.Equal(0, lies.Of(LyingFlush.HalfTransaction, LyingFlush.Fate.Lost) + lies.Of(LyingFlush.HalfTransaction, LyingFlush.Fate.FoundByCheck));
        }
    }

    private void Run(FaultStart start, string[] operations, IEnumerable<FaultKind> kinds, int most = int.MaxValue)
    {
        Shell.Require("mkfs.ext4", "dumpe2fs", "e2fsck");
        var watch = Stopwatch.StartNew();
        var campaign = new FaultCampaign(start, operations);
        campaign.Run(kinds, most);
        output.WriteLine($"{start.Image.Name}: {campaign.Statistics}, {watch.Elapsed.TotalSeconds:f1} s");
        Assert.True(!campaign.Violations.Any(), string.Join("\n\n", campaign.Violations));
    }
}
