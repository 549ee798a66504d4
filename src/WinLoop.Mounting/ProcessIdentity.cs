using System.Globalization;

namespace WinLoop.Mounting;

/// <summary>A process that is not mixed up with a later one of the same number.</summary>
/// <param name="Pid">Process id.</param>
/// <param name="StartTime">When it started: on Linux clock ticks from boot (field 22 of <c>/proc/PID/stat</c>), on
/// Windows 100 ns since 1601.</param>
public readonly record struct ProcessIdentity(int Pid, long StartTime)
{
    /// <summary>The process that asks.</summary>
    public static ProcessIdentity Current => new(Environment.ProcessId, ReadStartTime(Environment.ProcessId) ?? 0);

    /// <summary>A process that runs now; null if there is none of that number.</summary>
    public static ProcessIdentity? Of(int pid) => ReadStartTime(pid) is { } start ? new ProcessIdentity(pid, start) : null;

    /// <summary>True while the process runs; one that has ended and was not waited for does not count.</summary>
    public bool IsAlive => ReadStartTime(Pid) == StartTime;

    /// <summary>Waits until the process has ended.</summary>
    /// <param name="timeout">How long at most.</param>
    /// <returns>False if it still runs.</returns>
    public bool WaitForExit(TimeSpan timeout)
    {
        long end = Environment.TickCount64 + (long)timeout.TotalMilliseconds;
        int pause = 1;
        while (IsAlive)
        {
            if (Environment.TickCount64 >= end)
            {
                return false;
            }
            Thread.Sleep(pause);
            pause = Math.Min(pause * 2, 50);
        }
        return true;
    }

    private static long? ReadStartTime(int pid)
    {
        if (OperatingSystem.IsWindows())
        {
            return ReadStartTimeOnWindows(pid);
        }
        try
        {
            string stat = File.ReadAllText($"/proc/{pid.ToString(CultureInfo.InvariantCulture)}/stat");
            // The second field, the name in brackets, may hold spaces and brackets itself.
            string[] fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
            return fields[0] is "Z" or "X" ? null : long.Parse(fields[19], CultureInfo.InvariantCulture);
        }
        catch (IOException)
        {
            return null;
        }
    }

    private static long? ReadStartTimeOnWindows(int pid)
    {
        try
        {
            using var process = System.Diagnostics.Process.GetProcessById(pid);
            return process.HasExited ? null : process.StartTime.ToFileTimeUtc();
        }
        catch (Exception e) when (e is ArgumentException or InvalidOperationException or System.ComponentModel.Win32Exception)
        {
            return null; // it has ended, or was another's all along
        }
    }
}
