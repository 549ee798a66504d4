using WinLoop.Mounting.Windows;
using WinLoop.TestKit;
using WinLoop.WindowsTests.StandIn.Client;

namespace WinLoop.WindowsTests.Hosts;

/// <summary>The group "rdwr": several programs, or several requests of one (overlapped), at the same time.</summary>
public sealed class ParallelWriteTests
{
    private const int Workers = 6;

    public static TheoryData<HostKind> Kinds => [HostKind.Builtin, HostKind.Package];

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Appended_records_are_whole_and_none_is_lost(HostKind kind)
    {
        const int Records = 150, Length = 37;
        using var mount = new HostMount(kind);
        foreach (Options options in (Options[])[Options.None, Options.WriteThrough])
        {
            string path = $@"\log{(uint)options}";
            mount.Client.Create(path, disposition: Disposition.Create).Dispose();
            Run(worker =>
            {
                StandInClient client = mount.Connect();
                using NtFile file = client.Create(path, Access.AppendData, Disposition.Open, options);
                for (int i = 0; i < Records; i++)
                {
                    file.Write(0, Record(worker, i, Length));
                }
            });
            byte[] all = mount.Client.ReadAll(path);
            Assert.Equal(Workers * Records * Length, all.Length);
            int[] next = new int[Workers];
            for (int at = 0; at < all.Length; at += Length)
            {
                int worker = all[at] - 'A';
                Assert.InRange(worker, 0, Workers - 1);
                Assert.Equal(Record(worker, next[worker]++, Length), all[at..(at + Length)]);
            }
            Assert.All(next, n => Assert.Equal(Records, n));
        }
        mount.Finish();
        Assert.Equal($"{2 * Workers * Records * Length}\n", mount.Image.WithKernel("cd $M; cat log* | wc -c"));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Appending_by_several_names_of_one_file_finds_the_end_under_a_lock(HostKind kind)
    {
        const int Records = 400, Length = 41;
        using TestImage image = TestImage.Make(32);
        image.WithKernel($"cd $M; touch log0; for i in $(seq {Workers - 1}); do ln log0 log$i; done");
        using var mount = new HostMount(kind, image: image);
        Run(worker =>
        {
            StandInClient client = mount.Connect();
            // The driver lets one write at a time into a NAME; these come at once.
            using NtFile file = client.Create($@"\log{worker}", Access.AppendData, Disposition.Open);
            for (int i = 0; i < Records; i++)
            {
                file.Write(0, Record(worker, i, Length));
            }
        });
        mount.Finish();
        string kernel = mount.Image.WithKernel($"cd $M; stat -c %s log0; fold -b -w {Length} log0 | sort -u | wc -l");
        Assert.Equal($"{Workers * Records * Length}\n{Workers * Records}\n", kernel);
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Requests_of_one_handle_overlap(HostKind kind)
    {
        const int Block = 8192, Blocks = 120;
        Random random = RandomContent.NewRandom();
        using var mount = new HostMount(kind);
        byte[] content = random.Bytes(Workers * Blocks * Block);
        foreach (Options options in (Options[])[Options.None, Options.NoBuffering])
        {
            using NtFile file = mount.Client.Create($@"\f{(uint)options}", disposition: Disposition.Create, options: options);
            Run(worker =>
            {
                for (int i = 0; i < Blocks; i++)
                {
                    int at = ((i * Workers) + worker) * Block; // neighbours belong to other workers
                    file.Write((ulong)at, content.AsSpan(at, Block));
                    Assert.True(content.AsSpan(at, Block).SequenceEqual(file.Read((ulong)at, Block)));
                }
            });
            Assert.Equal(content, file.ReadAll());
        }
        mount.Finish();
        string sum = RandomContent.Sum(content);
        Assert.Equal($"{sum}  f0\n{sum}  f8\n", mount.Image.WithKernel("cd $M; sha256sum f0 f8"));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Many_files_are_written_cut_and_deleted_at_once_while_the_lazy_writer_runs(HostKind kind)
    {
        Random seeds = RandomContent.NewRandom();
        int[] seed = [.. Enumerable.Range(0, Workers).Select(_ => seeds.Next())];
        var kept = new System.Collections.Concurrent.ConcurrentDictionary<string, string>();
        using var mount = new HostMount(kind, megabytes: 64, fastCache: true);
        mount.Client.SetLazyInterval(1);
        mount.Client.MakeDirectory(@"\shared");
        Run(worker =>
        {
            StandInClient client = mount.Connect();
            var random = new Random(seed[worker]);
            for (int i = 0; i < 60; i++)
            {
                string name = $"w{worker} {i % 7}", path = $@"\shared\{name}";
                byte[] content = random.Bytes(random.Next(1, 200_000));
                using (NtFile file = client.Create(path, disposition: Disposition.OverwriteIf))
                {
                    file.Write(0, content);
                    int end = random.Next(content.Length);
                    Assert.Equal(NtStatus.Success, file.SetEnd((ulong)end));
                    file.Write((ulong)end, content.AsSpan(end));
                }
                Assert.True(content.AsSpan().SequenceEqual(client.ReadAll(path)), $"{path}, round {i}");
                kept[name] = RandomContent.Sum(content);
                if (random.Next(3) == 0)
                {
                    client.Rename(path, path + "!");
                    client.Delete(path + "!");
                    kept.TryRemove(name, out _);
                }
            }
        });
        Assert.Equal(0, mount.Client.GetStatistics().LostWrites);
        mount.Finish();
        Assert.Equal(string.Concat(kept.OrderBy(e => e.Key, StringComparer.Ordinal).Select(e => $"{e.Value}  {e.Key}\n")),
            mount.Image.WithKernel("cd $M/shared; LC_ALL=C; for f in *; do test ! -e \"$f\" || sha256sum \"$f\"; done"));
    }

    private static byte[] Record(int worker, int number, int length)
    {
        byte[] record = new byte[length];
        record.AsSpan().Fill((byte)('a' + worker));
        System.Text.Encoding.ASCII.GetBytes($"{(char)('A' + worker)}{number:D6}").CopyTo(record, 0);
        return record;
    }

    // Threads of their own: a simulated program blocks in its request.
    private static void Run(Action<int> work)
    {
        var failures = new System.Collections.Concurrent.ConcurrentQueue<Exception>();
        Thread[] threads = [.. Enumerable.Range(0, Workers).Select(worker => new Thread(() =>
        {
            try
            {
                work(worker);
            }
            catch (Exception e)
            {
                failures.Enqueue(e);
            }
        }))];
        Array.ForEach(threads, t => t.Start());
        Array.ForEach(threads, t => t.Join());
        if (!failures.IsEmpty)
        {
            throw new AggregateException(failures);
        }
    }
}
