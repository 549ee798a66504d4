using WinLoop.Ext4.Check;
using WinLoop.Ext4.Check.Repair;
using WinLoop.Ext4.Tests.Hostile;
using WinLoop.TestKit;

namespace WinLoop.Ext4.Tests.Check;

/// <summary>A repair ends in an image that both checkers call clean, or in the image as it was.
/// WINLOOP_REPAIR_IMAGES sets how many, WINLOOP_CHECK_SEED where to begin.</summary>
public class RepairTests(ITestOutputHelper output)
{
    private const int DefaultImages = 200;

    [Fact]
    public void Repaired_images_are_clean_and_others_untouched()
    {
        Shell.Require("mkfs.ext4", "e2fsck");
        int images = int.TryParse(Environment.GetEnvironmentVariable("WINLOOP_REPAIR_IMAGES"), out int given) ? given : DefaultImages;
        int first = int.TryParse(Environment.GetEnvironmentVariable("WINLOOP_CHECK_SEED"), out int start) ? start : 1;
        output.WriteLine($"seeds {first}..{first + images - 1}");
        var campaign = CheckCorpus.Make().Select(s => (s.Name, Device: new HostileDevice(s.Image), Map: new ImageMap(s.Image))).ToArray();
        string path = Path.GetTempFileName();
        int sound = 0, repaired = 0, left = 0;
        var wrong = new List<string>();
        var reasons = new Dictionary<string, int>();
        try
        {
            for (int i = first; i < first + images; i++)
            {
                (string name, HostileDevice device, ImageMap map) = campaign[i % campaign.Length];
                device.Restore();
                var mutator = new ImageMutator(map);
                mutator.Mutate(device, new Random(i));
                byte[] before = device.Bytes.AsSpan(0, (int)device.Length).ToArray();
                int changes = device.Changes;
                RepairReport report;
                try
                {
                    report = Ext4Repair.Repair(device, new RepairOptions { MayDiscard = i % 3 != 0 });
                }
                catch (Ext4NotSupportedException)
                {
                    continue;
                }
                string where = $"{i} {name}: {string.Join(", ", mutator.Log)}\n  did: {string.Join("; ", report.Actions)}\n  before: {string.Join("; ", report.Before.Findings)}";
                if (!report.IsRepaired)
                {
                    sound += report.Before.IsSpotless && !report.Before.NeedsRecovery ? 1 : 0;
                    left += report.Before.IsSpotless && !report.Before.NeedsRecovery ? 0 : 1;
                    if (!report.After.IsSpotless)
                    {
                        string reason = string.Join(",", report.After.Findings.Where(f => f.Severity == FindingSeverity.Error).Select(f => f.Code).Distinct().Take(3));
                        reasons[reason] = reasons.GetValueOrDefault(reason) + 1;
                    }
                    if (device.Changes != changes || !before.AsSpan().SequenceEqual(device.Bytes.AsSpan(0, (int)device.Length)))
                    {
                        wrong.Add("changed without a repair: " + where);
                    }
                    continue;
                }
                repaired++;
                CheckReport after = Ext4Checker.Check(device);
                File.WriteAllBytes(path, device.Bytes.AsSpan(0, (int)device.Length));
                FsckVerdict verdict = Fsck.Judge(path, needsRecovery: false, out string said);
                if (!after.IsSpotless || after.NeedsRecovery || verdict != FsckVerdict.Clean)
                {
                    wrong.Add($"{where}\n  e2fsck {verdict}: {said.Replace('\n', '|')}\n  we: {string.Join("; ", after.Findings)}");
                }
            }
        }
        finally
        {
            File.Delete(path);
        }
        output.WriteLine($"{sound} needed nothing, {repaired} repaired, {left} left as they were");
        foreach ((string reason, int count) in reasons.OrderByDescending(r => r.Value).Take(25))
        {
            output.WriteLine($"  {count} x {reason}");
        }
        Assert.True(wrong.Count == 0, $"{wrong.Count} wrong:\n" + string.Join("\n", wrong.Take(8)));
    }
}
