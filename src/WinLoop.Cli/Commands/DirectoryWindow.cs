using System.Diagnostics;
using WinLoop.Cli.Explorer;

namespace WinLoop.Cli.Commands;

/// <summary>Shows a directory in a window: the Explorer's on Windows, elsewhere that of the desktop.</summary>
internal static class DirectoryWindow
{
    private const string Opener = "xdg-open";

    /// <summary>Opens the window and does not wait for it.</summary>
    /// <returns>Why there is none; null if it was opened.</returns>
    internal static string? Open(string directory)
    {
        if (OperatingSystem.IsWindows())
        {
            ShellCalls.OpenWindow(directory.TrimEnd('\\') + '\\');
            return null;
        }
        if (string.IsNullOrEmpty(Environment.GetEnvironmentVariable("DISPLAY")) && string.IsNullOrEmpty(Environment.GetEnvironmentVariable("WAYLAND_DISPLAY")))
        {
            return "there is no desktop here";
        }
        try
        {
            // What the desktop's programs print is not this command's answer.
            using Process? process = Process.Start(new ProcessStartInfo(Opener, [directory])
            {
                RedirectStandardOutput = true,
                RedirectStandardError = true,
                RedirectStandardInput = true,
            });
            return null;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return $"{Opener} is not installed";
        }
    }
}
