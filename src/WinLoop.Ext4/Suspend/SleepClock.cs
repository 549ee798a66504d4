using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace WinLoop.Ext4.Suspend;

/// <summary>
/// Tells that the machine has slept. Every system has a clock that goes on while the machine sleeps and one that
/// stands still; their difference is the time slept since the start (Linux: CLOCK_BOOTTIME and CLOCK_MONOTONIC;
/// Windows: the tick count and the unbiased interrupt time).
/// </summary>
/// <remarks>A virtual machine that its host stops and continues does not notice: both clocks stand still.</remarks>
internal partial class SleepClock
{
    // Shorter sleeps leave nobody the time to mount the image elsewhere; they add up until they count.
    private const long LeastMilliseconds = 1000;
    // Within this time after a look the second clock is not asked: no sleep that counts fits in.
    private const long LookMilliseconds = 200;

    private const int ClockMonotonic = 1;
    private const int ClockBootTime = 7;

    private long _lastLook;
    private long _asleep;

    internal SleepClock() => _asleep = ReadElapsed() - ReadAwake();

    /// <summary>Milliseconds since the start, sleep included.</summary>
    private protected virtual long ReadElapsed() =>
        OperatingSystem.IsWindows() ? WindowsElapsed() : OperatingSystem.IsLinux() ? LinuxClock(ClockBootTime) : 0;

    /// <summary>Milliseconds since the start, without sleep.</summary>
    private protected virtual long ReadAwake() =>
        OperatingSystem.IsWindows() ? WindowsAwake() : OperatingSystem.IsLinux() ? LinuxClock(ClockMonotonic) : 0;

    /// <summary>Looks whether the machine slept since the last look. One system call that stays in the process, on
    /// most calls. When it slept, <paramref name="doubt"/> is set before any other thread can miss it.</summary>
    internal void Look(ref bool doubt)
    {
        long elapsed = ReadElapsed();
        if ((ulong)(elapsed - Volatile.Read(ref _lastLook)) < LookMilliseconds)
        {
            return;
        }
        long asleep = elapsed - ReadAwake();
        if (asleep - Volatile.Read(ref _asleep) >= LeastMilliseconds)
        {
            Volatile.Write(ref doubt, true);
            Volatile.Write(ref _asleep, asleep);
        }
        Volatile.Write(ref _lastLook, elapsed);
    }

    // Calls that suppress the GC transition are bound when their caller is compiled, so each system's have callers of
    // their own.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static long LinuxClock(int clock) =>
        clock_gettime(clock, out TimeSpec now) == 0 ? ((long)now.Seconds * 1000) + ((long)now.Nanoseconds / 1_000_000) : 0;

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static long WindowsElapsed() => (long)GetTickCount64();

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static long WindowsAwake() => QueryUnbiasedInterruptTime(out ulong units) != 0 ? (long)(units / 10_000) : 0;

    [StructLayout(LayoutKind.Sequential)]
    private struct TimeSpec
    {
        public nint Seconds;
        public nint Nanoseconds;
    }

    [LibraryImport("libc"), SuppressGCTransition]
    private static partial int clock_gettime(int clock, out TimeSpec now);

    [LibraryImport("kernel32"), SuppressGCTransition]
    [DefaultDllImportSearchPaths(DllImportSearchPath.System32)]
    private static partial ulong GetTickCount64();

    [LibraryImport("kernel32"), SuppressGCTransition]
    [DefaultDllImportSearchPaths(DllImportSearchPath.System32)]
    private static partial int QueryUnbiasedInterruptTime(out ulong units);
}
