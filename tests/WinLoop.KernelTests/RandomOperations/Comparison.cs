using WinLoop.TestKit;
using WinLoop.TestKit.FileSystems;

namespace WinLoop.KernelTests.RandomOperations;

/// <summary>Runs the same random steps on several file systems and compares answers and trees with the last one's.</summary>
internal static class Comparison
{
    /// <summary>Steps between two comparisons of the whole trees; every other one comes after a remount.</summary>
    private const int Checkpoint = 1000;

    /// <summary>WINLOOP_RANDOM_OPERATIONS, or what is usual for a test.</summary>
    public static int Steps(int usual) => int.TryParse(Environment.GetEnvironmentVariable("WINLOOP_RANDOM_OPERATIONS"), out int n) ? n : usual;

    /// <summary>WINLOOP_RANDOM_SEED, or a new one.</summary>
    public static int Seed() => int.TryParse(Environment.GetEnvironmentVariable("WINLOOP_RANDOM_SEED"), out int n) ? n : Environment.TickCount & 0xFFFFFF;

    /// <summary>Runs the steps; fails with the last ones at the first difference.</summary>
    public static void Run(OperationGenerator generator, IFileSystem[] systems, int steps)
    {
        string names = string.Join(", ", systems.Select(s => s.GetType().Name));
        var history = new Queue<string>();
        for (int i = 0; i < steps; i++)
        {
            (string step, int[] errors, byte[][] data) = generator.Next(systems);
            history.Enqueue($"{i}: {step} -> {string.Join(",", errors)}");
            if (history.Count > 25)
            {
                history.Dequeue();
            }
            bool areEqual = errors.All(e => e == errors[^1]) && data.All(d => d.AsSpan().SequenceEqual(data[^1]));
            Assert.True(areEqual, $"{names} differ; the last steps:\n{string.Join('\n', history)}");
            if ((i + 1) % Checkpoint == 0)
            {
                if ((i + 1) % (2 * Checkpoint) == 0)
                {
                    systems[0].Remount();
                }
                AssertSameTrees(systems, string.Join('\n', history));
            }
        }
        AssertSameTrees(systems, "at the end");
    }

    /// <summary>Mounts both images by the kernel and compares the trees line by line.</summary>
    public static void AssertSameThroughKernel(TestImage expected, TestImage actual) => Assert.Equal(DumpThroughKernel(expected), DumpThroughKernel(actual));

    /// <summary>Compares every file system's tree with the last one's.</summary>
    public static void AssertSameTrees(IFileSystem[] systems, string when)
    {
        List<string> expected = systems[^1].Dump().Select(Normalize).ToList();
        for (int i = 0; i < systems.Length - 1; i++)
        {
            List<string> actual = systems[i].Dump().Select(Normalize).ToList();
            string difference = string.Join('\n', actual.Except(expected).Take(5).Select(l => "+ " + l).Concat(expected.Except(actual).Take(5).Select(l => "- " + l)));
            Assert.True(difference.Length == 0, $"{i}: {systems[i].GetType().Name} (+) against {systems[^1].GetType().Name} (-):\n{difference}\n{when}");
        }
    }

    private static List<string> DumpThroughKernel(TestImage image)
    {
        using KernelMount mount = KernelMount.Open(image);
        using var files = new PosixFileSystem(mount.Path);
        return files.Dump().Select(Normalize).ToList();
    }

    // Times "now" differ by the clock, and the model has none; those set by utimens lie far away from it in almost all cases.
    private static string Normalize(string line)
    {
        int at = line.IndexOf(" m", StringComparison.Ordinal);
        int end = line.IndexOf(' ', at + 1);
        string time = line[(at + 2)..end];
        bool isNow = time == "-" || Math.Abs(long.Parse(time) - DateTimeOffset.UtcNow.ToUnixTimeSeconds()) < 86400;
        return isNow ? line[..at] + " m-" + line[end..] : line;
    }
}
