using System.Diagnostics;
using System.Runtime.InteropServices;
using WinLoop.Fuse.Native;

namespace WinLoop.Fuse.Mounting;

/// <summary>Mounting and unmounting through the set-uid helper fusermount3, for users who are not root.</summary>
internal static unsafe class FusermountMount
{
    private const string Program = "fusermount3";
    private const int AF_UNIX = 1, SOCK_STREAM = 1, MSG_CMSG_CLOEXEC = 0x40000000, SOL_SOCKET = 1, SCM_RIGHTS = 1;

    /// <summary>Mounts and returns the /dev/fuse descriptor that the helper opened.</summary>
    /// <exception cref="FuseMountException">The helper is missing or refused; its own words are in the message.</exception>
    public static int Mount(string source, string mountPoint, ulong flags, int maxRead, bool allowOther)
    {
        int* pair = stackalloc int[2];
        if (Libc.socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0)
        {
            throw new FuseMountException(Marshal.GetLastPInvokeError(), "socketpair failed");
        }
        // The child inherits its end; ours must not leak into it or into anything else.
        Libc.fcntl(pair[0], Libc.F_SETFD, Libc.FD_CLOEXEC);
        string message;
        int exitCode;
        try
        {
            ProcessStartInfo start = new(Program) { RedirectStandardError = true };
            start.ArgumentList.Add("-o");
            start.ArgumentList.Add(BuildOptions(source, flags, maxRead, allowOther));
            start.ArgumentList.Add("--");
            start.ArgumentList.Add(mountPoint);
            start.Environment["_FUSE_COMMFD"] = pair[1].ToString();
            using Process process = Run(start);
            Libc.close(pair[1]);
            pair[1] = -1;
            int fd = ReceiveDescriptor(pair[0]);
            message = process.StandardError.ReadToEnd().Trim();
            process.WaitForExit();
            exitCode = process.ExitCode;
            if (fd >= 0 && exitCode == 0)
            {
                return fd;
            }
            if (fd >= 0)
            {
                Libc.close(fd);
            }
        }
        finally
        {
            Libc.close(pair[0]);
            if (pair[1] >= 0)
            {
                Libc.close(pair[1]);
            }
        }
        throw new FuseMountException(0, message.Length > 0 ? message : $"{Program} ended with {exitCode}");
    }

    /// <summary>Unmounts.</summary>
    /// <exception cref="FuseMountException">EBUSY, or the helper failed.</exception>
    public static void Unmount(string mountPoint, bool lazy)
    {
        ProcessStartInfo start = new(Program) { RedirectStandardError = true };
        start.ArgumentList.Add(lazy ? "-uz" : "-u");
        start.ArgumentList.Add("--");
        start.ArgumentList.Add(mountPoint);
        using Process process = Run(start);
        string message = process.StandardError.ReadToEnd().Trim();
        process.WaitForExit();
        if (process.ExitCode != 0)
        {
            int errno = message.Contains("busy", StringComparison.OrdinalIgnoreCase) ? Libc.EBUSY : 0;
            throw new FuseMountException(errno, message.Length > 0 ? message : $"{Program} -u ended with {process.ExitCode}");
        }
    }

    internal static string BuildOptions(string source, ulong flags, int maxRead, bool allowOther)
    {
        List<string> words = MountFlags.ToWords(flags);
        words.Add("default_permissions");
        if (allowOther)
        {
            words.Add("allow_other");
        }
        words.Add($"max_read={maxRead}");
        words.Add("subtype=ext4");
        words.Add("fsname=" + source.Replace("\\", "\\\\").Replace(",", "\\,"));
        return string.Join(',', words);
    }

    private static Process Run(ProcessStartInfo start)
    {
        try
        {
            return Process.Start(start) ?? throw new FuseMountException(0, $"{Program} did not start");
        }
        catch (System.ComponentModel.Win32Exception e)
        {
            throw new FuseMountException(Libc.ENOENT, $"{Program} is needed to mount without root (package fuse3): {e.Message}");
        }
    }

    // One byte and, in the control message, the descriptor.
    private static int ReceiveDescriptor(int socket)
    {
        const int headSize = 16;        // struct cmsghdr
        byte* control = stackalloc byte[64];
        byte data;
        Libc.IoVector vector = new() { Base = &data, Length = 1 };
        Libc.MessageHeader header = new() { Vectors = &vector, VectorCount = 1, Control = control, ControlLength = 64 };
        nint n;
        do
        {
            n = Libc.recvmsg(socket, &header, MSG_CMSG_CLOEXEC);
        }
        while (n < 0 && Marshal.GetLastPInvokeError() == Libc.EINTR);
        bool hasDescriptor = n > 0 && header.ControlLength >= headSize + sizeof(int) &&
                             *(int*)(control + 8) == SOL_SOCKET && *(int*)(control + 12) == SCM_RIGHTS;
        return hasDescriptor ? *(int*)(control + headSize) : -1;
    }
}
