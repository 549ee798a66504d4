using System.Diagnostics;

namespace WinLoop.Ext4.Tests.Check;

internal enum FsckVerdict { Clean, Damaged, Hung }

/// <summary>e2fsck's opinion of an image, bounded in time.</summary>
internal static class Fsck
{
    private const int Seconds = 20;

    /// <summary>Judges; the file may be changed by the replay of its journal.</summary>
    public static FsckVerdict Judge(string path, bool needsRecovery, out string said)
    {
        said = "";
        if (needsRecovery && Run(["-p", "-E", "journal_only", path], out said) is not (0 or 1))
        {
            return FsckVerdict.Damaged;
        }
        int code = Run(["-fn", path], out said);
        // Some of what it finds and does not mend leaves its exit code at 0.
        return code < 0 ? FsckVerdict.Hung : code == 0 && !AsksQuestions(said) ? FsckVerdict.Clean : FsckVerdict.Damaged;
    }

    private static bool AsksQuestions(string said) => said.Split('\n').Any(line =>
        line.Contains("? no", StringComparison.Ordinal) && !line.Contains("Optimize? no", StringComparison.Ordinal));

    private static int Run(string[] arguments, out string said)
    {
        var start = new ProcessStartInfo("e2fsck", arguments) { RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true };
        start.Environment["LC_ALL"] = "C.UTF-8";
        start.Environment["PATH"] = Environment.GetEnvironmentVariable("PATH") + ":/usr/sbin:/sbin";
        using Process process = Process.Start(start)!;
        process.StandardInput.Close();
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        Task<string> error = process.StandardError.ReadToEndAsync();
        if (!process.WaitForExit(Seconds * 1000))
        {
            process.Kill();
            said = "";
            return -1;
        }
        said = output.GetAwaiter().GetResult() + error.GetAwaiter().GetResult();
        return process.ExitCode;
    }
}
