using WinLoop.Ext4;
using WinLoop.TestKit;

namespace WinLoop.Fuse.Tests;

/// <summary>A fresh image mounted through FUSE in this process; <c>$M</c> in scripts is the mount point and <c>$T</c> a
/// folder outside of it.</summary>
/// <remarks>The tests themselves touch the mount through other processes only: a thread of this process that
/// faults in a mapped page of its own server could wait for a garbage collection that waits for it.</remarks>
internal sealed class MountedImage : IDisposable
{
    private readonly string _mountPoint = Directory.CreateTempSubdirectory("winloop-fuse-").FullName;
    private readonly string _scratch = Directory.CreateTempSubdirectory("winloop-scratch-").FullName;
    private readonly List<string> _log = [];
    private FuseHost? _host;

    public MountedImage(int megabytes = 64, string mkfs = "", Func<FuseMountOptions, FuseMountOptions>? options = null)
    {
        RequireFuse();
        Image = TestImage.Make(megabytes, mkfs);
        Mount(options: options);
    }

    public TestImage Image { get; }

    public FuseHost Host => _host!;

    public string MountPoint => _mountPoint;

    public IReadOnlyList<string> Log => _log;

    public static void RequireFuse()
    {
        Shell.RequireLoopMounts();
        Assert.SkipUnless(File.Exists("/dev/fuse"), "needs /dev/fuse");
    }

    public void Mount(Ext4MountOptions? volume = null, Func<FuseMountOptions, FuseMountOptions>? options = null)
    {
        FuseMountOptions fuse = new()
        {
            Source = Image.Path,
            Log = message =>
            {
                lock (_log)
                {
                    _log.Add(message);
                }
            },
        };
        _host = FuseHost.Mount(Image.Mount(volume), _mountPoint, options?.Invoke(fuse) ?? fuse);
    }

    /// <summary>Unmounts and waits; the image must then be clean.</summary>
    public void Unmount()
    {
        _host!.Unmount();
        Assert.True(_host.WaitForUnmount(), _host.Failure?.ToString());
        _host.Dispose();
        _host = null;
    }

    public string Run(string script, int timeoutSeconds = 120) => Shell.Script($"M={_mountPoint}\nexport T={_scratch}\ncd $M\n{script}", timeoutSeconds);

    /// <summary>Unmounts, checks with e2fsck, and runs a script on the kernel's mount of the image.</summary>
    public string VerifyWithKernel(string script)
    {
        Unmount();
        Image.AssertClean();
        string output = Image.WithKernel($"T={_scratch}\ncd $M\n{script}");
        Image.AssertClean();
        return output;
    }

    public void Dispose()
    {
        _host?.Dispose();
        Image.Dispose();
        Directory.Delete(_scratch, recursive: true);
        Directory.Delete(_mountPoint);
    }
}
