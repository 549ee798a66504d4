using WinLoop.Ext4.Suspend;

namespace WinLoop.Ext4.Tests.Suspend;

/// <summary>Clocks of a machine that sleeps when the test says so.</summary>
internal sealed class FakeSleep : SleepClock
{
    private long _asleep;

    /// <summary>The machine has slept for so long.</summary>
    public void Sleep(TimeSpan time) => Interlocked.Add(ref _asleep, (long)time.TotalMilliseconds);

    private protected override long ReadElapsed() => Environment.TickCount64 + Interlocked.Read(ref _asleep);

    private protected override long ReadAwake() => Environment.TickCount64;
}
