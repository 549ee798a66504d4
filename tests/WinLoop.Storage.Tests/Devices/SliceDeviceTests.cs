using WinLoop.TestKit;

namespace WinLoop.Storage.Tests;

public sealed class SliceDeviceTests
{
    [Fact]
    public void Sees_its_window_only()
    {
        using var parent = new MemoryDevice(1 << 20);
        parent.Write([9], 999);
        parent.Write([9], 500_999);
        using var slice = new SliceDevice(parent, 1000, 499_999);
        Assert.Equal(499_999, slice.Length);
        DeviceContract.CheckRanges(slice);
        DeviceContract.CheckRandomOperations(slice, seed: 2);
        DeviceContract.CheckThreads(slice);
        byte[] edge = new byte[1];
        parent.Read(edge, 999);
        Assert.Equal(9, edge[0]);
        parent.Read(edge, 500_999);
        Assert.Equal(9, edge[0]);
    }

    [Theory]
    [InlineData(-1, 5)]
    [InlineData(0, 101)]
    [InlineData(100, 1)]
    [InlineData(1, long.MaxValue)]
    public void Must_lie_inside_the_parent(long offset, long length)
    {
        using var parent = new MemoryDevice(100);
        Assert.Equal(BlockDeviceError.OutOfRange, DeviceContract.Error(() => new SliceDevice(parent, offset, length).Dispose()));
    }

    [Fact]
    public void Owns_the_parent_if_told_to()
    {
        using var folder = new TemporaryFolder();
        LoopDevice parent = LoopDevice.Open(folder.File("a", 4096));
        new SliceDevice(parent, 0, 512).Dispose();
        parent.Flush();
        new SliceDevice(parent, 0, 512, ownsParent: true).Dispose();
        Assert.Throws<ObjectDisposedException>(parent.Flush);
    }
}
