using System.IO.Pipes;
using WinLoop.Service.Protocol;

namespace WinLoop.Service.Windows;

/// <summary>A named pipe as a channel. It carries no descriptors: the service opens images in the client's name.</summary>
internal sealed class PipeChannel(PipeStream pipe) : Channel
{
    internal PipeStream Pipe => pipe;

    /// <inheritdoc/>
    internal override int Read(Memory<byte> buffer, Deadline deadline) =>
        Within(deadline, end => pipe.ReadAsync(buffer, end));

    /// <inheritdoc/>
    internal override void Write(ReadOnlyMemory<byte> bytes, Deadline deadline, IReadOnlyList<int> descriptors) =>
        Within(deadline, async end =>
        {
            await pipe.WriteAsync(bytes, end).ConfigureAwait(false);
            return 0;
        });

    /// <inheritdoc/>
    public override void Dispose() => pipe.Dispose();

    private static int Within(Deadline deadline, Func<CancellationToken, ValueTask<int>> transfer)
    {
        using var end = new CancellationTokenSource(Math.Max(deadline.Left, 1));
        try
        {
            return transfer(end.Token).AsTask().GetAwaiter().GetResult();
        }
        catch (OperationCanceledException)
        {
            throw new TimeoutException("the other side of the pipe is silent");
        }
        catch (Exception e) when (e is ObjectDisposedException or InvalidOperationException or UnauthorizedAccessException)
        {
            throw new IOException("the pipe is closed", e);
        }
    }
}
