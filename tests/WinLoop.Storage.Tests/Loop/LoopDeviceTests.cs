using WinLoop.TestKit;

namespace WinLoop.Storage.Tests;

public sealed class LoopDeviceTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Keeps_what_is_written(bool directIo)
    {
        string path = _folder.File("a", (1 << 20) + 512);
        LoopDevice device = LoopDevice.Open(path, new() { DirectIo = directIo });
        Assert.False(!directIo && device.IsDirectIo);
        DeviceContract.CheckRanges(device);
        DeviceContract.CheckRandomOperations(device, seed: 8, operations: 600);
        DeviceContract.CheckThreads(device);
        byte[] through = new byte[device.Length];
        device.Read(through, 0);
        device.Dispose();
        Assert.True(File.ReadAllBytes(path).AsSpan().SequenceEqual(through));
        Assert.Equal(BackingFileState.Unchanged, device.State);
    }

    [Theory]
    [InlineData(0, 0, 10_000, 9728)]
    [InlineData(0, 4096, 10_000, 4096)]
    [InlineData(1000, 0, 10_000, 8704)]
    [InlineData(1000, 20_000, 10_000, 8704)]
    [InlineData(1000, 600, 10_000, 512)]
    [InlineData(10_000, 0, 10_000, 0)]
    public void Offset_and_size_limit_are_losetups(long offset, long limit, long fileLength, long expected)
    {
        string path = _folder.File("a", fileLength);
        LoopDevice device = LoopDevice.Open(path, new() { Offset = offset, SizeLimit = limit });
        Assert.Equal(expected, device.Length);
        if (expected > 0)
        {
            DeviceContract.CheckRanges(device);
            device.Write([7], 0);
            device.Dispose();
            Assert.Equal(7, File.ReadAllBytes(path)[offset]);
            Assert.Equal(fileLength, new FileInfo(path).Length);
        }

        device.Dispose();
    }

    [Fact]
    public void The_same_size_as_the_kernels_loop_device()
    {
        Shell.RequireLoopMounts();
        string path = _folder.File("a", 1_000_123);
        string size = Shell.Script($"d=$(losetup -f --show -o 1024 --sizelimit 700001 {path}); blockdev --getsize64 $d; losetup -d $d");
        using LoopDevice device = LoopDevice.Open(path, new() { Offset = 1024, SizeLimit = 700_001 });
        Assert.Equal(long.Parse(size, System.Globalization.CultureInfo.InvariantCulture), device.Length);
    }

    [Fact]
    public void Read_only_never_changes_a_byte()
    {
        string path = _folder.File("a", 8192);
        File.SetLastWriteTimeUtc(path, DateTime.UnixEpoch);
        using (LoopDevice device = LoopDevice.Open(path, new() { IsReadOnly = true }))
        {
            DeviceContract.CheckReadOnly(device);
        }

        Assert.Equal(DateTime.UnixEpoch, File.GetLastWriteTimeUtc(path));
    }

    [Fact]
    public void Bad_options_and_bad_paths_are_told_apart()
    {
        string path = _folder.File("a", 4096);
        Assert.Equal(BlockDeviceError.OutOfRange, DeviceContract.Error(() => LoopDevice.Open(path, new() { Offset = 4097 })));
        Assert.Throws<ArgumentOutOfRangeException>(() => LoopDevice.Open(path, new() { Offset = -1 }));
        Assert.Throws<ArgumentOutOfRangeException>(() => LoopDevice.Open(path, new() { SizeLimit = -1 }));
        Assert.Throws<ArgumentOutOfRangeException>(() => LoopDevice.Open(path, new() { SectorSize = 1000 }));
        Assert.Equal(BlockDeviceError.NotFound, DeviceContract.Error(() => LoopDevice.Open(path + "x")));
        Assert.Equal(BlockDeviceError.NotFound, DeviceContract.Error(() => LoopDevice.Open(_folder.Path)));
        Assert.Equal(BlockDeviceError.NotFound, DeviceContract.Error(() => LoopDevice.Open("/dev/null")));
        using LoopDevice again = LoopDevice.Open(path, new() { SectorSize = 4096 });
        Assert.Equal(4096, again.SectorSize);
    }

    [Fact]
    public void One_writer_or_many_readers()
    {
        string path = _folder.File("a", 4096);
        var readOnly = new LoopDeviceOptions { IsReadOnly = true };
        using (LoopDevice.Open(path))
        {
            Assert.Equal(BlockDeviceError.Busy, DeviceContract.Error(() => LoopDevice.Open(path)));
            Assert.Equal(BlockDeviceError.Busy, DeviceContract.Error(() => LoopDevice.Open(path, readOnly)));
            string link = Path.Combine(_folder.Path, "link");
            File.CreateSymbolicLink(link, path);
            Assert.Equal(BlockDeviceError.Busy, DeviceContract.Error(() => LoopDevice.Open(link)));
        }

        using (LoopDevice.Open(path, readOnly))
        using (LoopDevice.Open(path, readOnly))
        {
            Assert.Equal(BlockDeviceError.Busy, DeviceContract.Error(() => LoopDevice.Open(path)));
        }

        LoopDevice.Open(path).Dispose();
    }

    [Fact]
    public void A_file_that_shrinks_is_gone_and_is_not_extended()
    {
        string path = _folder.File("a", 1 << 20);
        using LoopDevice device = LoopDevice.Open(path);
        device.Write([1], 0);
        device.Flush();
        Truncate(path, 4096);
        Assert.Equal(BlockDeviceError.Gone, DeviceContract.Error(device.Flush));
        Assert.Equal(BackingFileState.Shrunk, device.State);
        Assert.Equal(BlockDeviceError.Gone, DeviceContract.Error(() => device.Write([1], 500_000)));
        Assert.Equal(BlockDeviceError.Gone, DeviceContract.Error(() => device.Read(new byte[1], 0)));
        Truncate(path, 1 << 20);
        Assert.Equal(BlockDeviceError.Gone, DeviceContract.Error(device.Flush)); // what was lost stays lost
        Assert.Equal(1 << 20, new FileInfo(path).Length);
    }

    [Fact]
    public void A_write_up_to_the_very_end_does_not_hide_that_the_file_has_shrunk()
    {
        string path = _folder.File("a", 1 << 20);
        using LoopDevice device = LoopDevice.Open(path);
        Truncate(path, 4096);
        Assert.Equal(BlockDeviceError.Gone, DeviceContract.Error(() => device.Write(new byte[4096], (1 << 20) - 4096)));
        Assert.Equal(4096, new FileInfo(path).Length);
        Assert.Equal(BackingFileState.Shrunk, device.State);
    }

    [Fact]
    public void A_write_into_a_file_that_has_shrunk_is_seen_by_the_next_flush()
    {
        string path = _folder.File("a", 1 << 20);
        using LoopDevice device = LoopDevice.Open(path);
        Truncate(path, 4096);
        device.Write(new byte[4096], 1 << 19);
        Assert.Equal(BlockDeviceError.Gone, DeviceContract.Error(device.Flush));
    }

    [Fact]
    public void A_read_past_the_new_end_notices_it_too()
    {
        string path = _folder.File("a", 1 << 20);
        using LoopDevice device = LoopDevice.Open(path, new() { IsReadOnly = true });
        Truncate(path, 4096);
        device.Read(new byte[100], 0);
        Assert.Equal(BlockDeviceError.Gone, DeviceContract.Error(() => device.Read(new byte[8192], 0)));
    }

    [Fact]
    public void Growth_and_unlinking_are_noticed_and_harmless()
    {
        string path = _folder.File("a", 4096);
        using LoopDevice device = LoopDevice.Open(path);
        Truncate(path, 8192);
        device.Flush();
        Assert.Equal(BackingFileState.Grown, device.State);
        Assert.Equal(4096, device.Length);
        File.Delete(path);
        device.Write([1], 0);
        device.Flush();
        Assert.Equal(BackingFileState.Unlinked, device.State);
    }

    [Fact]
    public void Discard_frees_the_storage()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "looks at st_blocks");
        string path = _folder.File("a", 8 << 20);
        using LoopDevice device = LoopDevice.Open(path);
        byte[] data = Pattern.Make(4 << 20, 1);
        device.Write(data, 1 << 20);
        device.Flush();
        Assert.InRange(Blocks(), 8000, 9000);
        device.Discard(1 << 20, 2 << 20);
        device.WriteZeroes(3 << 20, 1 << 20);
        device.Flush();
        Assert.InRange(Blocks(), 1800, 2300);
        Assert.Equal(8 << 20, new FileInfo(path).Length);

        long Blocks() => long.Parse(Shell.Run("stat", ["-c", "%b", path]).Output, System.Globalization.CultureInfo.InvariantCulture);
    }

    [Fact]
    public void A_full_disk_is_no_space()
    {
        Shell.RequireLoopMounts();
        string mountPoint = Path.Combine(_folder.Path, "small");
        Directory.CreateDirectory(mountPoint);
        Shell.Script($"mount -t tmpfs -o size=1M none {mountPoint}");
        try
        {
            string path = Path.Combine(mountPoint, "a");
            using (FileStream file = File.Create(path))
            {
                file.SetLength(4 << 20);
            }

            using LoopDevice device = LoopDevice.Open(path);
            Assert.Equal(BlockDeviceError.NoSpace, DeviceContract.Error(() => device.Write(new byte[2 << 20], 0)));
            device.Read(new byte[4096], 0);
            Assert.Equal(1, device.Queue.GetStatistics().Operations[1].Errors);
            Assert.Equal(0, device.Queue.GetStatistics().Requeues);
        }
        finally
        {
            Shell.Script($"umount {mountPoint}");
        }
    }

    [Fact]
    public void Reads_and_writes_allocate_nothing()
    {
        using LoopDevice device = LoopDevice.Open(_folder.File("a", 1 << 20));
        byte[] buffer = new byte[4096];
        for (int i = 0; i < 50; i++)
        {
            device.Read(buffer, 0);
            device.Write(buffer, 0);
        }

        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 10_000; i++)
        {
            device.Read(buffer, (i & 127) * 4096);
            device.Write(buffer, (i & 127) * 4096);
        }

        device.Flush();
        // Nothing per request; the runtime itself may allocate a few bytes when it replaces compiled code.
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 4096);
        QueueStatistics statistics = device.Queue.GetStatistics();
        Assert.Equal(10_050, statistics.Operations[0].Count);
        Assert.Equal(10_050 * 4096, statistics.Operations[1].Bytes);
    }

    [Fact]
    public void A_frozen_device_waits()
    {
        using LoopDevice device = LoopDevice.Open(_folder.File("a", 4096));
        device.Queue.Freeze();
        var thread = new Thread(() => device.Write([1], 0));
        thread.Start();
        Assert.False(thread.Join(30));
        device.Queue.Unfreeze();
        thread.Join();
        Assert.Equal(1, device.Queue.GetStatistics().Operations[1].Count);
    }

    [Fact]
    public void Identity_is_the_files_and_not_the_paths()
    {
        string path = _folder.File("a", 4096);
        string other = _folder.File("b", 4096);
        string link = Path.Combine(_folder.Path, "link");
        File.CreateSymbolicLink(link, path);
        using LoopDevice device = LoopDevice.Open(path);
        Assert.Equal(device.Identity, ImageIdentity.Of(link));
        Assert.NotEqual(device.Identity, ImageIdentity.Of(other));
        Assert.NotEqual(device.Identity.ToString(), ImageIdentity.Of(other).ToString());
        if (OperatingSystem.IsLinux())
        {
            string[] parts = Shell.Run("stat", ["-c", "%d %i", path]).Output.Split(' ');
            Assert.Equal(ulong.Parse(parts[0], System.Globalization.CultureInfo.InvariantCulture), device.Identity.Volume);
            Assert.Equal(ulong.Parse(parts[1], System.Globalization.CultureInfo.InvariantCulture), device.Identity.FileLow);
        }
    }

    [Fact]
    public void Stack_traces_read_like_loop_c()
    {
        Shell.RequireLoopMounts();
        using LoopDevice device = LoopDevice.Open(_folder.File("a", 1 << 20));
        Truncate(device.Path, 0);
        BlockDeviceException e = Assert.Throws<BlockDeviceException>(() => device.Read(new byte[10], 0));
        Assert.Contains("TryIssueDirectly", e.StackTrace!, StringComparison.Ordinal);
        Assert.Contains("QueueRequest", e.StackTrace!, StringComparison.Ordinal);
        Assert.Contains("HandleCommand", e.StackTrace!, StringComparison.Ordinal);
        Assert.Contains("DoRequestFileBacked", e.StackTrace!, StringComparison.Ordinal);
        Assert.Contains("ReadSimple", e.StackTrace!, StringComparison.Ordinal);
    }

    // By another program: .NET's own files respect the lock.
    private static void Truncate(string path, long length)
    {
        Shell.Require("truncate");
        Shell.Script($"truncate -s {length} {path}");
    }
}
