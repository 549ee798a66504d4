using WinLoop.Mounting.Windows;
using WinLoop.WindowsTests.StandIn.Client;

namespace WinLoop.WindowsTests.Hosts;

/// <summary>Counterparts of winfsp-tests' "dirctl" group: listing in pages, by pattern, by single name, and while names come
/// and go.</summary>
public sealed class DirectoryTests(ITestOutputHelper output)
{
    public static TheoryData<HostKind> Kinds => [HostKind.Builtin, HostKind.Package];

    private static NtFile Open(StandInClient client, string path) => client.Create(path, Access.Read, Disposition.Open, Options.Directory);

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Pages_of_any_size_give_every_name_once(HostKind kind)
    {
        using var mount = new HostMount(kind);
        StandInClient client = mount.Client;
        client.MakeDirectory(@"\many");
        List<string> names = [.. Enumerable.Range(0, 500).Select(i => $"{new string((char)('a' + (i % 26)), (i % 200) + 1)} {i}")];
        foreach (string name in names)
        {
            client.Create($@"\many\{name}", disposition: Disposition.Create).Dispose();
        }
        names.AddRange([".", ".."]);
        names.Sort(StringComparer.Ordinal);
        using (NtFile directory = Open(client, @"\many"))
        {
            foreach (int page in (int[])[600, 1024, 4096, 65536])
            {
                Assert.Equal(names, directory.List(systemBuffer: page).Select(i => i.Name).Order(StringComparer.Ordinal));
            }
            // The driver asks for as much as the program has room for, and one name at a time if told so.
            var single = new List<string>();
            for ((NtStatus status, List<DirectoryItem> items) = directory.Query(restart: true, single: true); status == NtStatus.Success;
                (status, items) = directory.Query(single: true))
            {
                Assert.Single(items);
                single.Add(items[0].Name);
            }
            Assert.Equal(names, single.Order(StringComparer.Ordinal));
        }
        mount.Finish();
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Patterns_and_single_names(HostKind kind)
    {
        using var mount = new HostMount(kind);
        StandInClient client = mount.Client;
        client.MakeDirectory(@"\folder");
        foreach (string name in (string[])["alpha.txt", "Beta.TXT", "gamma.doc", "delta"])
        {
            client.WriteAll($@"\folder\{name}", "x"u8);
        }
        Assert.Equal(["alpha.txt", "Beta.TXT"], client.List(@"\folder", "*.txt").Select(i => i.Name));
        Assert.Equal(["gamma.doc"], client.List(@"\folder", "?????.*").Select(i => i.Name).Where(n => n.StartsWith('g')));
        Assert.Equal(["Beta.TXT"], client.List(@"\folder", "bETA.txt").Select(i => i.Name));
        Assert.Empty(client.List(@"\folder", "nothing"));
        using (NtFile directory = Open(client, @"\folder"))
        {
            Assert.Equal(NtStatus.NoSuchFile, directory.Query("*.none", restart: true).Status);
            Assert.Equal(NtStatus.NoSuchFile, directory.Query("nothing", restart: true).Status);
        }
        using (NtFile directory = Open(client, @"\folder"))
        {
            Assert.Equal(6, directory.List("*").Count);
            Assert.Equal(NtStatus.NoMoreFiles, directory.Query().Status);
            // Begun again, it gives all again.
            Assert.Equal(6, directory.List().Count);
        }
        // A single name is asked for by GetDirInfoByName and not by listing everything.
        client.Trace(true);
        Assert.Single(client.List(@"\folder", "DELTA"));
        IReadOnlyList<(Slot Slot, NtStatus Status)> calls = client.Trace(false);
        Assert.Contains(calls, c => c.Slot == Slot.GetDirInfoByName);
        Assert.DoesNotContain(calls, c => c.Slot == Slot.ReadDirectory);
        mount.Finish();
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Dot_entries_are_there_but_in_the_root_and_tell_what_they_are(HostKind kind)
    {
        using var mount = new HostMount(kind);
        StandInClient client = mount.Client;
        client.MakeDirectory(@"\folder");
        using (NtFile root = Open(client, @"\"), folder = Open(client, @"\folder"))
        {
            Assert.DoesNotContain(root.List(), i => i.Name is "." or "..");
            List<DirectoryItem> items = folder.List();
            Assert.Equal([".", ".."], items.Select(i => i.Name));
            Assert.Equal(folder.GetInfo().IndexNumber, items[0].Info.IndexNumber);
            Assert.Equal(root.GetInfo().IndexNumber, items[1].Info.IndexNumber);
        }
        mount.Finish();
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void A_program_that_deletes_what_it_lists_gets_all(HostKind kind)
    {
        using var mount = new HostMount(kind);
        StandInClient client = mount.Client;
        client.MakeDirectory(@"\clear");
        for (int i = 0; i < 800; i++)
        {
            client.Create($@"\clear\file {i}", disposition: Disposition.Create).Dispose();
        }
        int seen = 0;
        using (NtFile directory = Open(client, @"\clear"))
        {
            for (bool first = true; ; first = false)
            {
                (NtStatus status, List<DirectoryItem> items) = directory.Query(restart: first, systemBuffer: 2048, programBuffer: 2048);
                if (status != NtStatus.Success)
                {
                    Assert.Equal(NtStatus.NoMoreFiles, status);
                    break;
                }
                foreach (DirectoryItem item in items.Where(i => i.Name is not ("." or "..")))
                {
                    client.Delete($@"\clear\{item.Name}");
                    seen++;
                }
            }
        }
        Assert.Equal(800, seen);
        client.Delete(@"\clear");
        mount.Finish();
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Listings_go_on_while_others_create_and_delete(HostKind kind)
    {
        using var mount = new HostMount(kind);
        int seed = Random.Shared.Next();
        output.WriteLine($"seed {seed}");
        mount.Client.MakeDirectory(@"\busy");
        string[] lasting = [.. Enumerable.Range(0, 300).Select(i => $"lasting {i}")];
        foreach (string name in lasting)
        {
            mount.Client.Create($@"\busy\{name}", disposition: Disposition.Create).Dispose();
        }
        bool isOver = false;
        Thread[] others = [.. Enumerable.Range(0, 3).Select(worker => new Thread(() =>
        {
            using StandInClient client = mount.Connect();
            var random = new Random(seed + worker);
            while (!Volatile.Read(ref isOver))
            {
                string path = $@"\busy\passing {worker} {random.Next(50)}";
                if (client.Exists(path))
                {
                    client.Delete(path);
                }
                else
                {
                    client.Create(path, disposition: Disposition.Create).Dispose();
                }
            }
        }))];
        Array.ForEach(others, o => o.Start());
        for (int round = 0; round < 40; round++)
        {
            List<string> names = [.. mount.Client.List(@"\busy").Select(i => i.Name)];
            Assert.Equal(names.Count, names.Distinct().Count());
            Assert.Equal(lasting.Order(StringComparer.Ordinal), names.Where(n => n.StartsWith('l')).Order(StringComparer.Ordinal));
        }
        Volatile.Write(ref isOver, true);
        Assert.All(others, o => Assert.True(o.Join(30_000)));
        mount.Finish();
    }
}
