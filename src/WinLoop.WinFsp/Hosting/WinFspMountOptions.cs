using WinLoop.Mounting.Windows;
using WinLoop.WinFsp.Binding;

namespace WinLoop.WinFsp.Hosting;

/// <summary>How a volume is mounted through WinFsp.</summary>
public sealed record WinFspMountOptions
{
    /// <summary><c>X:</c>, <c>\\.\X:</c> (for all users, needs an administrator), a folder that does not exist yet, or
    /// <c>*</c> for the first free letter from Z: down.</summary>
    public string MountPoint { get; init; } = "*";

    /// <summary>What Windows shows as the file system: at most 15 characters. Installers and elevated programs of some
    /// versions of Windows start from "NTFS" only.</summary>
    public string FileSystemName { get; init; } = "ext4";

    /// <summary>Windows keeps a file's data cached, and not yet written, after the last handle is closed. Faster, but
    /// more is lost when this process dies.</summary>
    public bool FastCache { get; init; }

    /// <summary>Threads that serve requests; 0 = as many as WinFsp thinks right.</summary>
    public int Threads { get; init; }

    /// <summary>How many requests may be in flight.</summary>
    public int QueueDepth { get; init; } = 128;

    /// <summary>What ext4 means on Windows.</summary>
    public WindowsOptions Windows { get; init; } = new();

    /// <summary>Takes sentences about what went wrong.</summary>
    public Action<string>? Log { get; init; }

    /// <summary>Absolute path of WinFsp's DLL; null = the installed one (<see cref="WinFspLibrary"/>).</summary>
    public string? LibraryPath { get; init; }

    /// <summary>How the driver is made to write what it has cached; null = as the system does.</summary>
    public IVolumeFlusher? Flusher { get; init; }

    /// <summary>Functions in place of those of a DLL.</summary>
    internal WinFspExports? Exports { get; init; }

    internal WinFspExports LoadExports() => Exports ?? WinFspLibrary.Load(LibraryPath);
}
