using System.Text.Json;
using WinLoop.TestKit;
using WinLoop.WindowsTests.StandIn.Client;

namespace WinLoop.WindowsTests.Wine;

/// <summary>The commands of winloop.exe that need no mount, and the options of mount that Windows sees.</summary>
public sealed class CommandTests(WineSession session) : IClassFixture<WineSession>
{
    // The command's answer; it must have ended well.
    private string Succeed(params string[] arguments)
    {
        Shell.Result result = session.Run(arguments);
        Assert.True(result.ExitCode == 0, $"{string.Join(' ', arguments)}: {result.ExitCode}\n{result.All}");
        return result.Output;
    }

    [Fact]
    public void Files_go_in_and_out_by_paths_of_Windows()
    {
        session.Start();
        using TestImage image = TestImage.Make(32);
        image.WithKernel("""
            mkdir $M/etc; printf 'from Linux' > $M/etc/hosts; printf x > "$M/etc/a:b"; printf y > "$M/etc/dot."; touch -d '2001-02-03 04:05:06 UTC' $M/etc/hosts
            printf one > $M/etc/Makefile; printf two > $M/etc/makefile; ln $M/etc/hosts $M/etc/second
            """);
        string folder = session.OnDriveC("copies");
        Directory.CreateDirectory(folder);
        File.Copy(image.Path, session.OnDriveC("x.img"), overwrite: true);

        Assert.Equal("from Linux", Succeed("cat", @"C:\x.img:/etc/hosts").TrimEnd('\n'));
        Assert.Equal("from Linux", Succeed("cat", "C:/x.img:/etc/hosts").TrimEnd('\n'));
        Assert.Equal("etc\nlost+found\n", Succeed("ls", @"C:\x.img:"));

        Shell.Result copied = session.Run("cp", "-a", @"C:\x.img:/etc", @"C:\copies", "--json");
        Assert.Equal(1, copied.ExitCode);
        JsonElement answer = JsonDocument.Parse(copied.Output).RootElement;
        Assert.Contains("differs in case only", Assert.Single(answer.GetProperty("failed").EnumerateArray()).GetProperty("message").GetString(), StringComparison.Ordinal);
        Assert.Equal(["the owners of", "the hard links of"], answer.GetProperty("skipped").EnumerateArray().Select(s => s.GetString()!.Split(" of ")[0] + " of"));
        string[] names = [.. Directory.GetFiles(Path.Combine(folder, "etc")).Select(f => Path.GetFileName(f)).Order(StringComparer.Ordinal)];
        Assert.Equal(["a\uF03Ab", "dot\uF02E", "hosts", "makefile", "second"], names.Select(n => n.ToLowerInvariant()).Order(StringComparer.Ordinal).Select(n => n.Replace("\uF02e", "\uF02E")));
        Assert.Equal(new DateTime(2001, 2, 3, 4, 5, 6), File.GetLastWriteTimeUtc(Path.Combine(folder, "etc", "hosts")));

        Succeed("cp", "-r", @"C:\copies\etc", @"C:\x.img:/back");
        File.Copy(session.OnDriveC("x.img"), image.Path, overwrite: true);
        image.AssertClean();
        Assert.Equal("from Linux x y", image.WithKernel("cat $M/back/hosts; printf ' '; cat \"$M/back/a:b\"; printf ' '; cat \"$M/back/dot.\""));

        Shell.Result wrong = session.Run("cp", @"C:\copies\etc\hosts", @"C:\copies\other");
        Assert.Equal(2, wrong.ExitCode);
        Assert.Equal(3, session.Run("ls", @"C:\none.img:/").ExitCode);
    }

    [Fact]
    public void Doctor_names_what_is_missing()
    {
        session.Start();
        JsonElement healthy = JsonDocument.Parse(session.Run("doctor", "--json").Output).RootElement;
        Assert.True(healthy.GetProperty("healthy").GetBoolean(), healthy.ToString());
        Assert.Equal(["system", "WinFsp", "drive letters", "PATH", "double-click", "settings", "records of mounts", "service", "mounts"],
            healthy.GetProperty("items").EnumerateArray().Select(i => i.GetProperty("name").GetString()));
        session.RegisterWinFsp(isThere: false);
        try
        {
            Shell.Result result = session.Run("doctor");
            Assert.Equal(8, result.ExitCode);
            Assert.Contains("BROKEN   WinFsp: ", result.Output, StringComparison.Ordinal);
            Assert.Contains("winget install WinFsp.WinFsp", result.Output, StringComparison.Ordinal);
        }
        finally
        {
            session.RegisterWinFsp(isThere: true);
        }
    }

    [Fact]
    public void A_mount_takes_label_log_and_settings()
    {
        session.Start();
        using TestImage image = TestImage.Make(32, "-L own");
        string settings = Directory.CreateDirectory(session.OnDriveC(@"ProgramData/WinLoop")).FullName + "/winloop.json";
        string log = session.OnDriveC("w.log");
        File.WriteAllText(settings, """{ "mount": { "fsname": "NTFS", "label": 1 } }""");
        try
        {
            Shell.Result wrong = session.Run("mount", WineSession.Windows(image.Path), "X:", "--foreground");
            Assert.Equal(2, wrong.ExitCode);
            Assert.Contains(@"wrong setting in C:\ProgramData\WinLoop\winloop.json: mount:label is no setting", wrong.Error, StringComparison.Ordinal);
            File.WriteAllText(settings, """{ "mount": { "fsname": "NTFS" }, "log": { "file": "C:\\w.log", "level": "trace" } }""");
            using (var mount = new WineMount(session, image, "X:", "--label", "shown"))
            {
                VolumeAnswer volume = mount.Client.QueryVolume();
                Assert.Equal(("shown", "NTFS"), (volume.Label, volume.FileSystemName));
                mount.Client.WriteAll(@"\file", "x"u8);
                mount.Client.SetLabel("new");
                Assert.Equal("new", mount.Client.QueryVolume().Label);
                mount.Unmount();
            }
            Assert.Equal(2, session.Run("mount", WineSession.Windows(image.Path), "X:", "--foreground", "--label", new string('x', 33)).ExitCode);
        }
        finally
        {
            File.Delete(settings);
        }
        string[] lines = File.ReadAllLines(log);
        Assert.Contains(lines, l => l.Contains(" on X: read-write; label 'own'", StringComparison.Ordinal));
        Assert.Contains(lines, l => l.Contains(@" host Create \file status 0x00000000", StringComparison.Ordinal));
        Assert.EndsWith("; clean", lines[^1], StringComparison.Ordinal);
    }
}
