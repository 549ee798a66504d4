using System.Diagnostics;
using WinLoop.TestKit;

namespace WinLoop.CrashTests;

/// <summary>Every single read, write and flush of a workload fails in every way a device can, once and from then on.</summary>
public sealed class FaultTests(ITestOutputHelper output)
{
    [Theory]
    [InlineData("1k")]
    [InlineData("1k-nocsum")]
    [InlineData("1k-orphanfile")]
    [InlineData("4k")]
    [InlineData("1k-nojournal")]
    [InlineData("4k-nojournal")]
    public void Every_fault_at_every_operation_ends_as_promised(string name) =>
        Run(new FaultStart(CrashImage.Get(name)), StandardWorkload.Operations);

    [Theory]
    [InlineData("1k")]
    [InlineData("4k-orphanfile")]
    public void Every_fault_inside_recovery_ends_as_promised(string name) =>
        Run(new FaultStart(CrashImage.Get(name), StandardWorkload.Left), ["read A/x", "append A/x 10 50", "fsync A/x"]);

    private void Run(FaultStart start, string[] operations)
    {
        Shell.Require("mkfs.ext4", "dumpe2fs", "e2fsck");
        var watch = Stopwatch.StartNew();
        var campaign = new FaultCampaign(start, operations);
        campaign.Run(FaultKind.Honest());
        output.WriteLine($"{start.Image.Name}: {campaign.Statistics}, {watch.Elapsed.TotalSeconds:f1} s");
        Assert.True(!campaign.Violations.Any(), string.Join("\n\n", campaign.Violations));
    }
}
