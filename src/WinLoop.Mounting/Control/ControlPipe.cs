using System.Buffers.Binary;
using System.IO.Pipes;
using System.Text.Json;
using WinLoop.Mounting.Registry;
using WinLoop.Mounting.Statistics;

namespace WinLoop.Mounting.Control;

/// <summary>What other processes may ask of one that serves a mount.</summary>
public enum ControlCommand : byte
{
    /// <summary>The figures.</summary>
    Statistics = 1,
    /// <summary>Undo the mount unless files are open.</summary>
    Unmount = 2,
    /// <summary>Undo the mount although files are open.</summary>
    ForceUnmount = 3,
    /// <summary>Give free blocks back to the image file.</summary>
    Trim = 4,
    /// <summary>Make the volume larger; the argument is its size in bytes.</summary>
    Grow = 5,
}

/// <summary>The answer of a serving process.</summary>
public sealed record ControlAnswer
{
    /// <summary>True if it is done.</summary>
    public bool Done { get; init; }
    /// <summary>Who has files open, when that is why it is not done.</summary>
    public string? Users { get; init; }
    /// <summary>Bytes that were trimmed, or the volume's new size.</summary>
    public long Bytes { get; init; }
    /// <summary>Why it failed, in one sentence; null if it did not.</summary>
    public string? Failure { get; init; }
    /// <summary>The figures that were asked for.</summary>
    public MountStatistics? Statistics { get; init; }
}

/// <summary>
/// The named pipe by which a process that serves a mount on Windows is asked for its figures or for its end; there is
/// no umount(8) that would do it. One byte of <see cref="ControlCommand"/> and eight of an argument in, a <see cref="ControlAnswer"/> as JSON out.
/// Only the user who mounts may connect.
/// </summary>
public sealed class ControlPipe : IDisposable
{
    private const int ConnectMilliseconds = 5000;
    private const int RequestSize = 1 + sizeof(long);

    private readonly Func<ControlCommand, long, ControlAnswer> _answer;
    private readonly CancellationTokenSource _end = new();
    private Thread _thread = null!;

    private ControlPipe(Func<ControlCommand, long, ControlAnswer> answer) => _answer = answer;

    /// <summary>The pipe of a mount.</summary>
    /// <param name="id">Its name in the registry.</param>
    public static string NameOf(string id) => "winloop-" + id;

    /// <summary>Starts answering on a thread of its own.</summary>
    /// <exception cref="IOException">The name is taken.</exception>
    public static ControlPipe Start(string name, Func<ControlCommand, long, ControlAnswer> answer)
    {
        var pipe = new ControlPipe(answer);
        NamedPipeServerStream stream = Open(name);
        pipe._thread = new Thread(() => pipe.Serve(stream), 128 * 1024) { IsBackground = true, Name = "winloop-control" };
        pipe._thread.Start();
        return pipe;
    }

    /// <summary>Asks a serving process.</summary>
    /// <exception cref="MountException">Nobody answers, or this user may not ask.</exception>
    public static ControlAnswer Ask(string name, ControlCommand command, string what, long argument = 0)
    {
        try
        {
            using var pipe = new NamedPipeClientStream(".", name, PipeDirection.InOut, PipeOptions.CurrentUserOnly);
            pipe.Connect(ConnectMilliseconds);
            Span<byte> request = stackalloc byte[RequestSize];
            request[0] = (byte)command;
            BinaryPrimitives.WriteInt64LittleEndian(request[1..], argument);
            pipe.Write(request);
            return JsonSerializer.Deserialize(pipe, RegistryJson.Default.ControlAnswer)!;
        }
        catch (UnauthorizedAccessException e)
        {
            throw new MountException(MountError.Denied, what, "the mount belongs to another user", "Ask as that user.", e);
        }
        catch (Exception e) when (e is TimeoutException or IOException or JsonException)
        {
            throw new MountException(MountError.Failed, what, "the serving process does not answer", "See 'winloop list' for its state.", e);
        }
    }

    /// <summary>Ends answering. Who is being answered gets the answer: the process that asked for the unmount still waits
    /// for it when the mount, and with it this process, ends.</summary>
    public void Dispose()
    {
        _end.Cancel();
        if (Thread.CurrentThread != _thread)
        {
            _thread.Join(ConnectMilliseconds);
        }
    }

    private static NamedPipeServerStream Open(string name) => new(name, PipeDirection.InOut, 1, PipeTransmissionMode.Byte,
        PipeOptions.CurrentUserOnly | PipeOptions.Asynchronous | PipeOptions.FirstPipeInstance);

    private void Serve(NamedPipeServerStream stream)
    {
        using (stream)
        {
            while (!_end.IsCancellationRequested)
            {
                try
                {
                    stream.WaitForConnectionAsync(_end.Token).GetAwaiter().GetResult();
                    var request = new byte[RequestSize];
                    if (stream.ReadAtLeast(request, RequestSize, throwOnEndOfStream: false) == RequestSize)
                    {
                        ControlAnswer answer = _answer((ControlCommand)request[0], BinaryPrimitives.ReadInt64LittleEndian(request.AsSpan(1)));
                        JsonSerializer.Serialize(stream, answer, RegistryJson.Default.ControlAnswer);
                        stream.Flush();
                        if (OperatingSystem.IsWindows())
                        {
                            stream.WaitForPipeDrain();
                        }
                    }
                }
                catch (OperationCanceledException)
                {
                    return;
                }
                catch (Exception e) when (e is IOException or InvalidOperationException)
                {
                    // The asker has gone, or the mount is being closed: nobody is left to tell.
                }
                if (stream.IsConnected)
                {
                    stream.Disconnect();
                }
            }
        }
    }
}
