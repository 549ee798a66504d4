using System.Diagnostics;

namespace WinLoop.Storage.Tests;

public sealed class FaultDeviceTests
{
    private readonly MemoryDevice _memory = new(1 << 20);

    [Fact]
    public void Without_rules_it_is_the_device_below()
    {
        using var device = new FaultDevice(_memory);
        DeviceContract.CheckRanges(device);
        DeviceContract.CheckRandomOperations(device, seed: 5, operations: 200);
    }

    [Fact]
    public void The_nth_write_fails_and_has_written_what_was_allowed()
    {
        using var device = new FaultDevice(_memory);
        FaultRule rule = device.Add(new FaultRule
        {
            Operations = DeviceOperations.Write, First = 3, Count = 1, Error = BlockDeviceError.NoSpace, ShortBytes = 2,
        });
        device.Write([1, 1, 1], 0);
        device.Write([2, 2, 2], 0);
        Assert.Equal(BlockDeviceError.NoSpace, DeviceContract.Error(() => device.Write([3, 3, 3], 0)));
        byte[] read = new byte[3];
        device.Read(read, 0);
        Assert.Equal([3, 3, 2], read);
        device.Write([4, 4, 4], 0);
        Assert.Equal((4, 1), (rule.Matched, rule.Hits));
    }

    [Fact]
    public void A_rule_can_look_at_the_tag_and_be_switched()
    {
        using var device = new FaultDevice(_memory);
        FaultRule rule = device.Add(new FaultRule { When = o => o.Tag == WriteTag.JournalCommit, Error = BlockDeviceError.Io });
        device.Write([1], 0, WriteTag.JournalDescriptor);
        Assert.Equal(BlockDeviceError.Io, DeviceContract.Error(() => device.Write([1], 0, WriteTag.JournalCommit)));
        rule.IsEnabled = false;
        device.Write([1], 0, WriteTag.JournalCommit);
    }

    [Fact]
    public void A_flush_lies_and_a_read_is_corrupted()
    {
        using var recording = new RecordingDevice(_memory);
        using var device = new FaultDevice(recording);
        device.Add(new FaultRule { Operations = DeviceOperations.Flush, Lies = true, Count = 1 });
        device.Flush();
        Assert.Equal(0, recording.Count);
        device.Flush();
        Assert.Equal(1, recording.Count);
        device.Add(new FaultRule { Operations = DeviceOperations.Read, Corrupt = (bytes, _) => bytes[0] ^= 0xFF });
        byte[] read = new byte[1];
        device.Read(read, 0);
        Assert.Equal(0xFF, read[0]);
    }

    [Fact]
    public void Gone_stays_gone()
    {
        using var device = new FaultDevice(_memory);
        device.Fail(DeviceOperations.Flush, BlockDeviceError.Gone);
        device.Read(new byte[1], 0);
        Assert.Equal(BlockDeviceError.Gone, DeviceContract.Error(device.Flush));
        Assert.Equal(BlockDeviceError.Gone, DeviceContract.Error(() => device.Read(new byte[1], 0)));
        device.Clear();
        device.Flush();
    }

    [Fact]
    public void Delay()
    {
        using var device = new FaultDevice(_memory);
        device.Add(new FaultRule { Operations = DeviceOperations.Read, Delay = TimeSpan.FromMilliseconds(30) });
        long start = Stopwatch.GetTimestamp();
        device.Read(new byte[1], 0);
        Assert.True(Stopwatch.GetElapsedTime(start) >= TimeSpan.FromMilliseconds(29));
    }
}
