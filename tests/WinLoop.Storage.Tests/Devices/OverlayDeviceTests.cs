namespace WinLoop.Storage.Tests;

public sealed class OverlayDeviceTests
{
    [Fact]
    public void Takes_everything_and_leaves_the_base_alone()
    {
        byte[] content = Pattern.Make(500_000, 3); // not a whole number of pages
        using var below = new MemoryDevice(content, isReadOnly: true);
        using var device = new OverlayDevice(below);
        Assert.False(device.IsReadOnly);
        DeviceContract.CheckRanges(device);
        DeviceContract.CheckRandomOperations(device, seed: 3);
        DeviceContract.CheckThreads(device);
        byte[] now = new byte[content.Length];
        below.Read(now, 0);
        Assert.True(content.AsSpan().SequenceEqual(now));
        Assert.InRange(device.ChangedPages, 1, (content.Length / OverlayDevice.PageSize) + 1);
    }

    [Fact]
    public void Changes_can_be_copied_out()
    {
        byte[] content = Pattern.Make(300_001, 4);
        using var below = new MemoryDevice(content);
        using var overlay = new OverlayDevice(below);
        DeviceContract.CheckRandomOperations(overlay, seed: 4, operations: 100);
        using var copy = new MemoryDevice(content);
        overlay.CopyChangesTo(copy);
        byte[] expected = new byte[content.Length], actual = new byte[content.Length];
        overlay.Read(expected, 0);
        copy.Read(actual, 0);
        Assert.True(expected.AsSpan().SequenceEqual(actual));
    }
}
