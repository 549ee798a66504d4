using System.Runtime.InteropServices;

namespace WinLoop.Storage.Windows;

/// <summary>From Win32 error codes to <see cref="BlockDeviceException"/>.</summary>
internal static class WindowsErrors
{
    internal static BlockDeviceException Transfer(int code, string operation, string path) =>
        new(Kind(code), $"{operation} of {path} failed: {Marshal.GetPInvokeErrorMessage(code)} (error {code})");

    internal static BlockDeviceException Open(int code, string path, bool isReadOnly)
    {
        BlockDeviceError kind = code == Kernel32.ERROR_ACCESS_DENIED ? BlockDeviceError.Denied : Kind(code);
        return kind == BlockDeviceError.Busy
            ? new BlockDeviceException(kind, $"{path} is in use: another program has it open")
            : new BlockDeviceException(kind,
                $"{path} cannot be opened for {(isReadOnly ? "reading" : "writing")}: {Marshal.GetPInvokeErrorMessage(code)}");
    }

    private static BlockDeviceError Kind(int code) => code switch
    {
        Kernel32.ERROR_FILE_NOT_FOUND or Kernel32.ERROR_PATH_NOT_FOUND or Kernel32.ERROR_INVALID_NAME => BlockDeviceError.NotFound,
        Kernel32.ERROR_DISK_FULL or Kernel32.ERROR_HANDLE_DISK_FULL or Kernel32.ERROR_DISK_QUOTA_EXCEEDED => BlockDeviceError.NoSpace,
        Kernel32.ERROR_SHARING_VIOLATION or Kernel32.ERROR_LOCK_VIOLATION or Kernel32.ERROR_NO_SYSTEM_RESOURCES => BlockDeviceError.Busy,
        Kernel32.ERROR_WRITE_PROTECT or Kernel32.ERROR_ACCESS_DENIED => BlockDeviceError.ReadOnly,
        Kernel32.ERROR_NOT_READY or Kernel32.ERROR_WRONG_DISK or Kernel32.ERROR_NO_SUCH_DEVICE or Kernel32.ERROR_MEDIA_CHANGED or Kernel32.ERROR_DEV_NOT_EXIST or Kernel32.ERROR_FILE_INVALID or Kernel32.ERROR_NO_MEDIA_IN_DRIVE
            or Kernel32.ERROR_DEVICE_NOT_CONNECTED or Kernel32.ERROR_DEVICE_REMOVED => BlockDeviceError.Gone,
        _ => BlockDeviceError.Io,
    };
}
