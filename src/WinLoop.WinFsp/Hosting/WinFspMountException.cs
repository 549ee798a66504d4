using WinLoop.Mounting.Windows;

namespace WinLoop.WinFsp.Hosting;

/// <summary>Mounting or unmounting through WinFsp failed.</summary>
public sealed class WinFspMountException(NtStatus status, string message) : IOException(message)
{
    /// <summary>What Windows said.</summary>
    public NtStatus Status { get; } = status;
}
