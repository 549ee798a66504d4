namespace WinLoop.Storage.Tests;

public sealed class MemoryDeviceTests
{
    [Fact]
    public void Keeps_what_is_written()
    {
        using var device = new MemoryDevice(1_000_001);
        DeviceContract.CheckRanges(device);
        DeviceContract.CheckRandomOperations(device, seed: 1);
        DeviceContract.CheckThreads(device);
    }

    [Fact]
    public void A_huge_device_costs_little()
    {
        long before = GC.GetAllocatedBytesForCurrentThread();
        using var device = new MemoryDevice(64L << 40);
        device.Write([1, 2, 3], (64L << 40) - 3);
        device.WriteZeroes(0, (64L << 40) - 3);
        Assert.True(GC.GetAllocatedBytesForCurrentThread() - before < 8 << 20);
        byte[] end = new byte[4];
        device.Read(end, (64L << 40) - 4);
        Assert.Equal([0, 1, 2, 3], end);
    }

    [Fact]
    public void Read_only_memory()
    {
        using var device = new MemoryDevice([1, 2, 3, 4], isReadOnly: true);
        DeviceContract.CheckReadOnly(device);
        byte[] read = new byte[4];
        device.Read(read, 0);
        Assert.Equal([1, 2, 3, 4], read);
    }
}
