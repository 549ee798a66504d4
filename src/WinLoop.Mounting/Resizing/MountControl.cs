using System.Runtime.InteropServices;
using WinLoop.Mounting.Control;
using WinLoop.Mounting.Linux;
using WinLoop.Mounting.Registry;

namespace WinLoop.Mounting.Resizing;

/// <summary>Has the process that serves a mount trim or grow the volume: by ioctl on Linux, by its control pipe on Windows.</summary>
public static unsafe class MountControl
{
    // FITRIM with struct fstrim_range; EXT4_IOC_RESIZE_FS with the size in blocks.
    private const nuint TrimCode = 0xC0185879, ResizeCode = 0x40086610;

    /// <summary>Gives free blocks back to the image file.</summary>
    /// <returns>Bytes that are free and were given back.</returns>
    /// <exception cref="MountException">Why not.</exception>
    public static long Trim(MountRecord record, string what)
    {
        if (OperatingSystem.IsWindows())
        {
            return Ask(record, ControlCommand.Trim, 0, what);
        }
        ulong* range = stackalloc ulong[3] { 0, ulong.MaxValue, 0 };
        Control(record, TrimCode, range, what);
        return (long)range[1];
    }

    /// <summary>Grows the volume.</summary>
    /// <exception cref="MountException">Why not.</exception>
    internal static void Grow(MountRecord record, long bytes, int blockSize, string what)
    {
        if (OperatingSystem.IsWindows())
        {
            Ask(record, ControlCommand.Grow, bytes, what);
            return;
        }
        ulong blocks = (ulong)(bytes / blockSize);
        Control(record, ResizeCode, &blocks, what);
    }

    private static long Ask(MountRecord record, ControlCommand command, long argument, string what)
    {
        ControlAnswer answer = ControlPipe.Ask(ControlPipe.NameOf(record.Id), command, what, argument);
        return answer.Done ? answer.Bytes
            : throw new MountException(MountError.Failed, what, answer.Failure?.TrimEnd('.') ?? "the serving process does not know the request");
    }

    private static void Control(MountRecord record, nuint code, void* argument, string what)
    {
        int descriptor = Native.open(record.Directory, Native.O_RDONLY | Native.O_CLOEXEC, 0);
        if (descriptor < 0)
        {
            throw Failures.ExplainErrno(Marshal.GetLastPInvokeError(), what);
        }
        try
        {
            if (Native.ioctl(descriptor, code, argument) != 0)
            {
                throw Failures.ExplainErrno(Marshal.GetLastPInvokeError(), what);
            }
        }
        finally
        {
            _ = Native.close(descriptor);
        }
    }
}
