using WinLoop.Ext4;
using WinLoop.Storage;
using WinLoop.TestKit;
using WinLoop.WinFsp.Hosting;
using WinLoop.WinFsp.Package;

namespace WinLoop.WinFsp.Tests.Doubles;

/// <summary>Which host carries the mount.</summary>
public enum HostKind
{
    /// <summary>Over our own binding.</summary>
    Builtin,

    /// <summary>Over the official package, here its stub.</summary>
    Package,
}

/// <summary>An image mounted through a host into the double. <see cref="Finish"/> unmounts and has e2fsck judge it.</summary>
internal sealed class MountedVolume : IDisposable
{
    private static int s_mounts;

    public MountedVolume(HostKind kind, int megabytes = 16, WinFspMountOptions? options = null, Ext4MountOptions? mount = null)
    {
        Image = TestImage.Make(megabytes);
        Device = new FaultDevice(Image.OpenDevice(mount?.IsReadOnly ?? false), ownsInner: true);
        Ext4Volume volume = Ext4Volume.Mount(Device, mount ?? new Ext4MountOptions());
        string mountPoint = $"test{Interlocked.Increment(ref s_mounts)}:";
        options = (options ?? new WinFspMountOptions()) with { MountPoint = mountPoint, Exports = LibraryDouble.Exports };
        options = options with { Log = Log.Add };
        Host = kind == HostKind.Builtin ? WinFspHost.Mount(volume, options) : PackageHost.Mount(volume, options);
        Volume = LibraryDouble.Find(mountPoint);
        Client = new CallbackClient(Volume);
    }

    public TestImage Image { get; }
    public FaultDevice Device { get; }
    public WindowsHost Host { get; }
    public VolumeDouble Volume { get; }
    public CallbackClient Client { get; }
    public SynchronizedLog Log { get; } = new();

    /// <summary>Unmounts; the image has to be clean.</summary>
    public void Finish()
    {
        Host.Unmount(force: true);
        Assert.True(Host.WaitForUnmount(), Host.Failure?.ToString());
        Image.AssertClean();
    }

    public void Dispose()
    {
        Host.Dispose();
        Image.Dispose();
    }

    /// <summary>What the host had to say.</summary>
    internal sealed class SynchronizedLog
    {
        private readonly List<string> _lines = [];

        public void Add(string line)
        {
            lock (_lines)
            {
                _lines.Add(line);
            }
        }

        public string Text
        {
            get
            {
                lock (_lines)
                {
                    return string.Join('\n', _lines);
                }
            }
        }
    }
}
