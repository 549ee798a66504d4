using System.Text.Json;
using WinLoop.TestKit;
using WinLoop.WindowsTests.StandIn.Client;

namespace WinLoop.WindowsTests.Wine;

/// <summary>The MSI: its tables against those that were looked at, and its life under Wine's installer.</summary>
public sealed class InstallerTests(WineSession session) : IClassFixture<WineSession>
{
    // What msiexec's 1603 is as the exit code of a Linux process.
    private const int Refused = 1603 & 255;
    private const string InstalledProgram = @"C:\Program Files\WinLoop\winloop.exe";

    private static readonly Lazy<string> s_old = new(() => Build("0.9.0")), s_new = new(() => Build("0.9.1"));

    private static string Build(string version)
    {
        Shell.Require("wixl", "msibuild", "zip");
        string output = Path.Combine(WineSession.Root, "artifacts", "installer-test");
        Shell.Script($"WINLOOP_RELEASE_URL=https://example.org/releases bash {WineSession.Root}/installer/build.sh {output} {version} {WineSession.Program}", 600);
        return Path.Combine(output, $"winloop-{version}-x64.msi");
    }

    private Shell.Result Msiexec(string verb, string package) => session.RunWine("msiexec", [verb, WineSession.Windows(package), "/qn"]);

    [Fact]
    public void Its_tables_are_those_that_were_looked_at()
    {
        session.Start();
        string folder = Path.Combine(WineSession.Root, "tests", "WinLoop.WindowsTests", "Wine", "Golden");
        foreach (string table in (string[])["Registry", "Shortcut", "Environment", "LaunchCondition", "CustomAction", "ServiceInstall", "ServiceControl", "RegLocator", "InstallExecuteSequence"])
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
        // winget's manifests are those of the version that was built last.
        string manifest = File.ReadAllText(Path.Combine(Path.GetDirectoryName(s_old.Value)!, "winget", "WinLoop.WinLoop.installer.yaml"));
        string msi = s_new.IsValueCreated ? s_new.Value : s_old.Value;
        string hash = Convert.ToHexString(System.Security.Cryptography.SHA256.HashData(File.ReadAllBytes(msi)));
        Assert.Contains($"InstallerUrl: https://example.org/releases/{Path.GetFileName(msi)}\n", manifest, StringComparison.Ordinal);
        Assert.Contains($"InstallerSha256: {hash}\n", manifest, StringComparison.Ordinal);
        Assert.Matches(@"ProductCode: '\{[0-9A-F-]{36}\}'\n", manifest);
        Assert.DoesNotContain("@", manifest, StringComparison.Ordinal);
        Assert.Contains("WinLoop/winloopw.exe", Shell.Script($"unzip -l {s_old.Value.Replace(".msi", ".zip", StringComparison.Ordinal)}"), StringComparison.Ordinal);
    }

    [Fact]
    public void It_is_refused_installed_repaired_upgraded_and_removed_and_mounts_end_cleanly()
    {
        session.Start();
        using TestImage image = TestImage.Make(64), kept = TestImage.Make(32);
        string folder = Path.GetDirectoryName(image.Path)!, portFile = Path.Combine(folder, "port"), named = Path.Combine(folder, "my Zoë image.ext4");
        File.Move(image.Path, named);

        session.RegisterWinFsp(isThere: false);
        Assert.Equal(Refused, Msiexec("/i", s_old.Value).ExitCode);
        Assert.False(Directory.Exists(session.OnDriveC("Program Files/WinLoop")));
        session.RegisterWinFsp(isThere: true);
        session.TellPortOfServices(portFile);
        using System.Diagnostics.Process hold = session.Hold();
        Assert.Equal(0, Msiexec("/i", s_old.Value).ExitCode);
        Shell.Result version = session.RunWine("cmd", ["/c", "winloop --version"]);
        Assert.Contains("WinFsp", version.Output, StringComparison.Ordinal);
        Assert.Equal("running", Status());

        // One by the command line, that comes back, and one by a double-click: both are the service's.
        Assert.Equal("K:\n", Installed("mount", "--keep", WineSession.Windows(kept.Path), "K:"));
        string drive = DoubleClick();
        Write(drive, @"\before the upgrade");
        Assert.Equal(["K:", drive], Directories());
        Installed("unmount", drive);
        AssertClean(named);
        drive = DoubleClick();

        // Repaired: files come back, and mounts with the service.
        File.Delete(session.OnDriveC("Program Files/WinLoop/winloop.ico"));
        // What "msiexec /fa" is the short form of, which Wine's does not know.
        Shell.Result repaired = session.RunWine("msiexec", ["/i", WineSession.Windows(s_old.Value), "REINSTALL=ALL", "REINSTALLMODE=amus", "/qn"]);
        Assert.True(repaired.ExitCode == 0, repaired.All);
        Assert.True(File.Exists(session.OnDriveC("Program Files/WinLoop/winloop.ico")));
        Await("K:");
        drive = Directories().Contains(drive) ? drive : DoubleClick();

        // Upgraded with both mounted.
        Assert.Equal(0, Msiexec("/i", s_new.Value).ExitCode);
        AssertClean(named);
        AssertClean(kept.Path);
        // Windows tells the old product that a new one comes; Wine's RemoveExistingProducts does not, so that it forgets
        // what is remembered. Here it is told.
        Assert.Empty(Directories());
        Assert.Equal("K:\n", Installed("mount", "--keep", WineSession.Windows(kept.Path), "K:"));
        Shell.Result removed = session.RunWine("msiexec", ["/x", WineSession.Windows(s_new.Value), "UPGRADINGPRODUCTCODE={6D3B7E1C-52D5-4C43-9E1B-0F6A55B4C7A2}", "/qn"]);
        Assert.True(removed.ExitCode == 0, removed.All);
        AssertClean(kept.Path);
        Assert.Equal(0, Msiexec("/i", s_new.Value).ExitCode);
        Await("K:");
        Assert.Equal(Refused, Msiexec("/i", s_old.Value).ExitCode);
        Assert.True(File.Exists(session.OnDriveC("Program Files/WinLoop/winloop.exe")));

        // Removed with both mounted.
        drive = DoubleClick();
        Write(drive, @"\before the end");
        Assert.Equal(0, Msiexec("/x", s_new.Value).ExitCode);
        Assert.False(Directory.Exists(session.OnDriveC("Program Files/WinLoop")), "files are left");
        Assert.False(Directory.Exists(session.OnDriveC("ProgramData/WinLoop")), "what the service remembers is left");
        foreach (string key in (string[])[@"HKLM\SOFTWARE\Classes\.ext4", @"HKLM\SOFTWARE\Classes\WinLoop.Image", @"HKLM\SOFTWARE\Classes\Drive\shell\WinLoop.unmount",
            @"HKLM\SOFTWARE\Classes\SystemFileAssociations\.img\shell\WinLoop.mount", @"HKLM\SOFTWARE\WinLoop",
            @"HKLM\SYSTEM\CurrentControlSet\Services\WinLoop", @"HKLM\SYSTEM\CurrentControlSet\Services\EventLog\Application\WinLoop",
            @"HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\Explorer\DriveIcons\K",
            @"HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\App Paths\winloop.exe"])
        {
            Assert.True(session.RunWine("reg", ["query", key]).ExitCode != 0, key + " is left");
        }
        Assert.DoesNotContain("WinLoop", session.RunWine("reg", ["query", @"HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\Run"]).Output, StringComparison.Ordinal);
        Assert.DoesNotContain("WinLoop", session.RunWine("reg", ["query", @"HKLM\SYSTEM\CurrentControlSet\Control\Session Manager\Environment", "/v", "PATH"]).Output, StringComparison.Ordinal);
        hold.StandardInput.Close();
        AssertClean(kept.Path);
        File.Move(named, image.Path);
        image.AssertClean();
        Assert.Equal("before the end\nbefore the upgrade\n", image.WithKernel("ls $M | grep -v lost"));

        string Installed(params string[] arguments)
        {
            Shell.Result result = session.RunWine(InstalledProgram, arguments);
            Assert.True(result.ExitCode == 0, $"winloop {string.Join(' ', arguments)}: {result.ExitCode} {result.All}{Log()}");
            return result.Output;
        }

        string Log() => session.OnDriveC("ProgramData/WinLoop/service/service.log") is var log && File.Exists(log) ? File.ReadAllText(log) : "";

        string Status()
        {
            using JsonDocument status = JsonDocument.Parse(session.RunWine(InstalledProgram, ["service", "status", "--json"]).Output);
            return status.RootElement.GetProperty("state").GetString()!;
        }

        string[] Directories()
        {
            using JsonDocument list = JsonDocument.Parse(Installed("list", "--json"));
            return [.. list.RootElement.GetProperty("mounts").EnumerateArray().Where(m => m.GetProperty("state").GetString() == "mounted")
                .Select(m => m.GetProperty("directory").GetString()!).Order(StringComparer.Ordinal)];
        }

        void Await(string directory)
        {
            for (int i = 0; !Directories().Contains(directory); i++)
            {
                Assert.True(i < 50, $"{directory} has not come back{Log()}");
            }
        }

        string DoubleClick()
        {
            string[] before = Directories();
            Shell.Result clicked = session.RunWine("start", ["/wait", "/unix", named], portFile);
            Assert.True(clicked.ExitCode == 0, clicked.All + Log());
            return Assert.Single(Directories().Except(before));
        }

        // A process tells its port with its first mount.
        void Write(string drive, string path)
        {
            using StandInClient client = StandInClient.Tcp(int.Parse(File.ReadAllText(portFile), System.Globalization.CultureInfo.InvariantCulture), drive);
            client.SetToken(Descriptor.Sid(5, 21, 0, 0, 0, 1000), Descriptor.Sid(5, 21, 0, 0, 0, 513));
            client.WriteAll(path, "written"u8);
        }

        static void AssertClean(string path)
        {
            Shell.Result clean = Shell.Run("e2fsck", ["-fn", path]);
            Assert.True(clean.ExitCode == 0, clean.All);
        }
    }
}
