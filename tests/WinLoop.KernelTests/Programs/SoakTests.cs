using System.Diagnostics;
using System.Globalization;
using WinLoop.TestKit;

namespace WinLoop.KernelTests.Programs;

/// <summary>
/// Several processes load a mount with everything that programs do, while the serving process is watched: after a
/// warm-up its memory, descriptors and threads must not grow. 20 seconds; WINLOOP_SOAK_MINUTES sets another time, and
/// WINLOOP_SOAK_REPORT a file that gets the samples.
/// </summary>
public sealed class SoakTests(ITestOutputHelper output)
{
    private const int Processes = 5;

    [Fact]
    public void Memory_descriptors_and_threads_stay_flat_under_load()
    {
        double seconds = double.TryParse(Environment.GetEnvironmentVariable("WINLOOP_SOAK_MINUTES"), NumberStyles.Float, CultureInfo.InvariantCulture, out double m)
            ? m * 60 : 20;
        int seed = Environment.TickCount & 0xFFFF;
        output.WriteLine($"seed {seed}, {Processes} processes, {seconds} s");
        using TestImage image = TestImage.Make(1024, "-b 4096 -J size=8 -E lazy_itable_init=1");
        using WinLoopMount mount = WinLoopMount.Open(image, "commit=1");
        List<Process> load = [.. Enumerable.Range(0, Processes).Select(n => StartLoad(mount.Path, n, seed))];
        var samples = new List<SoakSample>();
        try
        {
            Watch(mount, load, seconds, samples);
            foreach (Process process in load)
            {
                process.StandardInput.Close();
            }
            foreach (Process process in load)
            {
                string counts = process.StandardOutput.ReadToEnd(), errors = process.StandardError.ReadToEnd();
                Assert.True(process.WaitForExit(60_000), "the load does not end");
                Assert.True(process.ExitCode == 0, $"seed {seed}: {errors}");
                output.WriteLine(counts.Trim());
            }
        }
        finally
        {
            load.ForEach(Stop);
            Report(samples);
        }
        mount.Unmount();
        AssertFlat(samples, isLong: seconds >= 300);
    }

    private static Process StartLoad(string directory, int number, int seed) => Process.Start(new ProcessStartInfo("python3")
    {
        ArgumentList = { $"{WinLoopMount.Scripts}/soak.py", directory, $"{number}", $"{seed}" },
        RedirectStandardInput = true,
        RedirectStandardOutput = true,
        RedirectStandardError = true,
    })!;

    private static void Watch(WinLoopMount mount, List<Process> load, double seconds, List<SoakSample> samples)
    {
        var watch = Stopwatch.StartNew();
        double step = Math.Max(0.5, seconds / 90);
        while (watch.Elapsed.TotalSeconds < seconds)
        {
            Thread.Sleep(TimeSpan.FromSeconds(step));
            foreach (Process process in load)
            {
                Assert.False(process.HasExited, process.HasExited ? process.StandardError.ReadToEnd() : "");
            }
            samples.Add(SoakSample.Take(mount, watch.Elapsed.TotalSeconds));
        }
    }

    private static void Stop(Process process)
    {
        if (!process.HasExited)
        {
            process.Kill();
            process.WaitForExit();
        }
        process.Dispose();
    }

    private void Report(List<SoakSample> samples)
    {
        string text = SoakSample.Heading + "\n" + string.Join('\n', samples.Select(s => s.Row));
        output.WriteLine(text);
        if (Environment.GetEnvironmentVariable("WINLOOP_SOAK_REPORT") is { Length: > 0 } path)
        {
            File.WriteAllText(path, text + "\n");
        }
    }

    // The first third is the warm-up: code is compiled, caches fill. Then the middle third against the last; medians, as
    // the heap breathes between collections.
    private static void AssertFlat(List<SoakSample> samples, bool isLong)
    {
        Assert.True(samples.Count >= 9, $"only {samples.Count} samples");
        int third = samples.Count / 3;
        List<SoakSample> early = samples[third..(2 * third)], late = samples[(2 * third)..];
        Assert.True(late[^1].Requests > early[0].Requests + 1000, "no load");
        Assert.True(late[^1].Commits > early[0].Commits, "no commits");
        // A short run is still warming up in its middle.
        long memory = isLong ? 8 << 10 : 48 << 10;
        Grows("resident memory (KiB)", s => s.Resident, memory);
        Grows("anonymous memory (KiB)", s => s.Anonymous, memory);
        Grows("managed heap (KiB)", s => s.ManagedHeap, memory / 2);
        Grows("descriptors", s => s.Descriptors, 2);
        Grows("threads", s => s.Threads, 2);
        Assert.All(samples, s => Assert.True(s.CachedBlocks <= s.CachedBlockLimit, $"{s.CachedBlocks} blocks in a cache of {s.CachedBlockLimit}"));

        void Grows(string what, Func<SoakSample, long> figure, long allowed)
        {
            long before = Median(early.Select(figure)), after = Median(late.Select(figure));
            Assert.True(after <= before + allowed, $"{what} grew from {before} to {after}");
        }
    }

    private static long Median(IEnumerable<long> values)
    {
        long[] sorted = [.. values.Order()];
        return sorted[sorted.Length / 2];
    }
}
