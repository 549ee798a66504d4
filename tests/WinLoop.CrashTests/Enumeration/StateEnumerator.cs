using WinLoop.Storage;

namespace WinLoop.CrashTests;

/// <summary>How thoroughly the states of an epoch are enumerated.</summary>
/// <param name="Exhaustive">All subsets of an epoch of up to this many changes.</param>
/// <param name="Random">Random subsets of a longer one.</param>
internal readonly record struct EnumerationLimits(int Exhaustive = 12, int Random = 64);

/// <summary>The states that a power cut in an epoch may leave. The same epoch and seed give the same states in the
/// same order; duplicates are found by the hash of the image, not here.</summary>
internal static class StateEnumerator
{
    private static readonly TearPattern[] s_patterns = [TearPattern.Prefix, TearPattern.Suffix, TearPattern.Even, TearPattern.Odd, TearPattern.Random];

    public static IEnumerable<CrashState> Enumerate(Epoch epoch, int seed, EnumerationLimits limits)
    {
        int count = epoch.Changes.Count;
        return (count <= limits.Exhaustive ? AllSubsets(epoch) : SomeSubsets(epoch, seed, limits.Random)).Concat(Torn(epoch, seed));
    }

    private static IEnumerable<CrashState> AllSubsets(Epoch epoch)
    {
        int count = epoch.Changes.Count;
        for (int bits = 0; bits < 1 << count; bits++)
        {
            yield return Of(epoch, i => (bits >> i & 1) != 0);
        }
    }

    private static IEnumerable<CrashState> SomeSubsets(Epoch epoch, int seed, int randoms)
    {
        int count = epoch.Changes.Count;
        for (int length = 0; length <= count; length++)
        {
            yield return Of(epoch, i => i < length);
        }
        for (int one = 0; one < count; one++)
        {
            yield return Of(epoch, i => i != one);
            yield return Of(epoch, i => i == one);
        }
        foreach (WriteTag tag in epoch.Changes.Select(c => c.Tag).Distinct())
        {
            yield return Of(epoch, i => epoch.Changes[i].Tag != tag);
            yield return Of(epoch, i => epoch.Changes[i].Tag == tag);
        }
        var random = new Random(HashCode(seed, epoch.Number));
        for (int k = 0; k < randoms; k++)
        {
            int share = random.Next(1, 8);
            bool[] keeps = [.. Enumerable.Range(0, count).Select(_ => random.Next(8) < share)];
            yield return Of(epoch, i => keeps[i]);
            // Two missing: what a single reordering leaves.
            int a = random.Next(count), b = random.Next(count);
            yield return Of(epoch, i => i != a && i != b);
        }
    }

    // Each write of several sectors torn, as the last one to be written, alone, and with all others there.
    private static IEnumerable<CrashState> Torn(Epoch epoch, int seed)
    {
        int count = epoch.Changes.Count;
        var random = new Random(HashCode(seed, epoch.Number + 7919));
        for (int torn = 0; torn < count; torn++)
        {
            foreach (int unit in (int[])[512, 4096])
            {
                if (!Tear.IsPossible(epoch.Changes[torn], unit))
                {
                    continue;
                }
                foreach (TearPattern pattern in s_patterns)
                {
                    var tear = new Tear(pattern, unit, pattern == TearPattern.Random ? random.Next(1 << 16) : 0);
                    yield return With(epoch, torn, tear, i => i < torn);
                    if (torn < count - 1)
                    {
                        yield return With(epoch, torn, tear, _ => true);
                    }
                    if (torn > 0)
                    {
                        yield return With(epoch, torn, tear, _ => false);
                    }
                }
            }
        }
    }

    private static CrashState Of(Epoch epoch, Func<int, bool> keeps) =>
        new(epoch.Number, [.. Enumerable.Range(0, epoch.Changes.Count).Where(keeps).Select(i => new Kept(i, default))]);

    private static CrashState With(Epoch epoch, int torn, Tear tear, Func<int, bool> keeps) =>
        new(epoch.Number, [.. Enumerable.Range(0, epoch.Changes.Count).Where(i => i == torn || keeps(i)).Select(i => new Kept(i, i == torn ? tear : default))]);

    private static int HashCode(int seed, int number) => unchecked((seed * 486187739) ^ (number * 16777619));
}
