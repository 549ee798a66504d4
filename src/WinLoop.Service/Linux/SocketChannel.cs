using System.Net.Sockets;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using WinLoop.Service.Protocol;

namespace WinLoop.Service.Linux;

/// <summary>A Unix socket as a channel. Descriptors that come with messages are kept until somebody takes them.</summary>
internal sealed unsafe class SocketChannel : Channel
{
    // Room for more than a client needs; what does not fit the kernel closes.
    private const int MaxDescriptors = 4;
    private const int ControlLength = UnixSocket.CmsgHeader + 8 * MaxDescriptors;

    private readonly Socket _socket;
    private readonly int _fd;
    private readonly List<SafeFileHandle> _received = [];

    internal SocketChannel(Socket socket)
    {
        _socket = socket;
        _fd = (int)socket.Handle;
        Peer = UnixSocket.GetPeer(_fd);
        socket.Blocking = true;
    }

    /// <summary>The other side.</summary>
    internal UnixSocket.PeerCredentials Peer { get; }

    /// <summary>Takes the descriptors that have come since the last time; the caller owns them.</summary>
    internal List<SafeFileHandle> TakeDescriptors()
    {
        List<SafeFileHandle> taken = [.. _received];
        _received.Clear();
        return taken;
    }

    /// <inheritdoc/>
    internal override int Read(Memory<byte> buffer, Deadline deadline)
    {
        byte* control = stackalloc byte[ControlLength];
        while (true)
        {
            Wait(UnixSocket.PollIn, deadline);
            nint count;
            UnixSocket.MessageHeader message;
            fixed (byte* start = buffer.Span)
            {
                UnixSocket.IoVector vector = new() { Base = start, Length = (nuint)buffer.Length };
                message = new() { Vectors = &vector, VectorCount = 1, Control = control, ControlLength = ControlLength };
                count = UnixSocket.recvmsg(_fd, &message, UnixSocket.MsgDontWait | UnixSocket.MsgCmsgCloexec);
            }
            if (count >= 0)
            {
                Collect(control, (int)message.ControlLength);
                return (int)count;
            }
            Check("reading from the socket");
        }
    }

    /// <inheritdoc/>
    internal override void Write(ReadOnlyMemory<byte> bytes, Deadline deadline, IReadOnlyList<int> descriptors)
    {
        byte* control = stackalloc byte[ControlLength];
        while (!bytes.IsEmpty)
        {
            Wait(UnixSocket.PollOut, deadline);
            nint count;
            fixed (byte* start = bytes.Span)
            {
                UnixSocket.IoVector vector = new() { Base = start, Length = (nuint)bytes.Length };
                UnixSocket.MessageHeader message = new() { Vectors = &vector, VectorCount = 1 };
                if (descriptors.Count > 0)
                {
                    *(nuint*)control = (nuint)(UnixSocket.CmsgHeader + 4 * descriptors.Count);
                    *(int*)(control + 8) = UnixSocket.SolSocket;
                    *(int*)(control + 12) = UnixSocket.ScmRights;
                    for (int i = 0; i < descriptors.Count; i++)
                    {
                        *(int*)(control + UnixSocket.CmsgHeader + 4 * i) = descriptors[i];
                    }
                    message.Control = control;
                    message.ControlLength = (nuint)(UnixSocket.CmsgHeader + (4 * descriptors.Count + 7) / 8 * 8);
                }
                count = UnixSocket.sendmsg(_fd, &message, UnixSocket.MsgNoSignal | UnixSocket.MsgDontWait);
            }
            if (count >= 0)
            {
                descriptors = [];
                bytes = bytes[(int)count..];
                continue;
            }
            Check("writing to the socket");
        }
    }

    /// <inheritdoc/>
    public override void Dispose()
    {
        TakeDescriptors().ForEach(d => d.Dispose());
        _socket.Dispose();
    }

    private void Collect(byte* control, int length)
    {
        // One message of rights at most can be in front; others carry nothing that must be closed.
        for (int at = 0; at + UnixSocket.CmsgHeader <= length;)
        {
            long part = *(long*)(control + at);
            if (part < UnixSocket.CmsgHeader || at + part > length)
            {
                return;
            }
            if (*(int*)(control + at + 8) == UnixSocket.SolSocket && *(int*)(control + at + 12) == UnixSocket.ScmRights)
            {
                for (int i = UnixSocket.CmsgHeader; i + 4 <= part; i += 4)
                {
                    Keep(new SafeFileHandle(*(int*)(control + at + i), ownsHandle: true));
                }
            }
            at += (int)((part + 7) / 8 * 8);
        }
    }

    private void Keep(SafeFileHandle descriptor)
    {
        if (_received.Count < MaxDescriptors)
        {
            _received.Add(descriptor);
        }
        else
        {
            descriptor.Dispose();
        }
    }

    private void Wait(short events, Deadline deadline)
    {
        while (true)
        {
            UnixSocket.PollDescriptor descriptor = new() { Fd = _fd, Events = events };
            int result = UnixSocket.poll(&descriptor, 1, deadline.Left);
            if (result > 0)
            {
                return;
            }
            if (result == 0)
            {
                throw new TimeoutException("the other side of the socket is silent");
            }
            Check("waiting for the socket");
        }
    }

    private static void Check(string what)
    {
        int errno = Marshal.GetLastPInvokeError();
        if (errno is not (UnixSocket.EINTR or UnixSocket.EAGAIN))
        {
            throw new IOException($"{what} failed: {Marshal.GetPInvokeErrorMessage(errno)}");
        }
    }
}
