using WinLoop.WindowsTests.Hosts;
using WinLoop.WindowsTests.StandIn.Client;

namespace WinLoop.Benchmarks;

/// <summary>What a callback costs through WinFsp's true interface, in process: the stand-in calls the host's table in a loop
/// from one thread, warm. Both hosts in turn; the median and the best of the rounds, and bytes allocated per call.</summary>
internal static class CallbackBench
{
    private const int Rounds = 7, Small = 1000, Large = 10_000;
    private const string Path35 = @"\projects\winloop\sources\reader.cs";

    public static void Run()
    {
        HostKind[] kinds = [HostKind.Builtin, HostKind.Package];
        var results = new Dictionary<(string Name, HostKind Kind), List<(double Time, double Bytes)>>();
        var order = new List<string>();
        HostMount[] mounts = [.. kinds.Select(kind => new HostMount(kind, megabytes: 512, mkfs: "-b 4096"))];
        foreach (HostMount mount in mounts)
        {
            Fill(mount.Client);
        }
        // The first rounds are for the compiler.
        for (int round = -2; round < Rounds; round++)
        {
            for (int i = 0; i < kinds.Length; i++)
            {
                foreach ((string name, double time, double bytes) in Measure(mounts[i].Client))
                {
                    if (!order.Contains(name))
                    {
                        order.Add(name);
                    }
                    if (round >= 0)
                    {
                        if (!results.TryGetValue((name, kinds[i]), out List<(double, double)>? list))
                        {
                            results[(name, kinds[i])] = list = [];
                        }
                        list.Add((time, bytes));
                    }
                }
            }
        }
        foreach (HostMount mount in mounts)
        {
            mount.Finish();
            mount.Dispose();
        }
        Console.WriteLine("| callback | own binding: median (best) ns | bytes | package: median (best) ns | bytes |");
        Console.WriteLine("|---|---|---|---|---|");
        foreach (string name in order)
        {
            Console.WriteLine($"| {name} | {string.Join(" | ", kinds.Select(k => Describe(results[(name, k)])))} |");
        }
    }

    private static string Describe(List<(double Time, double Bytes)> rounds)
    {
        double[] times = [.. rounds.Select(r => r.Time).Order()];
        return $"{times[times.Length / 2]:0} ({times[0]:0}) | {rounds.Select(r => r.Bytes).Order().ElementAt(rounds.Count / 2):0.#}";
    }

    private static void Fill(StandInClient client)
    {
        foreach (string directory in (string[])[@"\projects", @"\projects\winloop", @"\projects\winloop\sources", @"\small", @"\large"])
        {
            client.MakeDirectory(directory);
        }
        client.WriteAll(Path35, new byte[1 << 20]);
        foreach ((string directory, int count) in ((string, int)[])[(@"\small", Small), (@"\large", Large)])
        {
            for (int i = 0; i < count; i++)
            {
                client.Create($@"{directory}\file-{i:D5}.txt", disposition: Disposition.Create).Dispose();
            }
        }
        client.FlushVolume();
    }

    private static IEnumerable<(string Name, double Time, double Bytes)> Measure(StandInClient client)
    {
        using NtFile file = client.Create(Path35, Access.ReadWrite, Disposition.Open), small = Open(@"\small"), large = Open(@"\large");
        yield return One("GetSecurityByName, 35 characters", Slot.GetSecurityByName, 100_000, path: Path35);
        yield return One("Open + Close", Slot.Open, 100_000, path: Path35);
        yield return One("GetFileInfo", Slot.GetFileInfo, 200_000, file);
        yield return One("GetDirInfoByName", Slot.GetDirInfoByName, 100_000, large, leaf: "file-07919.txt");
        yield return One("Read 4 KiB", Slot.Read, 100_000, file);
        yield return One("Read 64 KiB", Slot.Read, 10_000, file, bytes: 65536);
        yield return One("Write 4 KiB in place", Slot.Write, 20_000, file);
        yield return One("ReadDirectory, a page of 1,000 files, per entry", Slot.ReadDirectory, 300, small, isListing: true);
        yield return One("ReadDirectory, a page of 10,000 files, per entry", Slot.ReadDirectory, 300, large, isListing: true);

        NtFile Open(string path) => client.Create(path, Access.Read, Disposition.Open, Options.Directory);

        (string, double, double) One(string name, Slot slot, uint times, NtFile? file = null, string path = "", string leaf = "", uint bytes = 4096, bool isListing = false)
        {
            long before = GC.GetTotalAllocatedBytes(precise: true);
            (double time, long entries) = client.Bench(slot, times, path, file, leaf, bytes);
            double allocated = (double)(GC.GetTotalAllocatedBytes(precise: true) - before) / times;
            return (name, isListing ? time * times / entries : time, isListing ? allocated * times / entries : allocated);
        }
    }
}
