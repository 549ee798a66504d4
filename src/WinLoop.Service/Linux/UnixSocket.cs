using System.Runtime.InteropServices;

namespace WinLoop.Service.Linux;

/// <summary>The calls of a Unix socket that .NET does not have: descriptors in messages, and who is on the other side.</summary>
internal static unsafe partial class UnixSocket
{
    internal const int SolSocket = 1, ScmRights = 1, SoPeerCred = 17;
    internal const int MsgNoSignal = 0x4000, MsgDontWait = 0x40, MsgCmsgCloexec = 0x40000000, MsgCtrunc = 8;
    internal const short PollIn = 1, PollOut = 4;
    internal const int EINTR = 4, EAGAIN = 11;
    internal const int O_RDONLY = 0, O_RDWR = 2, O_CLOEXEC = 0x80000, O_NONBLOCK = 0x800, O_NOFOLLOW = 0x20000;
    internal const int CmsgHeader = 16;

    /// <summary>Who connected, as the kernel knows it.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct PeerCredentials
    {
        public int Pid;
        public uint Uid;
        public uint Gid;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct PollDescriptor
    {
        public int Fd;
        public short Events;
        public short Results;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct IoVector
    {
        public byte* Base;
        public nuint Length;
    }

    /// <summary>struct msghdr of a 64-bit system.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct MessageHeader
    {
        public void* Name;
        public uint NameLength;
        public IoVector* Vectors;
        public nuint VectorCount;
        public byte* Control;
        public nuint ControlLength;
        public int Flags;
    }

    [LibraryImport("libc", SetLastError = true)]
    internal static partial nint sendmsg(int fd, MessageHeader* message, int flags);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial nint recvmsg(int fd, MessageHeader* message, int flags);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int poll(PollDescriptor* descriptors, nuint count, int milliseconds);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int getsockopt(int fd, int level, int name, void* value, uint* length);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int close(int fd);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int open(string path, int flags, int mode);

    /// <summary>SO_PEERCRED.</summary>
    /// <exception cref="IOException">The kernel does not say.</exception>
    internal static PeerCredentials GetPeer(int fd)
    {
        PeerCredentials peer;
        uint length = (uint)sizeof(PeerCredentials);
        return getsockopt(fd, SolSocket, SoPeerCred, &peer, &length) == 0
            ? peer
            : throw new IOException($"the other side of the socket is unknown (errno {Marshal.GetLastPInvokeError()})");
    }
}
