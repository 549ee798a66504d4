using WinLoop.Mounting.Windows;
using WinLoop.WinFsp.Requests;

namespace WinLoop.WinFsp.Callbacks;

/// <summary>What every callback does at the edge between WinFsp's threads and ours.</summary>
internal static class Boundary
{
    public const int NotOurs = unchecked((int)NtStatus.InvalidDeviceRequest);
    public const int NoSuchOpen = unchecked((int)NtStatus.InvalidHandle);

    /// <summary>The answer when even the handling of errors failed; nothing may be thrown from here on.</summary>
    public static int Unexpected(CallbackTarget? target, WindowsOperation operation, Exception exception)
    {
        target?.Session?.Log($"{operation}: {exception}");
        return unchecked((int)NtStatus.UnexpectedIoError);
    }

    /// <summary>An int of the driver's, as a length of a span; more than an int holds is nothing the driver sends.</summary>
    public static int Length(ulong length) =>
        length <= int.MaxValue ? (int)length : throw new ArgumentOutOfRangeException(nameof(length), length, "a buffer of more than 2 GiB");
}
