using WinLoop.Ext4.Check;
using WinLoop.Ext4.Tests.Hostile;

namespace WinLoop.Ext4.Tests.Check;

/// <summary>The classes of findings are all produced by some damage, and no damage makes the checker throw.</summary>
public class FindingCoverageTests(ITestOutputHelper output)
{
    private const int ImagesPerSeed = 600;

    private static readonly FindingCode[] s_rare =
    [
        FindingCode.ReadError, FindingCode.NotChecked, FindingCode.InodeTime, FindingCode.ExtentState, FindingCode.EmptyDirectory,
        FindingCode.LinkOverflow,
    ];

    [Fact]
    public void Damage_produces_the_classes_and_no_exception()
    {
        var seen = new HashSet<FindingCode>();
        var session = new CheckSession();
        foreach (HostileSeed seed in CheckCorpus.Make())
        {
            var device = new HostileDevice(seed.Image);
            var map = new ImageMap(seed.Image);
            for (int i = 0; i < ImagesPerSeed; i++)
            {
                device.Restore();
                var mutator = new ImageMutator(map);
                mutator.Mutate(device, new Random(i));
                device.IsReadOnly = true;
                try
                {
                    foreach (Finding finding in session.Check(device).Findings)
                    {
                        seen.Add(finding.Code);
                    }
                }
                catch (Ext4NotSupportedException)
                {
                    // Refused by name.
                }
                catch (Exception e)
                {
                    Assert.Fail($"{seed.Name}, {i}: {string.Join(", ", mutator.Log)}: {e}");
                }
                Assert.Equal(0, device.Changes);
            }
        }
        FindingCode[] missing = [.. Enum.GetValues<FindingCode>().Where(code => !seen.Contains(code))];
        output.WriteLine("not produced: " + string.Join(", ", missing));
        // These take a failing device, quota, or damage that a mutation of a field or two does not come upon.
        int unexpected = missing.Count(code => !s_rare.Contains(code));
        Assert.True(unexpected <= 4, string.Join(", ", missing)); // the images have random parts
    }
}
