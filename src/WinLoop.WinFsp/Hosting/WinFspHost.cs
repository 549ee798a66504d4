using WinLoop.Ext4;
using WinLoop.Mounting.Windows;
using WinLoop.WinFsp.Binding;
using WinLoop.WinFsp.Binding.Abi;
using WinLoop.WinFsp.Callbacks;
using WinLoop.WinFsp.Requests;

namespace WinLoop.WinFsp.Hosting;

/// <summary>A volume mounted through our own binding of WinFsp.</summary>
public sealed unsafe class WinFspHost : WindowsHost
{
    /// <summary>The driver's device for disks.</summary>
    internal const string Device = "WinFsp.Disk";

    private readonly CallbackTarget _target;
    private ulong _key;

    private WinFspHost(Ext4Volume volume, CallbackTarget target, WindowsSession session, WinFspMountOptions options)
        : base(volume, session, options) => _target = target;

    /// <summary>Opens that the driver knows.</summary>
    internal int KnownOpens => _target.Files.Count;

    /// <summary>Asks the driver whether it would mount at some free letter; mounts nothing.</summary>
    /// <exception cref="WinFspMissingException">WinFsp is not installed or too old.</exception>
    /// <exception cref="WinFspMountException">The driver does not answer.</exception>
    public static void Probe() => MountPoints.Preflight(WinFspLibrary.Load(), "*");

    /// <summary>Mounts and starts serving; when it returns the mount is usable. The host owns the volume from then on
    /// and disposes it when the mount is gone; if this throws, the volume is still the caller's.</summary>
    /// <exception cref="WinFspMissingException">WinFsp is not installed or too old.</exception>
    /// <exception cref="WinFspMountException">The mount did not come about.</exception>
    public static WinFspHost Mount(Ext4Volume volume, WinFspMountOptions options)
    {
        WinFspExports exports = options.LoadExports();
        MountPoints.Preflight(exports, options.MountPoint);
        WinFspHost? host = null;
        CallbackTarget target = new(exports, normally => host!.OnDispatcherStopped(normally));
        WindowsFileSystem fileSystem = new(volume, options.Windows);
        WindowsSession session = new(fileSystem, target, new DriverSecurityMerger(exports), options.QueueDepth, options.Log);
        target.Session = session;
        host = new WinFspHost(volume, target, session, options);
        try
        {
            host.Start(options);
            return host;
        }
        catch
        {
            host.Delete();
            session.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    private protected override void StopDispatcher()
    {
        _target.Exports.StopDispatcher(_target.Native);
        Delete();
    }

    private void Start(WinFspMountOptions options)
    {
        VolumeParams parameters = VolumeSettings.Build(Session.FileSystem.Facts, options);
        WinFspExports exports = _target.Exports;
        FileSystemHead* native = null;
        fixed (char* device = Device)
        {
            MountPoints.Check(exports.Create(device, &parameters, InterfaceTable.Pointer, &native), "WinFsp cannot make a volume", options.MountPoint);
        }
        _target.Native = native;
        _key = HostTable.Add(_target);
        native->UserContext = _key;
        // The engine locks for itself: callbacks may run side by side.
        exports.SetOperationGuard(native, 0, 0);
        fixed (char* mountPoint = MountPoints.ForDriver(options.MountPoint))
        {
            MountPoints.Check(exports.SetMountPointEx(native, mountPoint, null), $"cannot mount on {options.MountPoint}", options.MountPoint);
        }
        MountPoint = MountPoints.Read(exports, native) ?? options.MountPoint;
        MountPoints.Check(exports.StartDispatcher(native, (uint)Math.Max(options.Threads, 0)), "WinFsp cannot start serving", options.MountPoint);
    }

    private void Delete()
    {
        if (_target.Native != null)
        {
            _target.Exports.Delete(_target.Native);
            _target.Native = null;
            HostTable.Remove(_key);
            _target.Files.Clear();
        }
    }

    private void OnDispatcherStopped(bool normally)
    {
        if (!normally)
        {
            OnDispatcherLost();
        }
    }
}
