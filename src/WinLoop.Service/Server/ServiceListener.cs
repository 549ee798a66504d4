using WinLoop.Mounting;
using WinLoop.Service.Mounts;
using WinLoop.Service.Protocol;

namespace WinLoop.Service.Server;

/// <summary>Where clients come in: a Unix socket, or a named pipe.</summary>
internal abstract class ServiceListener : IDisposable
{
    /// <summary>Waits for the next client.</summary>
    /// <returns>Null when the listener is closed.</returns>
    internal abstract ClientConnection? Accept();

    /// <summary>Ends <see cref="Accept"/>.</summary>
    public abstract void Dispose();
}

/// <summary>One client.</summary>
internal abstract class ClientConnection : IDisposable
{
    /// <summary>Its bytes.</summary>
    internal abstract Channel Channel { get; }

    /// <summary>Whose limits the connection counts for, before he has said anything.</summary>
    internal abstract string CountsFor { get; }

    /// <summary>Who it is. Called after a request was read: Windows does not tell sooner.</summary>
    /// <exception cref="IOException">The system does not say.</exception>
    internal abstract ServiceUser Identify();

    /// <summary>The image that the last request means, opened with the client's rights.</summary>
    /// <exception cref="MountException">The client may not open it, or sent none.</exception>
    internal abstract ImageHandle OpenImage(MountOrder order, string what);

    /// <summary>The mount point that the last request means.</summary>
    /// <exception cref="MountException">It cannot be used.</exception>
    internal abstract MountTarget FindTarget(MountOrder order, ServiceUser user, string image);

    /// <summary>Gives up what came with the last request and was not used.</summary>
    internal virtual void EndRequest()
    {
    }

    public abstract void Dispose();
}
