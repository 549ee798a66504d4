using WinLoop.Ext4;
using WinLoop.Mounting.Windows;
using WinLoop.WinFsp.Binding;
using WinLoop.WinFsp.Hosting;
using WinLoop.WinFsp.Requests;

namespace WinLoop.WinFsp.Package;

/// <summary>A volume mounted through the official package winfsp.net.</summary>
/// <remarks>What the package has no way for, and what comes of it: it does not tell that the driver has ended the
/// mount by itself; it does not hand on where in a path a link stands, so that WinFsp looks from the root on; its
/// handles of files that are open when a mount is undone are never freed.</remarks>
public sealed class PackageHost : WindowsHost
{
    private readonly Fsp.FileSystemHost _host;
    private readonly PackageFileSystem _fileSystem;

    private PackageHost(Ext4Volume volume, Fsp.FileSystemHost host, PackageFileSystem fileSystem, WindowsSession session, WinFspMountOptions options)
        : base(volume, session, options)
    {
        _host = host;
        _fileSystem = fileSystem;
    }

    /// <summary>Mounts and starts serving; when it returns the mount is usable. The host owns the volume from then on
    /// and disposes it when the mount is gone; if this throws, the volume is still the caller's.</summary>
    /// <exception cref="WinFspMissingException">WinFsp is not installed or too old.</exception>
    /// <exception cref="WinFspMountException">The mount did not come about.</exception>
    public static PackageHost Mount(Ext4Volume volume, WinFspMountOptions options)
    {
        // Loaded by its path before the package looks for it by its name.
        WinFspExports exports = options.LoadExports();
#if WINFSP_STUB
        Fsp.StubLibrary.Exports = exports;
#endif
        MountPoints.Preflight(exports, options.MountPoint);
        WindowsFileSystem core = new(volume, options.Windows);
        PackageFileSystem fileSystem = new(exports, options);
        WindowsSession session = new(core, fileSystem, new DriverSecurityMerger(exports), options.QueueDepth, options.Log);
        fileSystem.Session = session;
        Fsp.FileSystemHost native = new(fileSystem);
        fileSystem.Host = native;
        PackageHost host = new(volume, native, fileSystem, session, options);
        try
        {
            NtStatus status = (NtStatus)native.MountEx(MountPoints.ForDriver(options.MountPoint)!, (uint)Math.Max(options.Threads, 0));
            MountPoints.Check(status, $"cannot mount on {options.MountPoint}", options.MountPoint);
            host.MountPoint = native.MountPoint() ?? options.MountPoint;
            return host;
        }
        catch
        {
            native.Dispose();
            session.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    private protected override void StopDispatcher()
    {
        _host.Unmount();
        // The package knows its file system by a weak handle: it has to live until here.
        GC.KeepAlive(_fileSystem);
    }
}
