using System.Globalization;

namespace WinLoop.Mounting.Linux;

/// <summary>A process that is not mixed up with a later one of the same number.</summary>
/// <param name="Pid">Process id.</param>
/// <param name="StartTime">Clock ticks from boot to its start (field 22 of <c>/proc/PID/stat</c>).</param>
public readonly record struct ProcessIdentity(int Pid, long StartTime)
{
    /// <summary>The process that asks.</summary>
    public static ProcessIdentity Current => new(Environment.ProcessId, ReadStartTime(Environment.ProcessId) ?? 0);

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
}
