using System.Runtime.InteropServices;
using WinLoop.Ext4;
using WinLoop.Fuse.Mounting;
using WinLoop.Fuse.Native;
using WinLoop.Mounting;
using WinLoop.Mounting.Linux;
using WinLoop.Storage;

namespace WinLoop.Fuse;

/// <summary>A volume mounted through /dev/fuse and the threads that serve it.</summary>
public sealed class FuseHost : IMountHost
{
    private const string Device = "/dev/fuse";
    private const int DefaultMaxTransfer = 1 << 20;

    private readonly Lock _gate = new();
    private readonly bool _usesHelper;
    private int _fd;
    private FuseServer _server = null!;
    private Ext4Volume _volume = null!;
    private bool _isOver;
    // What the loop device is attached to; null if there is none.
    private string? _loopImage;

    private FuseHost(int fd, string mountPoint, string deviceName, string type, bool usesHelper, string? target = null)
    {
        _fd = fd;
        MountPoint = mountPoint;
        Target = target ?? mountPoint;
        DeviceName = deviceName;
        FileSystemType = type;
        _usesHelper = usesHelper;
    }

    /// <summary>The block device that the mount holds (<c>/dev/loop3</c>), or <see cref="FuseMountOptions.Source"/>
    /// when it holds none.</summary>
    public string DeviceName { get; }

    /// <summary>The type as /proc/mounts shows it: <c>fuseblk.ext4</c> or <c>fuse.ext4</c>.</summary>
    public string FileSystemType { get; }

    /// <summary>Absolute path of the mount point.</summary>
    public string MountPoint { get; }

    /// <inheritdoc/>
    public RequestTrace? Trace
    {
        get => _server.Queue.Trace;
        set => _server.Queue.Trace = value;
    }

    /// <summary>The mount point as the kernel is to be told of it (<see cref="FuseMountOptions.Target"/>).</summary>
    public string Target { get; }

    /// <summary>The only user who gets in; null if there is no such limit.</summary>
    public (uint Uid, uint Gid)? OnlyUser { get; private set; }

    /// <summary>The figures of the mount's request queue, one operation per FUSE opcode.</summary>
    public QueueStatistics GetStatistics() => _server.Queue.GetStatistics();

    /// <summary>Mounts and starts serving; when it returns the mount is usable. The host owns the volume from
    /// then on and disposes it when the mount is gone; if this throws, the volume is still the caller's.</summary>
    /// <exception cref="FuseMountException">The mount did not come about.</exception>
    public static FuseHost Mount(Ext4Volume volume, string mountPoint, FuseMountOptions options)
    {
        // A target is what it is, whatever the path leads to by now.
        mountPoint = options.Target is null ? ResolveMountPoint(mountPoint) : mountPoint;
        ulong flags = MountFlags.Parse(options.MountWords);
        flags = options.IsReadOnly || volume.IsReadOnly ? flags | MountFlags.ReadOnly : flags;
        FuseHost host = Libc.geteuid() == 0
            ? MountDirectly(mountPoint, flags, options)
            : new FuseHost(FusermountMount.Mount(options.Source, mountPoint, flags, DefaultMaxTransfer, options.AllowOther),
                mountPoint, options.Source, DirectMount.TypeName(isBlockDevice: false), usesHelper: true);
        try
        {
            host.OnlyUser = options is { AllowOther: false, User: { Uid: > 0 } user } ? user : null;
            host.StartServer(volume, (flags & MountFlags.ReadOnly) != 0, options);
            return host;
        }
        catch
        {
            host.GiveUp();
            throw;
        }
    }

    /// <summary>Blocks until the mount is undone, by <see cref="Unmount"/> or umount(8), and the volume is
    /// disposed: when it returns everything is on the device.</summary>
    /// <returns>False if the volume could not be closed cleanly (<see cref="Failure"/> tells why).</returns>
    public bool WaitForUnmount()
    {
        _server.Wait();
        lock (_gate)
        {
            if (_fd >= 0)
            {
                Libc.close(_fd);
                _fd = -1;
            }
            _isOver = true;
        }
        if (_loopImage is not null)
        {
            LoopDevices.WaitForDetach(DeviceName, _loopImage);
        }
        return Failure is null;
    }

    /// <summary>Why the volume could not be closed cleanly; null if it was, or is not closed yet.</summary>
    public Exception? Failure => _server.Failure;

    /// <inheritdoc/>
    /// <remarks>Not from a thread that serves the mount: the kernel hands over the pages that it holds back.</remarks>
    public void Suspend()
    {
        int directory = Libc.open(MountPoint, Libc.O_RDONLY | Libc.O_CLOEXEC);
        int error = directory < 0 ? Marshal.GetLastPInvokeError() : 0;
        if (directory >= 0)
        {
            error = Libc.syncfs(directory) != 0 ? Marshal.GetLastPInvokeError() : 0;
            Libc.close(directory);
        }
        try
        {
            _volume.Suspend();
        }
        catch (Ext4Exception e)
        {
            throw new IOException(e.Message, e);
        }
        if (error != 0)
        {
            throw new IOException($"{MountPoint}: what the kernel held back was not written: {Libc.Describe(error)}");
        }
    }

    /// <inheritdoc/>
    public bool Resume() => _volume.Resume();

    /// <summary>Asks the kernel to unmount; may be called from any thread.</summary>
    /// <param name="lazy">Detach now and finish when the last user is gone; never EBUSY.</param>
    /// <exception cref="FuseMountException">EBUSY: files are open.</exception>
    public void Unmount(bool lazy = false)
    {
        if (_usesHelper)
        {
            FusermountMount.Unmount(MountPoint, lazy);
            return;
        }
        if (Libc.umount2(Target, lazy ? Libc.MNT_DETACH : 0) != 0)
        {
            int error = Marshal.GetLastPInvokeError();
            throw new FuseMountException(error, $"cannot unmount {MountPoint}: {Libc.Describe(error)}");
        }
    }

    /// <summary>Unmounts lazily if still mounted and waits.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            if (_isOver)
            {
                return;
            }
        }
        try
        {
            Unmount(lazy: true);
        }
        catch (FuseMountException)
        {
            // EINVAL: it is unmounted already.
        }
        WaitForUnmount();
    }

    private static string ResolveMountPoint(string mountPoint)
    {
        // Without symbolic links, as /proc/mounts will show it.
        string full = Libc.RealPath(mountPoint, out int error)
            ?? throw new FuseMountException(error, $"mount point {mountPoint}: {Libc.Describe(error)}");
        return Directory.Exists(full) ? full : throw new FuseMountException(Libc.ENOTDIR, $"mount point {full} is not a directory");
    }

    private static FuseHost MountDirectly(string mountPoint, ulong flags, FuseMountOptions options)
    {
        int fd = Libc.open(Device, Libc.O_RDWR | Libc.O_CLOEXEC);
        if (fd < 0)
        {
            int error = Marshal.GetLastPInvokeError();
            throw new FuseMountException(error, $"cannot open {Device}: {Libc.Describe(error)} (is the fuse module loaded?)");
        }
        try
        {
            FuseHost? host = options.UseBlockDevice ? TryMountBlockDevice(fd, mountPoint, flags, options) : null;
            if (host is not null)
            {
                return host;
            }
            int error = DirectMount.TryMount(fd, options.Source, options.Target ?? mountPoint, flags, DefaultMaxTransfer, isBlockDevice: false, options);
            return error == 0
                ? new FuseHost(fd, mountPoint, options.Source, DirectMount.TypeName(isBlockDevice: false), usesHelper: false, options.Target)
                : throw new FuseMountException(error, $"cannot mount on {mountPoint}: {Libc.Describe(error)}");
        }
        catch
        {
            Libc.close(fd);
            throw;
        }
    }

    // Null when there is no block device to be had or the kernel has no fuseblk; the reason goes to the log.
    private static FuseHost? TryMountBlockDevice(int fd, string mountPoint, ulong flags, FuseMountOptions options)
    {
        string type = DirectMount.TypeName(isBlockDevice: true);
        string source = options.OpenSource ?? options.Source, target = options.Target ?? mountPoint;
        bool isDevice = options.OpenSource is null && options.Source.StartsWith("/dev/", StringComparison.Ordinal) && options is { Offset: 0, SizeLimit: 0 };
        if (isDevice && DirectMount.TryMount(fd, source, target, flags, DefaultMaxTransfer, isBlockDevice: true, options) == 0)
        {
            return new FuseHost(fd, mountPoint, options.Source, type, usesHelper: false, options.Target);
        }
        // A device that the engine holds for itself alone is busy to the mount, a loop device over it is not.
        bool readOnly = (flags & MountFlags.ReadOnly) != 0;
        using LoopAttachment? loop = LoopAttachment.TryAttach(source, options.Offset, options.SizeLimit, readOnly, out string reason);
        if (loop is not null)
        {
            int error = DirectMount.TryMount(fd, loop.Path, target, flags, DefaultMaxTransfer, isBlockDevice: true, options);
            if (error == 0)
            {
                return new FuseHost(fd, mountPoint, loop.Path, type, usesHelper: false, options.Target) { _loopImage = Libc.RealPath(source, out _) };
            }
            reason = $"fuseblk on {loop.Path}: {Libc.Describe(error)}";
        }
        options.Log?.Invoke($"mounted without a block device, so sync(1) does not wait for the journal ({reason})");
        return null;
    }

    private void StartServer(Ext4Volume volume, bool readOnly, FuseMountOptions options)
    {
        _volume = volume;
        FuseSession session = new(volume, options.Log) { MaxTransfer = DefaultMaxTransfer };
        int threads = options.Threads > 0 ? options.Threads : Math.Max(2, Environment.ProcessorCount);
        _server = new FuseServer(_fd, session, threads);
        session.Nodes.Remember(volume.GetInode(Ext4Volume.RootInode));
        try
        {
            bool writeback = !readOnly && (options.UseWritebackCache ?? FuseDefaults.WritebackCache);
            _server.Negotiate(new Negotiation
            {
                WritebackCache = writeback,
                // Collected writes to an immutable file would fail when it is too late: then OPEN has to say no.
                SkipOpen = !writeback && (readOnly || (options.SkipOpen ?? FuseDefaults.SkipOpen)),
                TimeGranularity = volume.Geometry.InodeSize > 128 ? 1u : 1_000_000_000u,
            });
        }
        catch
        {
            session.Nodes.Dispose();
            throw;
        }
        _server.Start();
        if (session.SkipsOpen)
        {
            OpenProbe.Run(session, Target);
        }
        if (options.ReadAheadKiB > 0 && !_usesHelper)
        {
            bool isBlockDevice = FileSystemType == DirectMount.TypeName(isBlockDevice: true);
            if (BackingDeviceInfo.TrySetReadAhead(Target, isBlockDevice, options.ReadAheadKiB) is { } reason)
            {
                options.Log?.Invoke($"readahead not set: {reason}");
            }
        }
    }

    // The mount exists but nobody will serve it: without the descriptor the kernel ends it.
    private void GiveUp()
    {
        Libc.close(_fd);
        _fd = -1;
        try
        {
            Unmount(lazy: true);
        }
        catch (FuseMountException)
        {
            // What failed before is the error that the caller gets.
        }
        _isOver = true;
    }
}
