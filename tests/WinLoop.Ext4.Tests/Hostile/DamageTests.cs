using System.Collections.Concurrent;
using WinLoop.Ext4.Check;
using WinLoop.Ext4.Tests.Check;
using WinLoop.TestKit;

namespace WinLoop.Ext4.Tests.Hostile;

/// <summary>
/// Work in a damaged image that can be mounted writable makes nothing worse: content is written to no system block, writing
/// stops at the first damage that is met, and what is found afterwards was there before, or follows from damage that passes every
/// local check. WINLOOP_DAMAGE_IMAGES sets how many, WINLOOP_DAMAGE_SEED the seed.
/// </summary>
public sealed class DamageTests(ITestOutputHelper output)
{
    /// <summary>One image in so many goes to e2fsck, too.</summary>
    private const int FsckEvery = 25;

    [Fact]
    public void Work_in_a_damaged_image_damages_nothing_that_was_sound()
    {
        Shell.Require("mkfs.ext4", "e2fsck");
        int seed = Number("WINLOOP_DAMAGE_SEED", Environment.TickCount & 0xFFFFFF), images = Number("WINLOOP_DAMAGE_IMAGES", 3000);
        output.WriteLine($"WINLOOP_DAMAGE_SEED={seed}");
        List<HostileSeed> seeds = HostileCorpus.Make();
        string folder = Directory.CreateTempSubdirectory("winloop-damage-").FullName;
        var outcomes = new ConcurrentBag<DamageOutcome>();
        var disagreements = new ConcurrentBag<string>();
        int judged = 0;
        try
        {
            Parallel.For(0, images, () => new DamageExecutor(seeds), (i, _, executor) =>
            {
                bool isJudged = i % FsckEvery == 0;
                string path = Path.Combine(folder, $"{i}.img");
                FsckVerdict before = FsckVerdict.Hung;
                string saidBefore = "";
                DamageOutcome? outcome = executor.Run(seed, i, !isJudged ? null : (bytes, needsRecovery) =>
                {
                    File.WriteAllBytes(path, bytes);
                    before = Fsck.Judge(path, needsRecovery, out saidBefore);
                });
                if (outcome is not null)
                {
                    outcomes.Add(outcome);
                    if (isJudged && before != FsckVerdict.Hung)
                    {
                        Interlocked.Increment(ref judged);
                        File.WriteAllBytes(path, executor.Device.Bytes.AsSpan(0, (int)executor.Device.Length));
                        FsckVerdict after = Fsck.Judge(path, executor.NeedsRecovery, out string said);
                        if (before == FsckVerdict.Clean && after == FsckVerdict.Damaged && outcome.Before.All(f => f.Severity == FindingSeverity.Note))
                        {
                            disagreements.Add($"{i} {outcome.Image} {outcome.Mutations}: clean before, then {said}");
                        }
                    }
                }
                File.Delete(path);
                return executor;
            }, _ => { });
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
        DamageOutcome[] unexplained = [.. outcomes.Where(o => o.Fresh.Any(f => !KnownConsequences.Explain(o.Before, f)))];
        output.WriteLine($"{images} images, {outcomes.Count} written to, {outcomes.Count(o => o.Fresh.Count > 0)} with consequences, {judged} judged by e2fsck before and after");
        Assert.True(outcomes.Count > images / 4);
        Assert.True(judged > images / FsckEvery / 4);
        Assert.True(unexplained.Length == 0, $"WINLOOP_DAMAGE_SEED={seed}\n" + string.Join('\n', unexplained.Take(5).Select(o =>
            $"{o.Number} {o.Image} {o.Mutations}\n  before: {string.Join("; ", o.Before)}\n  new: {string.Join("; ", o.Fresh)}")));
        DamageOutcome[] wrong = [.. outcomes.Where(o => o.Wrong is not null)];
        Assert.True(wrong.Length == 0, $"WINLOOP_DAMAGE_SEED={seed}\n" + string.Join('\n', wrong.Take(5).Select(o => $"{o.Number} {o.Image} {o.Mutations}: {o.Wrong}")));
        Assert.True(disagreements.IsEmpty, $"WINLOOP_DAMAGE_SEED={seed}\n" + string.Join('\n', disagreements.Take(5)));
    }

    private static int Number(string variable, int otherwise) =>
        int.TryParse(Environment.GetEnvironmentVariable(variable), out int value) ? value : otherwise;
}
