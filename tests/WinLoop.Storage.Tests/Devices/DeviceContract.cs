namespace WinLoop.Storage.Tests;

/// <summary>What every device has to do, checked against an array.</summary>
internal static class DeviceContract
{
    /// <summary>Random reads, writes, zeroings and flushes against a model.</summary>
    internal static void CheckRandomOperations(IBlockDevice device, int seed, int operations = 2000)
    {
        var random = new Random(seed);
        int length = checked((int)device.Length);
        byte[] model = new byte[length];
        device.Read(model, 0);
        for (int i = 0; i < operations; i++)
        {
            int offset = random.Next(length);
            int size = Math.Min(length - offset, random.Next(4) == 0 ? random.Next(200_000) : random.Next(9000));
            switch (random.Next(8))
            {
                case 0 or 1 or 2:
                    byte[] data = Pattern.Make(size, random.Next());
                    device.Write(data, offset);
                    data.CopyTo(model, offset);
                    break;
                case 3:
                    device.WriteZeroes(offset, size);
                    model.AsSpan(offset, size).Clear();
                    break;
                case 4:
                    device.Flush();
                    break;
                default:
                    byte[] read = new byte[size];
                    device.Read(read, offset);
                    Assert.True(model.AsSpan(offset, size).SequenceEqual(read), $"seed {seed}, operation {i}: {size} bytes at {offset} differ");
                    break;
            }
        }

        byte[] all = new byte[length];
        device.Read(all, 0);
        Assert.True(model.AsSpan().SequenceEqual(all), $"seed {seed}: the end state differs");
    }

    /// <summary>Ranges outside of the device are refused, and nothing else is.</summary>
    internal static void CheckRanges(IBlockDevice device)
    {
        byte[] two = new byte[2];
        (long Offset, long Length)[] outside =
            [(-1, 2), (device.Length - 1, 2), (device.Length, 1), (device.Length + 1, 0), (long.MaxValue, 2), (long.MinValue, 2)];
        foreach ((long offset, long length) in outside)
        {
            Assert.Equal(BlockDeviceError.OutOfRange, Error(() => device.Read(two.AsSpan(0, (int)length), offset)));
            Assert.Equal(BlockDeviceError.OutOfRange, Error(() => device.Write(two.AsSpan(0, (int)length), offset)));
            Assert.Equal(BlockDeviceError.OutOfRange, Error(() => device.Discard(offset, length)));
            Assert.Equal(BlockDeviceError.OutOfRange, Error(() => device.WriteZeroes(offset, length)));
        }

        Assert.Equal(BlockDeviceError.OutOfRange, Error(() => device.Discard(1, long.MaxValue)));
        Assert.Equal(BlockDeviceError.OutOfRange, Error(() => device.WriteZeroes(0, -1)));
        device.Read([], device.Length);
        device.Write([], device.Length);
        device.Discard(device.Length, 0);
        device.Write(two, device.Length - 2);
        device.Read(two, device.Length - 2);
    }

    /// <summary>A read-only device reads and refuses everything else.</summary>
    internal static void CheckReadOnly(IBlockDevice device)
    {
        Assert.True(device.IsReadOnly);
        byte[] one = new byte[1];
        device.Read(one, 0);
        device.Flush();
        Assert.Equal(BlockDeviceError.ReadOnly, Error(() => device.Write(one, 0)));
        Assert.Equal(BlockDeviceError.ReadOnly, Error(() => device.Discard(0, 1)));
        Assert.Equal(BlockDeviceError.ReadOnly, Error(() => device.WriteZeroes(0, 1)));
    }

    /// <summary>Threads that work side by side on ranges of their own do not disturb each other.</summary>
    internal static void CheckThreads(IBlockDevice device)
    {
        const int threads = 4;
        const int piece = 3000; // pieces share pages and sectors
        Parallel.For(0, threads, new ParallelOptions { MaxDegreeOfParallelism = threads }, thread =>
        {
            var random = new Random(thread);
            byte[] mine = new byte[piece];
            byte[] read = new byte[piece];
            for (int i = 0; i < 300; i++)
            {
                int slot = random.Next(8);
                long offset = ((slot * threads) + thread) * piece;
                random.NextBytes(mine);
                if (i % 5 == 0)
                {
                    mine.AsSpan().Clear();
                    device.WriteZeroes(offset, piece);
                }
                else
                {
                    device.Write(mine, offset);
                }

                if (i % 50 == 0)
                {
                    device.Flush();
                }

                device.Read(read, offset);
                Assert.True(mine.AsSpan().SequenceEqual(read), $"thread {thread}, round {i}");
            }
        });
    }

    internal static BlockDeviceError? Error(Action action)
    {
        try
        {
            action();
            return null;
        }
        catch (BlockDeviceException e)
        {
            return e.Error;
        }
    }
}
