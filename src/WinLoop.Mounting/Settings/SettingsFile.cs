using WinLoop.Mounting.Linux;

namespace WinLoop.Mounting.Settings;

/// <summary>The files that settings are read from, the machine's before the user's.</summary>
public static class SettingsFile
{
    /// <summary>The file's name in either folder.</summary>
    public const string Name = "winloop.json";

    /// <summary>For everybody: <c>/etc/winloop/winloop.json</c>, on Windows <c>%ProgramData%\WinLoop\winloop.json</c>.</summary>
    public static string OfMachine { get; } = OperatingSystem.IsWindows()
        ? Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.CommonApplicationData), "WinLoop", Name)
        : "/etc/winloop/" + Name;

    /// <summary>For this user: <c>$XDG_CONFIG_HOME/winloop/winloop.json</c> (<c>~/.config</c> without it), on Windows
    /// <c>%APPDATA%\WinLoop\winloop.json</c>; null if the user has no folder for it.</summary>
    public static string? OfUser
    {
        get
        {
            if (OperatingSystem.IsWindows())
            {
                string roaming = Environment.GetFolderPath(Environment.SpecialFolder.ApplicationData);
                return roaming.Length == 0 ? null : Path.Combine(roaming, "WinLoop", Name);
            }
            string? folder = Environment.GetEnvironmentVariable("XDG_CONFIG_HOME");
            if (folder is not ['/', ..])
            {
                string? home = Environment.GetEnvironmentVariable("HOME");
                folder = home is ['/', ..] ? Path.Combine(home, ".config") : null;
            }
            return folder is null ? null : Path.Combine(folder, "winloop", Name);
        }
    }

    /// <summary>True if the file's words may count for this process. With sudo HOME may still be another user's, and what he writes
    /// must not decide what root does.</summary>
    internal static bool IsTrusted(string path) =>
        OperatingSystem.IsWindows() || FileStatus.Of(path) is not { } status || status.Uid == CurrentUser.Uid || status.Uid == 0;
}
