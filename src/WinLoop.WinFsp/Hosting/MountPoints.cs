using System.Runtime.InteropServices;
using WinLoop.Mounting.Windows;
using WinLoop.WinFsp.Binding;
using WinLoop.WinFsp.Binding.Abi;

namespace WinLoop.WinFsp.Hosting;

/// <summary>Mount points as users and WinFsp name them, and what it means when one is refused.</summary>
internal static unsafe class MountPoints
{
    private const NtStatus NoSuchDevice = (NtStatus)0xC000000E;
    private const NtStatus ObjectPathInvalid = (NtStatus)0xC0000039;
    private const NtStatus PrivilegeNotHeld = (NtStatus)0xC0000061;

    /// <summary>The mount point as WinFsp takes it; null: the first free letter.</summary>
    public static string? ForDriver(string mountPoint) => mountPoint is "*" or "*:" or "" ? null : mountPoint;

    /// <summary>Asks WinFsp whether the mount could come about.</summary>
    /// <exception cref="WinFspMountException">It could not.</exception>
    public static void Preflight(WinFspExports exports, string mountPoint)
    {
        NtStatus status;
        fixed (char* device = WinFspHost.Device, point = ForDriver(mountPoint))
        {
            status = exports.Preflight(device, point);
        }
        Check(status, $"cannot mount on {mountPoint}", mountPoint);
    }

    /// <summary>Where WinFsp has put the volume; null if it does not say.</summary>
    public static string? Read(WinFspExports exports, FileSystemHead* native)
    {
        char* mountPoint = exports.MountPoint(native);
        return mountPoint == null ? null : new string(MemoryMarshal.CreateReadOnlySpanFromNullTerminated(mountPoint));
    }

    /// <summary>Turns a failure into a sentence.</summary>
    /// <exception cref="WinFspMountException"><paramref name="status"/> is a failure.</exception>
    public static void Check(NtStatus status, string what, string mountPoint)
    {
        if (status.IsSuccess())
        {
            return;
        }
        string why = status switch
        {
            NtStatus.ObjectNameCollision => $"{mountPoint} is in use already",
            NtStatus.AccessDenied or PrivilegeNotHeld => @"access is denied (mount points as \\.\X: need an administrator)",
            NoSuchDevice or NtStatus.ObjectNameNotFound => "the driver of WinFsp does not run; install WinFsp again or restart Windows",
            NtStatus.ObjectNameInvalid or ObjectPathInvalid or NtStatus.InvalidParameter => $"{mountPoint} is no drive letter and no folder that could be made",
            NtStatus.ObjectPathNotFound => $"the folder in which {mountPoint} would be does not exist",
            _ => status.Describe(),
        };
        throw new WinFspMountException(status, $"{what}: {why}");
    }
}
