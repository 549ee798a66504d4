using System.Runtime.Versioning;
using System.Security;
using Microsoft.Win32;

namespace WinLoop.Service.Frontends;

/// <summary>WinLoop's icon for its drives, while they are there: a value in the registry for each letter, of the user who
/// mounts, or of the machine when the service does. An icon is no reason for a mount to fail.</summary>
[SupportedOSPlatform("windows")]
internal static class DriveIcon
{
    private const string UserKey = @"Software\Classes\Applications\Explorer.exe\Drives", MachineKey = @"SOFTWARE\Microsoft\Windows\CurrentVersion\Explorer\DriveIcons";
    private const string FileName = "winloop.ico", ValueKey = "DefaultIcon";

    /// <summary>Shows it from now on.</summary>
    /// <param name="mountPoint">As WinFsp has it; folders have no icon of their own.</param>
    /// <param name="isForAll">For all users.</param>
    internal static void Show(string mountPoint, bool isForAll)
    {
        string icon = Path.Combine(AppContext.BaseDirectory, FileName);
        if (LetterOf(mountPoint) is not { } letter || !File.Exists(icon))
        {
            return;
        }
        Try(() =>
        {
            using RegistryKey key = Root(isForAll).CreateSubKey($@"{PathOf(isForAll)}\{letter}\{ValueKey}");
            key.SetValue(null, icon);
        });
    }

    /// <summary>Takes it away, if it is ours.</summary>
    internal static void Hide(string mountPoint, bool isForAll)
    {
        if (LetterOf(mountPoint) is not { } letter)
        {
            return;
        }
        Try(() =>
        {
            string path = $@"{PathOf(isForAll)}\{letter}";
            using (RegistryKey? key = Root(isForAll).OpenSubKey($@"{path}\{ValueKey}"))
            {
                if (key?.GetValue(null) is not string icon || Path.GetFileName(icon) != FileName)
                {
                    return;
                }
            }
            Root(isForAll).DeleteSubKeyTree(path, throwOnMissingSubKey: false);
        });
    }

    private static RegistryKey Root(bool isForAll) => isForAll ? Registry.LocalMachine : Registry.CurrentUser;

    private static string PathOf(bool isForAll) => isForAll ? MachineKey : UserKey;

    private static char? LetterOf(string mountPoint) =>
        mountPoint is [.., var letter, ':'] && char.IsAsciiLetter(letter) && mountPoint.Length is 2 or 6 ? char.ToUpperInvariant(letter) : null;

    private static void Try(Action action)
    {
        try
        {
            action();
        }
        catch (Exception e) when (e is SecurityException or UnauthorizedAccessException or IOException)
        {
            // The drive is there all the same.
        }
    }
}
