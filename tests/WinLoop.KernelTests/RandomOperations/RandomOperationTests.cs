using WinLoop.Ext4;
using WinLoop.TestKit;
using WinLoop.TestKit.FileSystems;

namespace WinLoop.KernelTests.RandomOperations;

/// <summary>
/// The same random steps on the engine, on a model in memory and on the kernel's ext4: every answer and, at
/// checkpoints, the whole trees have to be equal. Set WINLOOP_RANDOM_OPERATIONS for more steps and
/// WINLOOP_RANDOM_SEED for one seed.
/// </summary>
public sealed class RandomOperationTests(ITestOutputHelper output)
{
    private static int Steps(int usual) => int.TryParse(Environment.GetEnvironmentVariable("WINLOOP_RANDOM_OPERATIONS"), out int n) ? n : usual;

    private static int Seed() => int.TryParse(Environment.GetEnvironmentVariable("WINLOOP_RANDOM_SEED"), out int n) ? n : Environment.TickCount & 0xFFFFFF;

    /// <summary>Images that write differently.</summary>
    public static TheoryData<string, int> Images => new()
    {
        { "-b 4096", 4096 },
        { "-b 1024", 1024 },
        { "-b 2048 -O orphan_file,metadata_csum_seed", 2048 },
        { "-b 1024 -I 128 -O ^metadata_csum", 1024 },
        { "-b 4096 -O ^has_journal", 4096 },
        { "-b 1024 -O ^64bit,^flex_bg,^dir_index -J size=1", 1024 },
    };

    [Theory]
    [MemberData(nameof(Images))]
    public void Engine_model_and_kernel_agree(string options, int blockSize)
    {
        Shell.RequireLoopMounts();
        int seed = Seed(), steps = Steps(4000);
        output.WriteLine($"seed {seed}, {steps} steps, {options}");
        using TestImage ours = TestImage.Make(512, options);
        using TestImage kernels = TestImage.Make(512, options);
        string mountPoint = Directory.CreateTempSubdirectory("winloop-kernel-").FullName;
        Shell.Script($"mount -o loop,noatime {kernels.Path} {mountPoint}");
        long maximum = (long)uint.MaxValue * blockSize;
        try
        {
            using var engine = new EngineFileSystem(() => ours.Mount());
            using var model = new ModelFileSystem(maximum, blockSize);
            using var kernel = new PosixFileSystem(mountPoint);
            var generator = new OperationGenerator(seed, maximum, blockSize);
            Run(generator, [engine, model, kernel], steps, engine);
        }
        finally
        {
            Shell.Script($"umount {mountPoint}; rmdir {mountPoint}");
        }
        ours.AssertClean();
        CompareThroughKernel(ours, kernels);
    }

    private void Run(OperationGenerator generator, IFileSystem[] systems, int steps, EngineFileSystem engine)
    {
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
            Assert.True(areEqual, $"engine, model, kernel differ; the last steps:\n{string.Join('\n', history)}");
            if (i % 1000 == 999)
            {
                if (i % 2000 == 1999)
                {
                    engine.Remount();
                }
                AssertSameTrees(systems, string.Join('\n', history));
            }
        }
        AssertSameTrees(systems, "at the end");
    }

    private static void AssertSameTrees(IFileSystem[] systems, string when)
    {
        List<string> expected = systems[^1].Dump();
        for (int i = 0; i < systems.Length - 1; i++)
        {
            List<string> actual = systems[i].Dump();
            // The model and the wall clock: a time that was not set explicitly is not compared.
            var a = actual.Select(Normalize).ToList();
            var e = expected.Select(Normalize).ToList();
            string difference = string.Join('\n', a.Except(e).Take(5).Select(l => "+ " + l).Concat(e.Except(a).Take(5).Select(l => "- " + l)));
            Assert.True(difference.Length == 0, $"{systems[i].GetType().Name} (+) against the kernel (-):\n{difference}\n{when}");
        }
    }

    // Times "now" differ by the clock; those set by utimens lie far away from it in almost all cases.
    private static string Normalize(string line)
    {
        int at = line.IndexOf(" m", StringComparison.Ordinal);
        int end = line.IndexOf(' ', at + 1);
        string time = line[(at + 2)..end];
        bool isNow = time == "-" || Math.Abs(long.Parse(time) - DateTimeOffset.UtcNow.ToUnixTimeSeconds()) < 86400;
        return isNow ? line[..at] + " m-" + line[end..] : line;
    }

    private static void CompareThroughKernel(TestImage ours, TestImage kernels)
    {
        List<string> Dump(TestImage image)
        {
            string mountPoint = Directory.CreateTempSubdirectory("winloop-kernel-").FullName;
            Shell.Script($"mount -o loop,ro {image.Path} {mountPoint}");
            try
            {
                return new PosixFileSystem(mountPoint).Dump().Select(Normalize).ToList();
            }
            finally
            {
                Shell.Script($"umount {mountPoint}; rmdir {mountPoint}");
            }
        }
        Assert.Equal(Dump(kernels), Dump(ours));
    }
}
