using System.Text;
using WinLoop.Ext4.Format;
using WinLoop.Mounting.Windows;

namespace WinLoop.Mounting.Tests.Windows;

public sealed class DosAttributesTests
{
    private const ulong Time = 0x1122334455667788;

    // Packed by Samba 4.17's own NDR code; the two last lines are attributes that its server wrote for a file and for a
    // hidden directory.
    [Theory]
    [InlineData("30783230323100000100010021200000e10000005352510000000000a2a100000000000088776655443322119900000000000000", 0x2021, Time)]
    [InlineData("3078323032310000020002000100000021200000e10000005352510000000000a2a10000000000008877665544332211990000000000000098000000000000006e6d00", 0x2021, 0)]
    [InlineData("3078323032310000030003005100000021200000e10000005352510000000000a2a100000000000088776655443322119900000000000000", 0x2021, Time)]
    [InlineData("3078323200000300030000001100000022000000000000000000000000000000000000000000000088776655443322110000000000000000", 0x22, Time)]
    [InlineData("30783232000001000100000022000000000000000000000000000000000000000000000088776655443322110000000000000000", 0x22, Time)]
    [InlineData("0000040004000000510000002120000008070605040302018877665544332211", 0x2021, Time)]
    [InlineData("000005000500000051000000212000008877665544332211", 0x2021, Time)]
    [InlineData("30783230323100", 0x2021, 0)]
    [InlineData("30783231", 0x21, 0)]
    [InlineData("00000500050000001100000020000000f264bfac187ddd01", 0x20, 0x01dd7d18acbf64f2)]
    [InlineData("0000050005000000110000001200000090e7bfac187ddd01", 0x2, 0x01dd7d18acbfe790)]
    public void Reads_what_samba_writes(string hex, uint attributes, ulong createTime)
    {
        byte[] value = Convert.FromHexString(hex);
        Assert.True(DosAttributes.TryRead(value, out uint read, out ulong time));
        Assert.Equal(attributes, read);
        Assert.Equal(createTime, time);

        // Cut anywhere, it is no value, or it is the text form.
        for (int length = 0; length < value.Length; length++)
        {
            if (DosAttributes.TryRead(value.AsSpan(0, length), out read, out time))
            {
                // Version 2's name at the end, which nobody reads, may be missing; else only the text is left.
                Assert.True(value[0] == '0' && (length <= 10 || length >= 64) && time == 0, $"{length} bytes");
            }
        }
    }

    [Fact]
    public void Writes_what_samba_writes()
    {
        byte[] buffer = new byte[30];
        Assert.Equal(24, DosAttributes.Write(buffer, 0x20, 0x01dd7d18acbf64f2));
        Assert.Equal("00000500050000001100000020000000F264BFAC187DDD01000000000000", Convert.ToHexString(buffer));
        Assert.Equal(24, DosAttributes.Write(buffer, 0x22, 0));
        Assert.True(DosAttributes.TryRead(buffer.AsSpan(0, 24), out uint attributes, out ulong time));
        Assert.Equal((0x22u, 0ul), (attributes, time));
    }

    [Theory]
    [InlineData("")]
    [InlineData("0x")]
    [InlineData("32")]
    [InlineData("0xzz")]
    [InlineData("0x20 ")]
    [InlineData("0x123456789")]
    public void Refuses_other_text(string text)
    {
        Assert.False(DosAttributes.TryRead(Encoding.ASCII.GetBytes(text), out _, out _));
        Assert.False(DosAttributes.TryRead(Encoding.ASCII.GetBytes(text + "\0"), out _, out _));
    }

    [Theory]
    [InlineData("000006000600000011000000200000000000000000000000")]
    [InlineData("000005000400000011000000200000000000000000000000")]
    public void Refuses_other_versions(string hex) =>
        Assert.False(DosAttributes.TryRead(Convert.FromHexString(hex), out _, out _));

    [Fact]
    public void Hostile_values_do_no_harm()
    {
        Random random = Seeded.Random();
        for (int i = 0; i < 200_000; i++)
        {
            byte[] value = new byte[random.Next(80)];
            random.NextBytes(value);
            if (value.Length > 8 && i % 2 == 0)
            {
                value[0] = value[3] = value[5] = 0;
                value[2] = value[4] = (byte)random.Next(7);
            }
            DosAttributes.TryRead(value, out uint attributes, out ulong time);
            Assert.Equal(0u, attributes & (DosAttributes.Directory | DosAttributes.ReparsePoint));
            Assert.True(time <= long.MaxValue);
        }
    }

    [Theory]
    [InlineData(0x81A4, null, false, 0x20)]                  // -rw-r--r--
    [InlineData(0x8124, null, false, 0x21)]                  // -r--r--r--
    [InlineData(0x81A4, 0u, false, 0x80)]
    [InlineData(0x8124, 0u, false, 0x1)]
    [InlineData(0x81A4, 0x16u, false, 0x6)]                  // a type bit that is not the inode's
    [InlineData(0x81A4, 0x1u, false, 0x1)]                   // Samba's READONLY beside a writable mode
    [InlineData(0x41ED, null, false, 0x10)]
    [InlineData(0x416D, null, false, 0x10)]                  // dr-xr-xr-x
    [InlineData(0x41ED, 0x11u, false, 0x11)]
    [InlineData(0x41ED, null, true, 0x12)]
    [InlineData(0x81A4, null, true, 0x22)]
    [InlineData(0xA1FF, null, false, 0x400)]
    [InlineData(0x1000, null, false, 0x400)]
    [InlineData(0x6000, 0x2u, false, 0x402)]
    public void Attributes_as_windows_sees_them(int mode, uint? stored, bool dot, uint expected)
    {
        Assert.Equal(expected, DosAttributes.FileAttributesOf((ushort)mode, stored, dot, new WindowsOptions { HideDotFiles = true }));
        Assert.Equal(dot ? expected & ~2u : expected,
            DosAttributes.FileAttributesOf((ushort)mode, stored, dot, new WindowsOptions()));
    }

    [Fact]
    public void Links_to_directories_say_so()
    {
        Assert.Equal(0x410u, DosAttributes.FileAttributesOf(0xA1FF, null, false, new WindowsOptions(), linksToDirectory: true));
        Assert.Equal(0x400u, DosAttributes.FileAttributesOf(0x11FF, null, false, new WindowsOptions(), linksToDirectory: true));
    }

    [Fact]
    public void What_windows_sets_it_sees_again()
    {
        var options = new WindowsOptions();
        uint[] bits = [0x1, 0x2, 0x4, 0x20, 0x100, 0x1000, 0x2000];
        foreach (ushort mode in new ushort[] { 0x81A4, 0x8124, 0x8000, 0x41ED, 0x416D })
        {
            for (int set = 0; set < 1 << bits.Length; set++)
            {
                uint attributes = 0;
                for (int i = 0; i < bits.Length; i++)
                {
                    attributes |= (set >> i & 1) != 0 ? bits[i] : 0;
                }
                ushort after = DosAttributes.ModeFor(attributes, mode, 0x12);
                uint stored = DosAttributes.ToStored(attributes, mode);
                uint? found = null;
                if (!DosAttributes.IsDefault(stored, mode))
                {
                    byte[] value = new byte[24];
                    DosAttributes.Write(value, stored, 1);
                    Assert.True(DosAttributes.TryRead(value, out uint read, out _));
                    found = read;
                }
                uint type = (mode & InodeMode.TypeMask) == InodeMode.Directory ? DosAttributes.Directory : 0;
                uint expected = attributes | type;
                Assert.Equal(expected == 0 ? DosAttributes.Normal : expected, DosAttributes.FileAttributesOf(after, found, false, options));
            }
        }
    }

    [Theory]
    [InlineData(0x81A4, 1u, 0x8124)]
    [InlineData(0x8124, 0u, 0x81A4)]     // 0444 -> 0644 with umask 022
    [InlineData(0x8000, 0u, 0x8080)]
    [InlineData(0x81FF, 0u, 0x81FF)]
    [InlineData(0x8092, 0u, 0x8092)]
    [InlineData(0x41ED, 1u, 0x41ED)]
    public void Read_only_is_the_write_bits(int mode, uint attributes, int expected) =>
        Assert.Equal(expected, DosAttributes.ModeFor(attributes, (ushort)mode, 0x12));
}
