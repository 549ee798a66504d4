namespace WinLoop.Mounting.Linux;

/// <summary>Who runs this process.</summary>
public static class CurrentUser
{
    /// <summary>User id; 0 on Windows.</summary>
    public static uint Uid => OperatingSystem.IsWindows() ? 0 : Native.geteuid();

    /// <summary>Group id; 0 on Windows.</summary>
    public static uint Gid => OperatingSystem.IsWindows() ? 0 : Native.getegid();

    /// <summary>True for root of Linux.</summary>
    public static bool IsRoot => !OperatingSystem.IsWindows() && Native.geteuid() == 0;
}
