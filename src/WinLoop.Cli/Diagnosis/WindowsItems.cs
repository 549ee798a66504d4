using System.Runtime.Versioning;
using Microsoft.Win32;
using WinLoop.WinFsp.Binding;
using WinLoop.WinFsp.Hosting;

namespace WinLoop.Cli.Diagnosis;

/// <summary>What drives through WinFsp depend on.</summary>
[SupportedOSPlatform("windows")]
internal static class WindowsItems
{
    private const string GetWinFsp = "Install WinFsp: https://winfsp.dev/rel or 'winget install WinFsp.WinFsp'.";

    internal static IEnumerable<CheckedItem> Examine()
    {
        yield return WinFsp();
        yield return Letters();
        yield return SearchPath();
        yield return Association();
    }

    private static CheckedItem WinFsp()
    {
        string version;
        try
        {
            version = WinFspLibrary.Require();
        }
        catch (WinFspMissingException e)
        {
            return new CheckedItem("WinFsp", ItemState.Broken, e.Message.TrimEnd('.'), GetWinFsp);
        }
        try
        {
            WinFspHost.Probe();
            return new CheckedItem("WinFsp", ItemState.Fine, $"version {version}, its driver answers");
        }
        catch (WinFspMountException e)
        {
            return new CheckedItem("WinFsp", ItemState.Broken, $"version {version}: {e.Message.TrimEnd('.')}", "Restart Windows, or install WinFsp again.");
        }
    }

    private static CheckedItem Letters()
    {
        var used = DriveInfo.GetDrives().Select(d => char.ToUpperInvariant(d.Name[0])).ToHashSet();
        string free = new([.. Enumerable.Range('D', 23).Select(c => (char)c).Where(c => !used.Contains(c))]);
        return free.Length > 0
            ? new CheckedItem("drive letters", ItemState.Fine, $"free: {string.Join(' ', free.ToCharArray())}")
            : new CheckedItem("drive letters", ItemState.Odd, "none is free", "Free one, or mount at a folder: winloop mount IMAGE FOLDER.");
    }

    private static CheckedItem SearchPath()
    {
        string own = Path.TrimEndingDirectorySeparator(AppContext.BaseDirectory);
        bool isIn = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(';')
            .Any(f => Path.TrimEndingDirectorySeparator(f.Trim().Trim('"')).Equals(own, StringComparison.OrdinalIgnoreCase));
        return isIn
            ? new CheckedItem("PATH", ItemState.Fine, own)
            : new CheckedItem("PATH", ItemState.Odd, $"{own} is not in it", "Call winloop by its full path, or install the MSI, which adds it.");
    }

    private static CheckedItem Association()
    {
        try
        {
            using RegistryKey? ending = Registry.ClassesRoot.OpenSubKey(".ext4");
            using RegistryKey? command = ending?.GetValue(null) is string type ? Registry.ClassesRoot.OpenSubKey($@"{type}\shell\open\command") : null;
            if (command?.GetValue(null) is string line)
            {
                bool isOurs = line.Contains("winloopw.exe", StringComparison.OrdinalIgnoreCase);
                return new CheckedItem("double-click", isOurs ? ItemState.Fine : ItemState.Odd, $".ext4 is opened by {line}",
                    isOurs ? null : "Choose winloopw.exe under 'Open with'.");
            }
        }
        catch (Exception e) when (e is System.Security.SecurityException or UnauthorizedAccessException or IOException)
        {
            // As if it were not there.
        }
        return new CheckedItem("double-click", ItemState.Odd, ".ext4 is opened by nothing", "Install the MSI, or choose winloopw.exe under 'Open with'.");
    }
}
