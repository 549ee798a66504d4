using System.Text.Json;

namespace WinLoop.Cli.Tests;

/// <summary><c>doctor</c>.</summary>
[Collection(MountNamespaces.Name)]
public sealed class DoctorTests
{
    [Fact]
    public void This_system_is_healthy_and_every_item_says_what_was_found()
    {
        WinLoopProgram.RequireMounts();
        JsonElement answer = WinLoopProgram.Json("doctor");
        Assert.True(answer.GetProperty("healthy").GetBoolean());
        Assert.Equal(["system", "FUSE", "loop devices", "settings", "records of mounts", "service", "mounts"], answer.GetProperty("items").EnumerateArray().Select(i => i.GetProperty("name").GetString()));
        Assert.All(answer.GetProperty("items").EnumerateArray(), i => Assert.NotEmpty(i.GetProperty("finding").GetString()!));
        Assert.Contains("OK       FUSE: /dev/fuse\n", WinLoopProgram.Succeed("doctor"), StringComparison.Ordinal);
    }

    [Fact]
    public void What_is_broken_has_a_remedy_and_a_code()
    {
        Shell.Require("unshare");
        WinLoopProgram.RequireMounts();
        // A mount namespace of its own, in which there is no /dev/fuse.
        Shell.Result result = Shell.Run("unshare", ["-m", "sh", "-c", $"mount -t tmpfs none /dev && {WinLoopProgram.Path} doctor --json"]);
        Assert.Equal(8, result.ExitCode);
        JsonElement broken = JsonDocument.Parse(result.Output).RootElement.GetProperty("items").EnumerateArray().Single(i => i.GetProperty("state").GetString() == "broken");
        Assert.Equal("FUSE", broken.GetProperty("name").GetString());
        Assert.Contains("modprobe fuse", broken.GetProperty("remedy").GetString(), StringComparison.Ordinal);
    }
}
