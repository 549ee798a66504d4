using System.Text.Json;
using WinLoop.TestKit;

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
        session.Start();
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
            string list = "";
            for (int i = 0; i < 50 && !list.Contains("mounted", StringComparison.Ordinal); i++)
            {
                list = Succeed("list");
            }
            Assert.Contains("Y:", list, StringComparison.Ordinal);
            Succeed("unmount", "Y:");
        }
        finally
        {
            Succeed("service", "uninstall");
        }
        AssertClean(image);
        hold.StandardInput.Close();
        Assert.Equal("not-installed", JsonDocument.Parse(session.Run("service", "status", "--json").Output).RootElement.GetProperty("state").GetString());
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
