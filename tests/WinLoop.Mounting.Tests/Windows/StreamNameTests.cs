using System.Text;
using WinLoop.Mounting.Windows;

namespace WinLoop.Mounting.Tests.Windows;

public sealed class StreamNameTests
{
    [Theory]
    [InlineData("Zone.Identifier", "user.DosStream.Zone.Identifier:$DATA")]
    [InlineData("ends with.", "user.DosStream.ends with.:$DATA")]
    [InlineData("é𝄞", "user.DosStream.é𝄞:$DATA")]
    [InlineData("a\uF022", "user.DosStream.a\":$DATA")]
    [InlineData(".", "user.DosStream..:$DATA")]
    public void Attribute_names(string stream, string attribute)
    {
        byte[] buffer = new byte[255];
        char[] back = new char[255];
        int length = StreamName.ToAttribute(stream, buffer);
        Assert.Equal(attribute, Encoding.UTF8.GetString(buffer, 0, length));
        Assert.Equal(stream, new string(back, 0, StreamName.FromAttribute(buffer.AsSpan(0, length), back)));
    }

    [Theory]
    [InlineData("user.DosStream.:$DATA")]
    [InlineData("user.DosStream.a")]
    [InlineData("user.DosStream.a/b:$DATA")]
    [InlineData("user.DosStream.a:b:$DATA")]
    [InlineData("user.DOSATTRIB")]
    [InlineData("security.DosStream.a:$DATA")]
    public void Other_attributes_are_no_streams(string attribute)
    {
        Assert.False(StreamName.IsStream(Encoding.UTF8.GetBytes(attribute)));
        Assert.Equal(-1, StreamName.FromAttribute(Encoding.UTF8.GetBytes(attribute), new char[255]));
    }

    [Fact]
    public void The_longest_name_fits_the_attribute()
    {
        int room = 255 - "user.DosStream.".Length - ":$DATA".Length;
        Assert.Equal(255, StreamName.ToAttribute(new string('a', room), new byte[255]));
        Assert.Equal(-1, StreamName.ToAttribute(new string('a', room + 1), new byte[300]));
        Assert.Equal(-1, StreamName.ToAttribute(new string('a', 400), new byte[300]));
        Assert.Equal(-1, StreamName.ToAttribute("", new byte[255]));
        Assert.Equal(-1, StreamName.ToAttribute("a/b", new byte[255]));
        Assert.Equal(-1, StreamName.ToAttribute("a", new byte[10]));
        Assert.Equal(-1, StreamName.ToAttribute("a\uF03Ab", new byte[255]));
    }

    [Fact]
    public void The_value_ends_with_a_zero_byte_as_samba_writes_it()
    {
        Assert.True(StreamName.TryContent("hello\n\0"u8, out ReadOnlySpan<byte> content));
        Assert.Equal("hello\n"u8, content);
        Assert.True(StreamName.TryContent("\0"u8, out content));
        Assert.True(content.IsEmpty);
        Assert.False(StreamName.TryContent("hello"u8, out _));
        Assert.False(StreamName.TryContent([], out _));
    }

    [Fact]
    public void Random_attribute_names_round_trip()
    {
        Random random = Seeded.Random();
        for (int i = 0; i < 50_000; i++)
        {
            byte[] middle = new byte[random.Next(1, 12)];
            random.NextBytes(middle);
            byte[] attribute = [.. "user.DosStream."u8, .. middle, .. ":$DATA"u8];
            char[] name = new char[255];
            int length = StreamName.FromAttribute(attribute, name);
            if (length < 0)
            {
                Assert.True(middle.AsSpan().ContainsAny((byte)0, (byte)'/', (byte)':'));
                continue;
            }
            byte[] back = new byte[255];
            int written = StreamName.ToAttribute(name.AsSpan(0, length), back);
            Assert.Equal(attribute, back[..Math.Max(0, written)]);
        }
    }
}
