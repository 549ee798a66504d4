using System.Diagnostics;

namespace WinLoop.Benchmarks;

/// <summary>Shell commands of the benchmark.</summary>
internal static class Tool
{
    /// <summary>Runs a bash command line; a failure ends the benchmark.</summary>
    public static void Run(string command)
    {
        int code = TryRun(command);
        if (code != 0)
        {
            throw new InvalidOperationException($"exit {code}: {command}");
        }
    }

    /// <summary>Runs a bash command line and returns its exit code.</summary>
    public static int TryRun(string command)
    {
        using Process process = Process.Start(new ProcessStartInfo("bash", ["-c", command]) { RedirectStandardOutput = true })!;
        process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return process.ExitCode;
    }
}
