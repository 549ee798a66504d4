using WinLoop.TestKit;

namespace WinLoop.Storage.Tests;

/// <summary>Block devices, and the kernel's own loop devices on the same file. Needs root.</summary>
public sealed class LoopDeviceKernelTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly List<string> _loops = [];

    public void Dispose()
    {
        foreach (string loop in _loops)
        {
            Shell.Run("losetup", ["-d", loop]);
        }

        _folder.Dispose();
    }

    [Fact]
    public void A_block_device_has_its_size_sectors_zeroing_and_discard()
    {
        string file = _folder.File("a", 2 << 20);
        string loop = Attach($"-b 4096 {file}");
        using LoopDevice device = LoopDevice.Open(loop);
        Assert.Equal(2 << 20, device.Length);
        Assert.Equal(4096, device.SectorSize);
        Assert.True(device.Identity.IsBlockDevice);
        DeviceContract.CheckRanges(device);
        DeviceContract.CheckRandomOperations(device, seed: 9, operations: 400);
        DeviceContract.CheckThreads(device);

        device.Write(Pattern.Make(1 << 20, 1), 0);
        device.Flush();
        device.Discard(100, (1 << 20) - 100);
        byte[] read = new byte[8192];
        device.Read(read, 0);
        Assert.True(Pattern.Make(1 << 20, 1).AsSpan(0, 4096).SequenceEqual(read.AsSpan(0, 4096)), "the part of a sector was discarded");
    }

    [Fact]
    public void A_block_device_is_claimed_and_the_claim_can_be_given_up()
    {
        string loop = Attach(_folder.File("a", 1 << 20));
        using LoopDevice device = LoopDevice.Open(loop);
        Assert.Equal(BlockDeviceError.Busy, DeviceContract.Error(() => LoopDevice.Open(loop)));
        Assert.Equal(BlockDeviceError.Busy, DeviceContract.Error(() => LoopDevice.Open(loop, new() { IsReadOnly = true })));
        device.ReleaseClaim();
        device.Write([1], 0);
        LoopDevice.Open(loop).Dispose();
    }

    [Fact]
    public void A_read_only_block_device_is_not_opened_for_writing()
    {
        string loop = Attach($"-r {_folder.File("a", 1 << 20)}");
        Assert.Equal(BlockDeviceError.ReadOnly, DeviceContract.Error(() => LoopDevice.Open(loop)) switch
        {
            BlockDeviceError.Denied => BlockDeviceError.ReadOnly, // older kernels say EACCES
            var other => other,
        });
        using LoopDevice device = LoopDevice.Open(loop, new() { IsReadOnly = true });
        DeviceContract.CheckReadOnly(device);
    }

    [Fact]
    public void A_file_that_the_kernel_has_attached_is_busy()
    {
        string file = _folder.File("a", 4 << 20);
        string link = Path.Combine(_folder.Path, "hard");
        Shell.Script($"ln {file} {link}");
        string loop = Attach($"-o 1048576 --sizelimit 1048576 {file}");
        var e = Assert.Throws<BlockDeviceException>(() => LoopDevice.Open(file));
        Assert.Equal(BlockDeviceError.Busy, e.Error);
        Assert.Contains(loop, e.Message, StringComparison.Ordinal);
        Assert.Equal(BlockDeviceError.Busy, DeviceContract.Error(() => LoopDevice.Open(link)));
        Assert.Equal(BlockDeviceError.Busy, DeviceContract.Error(() => LoopDevice.Open(file, new() { SizeLimit = (1 << 20) + 1 })));
        LoopDevice.Open(file, new() { HolderLoopDevice = loop }).Dispose();
        LoopDevice.Open(file, new() { SizeLimit = 1 << 20 }).Dispose();       // before it
        LoopDevice.Open(file, new() { Offset = 2 << 20 }).Dispose();          // behind it
        LoopDevice.Open(file, new() { IsReadOnly = true }).Dispose();         // attached, but not in use
    }

    [Fact]
    public void A_file_that_the_kernel_has_mounted_is_busy_for_readers_too()
    {
        Shell.RequireLoopMounts();
        string file = _folder.File("a", 8 << 20);
        string mountPoint = Path.Combine(_folder.Path, "m");
        Directory.CreateDirectory(mountPoint);
        Shell.Script($"mkfs.ext4 -q -F {file}; mount -o loop {file} {mountPoint}");
        try
        {
            Assert.Equal(BlockDeviceError.Busy, DeviceContract.Error(() => LoopDevice.Open(file)));
            Assert.Equal(BlockDeviceError.Busy, DeviceContract.Error(() => LoopDevice.Open(file, new() { IsReadOnly = true })));
            Shell.Script($"umount {mountPoint}; mount -o loop,ro {file} {mountPoint}");
            Assert.Equal(BlockDeviceError.Busy, DeviceContract.Error(() => LoopDevice.Open(file)));
            LoopDevice.Open(file, new() { IsReadOnly = true }).Dispose();
        }
        finally
        {
            Shell.Script($"umount {mountPoint}");
        }

        LoopDevice.Open(file).Dispose();
    }

    private string Attach(string arguments)
    {
        Shell.RequireLoopMounts();
        string loop = Shell.Script($"losetup -f --show {arguments}").Trim();
        _loops.Add(loop);
        return loop;
    }
}
