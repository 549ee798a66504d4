using System.Text;
using WinLoop.Ext4.Format;
using WinLoop.TestKit;

namespace WinLoop.Ext4.Tests.Directories;

public class HtreeHashTests
{
    private static readonly HtreeHash s_signed = new(new byte[16], isUnsigned: false);
    private static readonly HtreeHash s_unsigned = new(new byte[16], isUnsigned: true);

    [Theory]
    [InlineData("abc", 0, 0x75AFD992u, 0u)]
    [InlineData("abc", 1, 0xD196A868u, 0xC420EB28u)]
    [InlineData("abc", 2, 0xB1435EC4u, 0x3F7EAA0Eu)]
    [InlineData("lost+found", 0, 0x5E2ABA24u, 0u)]
    [InlineData("lost+found", 1, 0x591DE422u, 0x6FFC56E0u)]
    [InlineData("lost+found", 2, 0x2DBF9E80u, 0xBFEBEE4Fu)]
    public void Known_hashes_of_ascii_names(string name, byte version, uint hash, uint minor)
    {
        foreach (HtreeHash hasher in new[] { s_signed, s_unsigned })
        {
            Assert.Equal(hash, hasher.Compute((HtreeHashVersion)version, Encoding.UTF8.GetBytes(name), out uint got));
            Assert.Equal(minor, got);
        }
    }

    [Theory]
    [InlineData(false, 0, 0xEE4C7826u, 0u)]
    [InlineData(false, 1, 0xE35ACD60u, 0x3C6D17C0u)]
    [InlineData(false, 2, 0x28F835D2u, 0xDF01E1BCu)]
    [InlineData(true, 0, 0xEB493026u, 0u)]
    [InlineData(true, 1, 0x6B96E41Eu, 0x53AFC6C0u)]
    [InlineData(true, 2, 0x69498F5Eu, 0x661C1B7Fu)]
    public void Known_hashes_of_high_bytes(bool isUnsigned, byte version, uint hash, uint minor)
    {
        Assert.Equal(hash, (isUnsigned ? s_unsigned : s_signed).Compute((HtreeHashVersion)version, [0xE4, 0xBD, 0xA0], out uint got));
        Assert.Equal(minor, got);
    }

    [Fact]
    public void Hashes_agree_with_debugfs()
    {
        Shell.Require("debugfs");
        byte[] seed = Convert.FromHexString("0123456789abcdef8899aabbccddeeff");
        var hasher = new HtreeHash(seed, isUnsigned: false);
        var random = new Random(4711);
        const string letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._+äößéあ漢";
        var script = new StringBuilder();
        var names = new List<string>();
        for (int length = 1; length <= 80; length++)
        {
            string name = string.Concat(Enumerable.Range(0, length).Select(_ => letters[random.Next(letters.Length)]));
            names.Add(name);
            foreach (string version in new[] { "legacy", "half_md4", "tea" })
            {
                script.AppendLine($"dx_hash -h {version} -s 01234567-89ab-cdef-8899-aabbccddeeff {name}");
            }
        }
        string folder = Directory.CreateTempSubdirectory("winloop-test-").FullName;
        try
        {
            string commands = Path.Combine(folder, "commands");
            File.WriteAllText(commands, script.ToString());
            string[] lines = [.. Shell.Run("debugfs", ["-f", commands]).Output.Split('\n').Where(l => l.StartsWith("Hash of", StringComparison.Ordinal))];
            Assert.Equal(names.Count * 3, lines.Length);
            for (int i = 0; i < lines.Length; i++)
            {
                uint hash = hasher.Compute((HtreeHashVersion)(i % 3), Encoding.UTF8.GetBytes(names[i / 3]), out uint minor);
                Assert.Equal($"Hash of {names[i / 3]} is 0x{hash:x} (minor 0x{minor:x})", lines[i].Trim());
            }
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public void The_end_marker_is_no_hash()
    {
        // No short name hits it, so all that can be seen is that hashes are even and below it.
        var random = new Random(1);
        Span<byte> name = new byte[20];
        for (int i = 0; i < 200_000; i++)
        {
            random.NextBytes(name);
            uint hash = s_signed.Compute((HtreeHashVersion)(i % 3), name, out _);
            Assert.True((hash & 1) == 0 && hash < 0xFFFFFFFE);
        }
    }
}
