using WinLoop.Storage;
using WinLoop.TestKit;
using Xunit;

namespace WinLoop.Images.Tests;

/// <summary>The files that containers live in: their ends move, and what is new reads as zeroes.</summary>
public sealed class FileDeviceTests
{
    public static TheoryData<bool> Kinds => [true, false];

    [Theory]
    [MemberData(nameof(Kinds))]
    public void SetLength_MovesTheEnd(bool inMemory)
    {
        using var folder = new TemporaryFolder();
        string path = Path.Combine(folder.Path, "x.img");
        File.WriteAllBytes(path, [1, 2, 3]);
        using IGrowableDevice file = inMemory
            ? new MemoryFile([1, 2, 3])
            : LoopDevice.Open(path, new LoopDeviceOptions { IsExact = true });
        Assert.Equal(3, file.Length);

        file.SetLength(1000);
        file.Write([9], 999);
        file.Flush();
        byte[] all = new byte[1000];
        file.Read(all, 0);
        Assert.Equal([1, 2, 3, 0], all[..4]);
        Assert.Equal(9, all[999]);

        file.SetLength(500);
        file.SetLength(1000);
        file.Read(all, 0);
        Assert.Equal(0, all[999]);
        Assert.Throws<BlockDeviceException>(() => file.Read(all, 1));
        if (!inMemory)
        {
            Assert.Equal(1000, new FileInfo(path).Length);
        }
    }

    [Fact]
    public void SetLength_OfWholeSectors_IsRefusedForParts()
    {
        using var folder = new TemporaryFolder();
        string path = Path.Combine(folder.Path, "x.img");
        File.WriteAllBytes(path, new byte[4096]);
        using (LoopDevice device = LoopDevice.Open(path))
        {
            device.SetLength(8192);
            Assert.Equal((8192, 8192), (device.Length, new FileInfo(path).Length));
            Assert.Equal(BlockDeviceError.OutOfRange, Assert.Throws<BlockDeviceException>(() => device.SetLength(8000)).Error);
        }

        using (LoopDevice part = LoopDevice.Open(path, new LoopDeviceOptions { SizeLimit = 4096 }))
        {
            Assert.Equal(BlockDeviceError.OutOfRange, Assert.Throws<BlockDeviceException>(() => part.SetLength(2048)).Error);
        }

        Assert.Equal(8192, new FileInfo(path).Length);
    }
}
