using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Versioning;

namespace WinLoop.WinFsp.Hosting;

/// <summary>Tells when Windows wants this process to end. After Close, Logoff and Shutdown it ends the process as soon
/// as the handler returns, and after some seconds in any case: the handler has to unmount before it returns.</summary>
[SupportedOSPlatform("windows")]
public sealed unsafe partial class ConsoleEvents : IDisposable
{
    // One per process, as Windows calls a function and not an object.
    private static ConsoleEvents? s_current;

    private readonly Action<ConsoleEvent> _handler;

    /// <summary>Begins to listen.</summary>
    /// <param name="handler">Called on a thread of Windows' own.</param>
    /// <exception cref="InvalidOperationException">Somebody listens already.</exception>
    public ConsoleEvents(Action<ConsoleEvent> handler)
    {
        _handler = handler;
        if (Interlocked.CompareExchange(ref s_current, this, null) is not null)
        {
            throw new InvalidOperationException("Console events have one listener at most.");
        }
        if (!SetConsoleCtrlHandler(&OnEvent, true))
        {
            s_current = null;
            throw new IOException($"console events cannot be listened to (error {Marshal.GetLastPInvokeError()})");
        }
    }

    /// <summary>Ends listening.</summary>
    public void Dispose()
    {
        if (Interlocked.CompareExchange(ref s_current, null, this) == this)
        {
            SetConsoleCtrlHandler(&OnEvent, false);
        }
    }

    // True: handled. For Close, Logoff and Shutdown Windows ends the process then; for Ctrl-C it goes on.
    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvStdcall)])]
    private static int OnEvent(uint kind)
    {
        if (Volatile.Read(ref s_current) is not { } current)
        {
            return 0;
        }
        try
        {
            current._handler((ConsoleEvent)kind);
        }
        catch (Exception)
        {
            // There is nobody to tell; the default handler would end the process in the middle of things.
        }
        return 1;
    }

    [LibraryImport("kernel32", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.System32)]
    [return: MarshalAs(UnmanagedType.Bool)]
    private static partial bool SetConsoleCtrlHandler(
        delegate* unmanaged[Stdcall]<uint, int> handler, [MarshalAs(UnmanagedType.Bool)] bool add);
}
