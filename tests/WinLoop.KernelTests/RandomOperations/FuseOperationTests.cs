using WinLoop.Fuse;
using WinLoop.TestKit;
using WinLoop.TestKit.FileSystems;

namespace WinLoop.KernelTests.RandomOperations;

/// <summary>The random steps by system calls on the engine behind FUSE, and on the kernel's ext4.</summary>
public sealed class FuseOperationTests(ITestOutputHelper output)
{
    [Theory]
    [InlineData("-b 4096", 4096, false)]
    [InlineData("-b 4096", 4096, true)]
    [InlineData("-b 1024 -I 128", 1024, false)]
    // Not with -I 128: in this mode the kernel keeps the times, and it is not told of the last one that such an inode holds.
    [InlineData("-b 1024", 1024, true)]
    public void Fuse_and_kernel_agree(string options, int blockSize, bool writebackCache)
    {
        Shell.RequireLoopMounts();
        Assert.SkipUnless(File.Exists("/dev/fuse"), "needs /dev/fuse");
        int seed = Comparison.Seed(), steps = Comparison.Steps(2000);
        output.WriteLine($"seed {seed}, {steps} steps, {options}, writeback cache {writebackCache}");
        using TestImage ours = TestImage.Make(512, options);
        using TestImage kernels = TestImage.Make(512, options);
        long maximum = (long)uint.MaxValue * blockSize;
        // What goes through the kernel's cache learns too late that it is past the largest size.
        long largestOffset = writebackCache ? maximum / 2 : maximum;
        using (KernelMount mount = KernelMount.Open(kernels, "loop,noatime"))
        using (var served = new ServedImage(ours, writebackCache))
        {
            using var fuse = new PosixFileSystem(served.MountPoint, served.Remount);
            using var kernel = new PosixFileSystem(mount.Path);
            // FUSE passes no collapse range and no insert range on.
            Comparison.Run(new OperationGenerator(seed, largestOffset, blockSize, allowsShifts: false), [fuse, kernel], steps);
            served.Unmount();
        }
        ours.AssertClean();
        Comparison.AssertSameThroughKernel(kernels, ours);
    }

    private sealed class ServedImage : IDisposable
    {
        private readonly TestImage _image;
        private readonly bool _writebackCache;
        private FuseHost _host = null!;

        public ServedImage(TestImage image, bool writebackCache)
        {
            _image = image;
            _writebackCache = writebackCache;
            Mount();
        }

        public string MountPoint { get; } = Directory.CreateTempSubdirectory("winloop-fuse-").FullName;

        public void Remount()
        {
            Unmount();
            Mount();
        }

        public void Unmount()
        {
            _host.Unmount();
            Assert.True(_host.WaitForUnmount(), _host.Failure?.ToString());
        }

        public void Dispose()
        {
            _host.Dispose();
            Directory.Delete(MountPoint);
        }

        private void Mount() => _host = FuseHost.Mount(_image.Mount(), MountPoint, new FuseMountOptions
        {
            Source = _image.Path,
            UseWritebackCache = _writebackCache,
        });
    }
}
