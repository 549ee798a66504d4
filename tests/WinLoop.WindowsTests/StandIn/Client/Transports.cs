using System.Buffers;
using System.Buffers.Binary;
using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace WinLoop.WindowsTests.StandIn.Client;

/// <summary>The way of a request to the stand-in.</summary>
internal interface ITransport : IDisposable
{
    Answer Transact(byte[] request);
}

/// <summary>The stand-in in this process: the calling thread is the simulated program's.</summary>
internal sealed unsafe class InProcessTransport(string library) : ITransport
{
    private const int Capacity = 4 << 20;

    private readonly delegate* unmanaged[Cdecl]<byte*, int, byte*, int, int> _transact =
        (delegate* unmanaged[Cdecl]<byte*, int, byte*, int, int>)NativeLibrary.GetExport(NativeLibrary.Load(library), "standin_transact");

    public Answer Transact(byte[] request)
    {
        byte[] answer = ArrayPool<byte>.Shared.Rent(Capacity);
        try
        {
            fixed (byte* input = request, output = answer)
            {
                int length = _transact(input, request.Length, output, answer.Length);
                return length < 0 ? throw new InvalidOperationException("The stand-in refused the request.") : new Answer(answer.AsSpan(0, length));
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(answer);
        }
    }

    public void Dispose()
    {
    }
}

/// <summary>The stand-in in another process, under Wine: one connection, one request at a time.</summary>
internal sealed class TcpTransport : ITransport
{
    private readonly Socket _socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true, ReceiveTimeout = 120_000 };
    private readonly Lock _gate = new();

    public TcpTransport(int port) => _socket.Connect(System.Net.IPAddress.Loopback, port);

    public Answer Transact(byte[] request)
    {
        lock (_gate)
        {
            for (int sent = 0; sent < request.Length;)
            {
                sent += _socket.Send(request.AsSpan(sent));
            }
            byte[] size = new byte[4];
            Receive(size);
            byte[] answer = new byte[BinaryPrimitives.ReadInt32LittleEndian(size)];
            size.CopyTo(answer, 0);
            Receive(answer.AsSpan(4));
            return new Answer(answer);
        }
    }

    public void Dispose() => _socket.Dispose();

    private void Receive(Span<byte> buffer)
    {
        while (!buffer.IsEmpty)
        {
            int count = _socket.Receive(buffer);
            if (count == 0)
            {
                throw new IOException("The stand-in's process has ended.");
            }
            buffer = buffer[count..];
        }
    }
}
