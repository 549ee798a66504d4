using System.Runtime.InteropServices;
using System.Runtime.Versioning;
using Microsoft.Extensions.Logging;
using WinLoop.Mounting.Logging;
using WinLoop.Service.Server;
using static WinLoop.Service.Windows.ServiceManager;

namespace WinLoop.Service.Windows;

/// <summary>This process as a Windows service. The manager calls back on threads of its own, and nothing may be thrown at it.</summary>
[SupportedOSPlatform("windows")]
internal static unsafe class WindowsServiceHost
{
    private const uint StartHint = 30_000, StopHint = 55_000, NotImplemented = 120, ExitFailed = 1066;
    private const long MaxLog = 1 << 20;
    // Windows waits two seconds for the answer to a coming sleep.
    private static readonly TimeSpan s_suspendLimit = TimeSpan.FromSeconds(1.8);

    private static ServicePaths s_paths = null!;
    private static ServiceLimits s_limits = null!;
    private static nint s_status;
    private static RunningService? s_service;
    private static ServiceLog? s_log;
    private static bool s_mayStop;

    /// <summary>Runs until Windows stops it.</summary>
    /// <returns>False at once if Windows has not started this process as a service.</returns>
    internal static bool TryRun(ServicePaths paths, ServiceLimits limits)
    {
        (s_paths, s_limits) = (paths, limits);
        fixed (char* name = ServicePaths.ServiceName + '\0')
        {
            TableEntry* table = stackalloc TableEntry[2];
            table[0] = new TableEntry { Name = name, Main = &Main };
            table[1] = default;
            return StartDispatcher(table) != 0 || Marshal.GetLastPInvokeError() != NoController;
        }
    }

    [UnmanagedCallersOnly]
    private static void Main(uint count, char** arguments)
    {
        uint exitCode = 0;
        try
        {
            s_status = RegisterHandler(ServicePaths.ServiceName, &Handle, 0);
            if (s_status == 0)
            {
                return;
            }
            Tell(StartPending, StartHint);
            SystemListener.MakePrivateFolder(s_paths.State);
            using LogFile file = LogFile.Open(new LogOptions { File = Path.Combine(s_paths.State, "service.log"), MaxSize = MaxLog });
            using var events = new EventLogger();
            s_log = new ServiceLog(new LineLogger(LogLevel.Information, file.Write), events);
            s_service = RunningService.Start(s_paths, s_limits, s_log);
            ServiceInstaller.ConfigureOwn();
            s_mayStop = true;
            Tell(Running, 0);
            s_service.WaitForStop();
            Tell(StopPending, StopHint);
            exitCode = s_service.Stop() ? 0 : ExitFailed;
        }
        catch (Exception e)
        {
            s_log?.Error($"the service ends: {e}");
            exitCode = ExitFailed;
        }
        s_mayStop = false;
        Tell(Stopped, 0, exitCode);
    }

    [UnmanagedCallersOnly]
    private static uint Handle(uint control, uint kind, nint data, nint context)
    {
        try
        {
            switch (control)
            {
                case ControlStop or ControlShutdown or ControlPreshutdown:
                    Tell(StopPending, StopHint);
                    s_service?.RequestStop();
                    return 0;
                case ControlPowerEvent:
                    if (kind == PowerSuspend)
                    {
                        s_service?.Suspend(s_suspendLimit);
                    }
                    else if (kind is PowerResumeSuspend or PowerResumeAutomatic)
                    {
                        s_service?.Resume(s_suspendLimit);
                    }
                    return 0;
                case ControlInterrogate:
                    return 0;
                default:
                    return NotImplemented;
            }
        }
        catch (Exception e)
        {
            s_log?.Error($"control {control}: {e}");
            return 0;
        }
    }

    private static void Tell(uint state, uint hint, uint exitCode = 0)
    {
        Status status = new()
        {
            Type = OwnProcess,
            State = state,
            // A service that takes preshutdown is told of it before everything else, and may take its time.
            Accepted = s_mayStop && state == Running ? AcceptStop | AcceptPreshutdown | AcceptPowerEvent : 0,
            ExitCode = exitCode,
            CheckPoint = state is StartPending or StopPending ? 1u : 0,
            WaitHint = hint,
        };
        _ = SetStatus(s_status, &status);
    }
}
