using Microsoft.Extensions.Logging;
using WinLoop.Cli.Output;
using WinLoop.Mounting;
using WinLoop.Mounting.Logging;
using WinLoop.Mounting.Settings;
using WinLoop.Service;
using WinLoop.Service.Server;
using WinLoop.Service.Windows;

namespace WinLoop.Cli.Serving;

/// <summary><c>service run</c>: as a Windows service if Windows started it, else from this console until it is asked to stop.</summary>
internal static class ServiceRunner
{
    private static readonly TimeSpan StopLimit = TimeSpan.FromSeconds(90);
    private static readonly TimeSpan SuspendLimit = TimeSpan.FromSeconds(10);

    internal static int Run(ServicePaths paths, Report report)
    {
        // It must not keep a directory of whoever started it busy.
        Environment.CurrentDirectory = OperatingSystem.IsWindows() ? Environment.SystemDirectory : "/";
        if (OperatingSystem.IsWindows() && WindowsServiceHost.TryRun(paths, new ServiceLimits()))
        {
            return 0;
        }
        using var signals = new StopSignals();
        var log = new ServiceLog(new LineLogger(LogLevel.Information, (level, line) =>
            StandardStreams.Error.WriteLine(Printable.Text(level >= LogLevel.Warning ? $"{LogLevelName.Of(level)}: {line}" : line))));
        using RunningService service = RunningService.Start(paths, new ServiceLimits(), log);
        var notes = new List<string>();
        using var sleep = new SleepSignals(() => service.Suspend(SuspendLimit), () => service.Resume(SuspendLimit), notes);
        notes.ForEach(log.Warning);
        signals.Attach(_ => service.RequestStop());
        service.WaitForStop();
        return service.Stop() ? 0 : (int)MountError.Failed;
    }

    /// <summary>Waits until a service that was asked to stop has ended.</summary>
    internal static void WaitForEnd(int pid, Report report)
    {
        if (ProcessIdentity.Of(pid) is { } process && !process.WaitForExit(StopLimit))
        {
            throw new MountException(MountError.Failed, "the service", "it has not ended in time", "It may still be closing images; see its log.");
        }
        report.Note("The service has stopped.");
    }
}
