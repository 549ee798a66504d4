using System.Globalization;

namespace WinLoop.CrashTests;

/// <summary>How much is judged, and by whom. Everything can be set by environment variables.</summary>
internal sealed record CrashSettings
{
    /// <summary>WINLOOP_CRASH_SEED: chooses the sampled workloads and states.</summary>
    public int Seed { get; init; } = 1;

    /// <summary>WINLOOP_CRASH_HOURS: goes on with new seeds for so long after the standard workloads.</summary>
    public double Hours { get; init; }

    /// <summary>WINLOOP_CRASH_FULL=1: every sequence of one deed on every image, and every pair on two.</summary>
    public bool IsFull { get; init; }

    /// <summary>WINLOOP_CRASH_WORKLOADS: at most so many workloads; for a quick look.</summary>
    public int Workloads { get; init; } = int.MaxValue;

    /// <summary>WINLOOP_CRASH_STATES: at most about so many states of one workload.</summary>
    public int StatesPerWorkload { get; init; } = 300;

    /// <summary>WINLOOP_CRASH_FSCK: e2fsck judges one state in so many; 0 for none.</summary>
    public int FsckEvery { get; init; } = 10;

    /// <summary>WINLOOP_CRASH_KERNEL: the kernel judges one state in so many; 0 for none.</summary>
    public int KernelEvery { get; init; } = 50;

    /// <summary>WINLOOP_CRASH_AGAIN: one state in so many is cut again inside recovery; 0 for none.</summary>
    public int AgainEvery { get; init; } = 40;

    /// <summary>WINLOOP_CRASH_USE: one state in so many is used after recovery; 0 for none.</summary>
    public int UseEvery { get; init; } = 8;

    /// <summary>WINLOOP_CRASH_THREADS.</summary>
    public int Threads { get; init; } = Environment.ProcessorCount;

    public static CrashSettings FromEnvironment()
    {
        var d = new CrashSettings();
        return new CrashSettings
        {
            Seed = Int("SEED", d.Seed),
            IsFull = Text("FULL") == "1",
            Hours = double.Parse(Text("HOURS") ?? "0", CultureInfo.InvariantCulture),
            Workloads = Int("WORKLOADS", d.Workloads),
            StatesPerWorkload = Int("STATES", d.StatesPerWorkload),
            FsckEvery = Int("FSCK", d.FsckEvery),
            KernelEvery = Int("KERNEL", d.KernelEvery),
            AgainEvery = Int("AGAIN", d.AgainEvery),
            UseEvery = Int("USE", d.UseEvery),
            Threads = Int("THREADS", d.Threads),
        };
    }

    private static string? Text(string name) => Environment.GetEnvironmentVariable("WINLOOP_CRASH_" + name);

    private static int Int(string name, int usual) => Text(name) is { Length: > 0 } text ? int.Parse(text, CultureInfo.InvariantCulture) : usual;
}
