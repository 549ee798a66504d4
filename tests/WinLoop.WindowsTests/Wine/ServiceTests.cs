using System.Text.Json;
using WinLoop.TestKit;
using WinLoop.WindowsTests.StandIn.Client;

namespace WinLoop.WindowsTests.Wine;

/// <summary>The Windows service under Wine's service manager: Wine has one user, so that what is tested is the way, and not
/// who may go it (the tests of the service on Linux do that with real users).</summary>
public sealed class ServiceTests(WineSession session) : IClassFixture<WineSession>
{
    private const int HostMissing = 8, Busy = 6;

    [Fact]
    public void It_is_installed_mounts_remembers_and_goes_without_a_trace()
    {
        using TestImage image = TestImage.Make(32);
        string path = WineSession.Windows(image.Path);
        string portFile = Path.Combine(Path.GetDirectoryName(image.Path)!, "port");
        session.Start();
        session.TellPortOfServices(portFile);
        using System.Diagnostics.Process hold = session.Hold();
        Assert.Equal(HostMissing, session.Run("service", "status").ExitCode);
        Assert.Equal(HostMissing, session.Run("mount", path, "X:", "--service").ExitCode);
        Succeed("service", "install");
        try
        {
            Assert.Equal(Busy, session.Run("service", "install").ExitCode);
            Succeed("service", "start");
            JsonElement status = JsonDocument.Parse(Succeed("service", "status", "--json")).RootElement;
            Assert.Equal("running", status.GetProperty("state").GetString());

            // Without --service, too: the service is the usual way where it runs.
            Assert.Equal("X:\n", Succeed("mount", path, "X:"));
            JsonElement mount = Assert.Single(JsonDocument.Parse(Succeed("list", "--json")).RootElement.GetProperty("mounts").EnumerateArray());
            Assert.Equal("X:", mount.GetProperty("directory").GetString());
            Assert.True(mount.GetProperty("service").GetBoolean());
            Assert.StartsWith("S-1-5-", mount.GetProperty("ownerSid").GetString(), StringComparison.Ordinal);
            Assert.Equal(status.GetProperty("pid").GetInt32(), mount.GetProperty("pid").GetInt32());
            Assert.Equal(Busy, session.Run("mount", path, "Y:").ExitCode);
            Assert.Contains("device queue", Succeed("stat", "X:"), StringComparison.Ordinal);
            Succeed("unmount", "X:");
            AssertClean(image);

            Assert.Equal("Y:\n", Succeed("mount", path, "Y:", "--keep"));
            Succeed("service", "stop");
            AssertClean(image);
            Succeed("service", "start");
            AwaitMount("Y:");

            // Killed, with something written that it has not written home, and started again.
            using (StandInClient client = StandInClient.Tcp(int.Parse(File.ReadAllText(portFile), System.Globalization.CultureInfo.InvariantCulture), "Y:"))
            {
                client.SetToken(Descriptor.Sid(5, 21, 0, 0, 0, 1000), Descriptor.Sid(5, 21, 0, 0, 0, 513));
                client.WriteAll(@"\before the kill", "written"u8);
                client.FlushVolume();
            }
            int pid = JsonDocument.Parse(Succeed("service", "status", "--json")).RootElement.GetProperty("pid").GetInt32();
            Shell.Result killed = session.RunWine("taskkill", ["/f", "/pid", pid.ToString(System.Globalization.CultureInfo.InvariantCulture)]);
            Assert.True(killed.ExitCode == 0, killed.All);
            Assert.Contains("needs_recovery", Shell.Run("dumpe2fs", ["-h", image.Path]).Output, StringComparison.Ordinal);
            Succeed("service", "start");
            AwaitMount("Y:");
            Succeed("unmount", "Y:");
            AssertClean(image);
            Assert.Equal("before the kill\n", image.WithKernel("ls $M | grep -v lost"));
        }
        finally
        {
            Succeed("service", "uninstall");
        }
        AssertClean(image);
        hold.StandardInput.Close();
        Assert.Equal("not-installed", JsonDocument.Parse(session.Run("service", "status", "--json").Output).RootElement.GetProperty("state").GetString());
    }

    private void AwaitMount(string drive)
    {
        for (int i = 0; !Succeed("list").Contains(drive, StringComparison.Ordinal); i++)
        {
            Assert.True(i < 50, drive + " has not come back");
        }
    }

    private string Succeed(params string[] arguments)
    {
        Shell.Result result = session.Run(arguments);
        string log = session.OnDriveC("ProgramData/WinLoop/service/service.log");
        Assert.True(result.ExitCode == 0, $"winloop {string.Join(' ', arguments)}: {result.ExitCode}\n{result.All}\n{(File.Exists(log) ? File.ReadAllText(log) : "")}");
        return result.Output;
    }

    private static void AssertClean(TestImage image)
    {
        Shell.Result result = Shell.Run("e2fsck", ["-fn", image.Path]);
        Assert.True(result.ExitCode == 0, result.All);
    }
}
