using System.Text.Json;

namespace WinLoop.Cli.Tests;

/// <summary><c>doctor</c> and <c>completion</c>.</summary>
[Collection(MountNamespaces.Name)]
public sealed class DoctorTests
{
    [Fact]
    public void This_system_is_healthy_and_every_item_says_what_was_found()
    {
        WinLoopProgram.RequireMounts();
        JsonElement answer = WinLoopProgram.Json("doctor");
        Assert.True(answer.GetProperty("healthy").GetBoolean());
        Assert.Equal(["system", "FUSE", "loop devices", "records of mounts", "mounts"], answer.GetProperty("items").EnumerateArray().Select(i => i.GetProperty("name").GetString()));
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

    [Theory]
    [InlineData("winloop mo", "mount")]
    [InlineData("winloop che", "check")]
    [InlineData("winloop check --re", "--repair")]
    [InlineData("winloop mount --read", "--read-only")]
    [InlineData("winloop cp --arch", "--archive")]
    public void Bash_completes(string line, string expected)
    {
        Shell.Require("bash");
        string[] words = line.Split(' ');
        string completed = Shell.Run("bash", ["-c", $"""
            eval "$({WinLoopProgram.Path} completion bash)"
            COMP_WORDS=({string.Join(' ', words)}); COMP_CWORD={words.Length - 1}; _winloop; echo "${"{COMPREPLY[@]}"}"
            """]).Output;
        Assert.Equal(expected + "\n", completed);
    }

    [Fact]
    public void PowerShell_gets_every_command_and_other_shells_a_clear_no()
    {
        string script = WinLoopProgram.Succeed("completion", "powershell");
        foreach (string command in (string[])["mount", "unmount", "list", "info", "create", "check", "ls", "cat", "cp", "stat", "doctor", "completion"])
        {
            Assert.Contains($"'{command}' = @(", script, StringComparison.Ordinal);
        }
        WinLoopProgram.Fail(2, "fish", "completion", "fish");
    }
}
