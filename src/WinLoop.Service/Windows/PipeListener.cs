using System.IO.Pipes;
using System.Runtime.Versioning;
using System.Security.AccessControl;
using System.Security.Principal;
using WinLoop.Mounting;
using WinLoop.Service.Server;

namespace WinLoop.Service.Windows;

/// <summary>
/// The named pipe of a service. The first instance must be the first of that name, so that nobody can wait there
/// before us; nobody but the service and administrators may make further ones; nothing comes in over the network.
/// </summary>
[SupportedOSPlatform("windows")]
internal sealed class PipeListener : ServiceListener
{
    private const int BufferSize = 64 * 1024;
    // Read and write, without FILE_CREATE_PIPE_INSTANCE: a pipe of our name that is not ours.
    private const PipeAccessRights Client = PipeAccessRights.ReadWrite & ~PipeAccessRights.CreateNewInstance | PipeAccessRights.Synchronize;

    private readonly string _name;
    private readonly CancellationTokenSource _end = new();
    private NamedPipeServerStream? _next;

    private PipeListener(string name, NamedPipeServerStream first) => (_name, _next) = (name, first);

    /// <summary>Makes the pipe.</summary>
    /// <exception cref="MountException">Somebody serves there already.</exception>
    internal static PipeListener Open(string name)
    {
        try
        {
            return new PipeListener(name, Create(name, PipeOptions.FirstPipeInstance));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new MountException(MountError.Busy, "cannot start the service", $"the pipe {name} is there already: a service runs, or another program has taken its name",
                "'winloop service status' tells of it.", e);
        }
    }

    /// <summary>Who may do what to the pipe.</summary>
    internal static PipeSecurity Security()
    {
        var security = new PipeSecurity();
        security.SetAccessRuleProtection(isProtected: true, preserveInheritance: false);
        security.AddAccessRule(new PipeAccessRule(new SecurityIdentifier(WellKnownSidType.NetworkSid, null), PipeAccessRights.FullControl, AccessControlType.Deny));
        security.AddAccessRule(new PipeAccessRule(new SecurityIdentifier(WellKnownSidType.LocalSystemSid, null), PipeAccessRights.FullControl, AccessControlType.Allow));
        security.AddAccessRule(new PipeAccessRule(new SecurityIdentifier(WellKnownSidType.BuiltinAdministratorsSid, null), PipeAccessRights.FullControl, AccessControlType.Allow));
        security.AddAccessRule(new PipeAccessRule(new SecurityIdentifier(WellKnownSidType.AuthenticatedUserSid, null), Client, AccessControlType.Allow));
        using var self = WindowsIdentity.GetCurrent();
        security.AddAccessRule(new PipeAccessRule(self.User!, PipeAccessRights.FullControl, AccessControlType.Allow));
        return security;
    }

    /// <inheritdoc/>
    internal override ClientConnection? Accept()
    {
        while (true)
        {
            NamedPipeServerStream pipe = Interlocked.Exchange(ref _next, null) ?? Create(_name, PipeOptions.None);
            try
            {
                pipe.WaitForConnectionAsync(_end.Token).GetAwaiter().GetResult();
                // The next instance is there before this client is served, so that the name is never free.
                _next = Create(_name, PipeOptions.None);
                return new PipeConnection(pipe);
            }
            catch (Exception e) when (_end.IsCancellationRequested && e is OperationCanceledException or ObjectDisposedException)
            {
                pipe.Dispose();
                return null;
            }
            catch (Exception e)
            {
                Replace(pipe);
                if (e is not IOException)
                {
                    throw;
                }
                // That client has gone before it was taken in.
            }
        }
    }

    private void Replace(NamedPipeServerStream pipe)
    {
        try
        {
            _next ??= Create(_name, PipeOptions.None);
        }
        finally
        {
            pipe.Dispose();
        }
    }

    /// <inheritdoc/>
    public override void Dispose()
    {
        _end.Cancel();
        Interlocked.Exchange(ref _next, null)?.Dispose();
    }

    private static NamedPipeServerStream Create(string name, PipeOptions more) => NamedPipeServerStreamAcl.Create(name, PipeDirection.InOut,
        NamedPipeServerStream.MaxAllowedServerInstances, PipeTransmissionMode.Byte, PipeOptions.Asynchronous | more, BufferSize, BufferSize, Security());
}
