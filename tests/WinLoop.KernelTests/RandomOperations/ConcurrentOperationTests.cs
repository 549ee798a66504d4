using WinLoop.TestKit;
using WinLoop.TestKit.FileSystems;

namespace WinLoop.KernelTests.RandomOperations;

/// <summary>Threads on one volume: each on a tree of its own, where a model knows every answer, and all of them in
/// shared directories, where only the volume's consistency can be asked for.</summary>
public sealed class ConcurrentOperationTests(ITestOutputHelper output)
{
    private const int Threads = 4;
    private const int SharedDirectories = 3;

    [Theory]
    [InlineData("-b 4096", 4096)]
    [InlineData("-b 1024 -O orphan_file -J size=1", 1024)]
    public void Threads_neither_wait_for_ever_nor_disturb_each_other(string options, int blockSize)
    {
        int seed = Comparison.Seed(), steps = Comparison.Steps(3000);
        output.WriteLine($"seed {seed}, {Threads} threads of {steps} steps, {options}");
        using TestImage image = TestImage.Make(512, options);
        long maximum = (long)uint.MaxValue * blockSize;
        var models = Enumerable.Range(0, Threads).Select(_ => new ModelFileSystem(maximum, blockSize)).ToArray();
        var engine = new EngineFileSystem(() => image.Mount());
        for (int i = 0; i < SharedDirectories; i++)
        {
            Assert.Equal(0, engine.MakeDirectory($"s{i}", 0x1ED));
        }
        var failures = new Exception?[Threads];
        var threads = new Thread[Threads];
        for (int i = 0; i < Threads; i++)
        {
            int number = i;
            Assert.Equal(0, engine.MakeDirectory($"t{i}", 0x1ED));
            threads[i] = new Thread(() => failures[number] = Record.Exception(() => Work(engine, models[number], number, seed, steps, maximum, blockSize)))
            {
                IsBackground = true,
            };
        }
        foreach (Thread thread in threads)
        {
            thread.Start();
        }
        long deadline = Environment.TickCount64 + 120_000 + (steps * 20L);
        foreach (Thread thread in threads)
        {
            Assert.True(thread.Join((int)Math.Max(0, deadline - Environment.TickCount64)), $"seed {seed}: a thread waits for ever");
        }
        Assert.All(failures, Assert.Null);
        List<string> dump = engine.Dump();
        for (int i = 0; i < Threads; i++)
        {
            Comparison.AssertSameTrees([new Subtree(engine, $"t{i}"), models[i]], $"thread {i}");
        }
        engine.Remount();
        Assert.Equal(dump, engine.Dump());
        engine.Dispose();
        image.AssertClean();
    }

    private static void Work(EngineFileSystem engine, ModelFileSystem model, int number, int seed, int steps, long maximum, int blockSize)
    {
        var generator = new OperationGenerator((seed * Threads) + number, maximum, blockSize);
        var random = new Random(seed - number);
        using var own = new Subtree(engine, $"t{number}");
        for (int i = 0; i < steps; i++)
        {
            (string step, int[] errors, byte[][] data) = generator.Next([own, model]);
            Assert.True(errors[0] == errors[1] && data[0].AsSpan().SequenceEqual(data[1]), $"thread {number}, {i}: {step} -> {errors[0]}, model {errors[1]}");
            Share(engine, random);
        }
    }

    // Any answer will do; what must not happen is an exception that is no errno.
    private static void Share(EngineFileSystem engine, Random random)
    {
        string path = Shared(random), other = Shared(random);
        _ = random.Next(12) switch
        {
            0 => engine.Create(path, 0x1A4),
            1 => engine.MakeDirectory(path, 0x1ED),
            2 => engine.Unlink(path),
            3 => engine.RemoveDirectory(path),
            4 => engine.Link(path, other),
            5 => engine.Rename(path, other, 2),
            6 => engine.Write(path, random.Next(20000), new byte[random.Next(1, 5000)]),
            7 => engine.Truncate(path, random.Next(20000)),
            8 => engine.Read(path, 0, 1000).Error,
            9 => engine.SetAttribute(path, "user.shared", new byte[random.Next(300)], 0),
            _ => engine.Rename(path, other, 0),
        };
    }

    private static string Shared(Random random)
    {
        int depth = 1 + random.Next(3);
        return $"s{random.Next(SharedDirectories)}/" + string.Join('/', Enumerable.Range(0, depth).Select(_ => "x" + random.Next(5)));
    }
}
