using System.Security.Cryptography;
using System.Text.Json;
using WinLoop.TestKit;

namespace WinLoop.WindowsTests.Wine;

/// <summary>Overlays and disks as winloop.exe has them under Wine.</summary>
public sealed class OverlayTests(WineSession session) : IClassFixture<WineSession>
{
    [Fact]
    public void Writes_go_into_an_overlay_file_until_they_are_committed()
    {
        session.Start();
        using TestImage image = TestImage.Make(32);
        string before = HashOf(image.Path);
        for (int i = 0; i < 2; i++)
        {
            using var mount = new WineMount(session, image, "X:", "--overlay", @"C:\x.overlay", "--verify");
            if (i == 0)
            {
                mount.Client.WriteAll(@"\file", "from Windows"u8);
            }
            else
            {
                Assert.Equal("from Windows"u8.ToArray(), mount.Client.ReadAll(@"\file"));
            }
            mount.Unmount();
            Assert.Equal(before, HashOf(image.Path));
        }
        Assert.True(new FileInfo(session.OnDriveC("x.overlay")).Length > 32 << 20);
        Shell.Result commit = session.Run("overlay", "commit", @"C:\x.overlay", WineSession.Windows(image.Path));
        Assert.True(commit.ExitCode == 0, commit.All);
        image.AssertClean();
        Assert.Equal("from Windows", image.WithKernel("cat $M/file"));
        Assert.Equal(0, session.Run("overlay", "discard", @"C:\x.overlay").ExitCode);
        Assert.False(File.Exists(session.OnDriveC("x.overlay")));
    }

    [Fact]
    public void Scan_asks_all_disks_and_ends_well_where_they_do_not_answer()
    {
        session.Start();
        Shell.Result result = session.Run("scan", "--json");
        Assert.True(result.ExitCode == 0, result.All);
        Assert.All(JsonDocument.Parse(result.Output).RootElement.GetProperty("disks").EnumerateArray(),
            d => Assert.StartsWith(@"\\.\PhysicalDrive", d.GetProperty("disk").GetString(), StringComparison.Ordinal));
        // The drive that Windows runs from is nothing to write to, whatever else is known of it.
        Shell.Result system = session.Run("check", "--repair", @"\\.\C:");
        Assert.NotEqual(0, system.ExitCode);
    }

    private static string HashOf(string path) => Convert.ToHexString(SHA256.HashData(File.ReadAllBytes(path)));
}
