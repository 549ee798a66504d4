using WinLoop.Storage.Overlay;

namespace WinLoop.Storage.Tests.Overlay;

public sealed class OverlayFileDeviceTests
{
    [Theory]
    [InlineData(500_000)]   // a short last block
    [InlineData(9_000_448)] // more than one sector of the map
    public void Takes_everything_and_leaves_the_base_alone(int length)
    {
        byte[] content = Pattern.Make(length, 3);
        var image = new MemoryDevice(content, isReadOnly: true);
        MemoryFile file = OverlayBench.NewFile(image);
        byte[] expected;
        using (OverlayFileDevice device = OverlayBench.Open(image, file))
        {
            Assert.False(device.IsReadOnly);
            DeviceContract.CheckRanges(device);
            DeviceContract.CheckRandomOperations(device, seed: length, operations: 600);
            DeviceContract.CheckThreads(device);
            device.Flush();
            expected = OverlayBench.All(device);
            Assert.InRange(device.ChangedBytes, 1, length + 4095);
        }

        Assert.True(content.AsSpan().SequenceEqual(OverlayBench.All(image)), "the base has changed");
        using OverlayFileDevice again = OverlayBench.Open(image, file);
        Assert.True(expected.AsSpan().SequenceEqual(OverlayBench.All(again)), "it is not the same when it is opened again");
    }

    [Fact]
    public void Is_read_only_over_a_file_that_is()
    {
        var image = new MemoryDevice(Pattern.Make(100_000, 1), isReadOnly: true);
        MemoryFile file = OverlayBench.NewFile(image);
        file.IsReadOnly = true;
        using OverlayFileDevice device = OverlayBench.Open(image, file);
        DeviceContract.CheckReadOnly(device);
    }

    [Fact]
    public void Threads_that_write_parts_of_one_block_for_the_first_time_lose_nothing()
    {
        byte[] content = Pattern.Make(4 << 20, 5);
        for (int round = 0; round < 10; round++)
        {
            var image = new MemoryDevice(content, isReadOnly: true);
            using OverlayFileDevice device = OverlayBench.Open(image, OverlayBench.NewFile(image));
            byte[] expected = (byte[])content.Clone();
            Parallel.For(0, 4, new ParallelOptions { MaxDegreeOfParallelism = 4 }, thread =>
            {
                byte[] mine = Pattern.Make(1024, thread + (round * 4));
                for (int block = 0; block < 1024; block++)
                {
                    int offset = (block * 4096) + (thread * 1024);
                    device.Write(mine, offset);
                    mine.CopyTo(expected, offset);
                }
            });
            Assert.True(expected.AsSpan().SequenceEqual(OverlayBench.All(device)), $"round {round}");
        }
    }

    [Fact]
    public void Zeroes_of_the_base_take_no_space_and_large_ranges_no_time()
    {
        const long large = 8L << 40;
        var image = new MemoryDevice(1L << 40, isReadOnly: true);
        var file = new MemoryFile(new OverlayLayout(image.Length).FileLength, limit: large);
        OverlayFile.Format(file, new OverlayHeader(Guid.NewGuid(), BaseFingerprint.Of(image, OverlayBench.Time), OverlayBench.Time, ""));
        using OverlayFileDevice device = OverlayBench.Open(image, file);
        device.Write(new byte[] { 1 }, image.Length - 1);
        device.WriteZeroes(0, 1L << 34);
        device.Flush();
        Assert.Equal(4096, device.ChangedBytes);
        using OverlayFileDevice again = OverlayBench.Open(image, file);
        byte[] one = new byte[1];
        again.Read(one, image.Length - 1);
        Assert.Equal(1, one[0]);
        Assert.Equal(BlockPlace.Zero, again.Map[12345]);
    }

    [Fact]
    public void A_flush_that_fails_is_done_again()
    {
        var image = new MemoryDevice(Pattern.Make(100_000, 1), isReadOnly: true);
        MemoryFile memory = OverlayBench.NewFile(image);
        var file = new FaultDevice(memory);
        using OverlayFileDevice device = OverlayBench.Open(image, file);
        device.Write(new byte[] { 42 }, 5000);
        file.Fail(DeviceOperations.Flush, BlockDeviceError.NoSpace, count: 1);
        Assert.Equal(BlockDeviceError.NoSpace, DeviceContract.Error(device.Flush));
        device.Flush();
        using OverlayFileDevice again = OverlayBench.Open(image, memory);
        byte[] one = new byte[1];
        again.Read(one, 5000);
        Assert.Equal(42, one[0]);
    }

    [Fact]
    public void An_overlay_in_memory_has_a_limit_and_gives_back()
    {
        byte[] content = Pattern.Make(4 << 20, 6);
        using var image = new MemoryDevice(content, isReadOnly: true);
        using var device = new OverlayDevice(image, limit: 1 << 20);
        byte[] block = Pattern.Make(4096, 7);
        int written = 0;
        while (DeviceContract.Error(() => device.Write(block, written * 4096L)) is not { } error || Fail(error))
        {
            written++;
        }

        Assert.InRange(written, 200, 230); // 7/8 MiB in pages of 4.1 KiB
        Assert.InRange(device.UsedBytes, 1, 1 << 20);
        device.Write(block, (written + 1) * 4096L, WriteTag.JournalCommit); // the rest is for metadata
        device.Write(block, 0);                                            // what is there can be changed
        byte[] next = new byte[4096];
        device.Read(next, written * 4096L);
        Assert.True(content.AsSpan(written * 4096, 4096).SequenceEqual(next), "a write that was refused is there in part");
        device.Discard(0, 100 * 4096L);
        device.Write(block, written * 4096L);
        DeviceContract.CheckRanges(new OverlayDevice(image, limit: 1 << 20));

        static bool Fail(BlockDeviceError error)
        {
            Assert.Equal(BlockDeviceError.NoSpace, error);
            return false;
        }
    }
}
