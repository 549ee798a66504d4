using WinLoop.Cli.Serving;
using System.Runtime.InteropServices;
using WinLoop.Mounting;
using WinLoop.Mounting.Registry;
using WinLoop.Mounting.Settings;
using WinLoop.Service;
using WinLoop.Service.Client;
using WinLoop.Service.Windows;

namespace WinLoop.Cli.Diagnosis;

/// <summary>How an item is.</summary>
internal enum ItemState
{
    /// <summary>As it should be.</summary>
    Fine,
    /// <summary>Mounts work, but something will be missed.</summary>
    Odd,
    /// <summary>Mounts do not work.</summary>
    Broken,
}

/// <summary>One item that was looked at.</summary>
/// <param name="Name">What.</param>
/// <param name="State">How it is.</param>
/// <param name="Finding">What was found.</param>
/// <param name="Remedy">What to do; null if nothing is to be done.</param>
internal sealed record CheckedItem(string Name, ItemState State, string Finding, string? Remedy = null);

/// <summary>Looks at what mounts depend on. Changes nothing.</summary>
internal static class Doctor
{
    /// <summary>All items of this system.</summary>
    internal static IReadOnlyList<CheckedItem> Examine()
    {
        var items = new List<CheckedItem>
        {
            new("system", ItemState.Fine, $"{RuntimeInformation.OSDescription}, {RuntimeInformation.ProcessArchitecture}, .NET {Environment.Version}"),
        };
        items.AddRange(OperatingSystem.IsWindows() ? WindowsItems.Examine() : LinuxItems.Examine());
        items.Add(Settings());
        items.Add(Registry());
        items.Add(Service());
        items.Add(Mounts());
        return items;
    }

    private static CheckedItem Settings()
    {
        var notes = new List<string>();
        try
        {
            _ = SettingsReader.Read(notes);
        }
        catch (MountException e)
        {
            return new CheckedItem("settings", ItemState.Broken, e.Message, e.Hint);
        }
        string[] files = [.. new[] { SettingsFile.OfMachine, SettingsFile.OfUser }.OfType<string>().Where(File.Exists)];
        return notes.Count > 0
            ? new CheckedItem("settings", ItemState.Odd, notes[0].TrimEnd('.'), "Use a file of your own, or start a shell of that user.")
            : new CheckedItem("settings", ItemState.Fine, files.Length == 0 ? "no file" : string.Join(", ", files));
    }

    private static CheckedItem Registry()
    {
        try
        {
            string folder = MountRegistry.Open().Folder;
            string probe = Path.Combine(folder, $"probe-{Environment.ProcessId}");
            File.WriteAllText(probe, "");
            File.Delete(probe);
            return new CheckedItem("records of mounts", ItemState.Fine, folder);
        }
        catch (Exception e) when (e is MountException or IOException or UnauthorizedAccessException)
        {
            return new CheckedItem("records of mounts", ItemState.Broken, e.Message, (e as MountException)?.Hint ?? "Make the folder writable for you.");
        }
    }

    // It is needed by those only who want mounts back at boot, or drives that administrators see, too.
    private static CheckedItem Service()
    {
        const string name = "service";
        try
        {
            using ServiceClient? client = ServiceClient.TryConnect();
            if (client?.Ping() is { } info)
            {
                string own = typeof(Doctor).Assembly.GetName().Version?.ToString(3) ?? "";
                return info.Version == own
                    ? new CheckedItem(name, ItemState.Fine, $"running, process {info.Pid}, {info.Mounts} {(info.Mounts == 1 ? "mount" : "mounts")}")
                    : new CheckedItem(name, ItemState.Odd, $"running, but of version {info.Version}; this program is {own}", "Restart it.");
            }
        }
        catch (MountException e)
        {
            return new CheckedItem(name, ItemState.Odd, e.Message, e.Hint ?? "'winloop service status' tells more.");
        }
        if (!OperatingSystem.IsWindows() || !ServiceInstaller.IsInstalled)
        {
            return new CheckedItem(name, ItemState.Fine, OperatingSystem.IsWindows() ? "not installed; each mount has a process of its own" : "does not run; each mount has a process of its own");
        }
        return new CheckedItem(name, ItemState.Odd, ServiceInstaller.Describe(), "'winloop service start', as an administrator.");
    }

    private static CheckedItem Mounts()
    {
        IReadOnlyList<KnownMount> mounts = ServiceMounts.ListAll();
        string[] dead = [.. mounts.Where(m => m.State == MountState.Dead).Select(m => m.Record.Directory)];
        return dead.Length > 0
            ? new CheckedItem("mounts", ItemState.Odd, $"the process that served {string.Join(" and ", dead)} has died", $"Undo it: winloop unmount {dead[0]}")
            : new CheckedItem("mounts", ItemState.Fine, mounts.Count == 0 ? "none" : $"{mounts.Count}, all served");
    }
}
