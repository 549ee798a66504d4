using WinLoop.Ext4;
using WinLoop.Mounting.Windows;
using WinLoop.Storage;
using WinLoop.TestKit;
using WinLoop.WinFsp.Hosting;
using WinLoop.WinFsp.Package;
using WinLoop.WindowsTests.StandIn;
using WinLoop.WindowsTests.StandIn.Client;

namespace WinLoop.WindowsTests.Hosts;

/// <summary>Which host carries the mount.</summary>
public enum HostKind
{
    /// <summary>Over our own binding.</summary>
    Builtin,
    /// <summary>Over the official package, here its stub.</summary>
    Package,
}

/// <summary>An image mounted through a host into the stand-in, in this process.</summary>
internal sealed class HostMount : IDisposable
{
    private static int s_mounts;

    public HostMount(HostKind kind, WindowsOptions? meaning = null, int megabytes = 32, bool fastCache = false, string mkfs = "", TestImage? image = null,
        bool readOnly = false, int threads = 0, string? mountPoint = null)
    {
        string library = StandInLibrary.Linux;
        Image = image ?? TestImage.Make(megabytes, mkfs);
        mountPoint ??= $"T{Interlocked.Increment(ref s_mounts)}:";
        Device = new FaultDevice(Image.OpenDevice(readOnly), ownsInner: true);
        Ext4Volume volume = Ext4Volume.Mount(Device, new Ext4MountOptions { IsReadOnly = readOnly });
        var options = new WinFspMountOptions
        {
            MountPoint = mountPoint,
            LibraryPath = library,
            FastCache = fastCache,
            Threads = threads,
            Windows = meaning ?? new WindowsOptions { Acl = AclMode.Everyone },
            Log = message => Log.Enqueue(message),
        };
        Host = kind == HostKind.Builtin ? WinFspHost.Mount(volume, options) : PackageHost.Mount(volume, options);
        MountPoint = Host.MountPoint;
        Client = Connect();
    }

    public TestImage Image { get; }
    /// <summary>What is between the engine and the image file.</summary>
    public FaultDevice Device { get; }
    public string MountPoint { get; }
    public WindowsHost Host { get; }
    public StandInClient Client { get; }
    public System.Collections.Concurrent.ConcurrentQueue<string> Log { get; } = new();

    /// <summary>Another simulated program.</summary>
    public StandInClient Connect() => StandInClient.InProcess(StandInLibrary.Linux, MountPoint);

    /// <summary>Flushes what the driver has cached, unmounts, and has e2fsck judge.</summary>
    public void Finish()
    {
        Client.FlushVolume().ThrowIfFailed("flush volume");
        Assert.Equal(0, Client.GetStatistics().OpenHandles);
        Host.Unmount(force: true);
        Assert.True(Host.WaitForUnmount(), Host.Failure?.ToString());
        Image.AssertClean();
    }

    public void Dispose()
    {
        Host.Dispose();
        Image.Dispose();
    }
}
