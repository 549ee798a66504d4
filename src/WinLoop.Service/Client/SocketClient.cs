using System.Net.Sockets;
using Microsoft.Win32.SafeHandles;
using WinLoop.Mounting;
using WinLoop.Mounting.Linux;
using WinLoop.Service.Linux;
using WinLoop.Service.Protocol;

namespace WinLoop.Service.Client;

/// <summary>The client's end of a Unix socket.</summary>
internal static class SocketClient
{
    private const int EACCES = 13, EROFS = 30, EPERM = 1, ETXTBSY = 26;

    /// <summary>Connects; null if nobody serves there.</summary>
    /// <exception cref="MountException">The socket, or who answers, is neither root's nor this user's.</exception>
    internal static Channel? TryConnect(string path)
    {
        string folder = Path.GetDirectoryName(path) ?? "/";
        if (!File.Exists(path))
        {
            return null;
        }
        if (FileStatus.Of(folder) is not { IsDirectory: true } status || !IsTrusted(status.Uid) || (status.Mode & 0x12) != 0)
        {
            throw Untrusted(path, $"{folder} belongs to somebody else or others can write to it");
        }
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            socket.Connect(new UnixDomainSocketEndPoint(path));
            var channel = new SocketChannel(socket);
            return IsTrusted(channel.Peer.Uid) ? channel : throw Untrusted(path, $"user {channel.Peer.Uid} answers there");
        }
        catch (Exception e)
        {
            socket.Dispose();
            if (e is SocketException { SocketErrorCode: SocketError.ConnectionRefused or SocketError.AddressNotAvailable })
            {
                // Left over by one that was killed.
                return null;
            }
            if (e is SocketException)
            {
                throw new MountException(MountError.Failed, "the service", $"{path}: {e.Message}", null, e);
            }
            throw;
        }
    }

    /// <summary>Opens the image with this user's rights, for writing if he may.</summary>
    internal static SafeFileHandle OpenImage(string path, bool isReadOnly, string what)
    {
        int errno = 0;
        SafeFileHandle? file = isReadOnly ? null : LinuxFiles.TryOpen(path, LinuxFiles.O_RDWR | LinuxFiles.O_NONBLOCK, out errno);
        if (file is null && errno is 0 or EACCES or EROFS or EPERM or ETXTBSY)
        {
            file = LinuxFiles.TryOpen(path, LinuxFiles.O_RDONLY | LinuxFiles.O_NONBLOCK, out errno);
        }
        return file ?? throw LinuxFiles.Explain(errno, what);
    }

    /// <summary>Opens the directory to mount on.</summary>
    internal static SafeFileHandle OpenDirectory(string path) =>
        LinuxFiles.TryOpen(path, LinuxFiles.O_PATH | LinuxFiles.O_DIRECTORY, out int errno)
        ?? throw Failures.ExplainErrno(errno, $"cannot mount on {path}", errno == 2 ? "no such directory" : null);

    private static bool IsTrusted(uint uid) => uid == 0 || uid == CurrentUser.Uid;

    private static MountException Untrusted(string path, string why) =>
        new(MountError.Denied, $"the service at {path} is not to be trusted", why, "An administrator should look at it.");
}
