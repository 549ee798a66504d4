using System.IO.Pipes;
using System.Runtime.InteropServices;
using System.Runtime.Versioning;
using System.Security.Principal;
using WinLoop.Mounting;
using WinLoop.Service.Protocol;

namespace WinLoop.Service.Windows;

/// <summary>The client's end of the pipe. A server can act in a client's name as soon as it has read something, so it is
/// looked at before anything is written.</summary>
[SupportedOSPlatform("windows")]
internal static class PipeClient
{
    private const int BusyMilliseconds = 5000;
    private const string PipeFolder = @"\\.\pipe\";

    /// <summary>Connects; null if nobody serves there.</summary>
    /// <exception cref="MountException">What serves there is not the service.</exception>
    internal static Channel? TryConnect(string name)
    {
        // Whether there is a pipe at all is known at once; Connect would wait for one to be made.
        if (!Win32.WaitNamedPipe(PipeFolder + name, BusyMilliseconds) && Marshal.GetLastPInvokeError() == Win32.FileNotFound)
        {
            return null;
        }
        var pipe = new NamedPipeClientStream(".", name, PipeDirection.InOut, PipeOptions.Asynchronous, TokenImpersonationLevel.Impersonation);
        try
        {
            pipe.Connect(BusyMilliseconds);
            Verify(pipe, name);
            return new PipeChannel(pipe);
        }
        catch (MountException)
        {
            pipe.Dispose();
            throw;
        }
        catch (Exception e)
        {
            pipe.Dispose();
            return e switch
            {
                TimeoutException or FileNotFoundException => null,
                UnauthorizedAccessException => throw new MountException(MountError.Denied, "the service", "this user may not ask it", null, e),
                _ => throw new MountException(MountError.Failed, "the service", e.Message.TrimEnd('.'), null, e),
            };
        }
    }

    private static void Verify(NamedPipeClientStream pipe, string name)
    {
        if (!Win32.GetNamedPipeServerProcessId(pipe.SafePipeHandle, out uint server))
        {
            throw Win32.Failure("asking who serves the pipe");
        }
        uint service = ServiceInstaller.ProcessId();
        if (service != 0 && service == server)
        {
            return;
        }
        // One that this user runs himself can do no more to him than he can.
        using var self = WindowsIdentity.GetCurrent();
        if (service == 0 && Tokens.UserOfProcess(server) == self.User?.Value)
        {
            return;
        }
        throw new MountException(MountError.Denied, $"the service at {name} is not to be trusted", $"process {server} serves there and is not the service",
            "An administrator should look at it.");
    }
}
