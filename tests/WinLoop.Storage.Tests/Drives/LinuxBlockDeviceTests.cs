using WinLoop.TestKit;

namespace WinLoop.Storage.Tests.Drives;

/// <summary>Block devices of Linux: what is mounted is refused, 4,096-byte sectors, a device that goes away.</summary>
public sealed class LinuxBlockDeviceTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public LinuxBlockDeviceTests()
    {
        Shell.RequireLoopMounts();
        Shell.Require("losetup", "sfdisk");
    }

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_whole_disk_with_a_mounted_partition_is_refused_for_writing()
    {
        string file = _folder.File("disk", 40 << 20), mount = Directory.CreateDirectory(Path.Combine(_folder.Path, "m")).FullName;
        Shell.Script($"echo '2048,,L' | sfdisk -q {file}");
        string loop = Shell.Script($"losetup -f --show -P {file}").Trim();
        try
        {
            Assert.SkipUnless(File.Exists(loop + "p1"), "this kernel makes no partitions of loop devices");
            Shell.Script($"mkfs.ext4 -q {loop}p1; mount {loop}p1 {mount}");
            try
            {
                Assert.Equal(BlockDeviceError.Busy, DeviceContract.Error(() => LoopDevice.Open(loop).Dispose()));
                Assert.Equal(BlockDeviceError.Busy, DeviceContract.Error(() => LoopDevice.Open(loop + "p1").Dispose()));
            }
            finally
            {
                Shell.Script($"umount {mount}");
            }

            LoopDevice.Open(loop).Dispose();
        }
        finally
        {
            Shell.Script($"losetup -d {loop}");
        }
    }

    [Fact]
    public void Sectors_of_4096_bytes_are_seen_and_parts_of_them_written()
    {
        string file = _folder.File("disk", 4 << 20);
        string loop = Shell.Script($"losetup -f --show --sector-size 4096 {file}").Trim();
        try
        {
            using LoopDevice device = LoopDevice.Open(loop, new LoopDeviceOptions { DirectIo = true });
            Assert.Equal(4096, device.SectorSize);
            DeviceContract.CheckRandomOperations(device, seed: 4096, operations: 300);
        }
        finally
        {
            Shell.Script($"losetup -d {loop}");
        }
    }

    [Fact]
    public void A_device_that_has_shrunk_away_is_gone()
    {
        string file = _folder.File("disk", 4 << 20);
        string loop = Shell.Script($"losetup -f --show {file}").Trim();
        try
        {
            using LoopDevice device = LoopDevice.Open(loop);
            device.Write(new byte[512], 0);
            Shell.Script($"truncate -s 0 {file}; losetup -c {loop}");
            Assert.Equal(BlockDeviceError.Gone, DeviceContract.Error(device.Flush));
            Assert.Equal(BlockDeviceError.Gone, DeviceContract.Error(() => device.Read(new byte[512], 0)));
        }
        finally
        {
            Shell.Script($"losetup -d {loop}");
        }
    }
}
