namespace WinLoop.Cli.Tests;

public sealed class UsageTests
{
    [Theory]
    [InlineData("mount")]
    [InlineData("unmount")]
    [InlineData("info")]
    [InlineData("create")]
    [InlineData("create x.img")]
    [InlineData("stat")]
    [InlineData("list --nonsense")]
    [InlineData("mount a b c")]
    [InlineData("mount a -p x")]
    [InlineData("mount a -p 0")]
    [InlineData("mount a -p 1 --offset 5")]
    [InlineData("mount a --offset nonsense")]
    [InlineData("create x.img nonsense")]
    [InlineData("create x.img 100M --block-size 3000")]
    [InlineData("create x.img 100M --uuid 12")]
    [InlineData("create x.img 100M --owner me")]
    public void Mistakes_of_the_command_line_end_with_2(string line)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "mount refuses for another reason elsewhere");
        WinLoopProgram.Fail(2, "", line.Split(' '));
    }

    [Fact]
    public void An_unknown_command_is_named()
    {
        Shell.Result result = WinLoopProgram.Run("frobnicate");
        Assert.Equal(2, result.ExitCode);
        Assert.Equal("", result.Output);
        Assert.Contains("'frobnicate'", result.Error, StringComparison.Ordinal);
        Assert.Equal(2, WinLoopProgram.Run().ExitCode);
    }

    [Fact]
    public void Version_carries_the_notices()
    {
        string text = WinLoopProgram.Succeed("--version");
        Assert.StartsWith("winloop ", text, StringComparison.Ordinal);
        Assert.Contains("MIT", text, StringComparison.Ordinal);
        Assert.Contains("WinFsp", text, StringComparison.Ordinal);
        Assert.Contains("Bill Zissimopoulos", text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("mount")]
    [InlineData("unmount")]
    [InlineData("list")]
    [InlineData("info")]
    [InlineData("create")]
    [InlineData("stat")]
    public void Every_command_has_help(string command)
    {
        string[] arguments = command.Length == 0 ? ["--help"] : [command, "--help"];
        Assert.Contains("--json", WinLoopProgram.Succeed(arguments), StringComparison.Ordinal);
    }
}
