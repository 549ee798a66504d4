using System.Buffers.Binary;
using System.Net.Sockets;
using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using Microsoft.Win32.SafeHandles;
using WinLoop.Service.Linux;
using WinLoop.Service.Protocol;

namespace WinLoop.Service.Tests;

/// <summary>A client without manners: says what it likes, as whom the test likes.</summary>
internal sealed partial class RawClient : IDisposable
{
    private readonly Socket _socket;
    private readonly SocketChannel _channel;

    private RawClient(Socket socket) => (_socket, _channel) = (socket, new SocketChannel(socket));

    /// <summary>Connects as a user: what counts for the service is who the connecting thread is.</summary>
    internal static RawClient Connect(string path, uint user) => As(user, () =>
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        socket.Connect(new UnixDomainSocketEndPoint(path));
        return new RawClient(socket);
    });

    /// <summary>Opens a file as a user.</summary>
    internal static SafeFileHandle Open(string path, int flags, uint user) =>
        As(user, () => LinuxFiles.TryOpen(path, flags, out int errno) ?? throw new IOException($"open: {errno}"));

    internal void Send(byte[] bytes) => _socket.Send(bytes);

    /// <summary>A frame around a text.</summary>
    internal static byte[] Frame(string json)
    {
        byte[] text = Encoding.UTF8.GetBytes(json);
        byte[] frame = new byte[4 + text.Length];
        BinaryPrimitives.WriteUInt32LittleEndian(frame, (uint)text.Length);
        text.CopyTo(frame, 4);
        return frame;
    }

    internal ServiceAnswer Ask(ServiceRequest request, params SafeFileHandle[] descriptors)
    {
        byte[] json = JsonSerializer.SerializeToUtf8Bytes(request with { Version = request.Version == 0 ? ServiceProtocol.Version : request.Version },
            ServiceJson.Default.ServiceRequest);
        ServiceProtocol.WriteFrame(_channel, json, Deadline.After(TimeSpan.FromSeconds(5)), [.. descriptors.Select(d => (int)d.DangerousGetHandle())]);
        return Read() ?? throw new IOException("no answer");
    }

    /// <summary>The next answer; null if the service has ended the connection.</summary>
    internal ServiceAnswer? Read(int seconds = 30)
    {
        byte[]? frame;
        try
        {
            frame = ServiceProtocol.ReadFrame(_channel, ServiceProtocol.MaxAnswer, Deadline.After(TimeSpan.FromSeconds(seconds)));
        }
        catch (IOException)
        {
            return null;
        }
        return frame is null ? null : JsonSerializer.Deserialize(frame, ServiceJson.Default.ServiceAnswer);
    }

    public void Dispose() => _channel.Dispose();

    // The system call changes this thread alone; the thread ends with the action.
    private static T As<T>(uint user, Func<T> action)
    {
        T result = default!;
        ExceptionDispatchInfo? failure = null;
        var thread = new Thread(() =>
        {
            bool arm = RuntimeInformation.ProcessArchitecture == Architecture.Arm64;
            Assert.Equal(0, syscall(arm ? 149 : 119, user, user, user));
            Assert.Equal(0, syscall(arm ? 147 : 117, user, user, user));
            try
            {
                result = action();
            }
            catch (Exception e)
            {
                failure = ExceptionDispatchInfo.Capture(e);
            }
        });
        thread.Start();
        thread.Join();
        failure?.Throw();
        return result;
    }

    [LibraryImport("libc")]
    private static partial long syscall(long number, uint real, uint effective, uint saved);
}
