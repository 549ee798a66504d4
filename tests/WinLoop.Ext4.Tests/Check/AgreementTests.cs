using WinLoop.Ext4.Check;
using WinLoop.Ext4.Tests.Hostile;
using WinLoop.TestKit;

namespace WinLoop.Ext4.Tests.Check;

/// <summary>The checker and e2fsck say the same of clean and of damaged images. WINLOOP_CHECK_IMAGES sets how many,
/// WINLOOP_CHECK_SEED where to begin.</summary>
public class AgreementTests(ITestOutputHelper output)
{
    private const int DefaultImages = 300;

    [Fact]
    public void Seeds_are_clean_for_both()
    {
        Shell.Require("mkfs.ext4", "e2fsck");
        string path = Path.GetTempFileName();
        var session = new CheckSession();
        try
        {
            foreach (HostileSeed seed in CheckCorpus.Make())
            {
                CheckReport report = session.Check(new HostileDevice(seed.Image) { IsReadOnly = true });
                Assert.True(report.IsClean, $"{seed.Name}: {string.Join("; ", report.Findings)}");
                Assert.DoesNotContain(report.Findings, f => f.Severity == FindingSeverity.Note && f.Code is not (FindingCode.NeedsRecovery or FindingCode.NotUnmounted));
                File.WriteAllBytes(path, seed.Image);
                FsckVerdict verdict = Fsck.Judge(path, report.NeedsRecovery, out string said);
                Assert.True((verdict == FsckVerdict.Clean) == report.IsSpotless, $"{seed.Name}: e2fsck {verdict}\n{said}\n{string.Join('\n', report.Findings)}");
            }
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Fact]
    public void Damaged_images_are_judged_alike()
    {
        Shell.Require("mkfs.ext4", "e2fsck");
        int images = int.TryParse(Environment.GetEnvironmentVariable("WINLOOP_CHECK_IMAGES"), out int given) ? given : DefaultImages;
        int first = int.TryParse(Environment.GetEnvironmentVariable("WINLOOP_CHECK_SEED"), out int start) ? start : 1;
        output.WriteLine($"seeds {first}..{first + images - 1}");
        List<HostileSeed> seeds = CheckCorpus.Make();
        var campaign = seeds.Select(s => (s.Name, Device: new HostileDevice(s.Image), Map: new ImageMap(s.Image))).ToArray();
        string path = Path.GetTempFileName();
        var session = new CheckSession();
        var differences = new List<Difference>();
        int clean = 0, damaged = 0, unsupported = 0, hung = 0;
        try
        {
            for (int i = first; i < first + images; i++)
            {
                (string name, HostileDevice device, ImageMap map) = campaign[i % campaign.Length];
                device.Restore();
                var mutator = new ImageMutator(map);
                mutator.Mutate(device, new Random(i));
                device.IsReadOnly = true;
                CheckReport report;
                try
                {
                    report = session.Check(device);
                }
                catch (Ext4NotSupportedException)
                {
                    unsupported++;
                    continue;
                }
                Assert.Equal(0, device.Changes);
                File.WriteAllBytes(path, device.Bytes.AsSpan(0, (int)device.Length));
                FsckVerdict verdict = Fsck.Judge(path, report.NeedsRecovery, out string said);
                hung += verdict == FsckVerdict.Hung ? 1 : 0;
                clean += verdict == FsckVerdict.Clean ? 1 : 0;
                damaged += verdict == FsckVerdict.Damaged ? 1 : 0;
                if (verdict != FsckVerdict.Hung && (verdict == FsckVerdict.Clean) != report.IsSpotless)
                {
                    differences.Add(new Difference(i, name, verdict, report.Findings, string.Join(", ", mutator.Log), said));
                }
            }
        }
        finally
        {
            File.Delete(path);
        }
        output.WriteLine($"{images} images: e2fsck calls {clean} clean and {damaged} damaged, {hung} hung, {unsupported} unsupported here; {differences.Count} differ");
        foreach (IGrouping<string, Difference> group in differences.GroupBy(d => d.Class).OrderByDescending(g => g.Count()))
        {
            output.WriteLine($"== {group.Count()} x {group.Key}{(KnownDifferences.Explains(group.First()) ? " (known)" : "")}");
            foreach (Difference d in group.Take(4))
            {
                output.WriteLine($"   {d.Seed} {d.Image}: {d.Mutations}\n      we: {string.Join("; ", d.Findings)}\n      e2fsck: {d.Said.Replace('\n', '|')}");
            }
        }
        Assert.DoesNotContain(differences, d => !KnownDifferences.Explains(d));
    }
}

/// <summary>An image on which the verdicts differ.</summary>
internal sealed record Difference(int Seed, string Image, FsckVerdict Verdict, IReadOnlyList<Finding> Findings, string Mutations, string Said)
{
    public string Class => Verdict == FsckVerdict.Clean
        ? "only we object: " + string.Join(",", Findings.Where(f => f.Severity != FindingSeverity.Note).Select(f => f.Code).Distinct())
        : "only e2fsck objects";
}

/// <summary>Where the verdicts may differ; docs/check.md explains each.</summary>
internal static class KnownDifferences
{
    private static readonly HashSet<FindingCode> s_stricter =
        [FindingCode.ResizeInode, FindingCode.ExtentDepth, FindingCode.JournalSuperblock, FindingCode.OrphanList, FindingCode.HtreeHash];

    public static bool Explains(Difference difference) => difference.Verdict == FsckVerdict.Damaged
        ? difference.Findings.Any(f => f.Code == FindingCode.LinkOverflow) : IsStricter(difference);

    private static bool IsStricter(Difference difference) =>
        // A journal that cannot be replayed is thrown away by e2fsck before it looks; what the volume is then like
        // depends on what was in it.
        (difference.Findings.Any(f => f.Code == FindingCode.RecoveryFailed) ||
        // It also takes a damaged journal inode from its copy in the superblock, if there is something to replay.
        (difference.Findings.Any(f => f.Code == FindingCode.NeedsRecovery) && difference.Findings.Any(f => f is { Pass: 1, Inode: 8 } or { Code: FindingCode.JournalInode })) ||
        difference.Findings.Where(f => f.Severity != FindingSeverity.Note).All(f => s_stricter.Contains(f.Code)));
}
