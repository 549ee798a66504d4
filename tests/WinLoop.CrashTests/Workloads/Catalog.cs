namespace WinLoop.CrashTests;

/// <summary>The workloads of a campaign: all short sequences, samples of longer ones, and those made for one part of
/// the engine each. The same seed gives the same workloads in the same order.</summary>
internal static class Catalog
{
    // Of the feature sets those that differ most; on the others a run that is not full samples.
    private static readonly string[] s_whole = ["1k", "4k-orphanfile"];
    private const int SinglesSampled = 12;

    /// <summary>What every run judges: the families, short sequences (all of one deed on two images, one in twelve on the
    /// others), and samples of longer ones.</summary>
    public static IEnumerable<CrashWorkload> Standard(int seed) =>
        Specials(seed).Concat(Singles(seed).Where((w, i) => s_whole.Contains(w.Image) || (i + seed) % SinglesSampled == 0))
            .Concat(Sampled(seed, pairs: 14, triples: 5, randoms: 2));

    /// <summary>All sequences of one deed on every image, and every pair on two images.</summary>
    public static IEnumerable<CrashWorkload> Full(int seed) => Specials(seed).Concat(Singles(seed)).Concat(Pairs(seed))
        .Concat(Sampled(seed, pairs: 60, triples: 12, randoms: 3));

    /// <summary>What a long run goes on with: more of everything that is sampled, for ever.</summary>
    public static IEnumerable<CrashWorkload> Endless(int seed)
    {
        for (int round = 1; ; round++)
        {
            int roundSeed = unchecked((seed * 7919) + round);
            foreach (CrashWorkload workload in Sampled(roundSeed, pairs: 400, triples: 200, randoms: 30).Concat(Specials(roundSeed)))
            {
                yield return workload;
            }
        }
    }

    /// <summary>Each deed with each kind of persistence on each image.</summary>
    public static IEnumerable<CrashWorkload> Singles(int seed) =>
        from image in CrashImage.Kinds
        from deed in Vocabulary.Deeds
        from persistence in Vocabulary.Persistences
        select new CrashWorkload("one", image.Name, seed, [], [.. Vocabulary.Lines(deed, persistence, 11)]);

    private static IEnumerable<CrashWorkload> Pairs(int seed) =>
        from image in s_whole
        from first in Vocabulary.Deeds
        from second in Vocabulary.Deeds
        from persistence in Vocabulary.Persistences
        select new CrashWorkload("two", image, seed, [], [.. Vocabulary.Lines(first, "none", 21), .. Vocabulary.Lines(second, persistence, 22)]);

    private static IEnumerable<CrashWorkload> Sampled(int seed, int pairs, int triples, int randoms)
    {
        var random = new Random(seed);
        foreach ((string image, _, _) in CrashImage.Kinds)
        {
            for (int i = 0; i < pairs + triples; i++)
            {
                int length = i < pairs ? 2 : 3;
                string[] lines = [.. Enumerable.Range(0, length).SelectMany(n => Vocabulary.Lines(Pick(random, Vocabulary.Deeds),
                    Pick(random, Vocabulary.Persistences), 21 + n))];
                yield return new CrashWorkload(length == 2 ? "two" : "three", image, random.Next(), [], lines);
            }
            for (int i = 0; i < randoms; i++)
            {
                yield return new CrashWorkload("random", image, random.Next(), [], [.. RandomDeeds(random, 25)]);
            }
        }
    }

    private static T Pick<T>(Random random, T[] from) => from[random.Next(from.Length)];

    // More of the namespace is in use, deeds repeat, and what cannot be done is just refused.
    private static IEnumerable<string> RandomDeeds(Random random, int count)
    {
        string[] files = ["A/x", "A/y", "A/z", "B/x", "B/y", "A/d/f"];
        for (int i = 0; i < count; i++)
        {
            string file = Pick(random, files), other = Pick(random, files);
            string line = random.Next(14) switch
            {
                0 => $"create {file}",
                1 => $"write {file} {random.Next(12_000)} {random.Next(1, 6_000)} {100 + i}",
                2 => $"append {file} {random.Next(1, 9_000)} {100 + i}",
                3 => $"truncate {file} {random.Next(12_000)}",
                4 => $"falloc {file} {random.Next(8_000)} {random.Next(1, 20_000)}",
                5 => $"punch {file} {random.Next(8_000)} {random.Next(1, 8_000)}",
                6 => $"rename {file} {other}",
                7 => $"link {file} {other}",
                8 => $"unlink {file}",
                9 => random.Next(2) == 0 ? "mkdir A/d" : "rmdir A/d",
                10 => $"setxattr {file} user.{(char)('a' + random.Next(3))} {random.Next(1, 900)} {100 + i}",
                _ => "",
            };
            foreach (string l in line.Length > 0 ? [line] : Vocabulary.Lines(Pick(random, Vocabulary.Deeds), "none", 100 + i))
            {
                yield return l;
            }
            if (random.Next(4) == 0)
            {
                yield return random.Next(5) switch { 0 => "sync", 1 => $"fdatasync {file}", 2 => "fsync A", 3 => "remount", _ => $"fsync {file}" };
            }
        }
    }

    /// <summary>Each family on each image.</summary>
    public static IEnumerable<CrashWorkload> Specials(int seed)
    {
        foreach ((string image, _, string options) in CrashImage.Kinds)
        {
            var random = new Random(seed);
            int blockSize = options.Contains("4096", StringComparison.Ordinal) ? 4096 : options.Contains("2048", StringComparison.Ordinal) ? 2048 : 1024;
            yield return new CrashWorkload("wrap", image, seed, [.. SpecialFamilies.Fillers(random, 95 + random.Next(30))], [.. SpecialFamilies.SmallCommits(random, 30)]);
            yield return new CrashWorkload("wrap", image, seed, [.. SpecialFamilies.Fillers(random, 40)], [.. SpecialFamilies.SmallCommits(random, 40)]);
            yield return new CrashWorkload("revoke", image, seed, [.. SpecialFamilies.LittleRoom(image)], [.. SpecialFamilies.Revokes(blockSize)]);
            yield return new CrashWorkload("revoke", image, seed, [.. SpecialFamilies.LittleRoom(image)], [.. SpecialFamilies.RevokedNodes(blockSize)]);
            yield return new CrashWorkload("orphans", image, seed, [], [.. SpecialFamilies.Orphans()]);
            yield return new CrashWorkload("truncates", image, seed, [.. SpecialFamilies.Scattered(blockSize, 300)], [.. SpecialFamilies.Truncates(blockSize)]);
            yield return new CrashWorkload("big", image, seed, [], [.. SpecialFamilies.BigTransaction(90)]);
            yield return new CrashWorkload("full", image, seed, [.. SpecialFamilies.LittleRoom(image)], [.. SpecialFamilies.OutOfSpace(random, blockSize)]);
            yield return new CrashWorkload("suspend", image, seed, [], [.. SpecialFamilies.Suspends(random)]);
            yield return new CrashWorkload("windows", image, seed, [], [.. SpecialFamilies.Windows()]);
        }
    }
}
