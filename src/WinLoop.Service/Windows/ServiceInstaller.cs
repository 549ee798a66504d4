using System.ComponentModel;
using System.Runtime.InteropServices;
using System.Runtime.Versioning;
using WinLoop.Mounting;
using static WinLoop.Service.Windows.ServiceManager;

namespace WinLoop.Service.Windows;

/// <summary>Installs, starts, stops and asks for the Windows service.</summary>
[SupportedOSPlatform("windows")]
internal static unsafe class ServiceInstaller
{
    /// <summary>The service has this long at a shutdown of Windows, in milliseconds.</summary>
    private const uint PreshutdownTime = 60_000;
    private const uint RestartAction = 1, RestartDelay = 5_000, ResetSeconds = 86_400;
    private static readonly TimeSpan s_limit = TimeSpan.FromSeconds(90);

    /// <summary>True if it runs.</summary>
    internal static bool IsRunning => ProcessId() != 0;

    /// <summary>Its process; 0 if it does not run or is not installed.</summary>
    internal static uint ProcessId() => TryQuery(out ProcessStatus status) && status.Status.State is Running or StartPending or StopPending ? status.ProcessId : 0;

    /// <summary><c>stopped</c>, <c>starting</c>, <c>stopping</c>, <c>not-answering</c> or <c>not-installed</c>.</summary>
    internal static string Describe() => !TryQuery(out ProcessStatus status) ? "not-installed" : status.Status.State switch
    {
        StartPending => "starting",
        StopPending => "stopping",
        Running => "not-answering",
        _ => "stopped",
    };

    /// <summary>Makes the service, which starts with Windows.</summary>
    internal static void Install()
    {
        const string what = "cannot install the service";
        string program = Environment.ProcessPath ?? throw new InvalidOperationException("The program does not know its own path.");
        WithManager(ManagerConnect | ManagerCreate, what, manager =>
        {
            // In quotes: a path with spaces would run the first program that fits.
            nint service = Create(manager, ServicePaths.ServiceName, "WinLoop", ChangeConfig | StartAccess, OwnProcess, AutoStart, ErrorNormal,
                $"\"{program}\" service run", 0, 0, 0, 0, 0);
            if (service == 0)
            {
                throw Failure(what);
            }
            Configure(service);
            _ = Close(service);
        });
        EventLogger.Install();
    }

    /// <summary>Whether Windows knows the service.</summary>
    internal static bool IsInstalled => TryQuery(out _);

    /// <summary>Stops the service and takes it away.</summary>
    internal static void Uninstall()
    {
        const string what = "cannot uninstall the service";
        if (IsRunning)
        {
            Stop();
        }
        WithService(Delete, what, service =>
        {
            if (DeleteService(service) == 0)
            {
                throw Failure(what);
            }
        });
        EventLogger.Uninstall();
    }

    /// <summary>Deletes what it remembered and its log.</summary>
    /// <exception cref="MountException">It runs, or the files cannot be deleted.</exception>
    internal static void Purge()
    {
        const string what = "cannot delete what the service remembers";
        if (IsRunning)
        {
            throw new MountException(MountError.Busy, what, "it runs", "Stop it first.");
        }
        string folder = ServicePaths.Own.State;
        try
        {
            if (Directory.Exists(folder))
            {
                Directory.Delete(folder, recursive: true);
            }
            // The folder above has the settings of the machine, too: it goes only when it is empty.
            if (Path.GetDirectoryName(folder) is { } parent && Directory.Exists(parent) && !Directory.EnumerateFileSystemEntries(parent).Any())
            {
                Directory.Delete(parent);
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Failures.Explain(e, what);
        }
    }

    /// <summary>Starts it and waits until it serves.</summary>
    internal static void Start()
    {
        const string what = "cannot start the service";
        WithService(StartAccess | QueryStatus, what, service =>
        {
            if (StartService(service, 0, 0) == 0 && Marshal.GetLastPInvokeError() != AlreadyRunning)
            {
                throw Failure(what);
            }
            WaitFor(service, Running, what);
        });
    }

    /// <summary>Stops it and waits until everything is unmounted.</summary>
    internal static void Stop()
    {
        const string what = "cannot stop the service";
        WithService(StopAccess | QueryStatus, what, service =>
        {
            Status status;
            if (Control(service, ControlStop, &status) == 0 && Marshal.GetLastPInvokeError() != NotActive)
            {
                throw Failure(what);
            }
            WaitFor(service, Stopped, what);
        });
    }

    /// <summary>The service, whatever installed it, tells the manager what an installer has no words for.</summary>
    internal static void ConfigureOwn()
    {
        nint manager = OpenManager(0, 0, ManagerConnect);
        nint service = manager == 0 ? 0 : Open(manager, ServicePaths.ServiceName, ChangeConfig | StartAccess);
        if (service != 0)
        {
            Configure(service);
            _ = Close(service);
        }
        if (manager != 0)
        {
            _ = Close(manager);
        }
    }

    /// <summary>What the service manager is told beside the path. What it does not take (Wine) is left out.</summary>
    private static void Configure(nint service)
    {
        fixed (char* text = "Mounts ext4 images as drives for all users.\0")
        {
            char* description = text;
            _ = ChangeConfig2(service, ConfigDescription, &description);
        }
        uint preshutdown = PreshutdownTime;
        _ = ChangeConfig2(service, ConfigPreshutdown, &preshutdown);
        FailureAction* actions = stackalloc FailureAction[3];
        for (int i = 0; i < 3; i++)
        {
            actions[i] = new FailureAction { Type = RestartAction, Delay = RestartDelay };
        }
        FailureActions failure = new() { ResetPeriod = ResetSeconds, Count = 3, Actions = actions };
        _ = ChangeConfig2(service, ConfigFailureActions, &failure);
    }

    private static bool TryQuery(out ProcessStatus status)
    {
        status = default;
        nint manager = OpenManager(0, 0, ManagerConnect);
        if (manager == 0)
        {
            return false;
        }
        nint service = Open(manager, ServicePaths.ServiceName, QueryStatus);
        bool done = false;
        if (service != 0)
        {
            ProcessStatus found;
            done = Query(service, 0, &found, (uint)sizeof(ProcessStatus), out _) != 0;
            status = found;
            _ = Close(service);
        }
        _ = Close(manager);
        return done;
    }

    private static void WaitFor(nint service, uint state, string what)
    {
        long end = Environment.TickCount64 + (long)s_limit.TotalMilliseconds;
        ProcessStatus status;
        while (Query(service, 0, &status, (uint)sizeof(ProcessStatus), out _) != 0 && status.Status.State != state)
        {
            if (state == Running && status.Status.State == Stopped)
            {
                throw new MountException(MountError.Failed, what, $"it ended at once (code {status.Status.ExitCode})", "Its log tells why.");
            }
            if (Environment.TickCount64 > end)
            {
                throw new MountException(MountError.Failed, what, "it takes too long", "'winloop service status' tells how it goes on.");
            }
            Thread.Sleep(50);
        }
    }

    private static void WithService(uint access, string what, Action<nint> action) => WithManager(ManagerConnect, what, manager =>
    {
        nint service = Open(manager, ServicePaths.ServiceName, access);
        if (service == 0)
        {
            throw Failure(what);
        }
        try
        {
            action(service);
        }
        finally
        {
            _ = Close(service);
        }
    });

    private static void WithManager(uint access, string what, Action<nint> action)
    {
        nint manager = OpenManager(0, 0, access);
        if (manager == 0)
        {
            throw Failure(what);
        }
        try
        {
            action(manager);
        }
        finally
        {
            _ = Close(manager);
        }
    }

    private static MountException Failure(string what)
    {
        int error = Marshal.GetLastPInvokeError();
        return error switch
        {
            AccessDenied => new MountException(MountError.Denied, what, "permission denied", "Run it as an administrator."),
            DoesNotExist => new MountException(MountError.HostMissing, what, "it is not installed", "'winloop service install' does that."),
            Exists => new MountException(MountError.Busy, what, "it is installed already", "'winloop service start' starts it."),
            MarkedForDelete => new MountException(MountError.Busy, what, "it is being removed", "Close what looks at services, and try again."),
            _ => new MountException(MountError.Failed, what, new Win32Exception(error).Message.TrimEnd('.')),
        };
    }
}
