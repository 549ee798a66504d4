using System.Text.Json;
using WinLoop.TestKit;
using WinLoop.WindowsTests.StandIn.Client;

namespace WinLoop.WindowsTests.Wine;

/// <summary>The MSI: its tables against those that were looked at, and its life under Wine's installer.</summary>
public sealed class InstallerTests(WineSession session) : IClassFixture<WineSession>
{
    // What msiexec's 1603 is as the exit code of a Linux process.
    private const int Refused = 1603 & 255;
    private const string Installed = @"C:\Program Files\WinLoop\winloop.exe";

    private static readonly Lazy<string> s_old = new(() => Build("0.9.0")), s_new = new(() => Build("0.9.1"));

    private static string Build(string version)
    {
        Shell.Require("wixl", "msibuild", "zip");
        string output = Path.Combine(WineSession.Root, "artifacts", "installer-test");
        Shell.Script($"bash {WineSession.Root}/installer/build.sh {output} {version} {WineSession.Program}", 600);
        return Path.Combine(output, $"winloop-{version}-x64.msi");
    }

    private Shell.Result Msiexec(string verb, string package) => session.RunWine("msiexec", [verb, WineSession.Windows(package), "/qn"]);

    [Fact]
    public void Its_tables_are_those_that_were_looked_at()
    {
        session.Start();
        string folder = Path.Combine(WineSession.Root, "tests", "WinLoop.WindowsTests", "Wine", "Golden");
        foreach (string table in (string[])["Registry", "Shortcut", "Environment", "LaunchCondition", "CustomAction", "RegLocator", "InstallExecuteSequence"])
        {
            string actual = Shell.Script($"msiinfo export {s_old.Value} {table}").Replace("\r", "", StringComparison.Ordinal);
            string path = Path.Combine(folder, table + ".idt");
            if (Environment.GetEnvironmentVariable("WINLOOP_UPDATE_GOLDEN") == "1")
            {
                Directory.CreateDirectory(folder);
                File.WriteAllText(path, actual);
            }
            Assert.Equal(File.ReadAllText(path), actual);
        }
        string files = Shell.Script($"msiinfo export {s_old.Value} File");
        foreach (string file in (string[])["winloop.exe", "winloopw.exe", "WinLoop.Ext4.dll", "coreclr.dll", "LICENSE.txt"])
        {
            Assert.Contains(file, files, StringComparison.Ordinal);
        }
        Assert.Contains("WinLoop/winloopw.exe", Shell.Script($"unzip -l {s_old.Value.Replace(".msi", ".zip", StringComparison.Ordinal)}"), StringComparison.Ordinal);
    }

    [Fact]
    public void It_is_refused_installed_upgraded_and_removed_and_mounts_end_cleanly()
    {
        session.Start();
        using TestImage image = TestImage.Make(64);
        string folder = Path.GetDirectoryName(image.Path)!, portFile = Path.Combine(folder, "port"), named = Path.Combine(folder, "my Zoë image.ext4");
        File.Move(image.Path, named);

        session.RegisterWinFsp(isThere: false);
        Assert.Equal(Refused, Msiexec("/i", s_old.Value).ExitCode);
        Assert.False(Directory.Exists(session.OnDriveC("Program Files/WinLoop")));
        session.RegisterWinFsp(isThere: true);
        Assert.Equal(0, Msiexec("/i", s_old.Value).ExitCode);
        Shell.Result version = session.RunWine("cmd", ["/c", "winloop --version"]);
        Assert.Contains("WinFsp", version.Output, StringComparison.Ordinal);

        // Upgraded with a mount that a double-click has made.
        string drive = DoubleClick();
        Write(drive, @"\before the upgrade");
        Assert.Equal(0, Msiexec("/i", s_new.Value).ExitCode);
        AssertUnmounted();
        Assert.Equal(Refused, Msiexec("/i", s_old.Value).ExitCode);
        Assert.True(File.Exists(session.OnDriveC("Program Files/WinLoop/winloop.exe")));

        // Removed with a mount.
        drive = DoubleClick();
        Write(drive, @"\before the end");
        Assert.Equal(0, Msiexec("/x", s_new.Value).ExitCode);
        Assert.False(Directory.Exists(session.OnDriveC("Program Files/WinLoop")), "files are left");
        foreach (string key in (string[])[@"HKLM\SOFTWARE\Classes\.ext4", @"HKLM\SOFTWARE\Classes\WinLoop.Image", @"HKLM\SOFTWARE\Classes\Drive\shell\WinLoop.unmount",
            @"HKLM\SOFTWARE\Classes\SystemFileAssociations\.img\shell\WinLoop.mount", @"HKLM\SOFTWARE\WinLoop",
            @"HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\App Paths\winloop.exe"])
        {
            Assert.True(session.RunWine("reg", ["query", key]).ExitCode != 0, key + " is left");
        }
        Assert.DoesNotContain("WinLoop", session.RunWine("reg", ["query", @"HKLM\SYSTEM\CurrentControlSet\Control\Session Manager\Environment", "/v", "PATH"]).Output, StringComparison.Ordinal);
        File.Move(named, image.Path);
        image.AssertClean();
        Assert.Equal("before the end\nbefore the upgrade\n", image.WithKernel("ls $M | grep -v lost"));

        string DoubleClick()
        {
            File.Delete(portFile);
            Shell.Result clicked = session.RunWine("start", ["/wait", "/unix", named], portFile);
            Assert.True(clicked.ExitCode == 0, clicked.All);
            using JsonDocument list = JsonDocument.Parse(session.RunWine(Installed, ["list", "--json"]).Output);
            return Assert.Single(list.RootElement.GetProperty("mounts").EnumerateArray()).GetProperty("directory").GetString()!;
        }

        void Write(string drive, string path)
        {
            using StandInClient client = StandInClient.Tcp(int.Parse(File.ReadAllText(portFile), System.Globalization.CultureInfo.InvariantCulture), drive);
            client.SetToken(Descriptor.Sid(5, 21, 0, 0, 0, 1000), Descriptor.Sid(5, 21, 0, 0, 0, 513));
            client.WriteAll(path, "written"u8);
        }

        void AssertUnmounted()
        {
            using JsonDocument list = JsonDocument.Parse(session.RunWine(Installed, ["list", "--json"]).Output);
            Assert.Equal(0, list.RootElement.GetProperty("mounts").GetArrayLength());
            Shell.Result clean = Shell.Run("e2fsck", ["-fn", named]);
            Assert.True(clean.ExitCode == 0, clean.All);
        }
    }
}
