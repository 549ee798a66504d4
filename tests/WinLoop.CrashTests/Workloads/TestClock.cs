using WinLoop.Ext4;
using WinLoop.Ext4.Format;

namespace WinLoop.CrashTests;

/// <summary>The clock of the calling thread, as long as the object lives: each look at it is some milliseconds later.
/// So a workload writes the same bytes whenever it runs, and equal states are found equal.</summary>
internal sealed class TestClock : IDisposable
{
    /// <summary>When the workloads run.</summary>
    public const long Start = 1_750_000_000;

    private long _ticks;

    public TestClock(long seconds)
    {
        _ticks = seconds * TimeSpan.TicksPerSecond;
        TestHooks.Clock = Next;
    }

    public void Dispose() => TestHooks.Clock = null;

    private Timestamp Next()
    {
        _ticks += 3 * TimeSpan.TicksPerMillisecond;
        return new Timestamp(_ticks / TimeSpan.TicksPerSecond, (uint)(_ticks % TimeSpan.TicksPerSecond) * 100);
    }
}
