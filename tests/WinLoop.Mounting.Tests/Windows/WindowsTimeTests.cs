using WinLoop.Ext4.Format;
using WinLoop.Mounting.Windows;

namespace WinLoop.Mounting.Tests.Windows;

public sealed class WindowsTimeTests
{
    [Theory]
    [InlineData(0, 0, 116444736000000000)]
    [InlineData(0, 199, 116444736000000001)]
    [InlineData(-1, 999_999_999, 116444735999999999)]
    [InlineData(-1, 999_999_900, 116444735999999999)]
    [InlineData(-2147483648, 0, 94969899520000000)]
    [InlineData(-11644473600, 0, 1)]
    [InlineData(-11644473600, 200, 2)]
    [InlineData(long.MinValue, 0, 1)]
    [InlineData(long.MaxValue, 0, long.MaxValue)]
    [InlineData(910692730085, 999_999_999, long.MaxValue)]
    [InlineData(0, uint.MaxValue, 116444736009999999)]
    public void To_windows(long seconds, uint nanoseconds, ulong ticks) =>
        Assert.Equal(ticks, WindowsTime.FromTimestamp(new Timestamp(seconds, nanoseconds)));

    [Theory]
    [InlineData(116444736000000000, 0, 0)]
    [InlineData(116444735999999999, -1, 999_999_900)]
    [InlineData(1, -2147483648, 0)]
    [InlineData(0, -2147483648, 0)]
    [InlineData(ulong.MaxValue, Timestamp.MaxSeconds, 999_999_900)]
    [InlineData(94969899520000000, -2147483648, 0)]
    [InlineData(94969899519999999, -2147483648, 0)]
    public void To_ext4(ulong ticks, long seconds, uint nanoseconds) =>
        Assert.Equal(new Timestamp(seconds, nanoseconds), WindowsTime.ToTimestamp(ticks));

    [Fact]
    public void The_same_instant_as_dotnet()
    {
        var instant = new DateTime(2024, 2, 29, 12, 34, 56, DateTimeKind.Utc).AddTicks(1234567);
        ulong ticks = (ulong)instant.ToFileTimeUtc();
        Timestamp time = WindowsTime.ToTimestamp(ticks);
        Assert.Equal(new DateTimeOffset(instant).ToUnixTimeSeconds(), time.Seconds);
        Assert.Equal(123456700u, time.Nanoseconds);
    }

    [Fact]
    public void Round_trip_is_exact_to_100_ns_over_the_whole_range()
    {
        Random random = Seeded.Random();
        ulong previous = 0;
        foreach (long seconds in Enumerable.Range(0, 100_000).Select(_ => random.NextInt64(int.MinValue, Timestamp.MaxSeconds + 1)).Order())
        {
            uint nanoseconds = (uint)random.Next(1_000_000_000);
            ulong ticks = WindowsTime.FromTimestamp(new Timestamp(seconds, nanoseconds));
            Assert.Equal(new Timestamp(seconds, nanoseconds - nanoseconds % 100), WindowsTime.ToTimestamp(ticks));
            Assert.Equal(ticks, WindowsTime.FromTimestamp(WindowsTime.ToTimestamp(ticks)));
            Assert.True(ticks + 10_000_000 > previous);
            previous = ticks;
        }
    }
}
