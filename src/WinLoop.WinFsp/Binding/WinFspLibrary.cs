using System.Runtime.InteropServices;
using System.Runtime.Versioning;
using Microsoft.Win32;

namespace WinLoop.WinFsp.Binding;

/// <summary>Finds and loads WinFsp's DLL.</summary>
/// <remarks>
/// Always by an absolute path, so that no DLL that lies in the current or the program's folder is taken for it; once
/// it is loaded, the official package finds this very module by its name.
/// </remarks>
public static class WinFspLibrary
{
    /// <summary>Names a DLL to use instead of the installed one: for tests, and for a WinFsp that is not installed.</summary>
    public const string EnvironmentVariable = "WINLOOP_WINFSP_DLL";

    private static readonly Lock Gate = new();
    private static readonly Dictionary<string, WinFspExports> Loaded = new(StringComparer.OrdinalIgnoreCase);

    /// <summary>Name of the DLL for this process.</summary>
    public static string FileName => RuntimeInformation.ProcessArchitecture switch
    {
        Architecture.Arm64 => "winfsp-a64.dll",
        Architecture.X86 => "winfsp-x86.dll",
        _ => "winfsp-x64.dll",
    };

    /// <summary>Says whether WinFsp can be used, without mounting anything.</summary>
    /// <returns>The version, as in "2.1".</returns>
    /// <exception cref="WinFspMissingException">It cannot, and what to do about it.</exception>
    public static string Require(string? path = null)
    {
        uint version = Load(path).InstalledVersion;
        return $"{version >> 16}.{version & 0xFFFF}";
    }

    /// <summary>Loads the DLL, once for each path.</summary>
    /// <param name="path">Its absolute path; null: what the environment variable or the registry says.</param>
    /// <exception cref="WinFspMissingException">There is none that can be used.</exception>
    internal static WinFspExports Load(string? path = null)
    {
        path = Resolve(path);
        lock (Gate)
        {
            if (Loaded.TryGetValue(path, out WinFspExports? exports))
            {
                return exports;
            }
            if (!NativeLibrary.TryLoad(path, out nint module))
            {
                throw new WinFspMissingException(File.Exists(path)
                    ? $"{path} cannot be loaded. Install WinFsp again from https://winfsp.dev/rel."
                    : $"WinFsp's {path} does not exist. Install WinFsp again from https://winfsp.dev/rel.");
            }
            // Never unloaded: WinFsp's threads may run until the process ends.
            exports = new WinFspExports(name => NativeLibrary.TryGetExport(module, name, out nint address) ? address : 0, path);
            Loaded.Add(path, exports);
            return exports;
        }
    }

    internal static string Resolve(string? path)
    {
        if (path is not null)
        {
            return Path.IsPathFullyQualified(path) ? path
                : throw new WinFspMissingException($"{path}: the path of WinFsp's DLL has to be absolute.");
        }
        if (FromEnvironment(Environment.GetEnvironmentVariable(EnvironmentVariable), IsElevated) is { } named)
        {
            return named;
        }
        if (OperatingSystem.IsWindows() && FromRegistry() is { } folder)
        {
            return Path.Combine(folder, "bin", FileName);
        }
        throw new WinFspMissingException("WinFsp is not installed. Install it from https://winfsp.dev/rel and try again.");
    }

    // A user's own process may use what the user names. An elevated one gets its environment from a user who
    // may not be elevated, and must not load that user's code.
    internal static string? FromEnvironment(string? value, bool isElevated) =>
        !string.IsNullOrEmpty(value) && Path.IsPathFullyQualified(value) && !isElevated ? value : null;

    private static bool IsElevated => OperatingSystem.IsWindows() && Environment.IsPrivilegedProcess;

    [SupportedOSPlatform("windows")]
    private static string? FromRegistry()
    {
        foreach (string key in (ReadOnlySpan<string>)[@"SOFTWARE\WOW6432Node\WinFsp", @"SOFTWARE\WinFsp"])
        {
            try
            {
                using RegistryKey? winfsp = Registry.LocalMachine.OpenSubKey(key);
                if (winfsp?.GetValue("InstallDir") is string folder && Path.IsPathFullyQualified(folder))
                {
                    return folder;
                }
            }
            catch (Exception e) when (e is System.Security.SecurityException or UnauthorizedAccessException or IOException)
            {
                // As if it were not there: the message says what to do.
            }
        }
        return null;
    }
}
