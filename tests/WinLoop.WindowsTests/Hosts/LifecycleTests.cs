using System.Diagnostics;
using WinLoop.Mounting.Windows;
using WinLoop.Storage;
using WinLoop.WindowsTests.StandIn.Client;

namespace WinLoop.WindowsTests.Hosts;

/// <summary>A mount's end and its troubles: files open, the driver lost, the image gone or failing, requests that wait, and
/// nothing left behind.</summary>
public sealed class LifecycleTests(ITestOutputHelper output)
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    public static TheoryData<HostKind> Kinds => [HostKind.Builtin, HostKind.Package];

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Unmounting_with_files_open_is_refused_and_forced_it_keeps_what_was_flushed(HostKind kind)
    {
        using var mount = new HostMount(kind);
        NtFile open = mount.Client.Create(@"\open", disposition: Disposition.Create);
        open.Write(0, "written"u8);
        NtFile deleted = mount.Client.Create(@"\deleted", disposition: Disposition.Create, options: Options.DeleteOnClose);
        deleted.Write(0, new byte[100_000]);
        mount.Client.FlushVolume().ThrowIfFailed("flush");
        Assert.Matches(@"^.* \(pid \d+, \\(open|deleted) and 1 more\)$", Assert.Single(mount.Host.FindUsers()));
        Assert.Throws<WinFsp.Hosting.WinFspMountException>(() => mount.Host.Unmount(force: false));
        Assert.Equal(NtStatus.Success, open.TryWrite(7, " and still there"u8));
        mount.Client.FlushVolume().ThrowIfFailed("flush");
        mount.Host.Unmount(force: true);
        Assert.True(mount.Host.WaitForUnmount(), mount.Host.Failure?.ToString());
        mount.Image.AssertClean();
        Assert.Equal("written and still there", mount.Image.WithKernel("cat $M/open"));
        Assert.Equal("open\n", mount.Image.WithKernel("ls $M | grep -v lost"));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void A_driver_that_is_lost_ends_the_mount_cleanly(HostKind kind)
    {
        using var mount = new HostMount(kind);
        using (NtFile file = mount.Client.Create(@"\file", disposition: Disposition.Create))
        {
            file.Write(0, "before"u8);
            file.Flush().ThrowIfFailed("flush");
            mount.Client.LoseDriver();
        }
        if (kind == HostKind.Package)
        {
            // The package does not tell: somebody has to unmount, and that works.
            Assert.True(InTime(() => { mount.Host.Unmount(force: true); }));
        }
        Assert.True(InTime(() => mount.Host.WaitForUnmount()), mount.Host.Failure?.ToString());
        mount.Image.AssertClean();
        Assert.Equal("before", mount.Image.WithKernel("cat $M/file"));
    }

    [Theory]
    [InlineData(HostKind.Builtin, BlockDeviceError.Gone)]
    [InlineData(HostKind.Builtin, BlockDeviceError.Io)]
    [InlineData(HostKind.Package, BlockDeviceError.Gone)]
    [InlineData(HostKind.Package, BlockDeviceError.Io)]
    public void An_image_that_fails_in_mid_work_gives_errors_and_no_hang(HostKind kind, BlockDeviceError error)
    {
        using var mount = new HostMount(kind, megabytes: 64);
        StandInClient client = mount.Client;
        client.WriteAll(@"\before", "kept"u8);
        client.WriteAll(@"\large", new byte[8 << 20]);
        client.FlushVolume().ThrowIfFailed("flush");
        int failures = 0;
        Assert.True(InTime(() => Parallel.For(0, 8, new ParallelOptions { MaxDegreeOfParallelism = 8 }, worker =>
        {
            using StandInClient program = mount.Connect();
            for (int i = 0; i < 40; i++)
            {
                if (worker == 0 && i == 10)
                {
                    mount.Device.Add(new FaultRule { Error = error });
                }
                try
                {
                    program.WriteAll($@"\worker {worker} {i}", new byte[20_000]);
                    program.FlushVolume().ThrowIfFailed("flush");
                    program.ReadAll(@"\large");
                    program.List(@"\");
                }
                catch (NtStatusException)
                {
                    Interlocked.Increment(ref failures);
                }
            }
        })), "programs hang on a failing image");
        Assert.True(failures > 0);
        Assert.NotEqual(NtStatus.Success, client.FlushVolume());
        Assert.True(InTime(() => { mount.Host.Unmount(force: true); }), "unmounting hangs");
        Assert.True(InTime(() => mount.Host.WaitForUnmount() || true));
        output.WriteLine($"{failures} failures; {mount.Log.Count} lines in the log");
        // What had been flushed before is there: the kernel replays the log.
        Assert.Equal("kept", mount.Image.WithKernel("cat $M/before"));
        mount.Image.AssertClean();
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void An_image_file_cut_short_is_told_and_not_waited_for(HostKind kind)
    {
        using var mount = new HostMount(kind, megabytes: 64);
        byte[] content = new byte[1 << 20];
        new Random(9).NextBytes(content);
        mount.Client.WriteAll(@"\file", content);
        mount.Client.FlushVolume().ThrowIfFailed("flush");
        using (var file = new FileStream(mount.Image.Path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite))
        {
            file.SetLength(1 << 20);
        }
        NtStatus read = NtStatus.Success;
        Assert.True(InTime(() =>
        {
            try
            {
                mount.Client.ReadAll(@"\file");
            }
            catch (NtStatusException e)
            {
                read = e.Status;
            }
        }));
        Assert.NotEqual(NtStatus.Success, read);
        Assert.True(InTime(() => { mount.Host.Unmount(force: true); }));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void A_device_that_is_slow_lets_others_go_on(HostKind kind)
    {
        using var mount = new HostMount(kind, megabytes: 64);
        byte[] content = new byte[1 << 20];
        new Random(10).NextBytes(content);
        mount.Client.WriteAll(@"\slow", content);
        mount.Client.WriteAll(@"\other", "x"u8);
        mount.Client.FlushVolume().ThrowIfFailed("flush");
        FaultRule slow = mount.Device.Add(new FaultRule { Operations = DeviceOperations.Read, Delay = TimeSpan.FromMilliseconds(300), When = o => o.Length >= 4096 });
        var reader = new Thread(() =>
        {
            using StandInClient client = mount.Connect();
            Assert.Equal(content, client.ReadAll(@"\slow"));
        });
        var watch = Stopwatch.StartNew();
        reader.Start();
        Thread.Sleep(50);
        for (int i = 0; i < 100; i++)
        {
            Assert.True(mount.Client.Exists(@"\other"));
        }
        double others = watch.Elapsed.TotalMilliseconds;
        Assert.True(reader.Join(Patience));
        output.WriteLine($"100 opens in {others:F0} ms beside a read of {watch.ElapsedMilliseconds} ms");
        Assert.True(slow.Hits > 0);
        slow.IsEnabled = false;
        mount.Finish();
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Requests_that_wait_are_answered_later_and_keep_no_thread(HostKind kind)
    {
        // More programs than the driver has dispatcher threads: with a thread held by each, nothing else would go on.
        const int Programs = 40;
        using var mount = new HostMount(kind);
        mount.Client.WriteAll(@"\file", "content"u8);
        RequestQueue queue = mount.Host.Session.Queue;
        queue.Freeze();
        int done = 0;
        Thread[] readers = [.. Enumerable.Range(0, Programs).Select(_ => new Thread(() =>
        {
            using StandInClient client = mount.Connect();
            using NtFile file = client.Create(@"\file", Access.Read, Disposition.Open, Options.NoBuffering);
            if ("content"u8.SequenceEqual(file.Read(0, 4096)))
            {
                Interlocked.Increment(ref done);
            }
        }))];
        Array.ForEach(readers, r => r.Start());
        Thread.Sleep(300);
        Assert.Equal(0, done);
        queue.Unfreeze();
        Assert.All(readers, r => Assert.True(r.Join(Patience)));
        Assert.Equal(Programs, done);
        mount.Finish();
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Thirty_mounts_leave_nothing_behind(HostKind kind)
    {
        using TestKit.TestImage image = TestKit.TestImage.Make(32);
        long memory = 0;
        int descriptors = 0, threads = 0;
        for (int round = 0; round < 30; round++)
        {
            var mount = new HostMount(kind, image: image);
            for (int i = 0; i < 20; i++)
            {
                mount.Client.WriteAll($@"\file {i}", new byte[10_000]);
                mount.Client.ReadAll($@"\file {i}");
                mount.Client.Delete($@"\file {i}");
            }
            Assert.Equal(0, mount.Client.GetStatistics().OpenContexts);
            mount.Finish();
            mount.Client.Dispose();
            mount.Host.Dispose();
            if (round == 9)
            {
                (memory, descriptors, threads) = Measure();
            }
        }
        (long memoryAfter, int descriptorsAfter, int threadsAfter) = Measure();
        output.WriteLine($"memory {memory >> 10} -> {memoryAfter >> 10} KiB, descriptors {descriptors} -> {descriptorsAfter}, threads {threads} -> {threadsAfter}");
        Assert.InRange(memoryAfter, 0, memory + (4 << 20));
        Assert.InRange(descriptorsAfter, 0, descriptors + 3);
        Assert.InRange(threadsAfter, 0, threads + 8);

        static (long, int, int) Measure()
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
            GC.Collect();
            using var self = Process.GetCurrentProcess();
            return (GC.GetTotalMemory(forceFullCollection: true), Directory.GetFiles("/proc/self/fd").Length, self.Threads.Count);
        }
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Mounts_that_end_with_files_open_leave_no_descriptor_and_no_volume(HostKind kind)
    {
        const int Rounds = 25;
        using TestKit.TestImage image = TestKit.TestImage.Make(32);
        var volumes = new List<WeakReference>();
        int descriptors = 0;
        for (int round = 0; round < Rounds; round++)
        {
            volumes.Add(MountAndLeave(kind, image));
            if (round == 4)
            {
                descriptors = Directory.GetFiles("/proc/self/fd").Length;
            }
        }
        for (int i = 0; i < 10 && Alive() > 2; i++)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
            Thread.Sleep(50);
        }
        output.WriteLine($"{Alive()} of {Rounds} file systems are still in memory");
        Assert.InRange(Directory.GetFiles("/proc/self/fd").Length, 0, descriptors + 3);
        Assert.InRange(Alive(), 0, 2);

        int Alive() => volumes.Count(v => v.IsAlive);
    }

    // In a frame of its own, so that nothing of the mount is kept by a local.
    [System.Runtime.CompilerServices.MethodImpl(System.Runtime.CompilerServices.MethodImplOptions.NoInlining)]
    private static WeakReference MountAndLeave(HostKind kind, TestKit.TestImage image)
    {
        var mount = new HostMount(kind, image: image);
        StandInClient client = mount.Client;
        client.MakeDirectory($@"\dir {Environment.TickCount64} {Guid.NewGuid()}");
        NtFile[] open =
        [
            client.Create(@"\file", disposition: Disposition.OpenIf), client.Create(@"\file:stream", disposition: Disposition.OpenIf),
            client.Create(@"\", Access.Read, Disposition.Open, Options.Directory), client.Create(@"\gone", disposition: Disposition.OpenIf, options: Options.DeleteOnClose),
        ];
        open[0].Write(0, "kept"u8);
        open[2].List();
        client.FlushVolume().ThrowIfFailed("flush");
        mount.Host.Unmount(force: true);
        Assert.True(mount.Host.WaitForUnmount(), mount.Host.Failure?.ToString());
        image.AssertClean();
        Array.ForEach(open, f => f.Dispose());
        return new WeakReference(mount.Host.Session.FileSystem);
    }

    private static bool InTime(Action action) => InTime(() => { action(); return true; });

    private static bool InTime(Func<bool> action)
    {
        bool result = false;
        Exception? failure = null;
        var thread = new Thread(() =>
        {
            try
            {
                result = action();
            }
            catch (Exception e)
            {
                failure = e;
            }
        }) { IsBackground = true };
        thread.Start();
        bool ended = thread.Join(Patience);
        if (failure is not null)
        {
            throw new InvalidOperationException("in the background", failure);
        }
        return ended && result;
    }
}
