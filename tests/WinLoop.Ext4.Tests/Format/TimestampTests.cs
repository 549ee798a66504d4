using WinLoop.Ext4.Format;

namespace WinLoop.Ext4.Tests.Format;

public sealed class TimestampTests
{
    // What the kernel stores; seconds, nanoseconds, low word, extra word.
    [Theory]
    [InlineData(0, 0, 0x00000000, 0x00000000)]
    [InlineData(1, 1, 0x00000001, 0x00000004)]
    [InlineData(-1, 999_999_999, 0xFFFFFFFF, 0xEE6B27FC)]
    [InlineData(int.MinValue, 0, 0x80000000, 0x00000000)]
    [InlineData(int.MaxValue, 500, 0x7FFFFFFF, 0x000007D0)]
    [InlineData(2147483648, 0, 0x80000000, 0x00000001)]
    [InlineData(4294967295, 3, 0xFFFFFFFF, 0x0000000D)]
    [InlineData(4294967296, 0, 0x00000000, 0x00000001)]
    [InlineData(5_000_000_000, 123_456_789, 0x2A05F200, 0x1D6F3455)]
    [InlineData(6442450943, 0, 0x7FFFFFFF, 0x00000001)]
    [InlineData(6442450944, 0, 0x80000000, 0x00000002)]
    [InlineData(10737418240, 0, 0x80000000, 0x00000003)]
    [InlineData(15032385534, 7, 0x7FFFFFFE, 0x0000001F)]
    [InlineData(15032385535, 0, 0x7FFFFFFF, 0x00000003)]
    public void ExtraWordCarriesEpochAndNanoseconds(long seconds, uint nanoseconds, uint low, uint extra)
    {
        Assert.Equal((low, extra), InodeRecord.EncodeTime(new Timestamp(seconds, nanoseconds), hasExtra: true));
        Assert.Equal(new Timestamp(seconds, nanoseconds), InodeRecord.DecodeTime(low, extra));
    }

    [Theory]
    [InlineData(15032385536, 5, 15032385535, 0)]
    [InlineData(long.MaxValue, 5, 15032385535, 0)]
    [InlineData(15032385535, 5, 15032385535, 0)]
    [InlineData(int.MinValue, 5, int.MinValue, 0)]
    [InlineData(-2147483649, 5, int.MinValue, 0)]
    [InlineData(long.MinValue, 5, int.MinValue, 0)]
    public void TimesOutsideTheRangeAreClampedToWholeSeconds(long seconds, uint nanoseconds, long storedSeconds, uint storedNanoseconds)
    {
        (uint low, uint extra) = InodeRecord.EncodeTime(new Timestamp(seconds, nanoseconds), hasExtra: true);
        Assert.Equal(new Timestamp(storedSeconds, storedNanoseconds), InodeRecord.DecodeTime(low, extra));
    }

    [Theory]
    [InlineData(0, 0)]
    [InlineData(1234567890, 1234567890)]
    [InlineData(-5, -5)]
    [InlineData(2147483648, int.MaxValue)]
    [InlineData(-2147483649, int.MinValue)]
    public void SmallInodesHaveSignedWords(long seconds, int stored) =>
        Assert.Equal(unchecked((uint)stored), InodeRecord.EncodeTime(new Timestamp(seconds, 0), hasExtra: false).Seconds);

    [Fact]
    public void EveryWordDecodes()
    {
        var random = new Random(4);
        for (int i = 0; i < 100_000; i++)
        {
            Timestamp time = InodeRecord.DecodeTime((uint)random.NextInt64(1L << 32), (uint)random.NextInt64(1L << 32));
            Assert.InRange(time.Nanoseconds, 0u, 999_999_999u);
            Assert.InRange(time.Seconds, int.MinValue, Timestamp.MaxSeconds);
        }
    }
}
