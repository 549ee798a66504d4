using System.Net.Sockets;
using System.Text.Json;
using WinLoop.Mounting.Registry;

namespace WinLoop.Mounting.Statistics;

/// <summary>Answers on a Unix socket: whoever connects gets the figures as JSON, and the connection ends.</summary>
public sealed class StatisticsServer : IDisposable
{
    private readonly Socket _socket;
    private readonly string _path;
    private readonly Func<MountStatistics> _source;

    private StatisticsServer(Socket socket, string path, Func<MountStatistics> source) =>
        (_socket, _path, _source) = (socket, path, source);

    /// <summary>Starts answering on a thread of its own.</summary>
    /// <param name="path">Of the socket, at most 107 bytes; only this user may connect.</param>
    /// <param name="source">Makes the figures.</param>
    public static StatisticsServer Start(string path, Func<MountStatistics> source)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            File.Delete(path);
            socket.Bind(new UnixDomainSocketEndPoint(path));
            if (!OperatingSystem.IsWindows())
            {
                File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
            }
            socket.Listen(8);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
        var server = new StatisticsServer(socket, path, source);
        new Thread(server.Serve, 128 * 1024) { IsBackground = true, Name = "winloop-stat" }.Start();
        return server;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _socket.Dispose();
        File.Delete(_path);
    }

    private void Serve()
    {
        while (true)
        {
            try
            {
                using Socket client = _socket.Accept();
                client.SendTimeout = 2000;
                client.Send(JsonSerializer.SerializeToUtf8Bytes(_source(), RegistryJson.Default.MountStatistics));
            }
            catch (ObjectDisposedException)
            {
                return;
            }
            catch (SocketException e) when (e.SocketErrorCode is SocketError.OperationAborted or SocketError.Interrupted
                or SocketError.InvalidArgument or SocketError.NotSocket)
            {
                return;
            }
            catch (Exception e) when (e is SocketException or InvalidOperationException)
            {
                // The asker has gone, or the mount is being closed: nobody is left to tell.
            }
        }
    }
}

/// <summary>Asks a serving process for its figures.</summary>
public static class StatisticsClient
{
    /// <summary>Connects and reads the answer.</summary>
    /// <exception cref="MountException">Nobody answers, or this user may not ask.</exception>
    public static MountStatistics Ask(string path, string directory)
    {
        string what = $"cannot get the figures of {directory}";
        try
        {
            using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            socket.ReceiveTimeout = 5000;
            socket.Connect(new UnixDomainSocketEndPoint(path));
            using var stream = new NetworkStream(socket);
            return JsonSerializer.Deserialize(stream, RegistryJson.Default.MountStatistics)!;
        }
        catch (SocketException e) when (e.SocketErrorCode == SocketError.AccessDenied)
        {
            throw new MountException(MountError.Denied, what, "the mount belongs to another user", "Ask as that user, or as root.", e);
        }
        catch (Exception e) when (e is SocketException or IOException or JsonException)
        {
            throw new MountException(MountError.Failed, what, "the serving process does not answer",
                "See 'winloop list' for its state.", e);
        }
    }
}
