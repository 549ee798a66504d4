using WinLoop.Ext4.Format;

namespace WinLoop.Mounting.Windows;

/// <summary>Times: ext4's seconds and nanoseconds since 1970, and Windows' 100 ns since 1601 (FILETIME).</summary>
internal static class WindowsTime
{
    /// <summary>Seconds from 1601 to 1970.</summary>
    private const long EpochSeconds = 11_644_473_600;

    private const uint TicksPerSecond = 10_000_000, NanosecondsPerTick = 100;

    /// <summary>The first second that ext4 can store (1901).</summary>
    public const long MinSeconds = int.MinValue;

    /// <summary>What Windows sees. Parts of 100 ns are cut off toward the past; what is before 1601 becomes the
    /// smallest value that is not 0, because 0 means "keep" or "unknown" to Windows; the largest is
    /// <see cref="long.MaxValue"/>, because Windows reads the number as signed.</summary>
    public static ulong FromTimestamp(Timestamp time)
    {
        long seconds = time.Seconds;
        if (seconds < -EpochSeconds)
        {
            return 1;
        }
        if (seconds >= long.MaxValue / TicksPerSecond - EpochSeconds)
        {
            return long.MaxValue;
        }

        // Nanoseconds count forward from the second, before 1970 too, so cutting them off rounds toward the past.
        ulong ticks = (ulong)(seconds + EpochSeconds) * TicksPerSecond + Math.Min(time.Nanoseconds, 999_999_999) / NanosecondsPerTick;
        return Math.Max(ticks, 1);
    }

    /// <summary>What ext4 stores, exact to 100 ns, within ext4's range (1901 to 2446).</summary>
    public static Timestamp ToTimestamp(ulong time)
    {
        if (time > long.MaxValue)
        {
            time = long.MaxValue;
        }
        long seconds = (long)(time / TicksPerSecond) - EpochSeconds;
        uint nanoseconds = (uint)(time % TicksPerSecond) * NanosecondsPerTick;
        return seconds < MinSeconds ? new Timestamp(MinSeconds, 0)
            : seconds > Timestamp.MaxSeconds ? new Timestamp(Timestamp.MaxSeconds, 999_999_900)
            : new Timestamp(seconds, nanoseconds);
    }

    /// <summary>Now.</summary>
    public static ulong Now => FromTimestamp(Timestamp.Now);
}
