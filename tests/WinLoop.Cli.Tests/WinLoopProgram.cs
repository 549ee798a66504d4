using System.Diagnostics;
using System.Text.Json;

namespace WinLoop.Cli.Tests;

/// <summary>The built program, run as a user runs it.</summary>
internal static class WinLoopProgram
{
    /// <summary>Its path; <c>WINLOOP_PROGRAM</c> names another build, for example a published one.</summary>
    internal static string Path { get; } =
        Environment.GetEnvironmentVariable("WINLOOP_PROGRAM") ?? System.IO.Path.Combine(AppContext.BaseDirectory, OperatingSystem.IsWindows() ? "winloop.exe" : "winloop");

    internal static Shell.Result Run(params string[] arguments) => Shell.Run(Path, arguments);

    /// <summary>Runs it and demands success.</summary>
    /// <returns>What it printed on stdout.</returns>
    internal static string Succeed(params string[] arguments)
    {
        Shell.Result result = Run(arguments);
        Assert.True(result.ExitCode == 0, $"winloop {string.Join(' ', arguments)}: exit {result.ExitCode}\n{result.All}");
        return result.Output;
    }

    /// <summary>Runs it with --json and demands success.</summary>
    internal static JsonElement Json(params string[] arguments) => JsonDocument.Parse(Succeed([.. arguments, "--json"])).RootElement;

    /// <summary>
    /// Runs it, with and without --json, and demands that it fails the way every command fails: the exit code,
    /// nothing on stdout, one line that starts with the program's name and says <paramref name="says"/>, then
    /// at most one line of advice.
    /// </summary>
    internal static void Fail(int code, string says, params string[] arguments)
    {
        Shell.Result result = Run(arguments);
        string all = $"winloop {string.Join(' ', arguments)}: exit {result.ExitCode}\nstdout: {result.Output}\nstderr: {result.Error}";
        Assert.True(code == result.ExitCode, all);
        Assert.True(result.Output.Length == 0, all);
        string[] lines = result.Error.TrimEnd('\n').Split('\n');
        Assert.True(lines.Length is 1 or 2, all);
        Assert.True(lines[0].StartsWith("winloop: ", StringComparison.Ordinal), all);
        Assert.True(lines[0].Contains(says, StringComparison.Ordinal), all);
        Assert.True(lines.Length == 1 || lines[1].StartsWith("  ", StringComparison.Ordinal), all);

        Shell.Result json = Run([arguments[0], "--json", .. arguments[1..]]);
        Assert.Equal(code, json.ExitCode);
        JsonElement error = JsonDocument.Parse(json.Output).RootElement.GetProperty("error");
        Assert.Equal(code, error.GetProperty("exitCode").GetInt32());
        Assert.Equal(lines[0]["winloop: ".Length..], error.GetProperty("message").GetString());
        Assert.True(error.GetProperty("code").GetString()!.Length > 0);
        Assert.Equal(lines.Length == 2 ? lines[1].Trim() : null, error.GetProperty("hint").GetString());
    }

    /// <summary>Starts it without waiting.</summary>
    internal static Process Start(params string[] arguments)
    {
        var start = new ProcessStartInfo(Path) { RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true };
        foreach (string argument in arguments)
        {
            start.ArgumentList.Add(argument);
        }
        return Process.Start(start)!;
    }

    /// <summary>Skips the test where FUSE mounts are not possible.</summary>
    internal static void RequireMounts()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "mounts need Linux");
        Assert.SkipUnless(File.Exists("/dev/fuse"), "needs /dev/fuse");
        Assert.SkipUnless(Environment.UserName == "root", "needs root");
        Shell.Require("mkfs.ext4", "e2fsck", "umount");
    }
}
