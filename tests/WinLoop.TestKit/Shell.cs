using System.Diagnostics;
using Xunit;

namespace WinLoop.TestKit;

/// <summary>Runs the system's own tools, which are the oracles of the tests.</summary>
public static class Shell
{
    /// <summary>What a command said.</summary>
    public readonly record struct Result(int ExitCode, string Output, string Error)
    {
        /// <summary>Both streams.</summary>
        public string All => Output + Error;
    }

    /// <summary>Runs a program to its end; a hang is a failure.</summary>
    public static Result Run(string program, IEnumerable<string> arguments, int timeoutSeconds = 120)
    {
        var start = new ProcessStartInfo(program)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            RedirectStandardInput = true,
            UseShellExecute = false,
        };
        foreach (string argument in arguments)
        {
            start.ArgumentList.Add(argument);
        }
        start.Environment["LC_ALL"] = "C.UTF-8";
        start.Environment["PATH"] = Environment.GetEnvironmentVariable("PATH") + ":/usr/sbin:/sbin";
        using Process process = Process.Start(start)!;
        process.StandardInput.Close();
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        Task<string> error = process.StandardError.ReadToEndAsync();
        if (!process.WaitForExit(timeoutSeconds * 1000))
        {
            process.Kill(entireProcessTree: true);
            throw new TimeoutException($"{program} {string.Join(' ', arguments)} ran for more than {timeoutSeconds} s");
        }
        return new Result(process.ExitCode, output.GetAwaiter().GetResult(), error.GetAwaiter().GetResult());
    }

    // A process that another test is just starting holds our open files until it has become that program.
    private const string PatientUnmount =
        "umount() { local i; for i in 1 2 3 4 5 6 7 8 9; do command umount \"$@\" 2>/dev/null && return 0; sleep 0.1; done; command umount \"$@\"; }\n";

    /// <summary>Runs a bash script with <c>set -e</c>; any failure fails the test with what was printed.</summary>
    public static string Script(string script, int timeoutSeconds = 300)
    {
        Result result = Run("bash", ["-c", "set -euo pipefail\n" + PatientUnmount + script], timeoutSeconds);
        Assert.True(result.ExitCode == 0, $"exit {result.ExitCode} from:\n{script}\n{result.All}");
        return result.Output;
    }

    /// <summary>Skips the test unless every program is installed.</summary>
    public static void Require(params string[] programs)
    {
        foreach (string program in programs)
        {
            bool isFound = (Environment.GetEnvironmentVariable("PATH") + ":/usr/sbin:/sbin").Split(':')
                .Any(folder => folder.Length > 0 && File.Exists(Path.Combine(folder, program)));
            Assert.SkipUnless(isFound, $"{program} is not installed");
        }
    }

    /// <summary>Skips the test unless it can loop-mount: Linux and root.</summary>
    public static void RequireLoopMounts()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "needs the Linux kernel");
        Assert.SkipUnless(Environment.UserName == "root", "needs root for loop mounts");
        Assert.SkipUnless(File.Exists("/dev/loop-control"), "needs loop devices");
        Require("mount", "umount", "mkfs.ext4", "e2fsck");
    }
}
