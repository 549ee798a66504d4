using WinLoop.TestKit;

namespace WinLoop.Storage.Tests;

public sealed class VolumeLocatorTests
{
    private readonly MemoryDevice _device = new(8 << 20);

    [Fact]
    public void An_image_without_a_table_is_the_volume()
    {
        LocatedVolume volume = VolumeLocator.Locate(_device);
        Assert.Null(volume.Partition);
        Assert.Equal(_device.Length, volume.Device.Length);
        var e = Assert.Throws<VolumeNotFoundException>(() => VolumeLocator.Locate(_device, 1));
        Assert.Equal("there is no partition 1: the image has no partition table", e.Message);
    }

    [Fact]
    public void Without_a_clear_choice_the_candidates_are_listed()
    {
        TableBuilder.SetGpt(_device, (64, 127, "boot"), (128, 4000, "root"), (4096, 8191, "data"));
        var e = Assert.Throws<VolumeNotFoundException>(() => VolumeLocator.Locate(_device));
        Assert.Equal(3, e.Candidates.Count);
        Assert.StartsWith("no partition holds an ext file system; there are 1 (\"boot\", Linux, 32 KiB), 2 (", e.Message, StringComparison.Ordinal);

        TableBuilder.SetExt(_device, 128 * 512);
        LocatedVolume volume = VolumeLocator.Locate(_device);
        Assert.Equal((2, 128 * 512L), (volume.Partition!.Number, volume.Offset));
        volume.Device.Write([5], 0);
        byte[] read = new byte[1];
        _device.Read(read, 128 * 512);
        Assert.Equal(5, read[0]);

        TableBuilder.SetExt(_device, 4096 * 512);
        e = Assert.Throws<VolumeNotFoundException>(() => VolumeLocator.Locate(_device));
        Assert.Equal([2, 3], e.Candidates.Select(p => p.Number));
        Assert.Contains("3 (\"data\", ext, 2 MiB)", e.Message, StringComparison.Ordinal);
        Assert.Equal(3, VolumeLocator.Locate(_device, 3).Partition!.Number);
        Assert.Equal(1, VolumeLocator.Locate(_device, 1).Partition!.Number); // not ext: the engine says so
        Assert.Throws<VolumeNotFoundException>(() => VolumeLocator.Locate(_device, 4));
        Assert.Throws<VolumeNotFoundException>(() => VolumeLocator.Locate(_device, -1));
    }

    [Fact]
    public void A_container_cannot_be_chosen()
    {
        TableBuilder.SetEntry(_device, 0, 0, 0x05, 100, 800);
        Assert.Throws<VolumeNotFoundException>(() => VolumeLocator.Locate(_device, 1));
    }

    [Fact]
    public void Ownership_follows_the_volume()
    {
        using var folder = new TemporaryFolder();
        string path = folder.File("a", 1 << 20);
        LoopDevice image = LoopDevice.Open(path);
        VolumeLocator.Locate(image).Device.Dispose();
        image.Flush();
        VolumeLocator.Locate(image, ownsImage: true).Device.Dispose();
        Assert.Throws<ObjectDisposedException>(image.Flush);
    }
}
