namespace WinLoop.Storage.Tests;

public sealed class RecordingDeviceTests
{
    [Fact]
    public void Passes_everything_through()
    {
        using var device = new RecordingDevice(new MemoryDevice(1 << 20), ownsInner: true);
        DeviceContract.CheckRanges(device);
        DeviceContract.CheckRandomOperations(device, seed: 6, operations: 300);
        DeviceContract.CheckThreads(device);
    }

    [Fact]
    public void Replays_any_prefix()
    {
        byte[] content = Pattern.Make(200_000, 7);
        using var before = new MemoryDevice(content);
        using var device = new RecordingDevice(new OverlayDevice(before));
        var states = new List<byte[]> { content };
        var random = new Random(7);
        for (int i = 0; i < 50; i++)
        {
            int offset = random.Next(150_000);
            if (i % 10 == 0)
            {
                device.WriteZeroes(offset, 20_000);
            }
            else
            {
                device.Write(Pattern.Make(random.Next(1, 9000), i), offset);
            }

            byte[] state = new byte[content.Length];
            device.Read(state, 0);
            states.Add(state);
        }

        for (int count = 0; count <= 50; count++)
        {
            using OverlayDevice replayed = device.Replay(before, count);
            byte[] state = new byte[content.Length];
            replayed.Read(state, 0);
            Assert.True(states[count].AsSpan().SequenceEqual(state), $"prefix {count}");
        }
    }

    [Fact]
    public void A_cut_knows_what_the_barriers_made_certain()
    {
        using var device = new RecordingDevice(new MemoryDevice(10_000));
        device.Write([1], 0);                                   // 0
        device.Write([2], 1, WriteTag.JournalDescriptor);       // 1
        device.Flush();                                         // 2
        device.Mark("synced");                                  // 3
        device.Write([3], 2, WriteTag.JournalCommit);           // 4
        device.Flush();                                         // 5
        RecordedOperation[] log = device.GetLog();
        Assert.Equal(6, log.Length);
        AssertCut(log, 2, durable: 0, pending: 2);
        AssertCut(log, 3, durable: 2, pending: 0);
        AssertCut(log, 4, durable: 2, pending: 0);
        AssertCut(log, 5, durable: 2, pending: 1);
        AssertCut(log, 6, durable: 3, pending: 0);
        Assert.Equal("synced", log[3].Text);
        Assert.Equal(WriteTag.JournalCommit, log[4].Tag);
        Assert.True(log[4].Completed > log[4].Sequence && log[5].Sequence > log[4].Completed);
    }

    [Fact]
    public void A_write_that_had_not_returned_is_not_certain()
    {
        using var hold = new ManualResetEventSlim();
        var slow = new FaultDevice(new MemoryDevice(10_000));
        slow.Add(new FaultRule { Operations = DeviceOperations.Write, When = Hold });
        using var device = new RecordingDevice(slow);
        var thread = new Thread(() => device.Write([1], 0));
        thread.Start();
        while (device.Count == 0)
        {
            Thread.Sleep(1);
        }

        device.Flush();
        hold.Set();
        thread.Join();
        RecordedOperation[] log = device.GetLog();
        AssertCut(log, 2, durable: 0, pending: 1);
        device.Flush();
        AssertCut(device.GetLog(), 3, durable: 1, pending: 0);

        bool Hold(DeviceOperation operation)
        {
            hold.Wait();
            return false;
        }
    }

    [Fact]
    public void A_failed_flush_makes_nothing_certain()
    {
        var fault = new FaultDevice(new MemoryDevice(10_000));
        using var device = new RecordingDevice(fault);
        device.Write([1], 0);
        fault.Fail(DeviceOperations.Flush, count: 1);
        Assert.Equal(BlockDeviceError.Io, DeviceContract.Error(device.Flush));
        AssertCut(device.GetLog(), 2, durable: 0, pending: 1);
    }

    [Fact]
    public void A_write_can_be_torn()
    {
        using var device = new RecordingDevice(new MemoryDevice(10_000));
        device.Write(Pattern.Make(4096, 1), 512);
        RecordedOperation half = device.GetLog()[0].Part(1024, 512);
        using OverlayDevice image = RecordingDevice.Replay(new MemoryDevice(10_000), [half]);
        byte[] read = new byte[10_000];
        image.Read(read, 0);
        byte[] expected = new byte[10_000];
        Pattern.Make(4096, 1).AsSpan(1024, 512).CopyTo(expected.AsSpan(512 + 1024));
        Assert.True(expected.AsSpan().SequenceEqual(read));
    }

    private static void AssertCut(RecordedOperation[] log, int count, int durable, int pending)
    {
        (List<RecordedOperation> sure, List<RecordedOperation> open) = RecordingDevice.Cut(log, count);
        Assert.Equal((durable, pending), (sure.Count, open.Count));
    }
}
