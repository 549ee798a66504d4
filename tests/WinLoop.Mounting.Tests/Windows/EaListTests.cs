using System.Text;
using WinLoop.Mounting.Windows;

namespace WinLoop.Mounting.Tests.Windows;

public sealed class EaListTests
{
    [Fact]
    public void Entries_are_laid_out_as_windows_expects()
    {
        byte[] buffer = new byte[64];
        Array.Fill(buffer, (byte)0xCC);
        var writer = new EaListWriter(buffer);
        Assert.True(writer.TryAdd("AB"u8, "xyz"u8));
        Assert.True(writer.TryAdd("C"u8, [1]));
        Assert.Equal("10000000000203004142007879" + "7A0000" + "0000000000010100430001", Convert.ToHexString(buffer, 0, writer.Length));
        Assert.Equal(27, writer.Length);
        Assert.Equal(5u + 5 + 5 + 2, writer.PackedSize);
        Assert.Equal(NtStatus.Success, EaList.Check(buffer.AsSpan(0, writer.Length), out _));
    }

    [Fact]
    public void What_has_no_room_is_left_out_and_said()
    {
        var writer = new EaListWriter(new byte[30]);
        Assert.True(writer.TryAdd("A"u8, "12345"u8));
        Assert.Equal(15, writer.Length);
        Assert.False(writer.TryAdd("B"u8, "12345"u8));
        Assert.True(writer.IsOverflown);
        Assert.Equal(15, writer.Length);

        // A shorter one that would fit does not follow: the list would have a hole.
        Assert.False(writer.TryAdd("C"u8, []));
        Assert.False(new EaListWriter(new byte[7]).TryAdd("A"u8, []));
        var fresh = new EaListWriter(new byte[100_000]);
        Assert.False(fresh.TryAdd(new byte[256], [1]));
        Assert.False(fresh.TryAdd("A"u8, new byte[65536]));
        Assert.False(fresh.IsOverflown);
        Assert.True(fresh.TryAdd(new byte[255], new byte[65535]));
    }

    [Fact]
    public void Random_lists_are_read_back()
    {
        Random random = Seeded.Random();
        byte[] buffer = new byte[2000];
        for (int i = 0; i < 5000; i++)
        {
            var written = new List<(byte[] Name, byte[] Value)>();
            var writer = new EaListWriter(buffer.AsSpan(0, random.Next(buffer.Length)));
            while (written.Count < 20)
            {
                byte[] name = Encoding.ASCII.GetBytes(new string('N', random.Next(1, 20)));
                byte[] value = new byte[random.Next(60)];
                random.NextBytes(value);
                if (!writer.TryAdd(name, value))
                {
                    break;
                }
                written.Add((name, value));
            }
            Assert.Equal(NtStatus.Success, EaList.Check(buffer.AsSpan(0, writer.Length), out _));
            EaEnumerator entries = EaList.Entries(buffer.AsSpan(0, writer.Length));
            foreach ((byte[] name, byte[] value) in written)
            {
                Assert.True(entries.MoveNext());
                Assert.Equal(name, entries.Name);
                Assert.Equal(value, entries.Value);
                Assert.Equal(0, entries.Start % 4);
            }
            Assert.False(entries.MoveNext());
            Assert.True(entries.IsConsistent);
        }
    }

    [Theory]
    [InlineData("00000000000100004100", NtStatus.Success, 0)]
    [InlineData("", NtStatus.Success, 0)]
    [InlineData("00000000800100004100", NtStatus.Success, 0)]
    [InlineData("00000000400100004100", NtStatus.InvalidEaName, 0)]
    [InlineData("000000000001000041", NtStatus.EaListInconsistent, 0)]                        // no zero
    [InlineData("00000000000100004101", NtStatus.EaListInconsistent, 0)]                      // no zero
    [InlineData("00000000000100014100", NtStatus.EaListInconsistent, 0)]                      // value outside
    [InlineData("00000000000000000000", NtStatus.InvalidEaName, 0)]                           // empty name
    [InlineData("00000000000100003A00", NtStatus.InvalidEaName, 0)]
    [InlineData("000000", NtStatus.EaListInconsistent, 0)]
    [InlineData("0C0000000001000041000000" + "00000000000100004200", NtStatus.Success, 12)]
    [InlineData("0A00000000010000410000000000000100004200", NtStatus.EaListInconsistent, 0)]  // unaligned
    [InlineData("08000000000100004100000000000000000100004200", NtStatus.EaListInconsistent, 0)]  // into itself
    [InlineData("0C000000000100004100", NtStatus.EaListInconsistent, 0)]                      // beyond the end
    [InlineData("FCFFFFFF000100004100000000000000000100004200", NtStatus.EaListInconsistent, 0)]
    [InlineData("0C0000000001000041000000" + "0000000000010000", NtStatus.EaListInconsistent, 12)]
    [InlineData("0C0000000001000041000000" + "00000000000100002A00", NtStatus.InvalidEaName, 12)]
    public void Lists_are_checked(string hex, NtStatus expected, int offset)
    {
        Assert.Equal(expected, EaList.Check(Convert.FromHexString(hex), out int at));
        Assert.Equal(offset, at);
    }

    [Fact]
    public void Hostile_lists_end()
    {
        Random random = Seeded.Random();
        byte[] good = new byte[200];
        var writer = new EaListWriter(good);
        while (writer.TryAdd("NAME"u8, "value"u8))
        {
        }
        for (int i = 0; i < 200_000; i++)
        {
            byte[] list = good[..random.Next(writer.Length + 1)];
            for (int change = random.Next(4); change > 0 && list.Length > 0; change--)
            {
                list[random.Next(list.Length)] = (byte)random.Next(i % 2 == 0 ? 256 : 32);
            }
            EaEnumerator entries = EaList.Entries(list);
            int count = 0;
            while (entries.MoveNext())
            {
                Assert.True(++count <= list.Length / 9);
            }
            EaList.Check(list, out int at);
            Assert.InRange(at, 0, list.Length);
        }
    }

    [Theory]
    [InlineData("AUTHOR", "user.AUTHOR")]
    [InlineData("a.b c", "user.a.b c")]
    [InlineData("$LXUID", null)]
    [InlineData("$lxdev", null)]
    [InlineData("$LXABC", "user.$LXABC")]
    [InlineData("DOSATTRIB", null)]
    [InlineData("DosAttrib", null)]
    [InlineData("DOSSTREAM.x:$DATA", null)]
    [InlineData("DOSSTREAM.X", null)]
    [InlineData("a:b", null)]
    [InlineData("a\u0001", null)]
    [InlineData("", null)]
    public void Attributes_of_eas(string name, string? attribute)
    {
        byte[] buffer = new byte[255];
        int length = EaName.ToAttribute(Encoding.Latin1.GetBytes(name), buffer);
        Assert.Equal(attribute, length < 0 ? null : Encoding.Latin1.GetString(buffer, 0, length));
        Assert.Equal(attribute is null ? "" : name, Encoding.Latin1.GetString(EaName.FromAttribute(Encoding.Latin1.GetBytes("user." + name))));
    }

    [Fact]
    public void Names_have_limits_and_no_case()
    {
        Assert.Equal(255, EaName.ToAttribute(new byte[250].Select(_ => (byte)'A').ToArray(), new byte[255]));
        Assert.Equal(-1, EaName.ToAttribute(new byte[251].Select(_ => (byte)'A').ToArray(), new byte[300]));
        Assert.Equal(-1, EaName.ToAttribute("AB"u8, new byte[6]));
        Assert.True(EaName.FromAttribute("security.selinux"u8).IsEmpty);
        Assert.True(EaName.FromAttribute("trusted.user.x"u8).IsEmpty);
        Assert.True(EaName.Matches("author"u8, "AUTHOR"u8));
        Assert.True(EaName.Matches("\u00E9a"u8, "\u00E9A"u8));
        Assert.False(EaName.Matches("[a"u8, "{a"u8));
        Assert.False(EaName.Matches("a"u8, "ab"u8));
    }

    [Fact]
    public void Wsl_metadata_both_ways()
    {
        byte[] buffer = new byte[200];
        var writer = new EaListWriter(buffer);
        Assert.True(WslMetadata.TryAddTo(ref writer, 1000, 100, 0x61B0, WslMetadata.EncodeDevice(259, 0x12345)));
        var read = new WslMetadata();
        Assert.False(read.IsAny);
        EaEnumerator entries = EaList.Entries(buffer.AsSpan(0, writer.Length));
        int count = 0;
        while (entries.MoveNext())
        {
            Assert.True(WslMetadata.IsName(entries.Name));
            Assert.Equal(NtStatus.Success, read.Set(entries.Name, entries.Value));
            count++;
            if (count == 4)
            {
                Assert.Equal("0301000045230100", Convert.ToHexString(entries.Value));
            }
        }
        Assert.Equal(4, count);
        Assert.Equal((1000u, 100u, (ushort)0x61B0, WslMetadata.EncodeDevice(259, 0x12345)), (read.Uid!.Value, read.Gid!.Value, read.Mode!.Value, read.Device!.Value));
        Assert.True(read.IsAny);

        writer = new EaListWriter(buffer);
        Assert.True(WslMetadata.TryAddTo(ref writer, 0, 0, 0x81A4, 0));
        Assert.Equal(3 * (5u + 6 + 4), writer.PackedSize);
        writer = new EaListWriter(buffer.AsSpan(0, 58));
        Assert.False(WslMetadata.TryAddTo(ref writer, 0, 0, 0x81A4, 0));
    }

    [Theory]
    [InlineData("$LXUID", "000000", false)]
    [InlineData("$LXUID", "0000000000", false)]
    [InlineData("$LXGID", "FFFFFFFF", false)]
    [InlineData("$LXMOD", "00000100", false)]
    [InlineData("$LXMOD", "FFFF0000", true)]
    [InlineData("$LXDEV", "00000000", false)]
    [InlineData("$LXDEV", "0010000000000000", false)]
    [InlineData("$LXDEV", "FF0F0000FFFF0F00", true)]
    [InlineData("$lxdev", "0000000000001000", false)]
    [InlineData("$LXUID", "", true)]
    public void Wsl_values_are_checked(string name, string value, bool isGood)
    {
        var metadata = new WslMetadata();
        NtStatus status = metadata.Set(Encoding.ASCII.GetBytes(name), Convert.FromHexString(value));
        Assert.Equal(isGood ? NtStatus.Success : NtStatus.InvalidParameter, status);
        Assert.Equal(isGood && value.Length > 0, metadata.IsAny);
    }

    [Theory]
    [InlineData(8, 1, 0x801)]
    [InlineData(259, 0x12345, 0x12310345)]
    [InlineData(0xFFF, 0xFFFFF, 0xFFFFFFFF)]
    public void Device_numbers_are_those_of_linux(uint major, uint minor, uint device)
    {
        Assert.Equal(device, WslMetadata.EncodeDevice(major, minor));
        Assert.Equal((major, minor), WslMetadata.DecodeDevice(device));
    }
}
