using System.Collections.Concurrent;
using WinLoop.Mounting.Windows;
using WinLoop.WindowsTests.StandIn.Client;

namespace WinLoop.WindowsTests.Hosts;

/// <summary>Several programs that create, open, rename, delete and list the same few names at once.</summary>
public sealed class ParallelNameTests
{
    private const int Workers = 6, Steps = 250;

    public static TheoryData<HostKind> Kinds => [HostKind.Builtin, HostKind.Package];

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Nothing_is_lost_or_doubled_when_all_work_on_the_same_names(HostKind kind)
    {
        Random seeds = RandomContent.NewRandom();
        int[] seed = [.. Enumerable.Range(0, Workers).Select(_ => seeds.Next())];
        using var mount = new HostMount(kind, fastCache: true);
        mount.Client.SetLazyInterval(1);
        mount.Client.MakeDirectory(@"\d0");
        mount.Client.MakeDirectory(@"\d1");
        var statuses = new ConcurrentDictionary<(string What, NtStatus Status), int>();
        var failures = new ConcurrentQueue<Exception>();
        Thread[] threads = [.. Enumerable.Range(0, Workers).Select(worker => new Thread(() =>
        {
            try
            {
                Work(mount, worker, new Random(seed[worker]), statuses);
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
        foreach (((string what, NtStatus status), int count) in statuses.OrderBy(s => s.Key.What, StringComparer.Ordinal))
        {
            TestContext.Current.TestOutputHelper?.WriteLine($"{what} {status}: {count}");
        }
        // What races may lead to; anything else is a fault.
        Assert.All(statuses.Keys, s => Assert.Contains(s.Status, (NtStatus[])[NtStatus.Success, NtStatus.ObjectNameNotFound, NtStatus.ObjectPathNotFound,
            NtStatus.ObjectNameCollision, NtStatus.DeletePending, NtStatus.AccessDenied, NtStatus.FileIsADirectory, NtStatus.NotADirectory, NtStatus.DirectoryNotEmpty]));
        foreach (string what in (string[])["create", "rename", "delete", "mkdir"])
        {
            Assert.True(statuses.ContainsKey((what, NtStatus.Success)), what);
        }
        string[] listed = [.. Walk(mount.Client, "").Order(StringComparer.Ordinal)];
        mount.Client.WriteLazily();
        Assert.Equal(0, mount.Client.GetStatistics().LostWrites);
        mount.Finish();
        string kernel = mount.Image.WithKernel("cd $M; rmdir lost+found; find -mindepth 1 -printf '/%P\\n'");
        Assert.Equal(listed, kernel.Split('\n', StringSplitOptions.RemoveEmptyEntries).Order(StringComparer.Ordinal));
    }

    private static void Work(HostMount mount, int worker, Random random, ConcurrentDictionary<(string, NtStatus), int> statuses)
    {
        StandInClient client = mount.Connect();
        string Pick() => $@"\d{random.Next(2)}\{(random.Next(2) == 0 ? "Name" : "nAME")} {random.Next(5)}{(random.Next(4) == 0 ? @"\below" : "")}";
        byte[] mine = random.Bytes(5000);
        for (int step = 0; step < Steps; step++)
        {
            string path = Pick(), what;
            NtStatus status = NtStatus.Success;
            switch (random.Next(8))
            {
                case < 2:
                    what = "create";
                    status = Catch(() =>
                    {
                        using NtFile file = client.Create(path, disposition: random.Next(2) == 0 ? Disposition.OpenIf : Disposition.OverwriteIf, options: Options.NonDirectory);
                        file.Write((ulong)random.Next(20_000), mine);
                    });
                    break;
                case 2:
                    what = "mkdir";
                    status = client.CreateStatus(path, Access.ReadAttributes, Disposition.Create, Options.Directory);
                    break;
                case 3:
                    what = "rename";
                    status = Catch(() => client.Rename(path, Pick()));
                    break;
                case 4:
                    what = "delete";
                    status = Catch(() => client.Delete(path));
                    break;
                case 5:
                    what = "old delete";
                    status = Catch(() =>
                    {
                        using NtFile file = client.Create(path, Access.Delete, Disposition.Open);
                        file.TrySetDisposition(DispositionFlags.Delete, extended: false).ThrowIfFailed("delete");
                    });
                    break;
                case 6:
                    what = "read";
                    status = Catch(() =>
                    {
                        using NtFile file = client.Create(path, Access.Read, Disposition.Open);
                        file.GetInfo();
                        _ = file.OpenInfo.FileAttributes == 0x10 ? null : file.Read(0, 4096);
                    });
                    break;
                default:
                    what = "list";
                    status = Catch(() =>
                    {
                        List<string> names = [.. client.List($@"\d{random.Next(2)}").Select(i => i.Name)];
                        // Within one case: a renamed name may be met under both spellings.
                        Assert.Equal(names.Count, names.Distinct(StringComparer.Ordinal).Count());
                    });
                    break;
            }
            statuses.AddOrUpdate((what, status), 1, (_, n) => n + 1);
        }
    }

    private static NtStatus Catch(Action action)
    {
        try
        {
            action();
            return NtStatus.Success;
        }
        catch (NtStatusException e)
        {
            return e.Status;
        }
    }

    private static List<string> Walk(StandInClient client, string folder)
    {
        var all = new List<string>();
        foreach (DirectoryItem item in client.List(folder.Length == 0 ? @"\" : folder.Replace('/', '\\')).Where(i => i.Name != "lost+found"))
        {
            all.Add($"{folder}/{item.Name}");
            if ((item.Info.FileAttributes & 0x10) != 0)
            {
                all.AddRange(Walk(client, $"{folder}/{item.Name}"));
            }
        }
        return all;
    }
}
