namespace WinLoop.Mounting.Tests.Windows;

/// <summary>Random numbers whose seed is in the output, and can be given again in WINLOOP_SEED.</summary>
internal static class Seeded
{
    public static Random Random()
    {
        int seed = int.TryParse(Environment.GetEnvironmentVariable("WINLOOP_SEED"), out int given)
            ? given
            : Environment.TickCount;
        TestContext.Current.TestOutputHelper?.WriteLine($"seed {seed}");
        return new Random(seed);
    }
}
