namespace WinLoop.Mounting.Windows;

/// <summary>The one place where errors become statuses.</summary>
public static class StatusMap
{
    /// <summary>The status for an exception of the engine or the device.</summary>
    public static NtStatus FromException(Exception exception) => throw new NotImplementedException();
}
