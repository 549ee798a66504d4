using System.Runtime.InteropServices;
using System.Runtime.Versioning;

namespace WinLoop.Cli.Explorer;

/// <summary>What is needed of Windows' shell.</summary>
[SupportedOSPlatform("windows")]
internal static partial class ShellCalls
{
    private const uint IconError = 0x10, IconQuestion = 0x20, YesNo = 4, SetForeground = 0x10000;
    private const int Yes = 6, ShowNormal = 1;
    private const int DriveAdded = 0x100, DriveRemoved = 0x80;
    private const uint PathUnicode = 5;

    /// <summary>Says what failed and what to do.</summary>
    internal static void ShowError(string message, string? hint) =>
        _ = MessageBox(0, hint is null ? message : $"{message}\n\n{hint}", "WinLoop", IconError | SetForeground);

    /// <summary>Asks; false if the answer is no, or if nobody can be asked.</summary>
    internal static bool Ask(string question) => MessageBox(0, question, "WinLoop", IconQuestion | YesNo | SetForeground) == Yes;

    /// <summary>Opens a drive or folder in a window of the Explorer.</summary>
    internal static void OpenWindow(string path) => _ = ShellExecute(0, "open", path, null, null, ShowNormal);

    /// <summary>Tells open windows that a drive has come or gone.</summary>
    internal static void NotifyDrive(string root, bool isAdded) => ChangeNotify(isAdded ? DriveAdded : DriveRemoved, PathUnicode, root, 0);

    [LibraryImport("user32", EntryPoint = "MessageBoxW", StringMarshalling = StringMarshalling.Utf16)]
    private static partial int MessageBox(nint window, string text, string caption, uint type);

    [LibraryImport("shell32", EntryPoint = "ShellExecuteW", StringMarshalling = StringMarshalling.Utf16)]
    private static partial nint ShellExecute(nint window, string verb, string file, string? parameters, string? directory, int show);

    [LibraryImport("shell32", EntryPoint = "SHChangeNotify", StringMarshalling = StringMarshalling.Utf16)]
    private static partial void ChangeNotify(int what, uint flags, string item1, nint item2);
}
