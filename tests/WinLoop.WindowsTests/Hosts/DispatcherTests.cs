using WinLoop.Mounting.Windows;
using WinLoop.Storage;
using WinLoop.WindowsTests.StandIn.Client;

namespace WinLoop.WindowsTests.Hosts;

/// <summary>The driver's threads and the host: any number of them, requests that are answered later, and an end in the middle.</summary>
public sealed class DispatcherTests(ITestOutputHelper output)
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    public static TheoryData<HostKind> Kinds => [HostKind.Builtin, HostKind.Package];

    [Theory]
    [InlineData(HostKind.Builtin, 1)]
    [InlineData(HostKind.Builtin, 2)]
    [InlineData(HostKind.Builtin, 64)]
    [InlineData(HostKind.Package, 1)]
    [InlineData(HostKind.Package, 2)]
    [InlineData(HostKind.Package, 64)]
    public void Programs_at_work_see_their_own_files_with_any_number_of_threads(HostKind kind, int threads)
    {
        const int Programs = 12, Rounds = 12;
        using var mount = new HostMount(kind, threads: threads);
        Run(Programs, program =>
        {
            using StandInClient client = mount.Connect();
            var random = new Random(program);
            client.MakeDirectory($@"\p{program}");
            for (int round = 0; round < Rounds; round++)
            {
                byte[] content = new byte[random.Next(1, 30_000)];
                random.NextBytes(content);
                string path = $@"\p{program}\file {round % 3}";
                client.WriteAll(path, content);
                client.WriteAll(path + ":stream", content.AsSpan(0, Math.Min(content.Length, 100)));
                Assert.Equal(content, client.ReadAll(path));
                client.Rename(path, $@"\p{program}\moved {round}");
                Assert.Equal(content, client.ReadAll($@"\p{program}\moved {round}"));
            }
            Assert.Equal(Rounds, client.List($@"\p{program}").Count);
        });
        mount.Client.FlushVolume().ThrowIfFailed("flush");
        Assert.Equal(0, mount.Client.GetStatistics().OpenContexts);
        mount.Finish();
        Assert.Equal($"{Programs * Rounds}\n", mount.Image.WithKernel("find $M -name 'moved *' | wc -l"));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Answers_that_come_later_are_the_right_ones(HostKind kind)
    {
        // A device that is busy three times for every read: reads and listings wait in the background, writes too.
        const int Programs = 8, Piece = 64 << 10;
        using TestKit.TestImage image = TestKit.TestImage.Make(64);
        image.WithKernel("cd $M; for p in $(seq 0 7); do mkdir p$p; head -c 300000 /dev/urandom > p$p/file; for i in $(seq 60); do touch p$p/name$i; done; done");
        Dictionary<string, string> sums = image.WithKernel("cd $M; sha256sum p*/file").Split('\n', StringSplitOptions.RemoveEmptyEntries).ToDictionary(l => l[66..], l => l[..64]);
        using var mount = new HostMount(kind, image: image);
        int calls = 0;
        FaultRule busy = mount.Device.Add(new FaultRule
        {
            Operations = DeviceOperations.Read, Error = BlockDeviceError.Busy, When = o => o.Length >= 4096 && Interlocked.Increment(ref calls) % 4 != 0,
        });
        Run(Programs, program =>
        {
            using StandInClient client = mount.Connect();
            using (NtFile file = client.Create($@"\p{program}\file", Access.Read, Disposition.Open, Options.NoBuffering))
            {
                using var all = new MemoryStream();
                for (byte[] part = new byte[Piece]; part.Length == Piece;)
                {
                    part = file.Read((ulong)all.Length, Piece);
                    all.Write(part);
                }
                Assert.Equal(sums[$"p{program}/file"], Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(all.ToArray())));
            }
            Assert.Equal(61, client.List($@"\p{program}").Count);
        });
        output.WriteLine($"{busy.Hits} times busy");
        Assert.True(busy.Hits > 0);
        busy.IsEnabled = false;
        mount.Finish();
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Unmounting_while_requests_wait_ends_them_and_the_mount(HostKind kind)
    {
        const int Programs = 6;
        using TestKit.TestImage image = TestKit.TestImage.Make(64);
        image.WithKernel("cd $M; for p in $(seq 0 5); do head -c 300000 /dev/urandom > file$p; done");
        using var mount = new HostMount(kind, image: image);
        NtFile[] files = [.. Enumerable.Range(0, Programs).Select(p => mount.Client.Create($@"\file{p}", Access.Read, Disposition.Open, Options.NoBuffering))];
        mount.Device.Add(new FaultRule { Operations = DeviceOperations.Read, Error = BlockDeviceError.Busy });
        int failed = 0;
        Thread[] readers = [.. files.Select(file => new Thread(() =>
        {
            try
            {
                file.Read(0, 64 << 10);
            }
            catch (NtStatusException)
            {
                Interlocked.Increment(ref failed);
            }
        }))];
        Array.ForEach(readers, r => r.Start());
        Thread.Sleep(200);
        var unmount = new Thread(() => mount.Host.Unmount(force: true));
        unmount.Start();
        Assert.True(unmount.Join(Patience), "unmounting hangs");
        Assert.All(readers, r => Assert.True(r.Join(Patience), "a program hangs"));
        Assert.Equal(Programs, failed);
        mount.Device.Clear();
        image.AssertClean();
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Unmounting_under_programs_at_work_keeps_the_image_sound(HostKind kind)
    {
        const int Programs = 8;
        for (int round = 0; round < 3; round++)
        {
            bool losesDriver = round == 2;
            using var mount = new HostMount(kind, fastCache: round == 1);
            mount.Client.WriteAll(@"\promised", "on the disk"u8);
            mount.Client.FlushVolume().ThrowIfFailed("flush");
            int operations = 0;
            Exception? wrong = null;
            Thread[] workers = [.. Enumerable.Range(0, Programs).Select(program => new Thread(() =>
            {
                using StandInClient client = mount.Connect();
                try
                {
                    for (int i = 0; i < 100_000; i++)
                    {
                        client.WriteAll($@"\w{program} {i % 20}", new byte[5000]);
                        client.Rename($@"\w{program} {i % 20}", $@"\v{program} {i % 20}");
                        client.List(@"\", $"v{program}*");
                        if (i % 3 == 0)
                        {
                            client.Delete($@"\v{program} {i % 20}");
                        }
                        Interlocked.Increment(ref operations);
                    }
                }
                catch (NtStatusException)
                {
                    // The drive is gone.
                }
                catch (Exception e)
                {
                    wrong = e;
                }
            }))];
            Array.ForEach(workers, w => w.Start());
            Thread.Sleep(400);
            if (losesDriver)
            {
                mount.Client.LoseDriver();
            }
            var unmount = new Thread(() => mount.Host.Unmount(force: true));
            unmount.Start();
            Assert.True(unmount.Join(Patience), "unmounting hangs");
            Assert.True(mount.Host.WaitForUnmount(), mount.Host.Failure?.ToString());
            Assert.All(workers, w => Assert.True(w.Join(Patience), "a program hangs"));
            Assert.Null(wrong);
            Assert.True(operations > 0);
            mount.Image.AssertClean();
            Assert.Equal("on the disk", mount.Image.WithKernel("cat $M/promised"));
        }
    }

    private static void Run(int programs, Action<int> work)
    {
        var failures = new System.Collections.Concurrent.ConcurrentQueue<Exception>();
        Thread[] threads = [.. Enumerable.Range(0, programs).Select(p => new Thread(() =>
        {
            try
            {
                work(p);
            }
            catch (Exception e)
            {
                failures.Enqueue(e);
            }
        }))];
        Array.ForEach(threads, t => t.Start());
        Assert.All(threads, t => Assert.True(t.Join(3 * Patience), "a program hangs"));
        Assert.True(failures.IsEmpty, string.Join('\n', failures));
    }
}
