using System.Diagnostics;
using WinLoop.TestKit;

namespace WinLoop.KernelTests.Programs;

/// <summary>
/// The serving process is killed in the middle of unpacking; the next mount recovers, and what fsync said was
/// safe is there. Four times; WINLOOP_KILLS sets another number, WINLOOP_FULL=1 makes it 20.
/// </summary>
public sealed class KillTests(ITestOutputHelper output)
{
    [Fact]
    public void Killed_process_loses_nothing_that_was_synchronised()
    {
        Shell.RequireLoopMounts();
        int kills = int.TryParse(Environment.GetEnvironmentVariable("WINLOOP_KILLS"), out int n) ? n
            : Environment.GetEnvironmentVariable("WINLOOP_FULL") == "1" ? 20 : 4;
        int seed = Environment.TickCount & 0xFFFF;
        var random = new Random(seed);
        output.WriteLine($"seed {seed}");
        using TestImage image = TestImage.Make(1024, "-b 4096 -J size=8");
        string log = Path.Combine(Path.GetDirectoryName(image.Path)!, "acknowledged");
        File.WriteAllText(log, "");
        for (int i = 0; i < kills; i++)
        {
            using (WinLoopMount mount = WinLoopMount.Open(image, "commit=1"))
            {
                using Process writer = Process.Start(new ProcessStartInfo("python3") { ArgumentList = { $"{WinLoopMount.Scripts}/writer.py", mount.Path, log, $"{seed + i}" } })!;
                // Not before it is in the midst of its work.
                long start = new FileInfo(log).Length;
                var watch = Stopwatch.StartNew();
                while (new FileInfo(log).Length == start && watch.Elapsed.TotalSeconds < 30)
                {
                    Thread.Sleep(1);
                }
                int delay = random.Next(1500);
                Thread.Sleep(delay);
                Assert.False(writer.HasExited, "the writer ended by itself");
                mount.Kill();
                Assert.True(writer.WaitForExit(30_000), "the writer hangs on the dead mount");
                output.WriteLine($"killed after {delay} ms");
            }
            bool wasDirty = Shell.Run("dumpe2fs", ["-h", image.Path]).Output.Contains("needs_recovery", StringComparison.Ordinal);
            using (WinLoopMount mount = WinLoopMount.Open(image))
            {
                output.WriteLine($"needed recovery: {wasDirty}; safe files: {Shell.Script($"python3 {WinLoopMount.Scripts}/acknowledged.py {mount.Path} {log}")}");
                mount.Unmount();
            }
            Assert.True(wasDirty, "the image was clean although its process was killed");
        }
        using KernelMount kernel = KernelMount.Open(image);
        Shell.Script($"python3 {WinLoopMount.Scripts}/acknowledged.py {kernel.Path} {log}");
    }
}
