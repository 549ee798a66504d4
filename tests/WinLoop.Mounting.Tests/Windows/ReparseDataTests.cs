using System.Text;
using WinLoop.Mounting.Windows;

namespace WinLoop.Mounting.Tests.Windows;

public sealed class ReparseDataTests
{
    private const ushort Link = 0xA1FF;

    [Theory]
    [InlineData("a", @"a", false, null)]
    [InlineData("../a/./b.txt", @"..\a\.\b.txt", false, null)]
    [InlineData("..", @"..", false, null)]
    [InlineData(".", @".", false, null)]
    [InlineData("/usr/bin", @"\usr\bin", false, null)]
    [InlineData("/", @"\", false, null)]
    [InlineData("//", @"\", false, "/")]
    [InlineData("a//b/", @"a\b", false, "a/b")]
    [InlineData("//a/", @"\a", false, "/a")]
    [InlineData("x:y/end./é", "x\uF03Ay\\end\uF02E\\é", false, null)]
    [InlineData("a\\b", "a\uF05Cb", false, null)]
    [InlineData("C:/x", "C\uF03A\\x", false, null)]
    [InlineData("/??/C:/x y/z", @"\??\C:\x y\z", true, null)]
    [InlineData("/??/c:/", @"\??\c:\", true, null)]
    [InlineData("/??/c:", @"\??\c:", true, null)]
    [InlineData("/??/Volume{01234567-89ab-cdef-0123-456789abcdef}/x", @"\??\Volume{01234567-89ab-cdef-0123-456789abcdef}\x", true, null)]
    [InlineData("/??/UNC/server/share", "\\\uF03F\uF03F\\UNC\\server\\share", false, null)]
    [InlineData("/??/GLOBALROOT/x", "\\\uF03F\uF03F\\GLOBALROOT\\x", false, null)]
    [InlineData("/??/", "\\\uF03F\uF03F", false, "/??")]
    public void Targets_both_ways(string target, string path, bool isNt, string? back)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(target);
        byte[] buffer = new byte[ReparseData.MaxLength];
        Assert.Equal(NtStatus.Success, ReparseData.Encode(Link, bytes, buffer, out int length));
        Assert.Equal(ReparseData.SymlinkTag, BitConverter.ToUInt32(buffer));
        Assert.Equal(length - 8, BitConverter.ToUInt16(buffer, 4));
        Assert.Equal(path, Encoding.Unicode.GetString(buffer, 20 + BitConverter.ToUInt16(buffer, 8), BitConverter.ToUInt16(buffer, 10)));
        Assert.Equal(isNt ? path[4..] : path, Encoding.Unicode.GetString(buffer, 20 + BitConverter.ToUInt16(buffer, 12), BitConverter.ToUInt16(buffer, 14)));
        Assert.Equal(isNt ? 0u : 1u, BitConverter.ToUInt32(buffer, 16));

        byte[] read = new byte[4095];
        Assert.Equal(NtStatus.Success, ReparseData.Decode(buffer.AsSpan(0, length), read, out ushort type, out int targetLength));
        Assert.Equal(0xA000, type);
        Assert.Equal(back ?? target, Encoding.UTF8.GetString(read, 0, targetLength));
        Assert.Equal(NtStatus.BufferTooSmall, ReparseData.Encode(Link, bytes, buffer.AsSpan(0, length - 1), out int needed));
        Assert.Equal(length, needed);
    }

    [Theory]
    [InlineData(@"a/b\c", true, "a/b/c")]
    [InlineData(@"a\\b\", true, "a/b")]
    [InlineData(@"\", true, "/")]
    [InlineData(@"\\", true, "/")]
    [InlineData("", true, null)]
    [InlineData("a:b", true, null)]
    [InlineData(@"a\b.", true, null)]
    [InlineData(@"\??\C:\x", true, null)]
    [InlineData(@"C:\x", true, null)]
    [InlineData(@"C:\x", false, null)]
    [InlineData(@"\x", false, null)]
    [InlineData(@"\??\UNC\server\share\x", false, null)]
    [InlineData(@"\??\C:x", false, null)]
    [InlineData(@"\??\C:\a:b", false, null)]
    [InlineData(@"\??\", false, null)]
    [InlineData(@"\??\Volume{01234567}\x", false, null)]
    public void What_programs_set(string path, bool relative, string? target)
    {
        byte[] read = new byte[4095];
        NtStatus status = ReparseData.Decode(Symlink(path, relative), read, out _, out int length);
        Assert.Equal(target is null ? NtStatus.IoReparseDataInvalid : NtStatus.Success, status);
        Assert.Equal(target ?? "", Encoding.UTF8.GetString(read, 0, length));
    }

    [Theory]
    [InlineData(0xC1ED, ReparseData.AfUnixTag)]
    [InlineData(0x11A4, ReparseData.LxFifoTag)]
    [InlineData(0x21A4, ReparseData.LxCharTag)]
    [InlineData(0x61A4, ReparseData.LxBlockTag)]
    public void Special_files_have_the_tags_of_wsl(int mode, uint tag)
    {
        byte[] buffer = new byte[8];
        Assert.Equal(NtStatus.Success, ReparseData.Encode((ushort)mode, default, buffer, out int length));
        Assert.Equal((8, tag, 0u), (length, BitConverter.ToUInt32(buffer), BitConverter.ToUInt32(buffer, 4)));
        Assert.Equal(NtStatus.Success, ReparseData.Decode(buffer, default, out ushort type, out length));
        Assert.Equal((mode & 0xF000, 0), (type, length));
        Assert.Equal(NtStatus.BufferTooSmall, ReparseData.Encode((ushort)mode, default, buffer.AsSpan(0, 7), out _));
        Assert.Equal(NtStatus.IoReparseDataInvalid, ReparseData.Decode(Buffer(tag, [1]), default, out _, out _));
        Assert.Equal(NtStatus.Success, ReparseData.CheckDelete(buffer, (ushort)mode));
    }

    [Fact]
    public void Files_and_directories_have_no_reparse_point()
    {
        Assert.Equal(NtStatus.NotAReparsePoint, ReparseData.Encode(0x81A4, default, new byte[100], out _));
        Assert.Equal(NtStatus.NotAReparsePoint, ReparseData.Encode(0x41ED, default, new byte[100], out _));
        Assert.Equal(NtStatus.NotAReparsePoint, ReparseData.CheckDelete(Buffer(ReparseData.SymlinkTag, []), 0x81A4));
        Assert.Equal(0u, ReparseData.TagOf(0x81A4));
    }

    [Fact]
    public void Symlinks_of_wsl_are_taken_as_they_are()
    {
        byte[] target = new byte[4095];
        Assert.Equal(NtStatus.Success, ReparseData.Decode(Buffer(ReparseData.LxSymlinkTag, [2, 0, 0, 0, .. "/a:b//\xFF"u8]), target, out ushort type, out int length));
        Assert.Equal("/a:b//\xFF"u8, target.AsSpan(0, length));
        Assert.Equal(0xA000, type);
        foreach (byte[] bad in new byte[][] { [], [2, 0, 0, 0], [1, 0, 0, 0, 65], [2, 0, 0, 0, 65, 0], [2, 0, 0, 0, .. new byte[4096].Select(_ => (byte)65)] })
        {
            Assert.Equal(NtStatus.IoReparseDataInvalid, ReparseData.Decode(Buffer(ReparseData.LxSymlinkTag, bad), target, out _, out _));
        }
    }

    [Fact]
    public void Other_tags_are_refused()
    {
        Assert.Equal(NtStatus.IoReparseTagNotHandled, ReparseData.Decode(Buffer(ReparseData.MountPointTag, new byte[20]), default, out _, out _));
        Assert.Equal(NtStatus.IoReparseTagNotHandled, ReparseData.Decode(Buffer(0x9000001A, new byte[20]), default, out _, out _));
        Assert.Equal(NtStatus.IoReparseTagInvalid, ReparseData.Decode(Buffer(0, []), default, out _, out _));
        Assert.Equal(NtStatus.IoReparseTagInvalid, ReparseData.Decode(Buffer(1, []), default, out _, out _));
        byte[] foreign = Buffer(0x12345, new byte[16 + 3]);
        Assert.Equal(NtStatus.IoReparseDataInvalid, ReparseData.Decode(foreign, default, out _, out _));
        foreign[4] = 3;
        Assert.Equal(NtStatus.IoReparseTagNotHandled, ReparseData.Decode(foreign, default, out _, out _));
        Assert.Equal(NtStatus.IoReparseDataInvalid, ReparseData.Decode(new byte[7], default, out _, out _));
    }

    [Fact]
    public void Deleting_takes_the_same_tag_and_no_data()
    {
        Assert.Equal(NtStatus.Success, ReparseData.CheckDelete(Buffer(ReparseData.SymlinkTag, []), Link));
        Assert.Equal(NtStatus.IoReparseTagMismatch, ReparseData.CheckDelete(Buffer(ReparseData.LxFifoTag, []), Link));
        Assert.Equal(NtStatus.IoReparseDataInvalid, ReparseData.CheckDelete(Symlink("a", true), Link));
        Assert.Equal(NtStatus.IoReparseDataInvalid, ReparseData.CheckDelete([], Link));
    }

    [Fact]
    public void Lengths_are_checked_at_the_limits()
    {
        byte[] buffer = new byte[ReparseData.MaxLength];
        byte[] read = new byte[4095];
        foreach (int length in new[] { 4090, 4091, 4092, 4095 })
        {
            byte[] target = Encoding.ASCII.GetBytes(string.Join('/', Enumerable.Repeat(new string('a', 63), 64)))[..length];
            Assert.Equal(NtStatus.Success, ReparseData.Encode(Link, target, buffer, out int used));
            Assert.Equal(length > 4091 ? 0 : 2 * length, BitConverter.ToUInt16(buffer, 14));
            Assert.True(used <= ReparseData.MaxLength);
            Assert.Equal(NtStatus.Success, ReparseData.Decode(buffer.AsSpan(0, used), read, out _, out int back));
            Assert.Equal(target, read[..back]);
            Assert.Equal(NtStatus.IoReparseDataInvalid, ReparseData.Decode(buffer.AsSpan(0, used), read.AsSpan(0, length - 1), out _, out _));
        }
        Assert.Equal(NtStatus.IoReparseDataInvalid, ReparseData.Encode(Link, new byte[4096], buffer, out _));
        Assert.Equal(NtStatus.IoReparseDataInvalid, ReparseData.Encode(Link, [], buffer, out _));
        Assert.Equal(NtStatus.IoReparseDataInvalid, ReparseData.Decode(Symlink(string.Join('\\', Enumerable.Repeat("é", 1400)), true), read, out _, out _));
    }

    [Fact]
    public void Random_targets_come_back()
    {
        Random random = Seeded.Random();
        byte[] hard = [(byte)'/', (byte)'/', (byte)'.', (byte)'.', (byte)'\\', (byte)':', (byte)'?', (byte)'a', (byte)'C', (byte)' ', 0xC3, 0xA9, 0xEF, 0x80, 0xAE, 0xFF];
        byte[] buffer = new byte[ReparseData.MaxLength], read = new byte[4095];
        for (int i = 0; i < 200_000; i++)
        {
            byte[] target = new byte[random.Next(1, 14)];
            for (int j = 0; j < target.Length; j++)
            {
                target[j] = i % 4 == 0 ? (byte)random.Next(1, 256) : hard[random.Next(hard.Length)];
            }
            if (i % 5 == 0)
            {
                target = [.. "/??/C:"u8, .. target];
            }
            Assert.Equal(NtStatus.Success, ReparseData.Encode(Link, target, buffer, out int length));
            Assert.Equal(NtStatus.Success, ReparseData.Decode(buffer.AsSpan(0, length), read, out _, out int back));
            bool isNt = buffer[16] == 0;
            Assert.Equal(isNt ? target : Simplified(target), read[..back]);
        }
    }

    [Fact]
    public void Hostile_buffers_do_no_harm()
    {
        Random random = Seeded.Random();
        byte[] buffer = new byte[ReparseData.MaxLength], read = new byte[4095];
        ReparseData.Encode(Link, "../some/target"u8, buffer, out int length);
        for (int i = 0; i < 200_000; i++)
        {
            byte[] bytes = buffer[..length];
            for (int change = random.Next(1, 5); change > 0; change--)
            {
                bytes[random.Next(i % 2 == 0 ? 20 : length)] = (byte)random.Next(256);
            }
            if (i % 8 == 0)
            {
                random.NextBytes(bytes.AsSpan(8));
            }
            if (ReparseData.Decode(bytes, read, out _, out int targetLength) == NtStatus.Success)
            {
                Assert.DoesNotContain((byte)0, read[..targetLength]);
            }
        }
    }

    private static byte[] Simplified(byte[] target)
    {
        string text = Encoding.Latin1.GetString(target);
        string joined = string.Join('/', text.Split('/', StringSplitOptions.RemoveEmptyEntries));
        return Encoding.Latin1.GetBytes(text[0] == '/' ? "/" + joined : joined);
    }

    private static byte[] Symlink(string path, bool relative)
    {
        byte[] units = Encoding.Unicode.GetBytes(path);
        return Buffer(ReparseData.SymlinkTag, [0, 0, (byte)units.Length, (byte)(units.Length >> 8), 0, 0, 0, 0, (byte)(relative ? 1 : 0), 0, 0, 0, .. units]);
    }

    private static byte[] Buffer(uint tag, byte[] data) =>
        [.. BitConverter.GetBytes(tag), (byte)data.Length, (byte)(data.Length >> 8), 0, 0, .. data];
}
