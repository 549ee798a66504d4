using WinLoop.Ext4;

namespace WinLoop.Fuse;

/// <summary>A volume mounted through /dev/fuse and the threads that serve it.</summary>
public sealed class FuseHost : IDisposable
{
    private FuseHost() { }

    /// <summary>The block device that the mount holds (<c>/dev/loop3</c>), or <see cref="FuseMountOptions.Source"/>
    /// when it holds none.</summary>
    public string DeviceName => throw new NotImplementedException();

    /// <summary>The type as /proc/mounts shows it: <c>fuseblk.ext4</c> or <c>fuse.ext4</c>.</summary>
    public string FileSystemType => throw new NotImplementedException();

    /// <summary>Absolute path of the mount point.</summary>
    public string MountPoint => throw new NotImplementedException();

    /// <summary>Requests answered so far, per operation name; in no order.</summary>
    public IReadOnlyList<(string Operation, long Count)> RequestCounts => throw new NotImplementedException();

    /// <summary>Mounts and starts serving; when it returns the mount is usable. The host owns the volume from
    /// then on and disposes it when the mount is gone; if this throws, the volume is still the caller's.</summary>
    /// <exception cref="FuseMountException">The mount did not come about.</exception>
    public static FuseHost Mount(Ext4Volume volume, string mountPoint, FuseMountOptions options) =>
        throw new NotImplementedException();

    /// <summary>Blocks until the mount is undone, by <see cref="Unmount"/> or umount(8), and the volume is
    /// disposed: when it returns everything is on the device.</summary>
    /// <returns>False if the volume could not be closed cleanly (<see cref="Failure"/> tells why).</returns>
    public bool WaitForUnmount() => throw new NotImplementedException();

    /// <summary>Why the volume could not be closed cleanly; null if it was, or is not closed yet.</summary>
    public Exception? Failure => throw new NotImplementedException();

    /// <summary>Asks the kernel to unmount; may be called from any thread.</summary>
    /// <param name="lazy">Detach now and finish when the last user is gone; never EBUSY.</param>
    /// <exception cref="FuseMountException">EBUSY: files are open.</exception>
    public void Unmount(bool lazy = false) => throw new NotImplementedException();

    /// <summary>Unmounts lazily if still mounted and waits.</summary>
    public void Dispose() => throw new NotImplementedException();
}
