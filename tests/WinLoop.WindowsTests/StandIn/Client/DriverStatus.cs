using WinLoop.Mounting.Windows;

namespace WinLoop.WindowsTests.StandIn.Client;

/// <summary>Statuses that are the driver's own: a file system never answers them (ntstatus.h).</summary>
internal static class DriverStatus
{
    public const NtStatus FileLockConflict = (NtStatus)0xC0000054;
    public const NtStatus LockNotGranted = (NtStatus)0xC0000055;
    public const NtStatus RangeNotLocked = (NtStatus)0xC000007E;
}
