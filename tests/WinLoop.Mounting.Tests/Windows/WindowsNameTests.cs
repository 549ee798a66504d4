using System.Text;
using WinLoop.Mounting.Windows;

namespace WinLoop.Mounting.Tests.Windows;

public sealed class WindowsNameTests
{
    [Theory]
    [InlineData("a.txt", "a.txt")]
    [InlineData(".bashrc", ".bashrc")]
    [InlineData("with space in it", "with space in it")]
    [InlineData("a:b", "a\uF03Ab")]
    [InlineData("\"*:<>?|\\", "\uF022\uF02A\uF03A\uF03C\uF03E\uF03F\uF07C\uF05C")]
    [InlineData("\u0001\u001F\u007F", "\uF001\uF01F\u007F")]
    [InlineData("end.", "end\uF02E")]
    [InlineData("end ", "end\uF020")]
    [InlineData("a..", "a.\uF02E")]
    [InlineData("...", "..\uF02E")]
    [InlineData(" ", "\uF020")]
    [InlineData("é𝄞日", "é𝄞日")]
    [InlineData("\uEFFF\uF100", "\uEFFF\uF100")]
    [InlineData("\uF03A", "\uF0EF\uF080\uF0BA")]
    public void Names_that_are_utf8(string disk, string windows)
    {
        Assert.Equal(windows, Decode(Encoding.UTF8.GetBytes(disk)));
        Assert.Equal(Encoding.UTF8.GetBytes(disk), Encode(windows));
    }

    [Theory]
    [InlineData("FF", "\uF0FF")]
    [InlineData("61C3", "a\uF0C3")]
    [InlineData("C0AF", "\uF0C0\uF0AF")]
    [InlineData("F4908080", "\uF0F4\uF090\uF080\uF080")]
    public void Names_that_are_not_utf8(string disk, string windows)
    {
        Assert.Equal(windows, Decode(Convert.FromHexString(disk)));
        Assert.Equal(Convert.FromHexString(disk), Encode(windows));
    }

    [Fact]
    public void Surrogates_without_a_partner()
    {
        // No theory: attributes cannot hold such strings.
        Names_that_are_not_utf8("EDA080", "\uD800");
        Names_that_are_not_utf8("EDB080EDA080", "\uDC00\uD800");
        Names_that_are_not_utf8("EDA080EDB080", "\uD800\uF0ED\uF0B0\uF080");
        Names_that_are_not_utf8("EDA080F0908080", "\uD800\uD800\uDC00");
    }

    [Theory]
    [InlineData("")]
    [InlineData(".")]
    [InlineData("..")]
    [InlineData("\uF02E")]
    [InlineData("\uF02E\uF02E")]
    [InlineData(".\uF02E")]
    [InlineData("a/b")]
    [InlineData("a\0")]
    [InlineData("a\uF02Fb")]
    [InlineData("a\uF000b")]
    [InlineData("a:b")]
    [InlineData("a\\b")]
    [InlineData("end.")]
    [InlineData("end ")]
    [InlineData("a\uF041")]          // an escape of what needs none
    [InlineData("a\uF02Eb")]
    [InlineData("\uF0C3\uF0A9")]     // é in escapes
    [InlineData("\uF0ED\uF0A0\uF080")]
    public void Names_without_a_form_on_disk(string windows) => Assert.Null(Encode(windows));

    [Fact]
    public void Length_is_counted_in_bytes_on_disk()
    {
        Assert.Equal(255, Encode(new string('a', 255))!.Length);
        Assert.Null(Encode(new string('a', 256)));
        Assert.Equal(254, Encode(new string('é', 127))!.Length);
        Assert.Null(Encode(new string('é', 128)));
        Assert.Equal(255, Encode(new string('\uF03A', 255))!.Length);
        Assert.Equal(-1, WindowsName.Encode("abc", new byte[2]));
        Assert.Equal(-1, WindowsName.Encode("é", new byte[1]));
        Assert.Equal(-1, WindowsName.Encode("\uD800", new byte[2]));
        Assert.Equal(255, Decode(Enumerable.Repeat((byte)0xFF, 255).ToArray()).Length);
        Assert.Throws<ArgumentException>(() => WindowsName.Decode("abc"u8, new char[2]));
    }

    [Fact]
    public void What_a_damaged_directory_holds_is_shown_but_has_no_way_back()
    {
        Assert.Equal("a\uF02Fb\uF000", Decode("a/b\0"u8.ToArray()));
        Assert.Equal("..", Decode(".."u8.ToArray()));
        Assert.Equal("", Decode([]));
    }

    [Fact]
    public void Every_name_of_one_and_two_bytes_and_many_of_three_round_trip_and_none_look_alike()
    {
        var seen = new Dictionary<string, byte[]>();
        for (int a = 1; a < 256; a++)
        {
            Check([(byte)a], seen);
            for (int b = 1; b < 256; b++)
            {
                Check([(byte)a, (byte)b], seen);
            }
        }

        // All that begins like the escaped range, a surrogate, or the limits of UTF-8; two bytes follow.
        foreach (int a in new[] { 0xED, 0xEE, 0xEF, 0xE0, 0xF0, 0xF4 })
        {
            for (int b = 0x7E; b < 0xC2; b++)
            {
                for (int c = 0x7E; c < 0xC2; c++)
                {
                    Check([(byte)a, (byte)b, (byte)c], seen);
                    Check([0xED, 0xA0, 0x80, (byte)a, (byte)b, (byte)c], seen);
                }
            }
        }
    }

    [Fact]
    public void Random_names_round_trip_and_none_look_alike()
    {
        Random random = Seeded.Random();
        var seen = new Dictionary<string, byte[]>();
        byte[] hard = [0xEF, 0x80, 0x81, 0x82, 0x83, 0xED, 0xA0, 0xB0, 0xBF, 0xEE, 0xF0, 0x9F, 0x90, 0xC3, 0xA9, (byte)'.', (byte)' ', (byte)':', (byte)'a', 0x84];
        for (int i = 0; i < 300_000; i++)
        {
            byte[] name = new byte[i % 100 == 0 ? random.Next(1, 256) : random.Next(1, 10)];
            for (int j = 0; j < name.Length; j++)
            {
                name[j] = i % 2 == 0 ? hard[random.Next(hard.Length)] : (byte)random.Next(1, 256);
            }
            Check(name, seen);
        }
    }

    [Fact]
    public void What_encodes_decodes_to_itself()
    {
        Random random = Seeded.Random();
        char[] hard = ['\uF0EF', '\uF080', '\uF081', '\uF0ED', '\uF0A0', '\uF0B0', '\uD800', '\uDC00', '\uF02E', '.', ' ', 'a', 'é', '\uF03A', '\uF0C3', '\uF0A9', '\uF000', '日', '\uF02F'];
        int encoded = 0;
        for (int i = 0; i < 300_000; i++)
        {
            char[] name = new char[random.Next(1, 8)];
            for (int j = 0; j < name.Length; j++)
            {
                name[j] = i % 3 != 0 ? hard[random.Next(hard.Length)] : (char)random.Next(0x10000);
            }
            if (Encode(new string(name)) is { } bytes)
            {
                encoded++;
                Assert.DoesNotContain((byte)0, bytes);
                Assert.DoesNotContain((byte)'/', bytes);
                Assert.Equal(new string(name), Decode(bytes));
            }
        }
        Assert.True(encoded > 10_000);
    }

    private static void Check(byte[] name, Dictionary<string, byte[]> seen)
    {
        if (name.Contains((byte)'/') || name is [(byte)'.'] or [(byte)'.', (byte)'.'])
        {
            return;
        }
        string windows = Decode(name);
        Assert.True(windows.Length <= name.Length);
        Assert.True(windows.AsSpan().IndexOfAny("\"*:<>?|\\/\0") < 0 && windows[^1] is not ('.' or ' ') && !windows.Any(c => c < 0x20));
        Assert.Equal(name, Encode(windows));
        if (!seen.TryAdd(windows, name))
        {
            Assert.Equal(seen[windows], name);
        }
    }

    private static string Decode(byte[] name)
    {
        char[] buffer = new char[name.Length];
        return new string(buffer, 0, WindowsName.Decode(name, buffer));
    }

    private static byte[]? Encode(string name)
    {
        byte[] buffer = new byte[300];
        int length = WindowsName.Encode(name, buffer);
        return length < 0 ? null : buffer[..length];
    }
}
