using System.Runtime.InteropServices;

namespace WinLoop.Service.Windows;

/// <summary>The service control manager's calls and numbers.</summary>
internal static unsafe partial class ServiceManager
{
    internal const uint ManagerConnect = 1, ManagerCreate = 2, QueryConfig = 1, ChangeConfig = 2, QueryStatus = 4, StartAccess = 0x10, StopAccess = 0x20, Delete = 0x10000;
    internal const uint OwnProcess = 0x10, AutoStart = 2, ErrorNormal = 1;
    internal const uint Stopped = 1, StartPending = 2, StopPending = 3, Running = 4;
    internal const uint ControlStop = 1, ControlInterrogate = 4, ControlShutdown = 5, ControlPowerEvent = 0xD, ControlPreshutdown = 0xF;
    internal const uint AcceptStop = 1, AcceptShutdown = 4, AcceptPowerEvent = 0x40, AcceptPreshutdown = 0x100;
    internal const uint PowerSuspend = 4, PowerResumeSuspend = 7, PowerResumeAutomatic = 0x12;
    internal const uint ConfigDescription = 1, ConfigFailureActions = 2, ConfigDelayedStart = 3, ConfigPreshutdown = 7;
    internal const int AccessDenied = 5, NoController = 1063, AlreadyRunning = 1056, DoesNotExist = 1060, NotActive = 1062, MarkedForDelete = 1072, Exists = 1073;

    [StructLayout(LayoutKind.Sequential)]
    internal struct Status
    {
        public uint Type, State, Accepted, ExitCode, SpecificExitCode, CheckPoint, WaitHint;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct ProcessStatus
    {
        public Status Status;
        public uint ProcessId, Flags;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct TableEntry
    {
        public char* Name;
        public delegate* unmanaged<uint, char**, void> Main;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct FailureAction
    {
        public uint Type, Delay;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct FailureActions
    {
        public uint ResetPeriod;
        public char* RebootMessage, Command;
        public uint Count;
        public FailureAction* Actions;
    }

    [LibraryImport("advapi32", EntryPoint = "OpenSCManagerW", SetLastError = true)]
    internal static partial nint OpenManager(nint machine, nint database, uint access);

    [LibraryImport("advapi32", EntryPoint = "OpenServiceW", StringMarshalling = StringMarshalling.Utf16, SetLastError = true)]
    internal static partial nint Open(nint manager, string name, uint access);

    [LibraryImport("advapi32", EntryPoint = "CreateServiceW", StringMarshalling = StringMarshalling.Utf16, SetLastError = true)]
    internal static partial nint Create(nint manager, string name, string displayName, uint access, uint type, uint start, uint error, string path,
        nint group, nint tag, nint dependencies, nint account, nint password);

    [LibraryImport("advapi32", EntryPoint = "ChangeServiceConfig2W", SetLastError = true)]
    internal static partial int ChangeConfig2(nint service, uint level, void* info);

    [LibraryImport("advapi32", EntryPoint = "DeleteService", SetLastError = true)]
    internal static partial int DeleteService(nint service);

    [LibraryImport("advapi32", EntryPoint = "StartServiceW", SetLastError = true)]
    internal static partial int StartService(nint service, uint count, nint arguments);

    [LibraryImport("advapi32", EntryPoint = "ControlService", SetLastError = true)]
    internal static partial int Control(nint service, uint control, Status* status);

    [LibraryImport("advapi32", EntryPoint = "QueryServiceStatusEx", SetLastError = true)]
    internal static partial int Query(nint service, int level, ProcessStatus* status, uint size, out uint needed);

    [LibraryImport("advapi32", EntryPoint = "CloseServiceHandle")]
    internal static partial int Close(nint handle);

    [LibraryImport("advapi32", EntryPoint = "StartServiceCtrlDispatcherW", SetLastError = true)]
    internal static partial int StartDispatcher(TableEntry* table);

    [LibraryImport("advapi32", EntryPoint = "RegisterServiceCtrlHandlerExW", StringMarshalling = StringMarshalling.Utf16, SetLastError = true)]
    internal static partial nint RegisterHandler(string name, delegate* unmanaged<uint, uint, nint, nint, uint> handler, nint context);

    [LibraryImport("advapi32", EntryPoint = "SetServiceStatus", SetLastError = true)]
    internal static partial int SetStatus(nint handle, Status* status);
}
