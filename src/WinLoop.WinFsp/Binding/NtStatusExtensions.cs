using WinLoop.Mounting.Windows;

namespace WinLoop.WinFsp.Binding;

/// <summary>What callers of NT functions ask of a status.</summary>
internal static class NtStatusExtensions
{
    /// <summary>NT_SUCCESS: informational codes are none of failure.</summary>
    public static bool IsSuccess(this NtStatus status) => (int)status >= 0;

    /// <summary>The name, or the number if we have no name for it.</summary>
    public static string Describe(this NtStatus status) =>
        Enum.IsDefined(status) ? $"{status} (0x{(uint)status:X8})" : $"status 0x{(uint)status:X8}";
}
