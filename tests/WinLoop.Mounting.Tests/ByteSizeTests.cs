namespace WinLoop.Mounting.Tests;

public sealed class ByteSizeTests
{
    [Theory]
    [InlineData("0", 0)]
    [InlineData("4096", 4096)]
    [InlineData("4k", 4096)]
    [InlineData("100M", 104857600)]
    [InlineData("100MiB", 104857600)]
    [InlineData("100MB", 100000000)]
    [InlineData("1.5G", 1610612736)]
    [InlineData("16T", 17592186044416)]
    [InlineData("7E", 8070450532247928832)]
    [InlineData("512B", 512)]
    public void Reads_what_people_write(string text, long bytes)
    {
        Assert.True(ByteSize.TryParse(text, out long size));
        Assert.Equal(bytes, size);
    }

    [Theory]
    [InlineData("")]
    [InlineData("M")]
    [InlineData("-1")]
    [InlineData("-1M")]
    [InlineData("iB")]
    [InlineData("12iB")]
    [InlineData("10X")]
    [InlineData("1,5G")]
    [InlineData("8E")]
    [InlineData("99999999999999999999")]
    [InlineData("1e3")]
    public void Refuses_what_is_no_size(string text) => Assert.False(ByteSize.TryParse(text, out _));

    [Theory]
    [InlineData(0, "0 B")]
    [InlineData(1023, "1023 B")]
    [InlineData(1024, "1 KiB")]
    [InlineData(104857600, "100 MiB")]
    [InlineData(1610612736, "1.5 GiB")]
    [InlineData(1234567890, "1.15 GiB")]
    [InlineData(long.MaxValue, "8 EiB")]
    public void Writes_short_sizes(long bytes, string text) => Assert.Equal(text, ByteSize.Format(bytes));
}
