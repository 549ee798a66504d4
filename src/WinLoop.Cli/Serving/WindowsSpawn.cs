using System.ComponentModel;
using System.Diagnostics;
using System.IO.Pipes;
using System.Runtime.InteropServices;
using System.Runtime.Versioning;
using System.Text;
using Microsoft.Win32.SafeHandles;
using WinLoop.Cli.Explorer;
using WinLoop.Mounting;

namespace WinLoop.Cli.Serving;

/// <summary>Starts this program again as a process that survives the window: no handle of this one is inherited, so that
/// whoever reads its output is not kept waiting, and its console is a hidden one of its own, by which Windows tells it of
/// logoff and shutdown.</summary>
[SupportedOSPlatform("windows")]
internal static unsafe partial class WindowsSpawn
{
    private const uint CreateNoWindow = 0x08000000, CreateNewProcessGroup = 0x200, CreateBreakawayFromJob = 0x01000000;
    private const int AccessDenied = 5;
    private const string PipePrefix = "winloop-ready-";

    /// <summary>Starts <c>winloop ARGUMENTS</c>.</summary>
    /// <param name="arguments">Without the program's name.</param>
    /// <param name="id">The mount's name in the registry, which the child is told too.</param>
    /// <param name="ready">What the child reports; empty if it ends without a word.</param>
    /// <returns>How the child ended, if it did without a word.</returns>
    internal static string Start(IReadOnlyList<string> arguments, string id, out string ready)
    {
        string program = Environment.ProcessPath ?? throw new InvalidOperationException("The program does not know its own path.");
        if (ExplorerProgram.IsMe)
        {
            program = Path.Combine(AppContext.BaseDirectory, "winloop.exe");
        }
        List<string> argv = [program];
        if (Path.GetFileNameWithoutExtension(program) == "dotnet")
        {
            argv.Add(Path.Combine(AppContext.BaseDirectory, "winloop.dll"));
        }
        argv.AddRange(arguments);
        using var pipe = new NamedPipeServerStream(PipePrefix + id, PipeDirection.In, 1, PipeTransmissionMode.Byte,
            PipeOptions.CurrentUserOnly | PipeOptions.Asynchronous | PipeOptions.FirstPipeInstance);
        using SafeProcessHandle process = Create(program, CommandLine(argv));
        using var end = new ProcessEnd(process);
        Task connected = pipe.WaitForConnectionAsync();
        if (Task.WaitAny(connected, end.Task) != 0)
        {
            ready = "";
            return $"ended with code {end.ExitCode}";
        }
        using var reader = new StreamReader(pipe);
        ready = reader.ReadToEnd();
        return ready.Length > 0 ? "" : "ended without a word";
    }

    /// <summary>In the child: where it reports.</summary>
    internal static Stream OpenReady(string id)
    {
        const int ConnectMilliseconds = 5000;
        var pipe = new NamedPipeClientStream(".", PipePrefix + id, PipeDirection.Out, PipeOptions.CurrentUserOnly);
        try
        {
            pipe.Connect(ConnectMilliseconds);
            return pipe;
        }
        catch (TimeoutException e)
        {
            pipe.Dispose();
            throw new IOException("Nobody waits for the mount.", e);
        }
    }

    /// <summary>One line as CommandLineToArgvW takes it apart: backslashes count only in front of quotes.</summary>
    internal static string CommandLine(IEnumerable<string> arguments)
    {
        var line = new StringBuilder();
        foreach (string argument in arguments)
        {
            line.Append(line.Length == 0 ? "\"" : " \"");
            int backslashes = 0;
            foreach (char c in argument)
            {
                if (c == '"')
                {
                    line.Append('\\', backslashes + 1);
                }
                backslashes = c == '\\' ? backslashes + 1 : 0;
                line.Append(c);
            }
            line.Append('\\', backslashes).Append('"');
        }
        return line.ToString();
    }

    private static SafeProcessHandle Create(string program, string commandLine)
    {
        // Out of the job of a terminal or an installer, which would end the mount with it; where that is forbidden, inside.
        foreach (uint breakaway in (uint[])[CreateBreakawayFromJob, 0])
        {
            var startup = new StartupInfo { Size = (uint)sizeof(StartupInfo) };
            ProcessInformation information;
            fixed (char* line = commandLine + '\0')
            {
                if (CreateProcess(program, line, 0, 0, inheritHandles: 0, CreateNoWindow | CreateNewProcessGroup | breakaway, 0, null, &startup, &information) != 0)
                {
                    CloseHandle(information.Thread);
                    return new SafeProcessHandle(information.Process, ownsHandle: true);
                }
            }
            int error = Marshal.GetLastPInvokeError();
            if (breakaway == 0 || error != AccessDenied)
            {
                throw new MountException(MountError.Failed, "cannot start the serving process", new Win32Exception(error).Message.TrimEnd('.'),
                    "With --foreground the mount is served by this process.");
            }
        }
        throw new UnreachableException();
    }

    private sealed class ProcessEnd : IDisposable
    {
        private readonly TaskCompletionSource _end = new();
        private readonly ManualResetEvent _handle = new(false);
        private readonly RegisteredWaitHandle _registration;
        private readonly SafeProcessHandle _process;

        internal ProcessEnd(SafeProcessHandle process)
        {
            _process = process;
            _handle.SafeWaitHandle = new SafeWaitHandle(process.DangerousGetHandle(), ownsHandle: false);
            _registration = ThreadPool.RegisterWaitForSingleObject(_handle, (_, _) => _end.TrySetResult(), null, Timeout.Infinite, executeOnlyOnce: true);
        }

        internal Task Task => _end.Task;

        internal uint ExitCode => GetExitCodeProcess(_process.DangerousGetHandle(), out uint code) != 0 ? code : uint.MaxValue;

        public void Dispose()
        {
            _registration.Unregister(null);
            _handle.Dispose();
        }
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct StartupInfo
    {
        public uint Size;
        public nint Reserved, Desktop, Title;
        public uint X, Y, Width, Height, WidthInCharacters, HeightInCharacters, FillAttribute, Flags;
        public ushort ShowWindow, ReservedLength;
        public nint Reserved2, Input, Output, Error;
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct ProcessInformation
    {
        public nint Process, Thread;
        public uint ProcessId, ThreadId;
    }

    [LibraryImport("kernel32", EntryPoint = "CreateProcessW", StringMarshalling = StringMarshalling.Utf16, SetLastError = true)]
    private static partial int CreateProcess(string application, char* commandLine, nint processAttributes, nint threadAttributes, int inheritHandles,
        uint flags, nint environment, string? directory, StartupInfo* startup, ProcessInformation* information);

    [LibraryImport("kernel32")]
    private static partial int CloseHandle(nint handle);

    [LibraryImport("kernel32")]
    private static partial int GetExitCodeProcess(nint process, out uint code);
}
