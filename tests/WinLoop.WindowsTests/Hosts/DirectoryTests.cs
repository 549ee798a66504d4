using WinLoop.Mounting.Windows;
using WinLoop.TestKit;
using WinLoop.WindowsTests.StandIn.Client;

namespace WinLoop.WindowsTests.Hosts;

/// <summary>The group "dirctl".</summary>
public sealed class DirectoryTests
{
    private const int SmallestSystemBuffer = 616; // the driver never gives less than one entry of 255 units needs

    public static TheoryData<HostKind> Kinds => [HostKind.Builtin, HostKind.Package];

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Patterns_choose_names(HostKind kind)
    {
        using var mount = new HostMount(kind);
        StandInClient client = mount.Client;
        client.MakeDirectory(@"\d");
        foreach (string name in (string[])["a", "ab", "abc", "A.txt", "b.TXT", "c.tar.gz", "Grün", "no dot", ".hidden"])
        {
            client.Create(@"\d\" + name, disposition: Disposition.Create).Dispose();
        }
        (string Pattern, string[] Expected)[] cases =
        [
            ("*.txt", ["A.txt", "b.TXT"]), ("?", [".", "a"]), ("??", ["..", "ab"]), ("a*", ["a", "A.txt", "ab", "abc"]), ("*.gz", ["c.tar.gz"]),
            ("*.*.*", ["..", "c.tar.gz"]), ("<.gz", ["c.tar.gz"]), ("c.<", []), ("b.<", ["b.TXT"]), ("a>>", ["a", "ab", "abc"]), ("no\"dot", []), ("a\"txt", ["A.txt"]), ("GRÜ?", ["Grün"]), (".*", [".", "..", ".hidden"]),
            ("nothing*", []), ("*x", []),
            // Names without wildcards, which the driver looks up.
            ("AB", ["ab"]), ("grün", ["Grün"]), ("missing", []), ("c.tar", []), (".HIDDEN", [".hidden"]),
        ];
        using (NtFile directory = client.Create(@"\d", Access.Read, Disposition.Open, Options.Directory))
        {
            foreach ((string pattern, string[] expected) in cases)
            {
                foreach (int buffer in (int[])[0, SmallestSystemBuffer])
                {
                    Assert.Equal(expected, directory.List(pattern, buffer).Select(i => i.Name));
                }
            }
            Assert.Equal(11, directory.List("*").Count);
            Assert.Equal(11, directory.List("").Count);
        }
        mount.Finish();
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Nothing_found_is_no_such_file_at_first_and_no_more_files_then(HostKind kind)
    {
        using var mount = new HostMount(kind);
        StandInClient client = mount.Client;
        client.MakeDirectory(@"\d");
        client.WriteAll(@"\d\f", "x"u8);
        using (NtFile directory = client.Create(@"\d", Access.Read, Disposition.Open, Options.Directory))
        {
            Assert.Equal(NtStatus.NoSuchFile, directory.Query("none*").Status);
            Assert.Equal(NtStatus.NoSuchFile, directory.Query("none", restart: true).Status);
            Assert.Equal(NtStatus.Success, directory.Query("f", restart: true).Status);
            Assert.Equal(NtStatus.NoMoreFiles, directory.Query().Status);
            Assert.Equal(NtStatus.NoMoreFiles, directory.Query("other").Status); // a pattern counts at a start only
            Assert.Equal(NtStatus.Success, directory.Query("*", restart: true).Status);
            Assert.Equal(NtStatus.NoMoreFiles, directory.Query().Status);
            Assert.Equal(NtStatus.NoMoreFiles, directory.Query().Status);
        }
        using (NtFile blind = client.Create(@"\d", Access.ReadAttributes, Disposition.Open, Options.Directory))
        {
            Assert.Equal(NtStatus.AccessDenied, blind.Query().Status);
        }
        using (NtFile file = client.Create(@"\d\f", Access.Read, Disposition.Open))
        {
            Assert.Equal(NtStatus.InvalidParameter, file.Query().Status);
        }
        mount.Finish();
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Dot_entries_are_in_all_directories_but_the_root(HostKind kind)
    {
        using var mount = new HostMount(kind);
        StandInClient client = mount.Client;
        client.MakeDirectory(@"\d");
        client.MakeDirectory(@"\d\e");
        using (NtFile root = client.Create(@"\", Access.Read, Disposition.Open), d = client.Create(@"\d", Access.Read, Disposition.Open), e = client.Create(@"\d\e", Access.Read, Disposition.Open))
        {
            Assert.Equal(["d", "lost+found"], root.List().Select(i => i.Name));
            Assert.Equal([".", "..", "e"], d.List().Select(i => i.Name));
            List<DirectoryItem> items = e.List();
            Assert.Equal([(".", e.GetInfo().IndexNumber), ("..", d.GetInfo().IndexNumber)], items.Select(i => (i.Name, i.Info.IndexNumber)));
            Assert.All(items, i => Assert.Equal(0x10u, i.Info.FileAttributes));
        }
        mount.Finish();
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void A_scan_begins_again_also_with_another_pattern(HostKind kind)
    {
        using var mount = new HostMount(kind);
        StandInClient client = mount.Client;
        client.MakeDirectory(@"\d");
        for (int i = 0; i < 20; i++)
        {
            client.Create($@"\d\{(i % 2 == 0 ? "even" : "odd")} {i:D2}", disposition: Disposition.Create).Dispose();
        }
        using (NtFile directory = client.Create(@"\d", Access.Read, Disposition.Open, Options.Directory))
        {
            Assert.Equal("even 00", directory.Query("even*", single: true).Items.Single().Name);
            Assert.Equal("even 02", directory.Query("odd*", single: true).Items.Single().Name);
            Assert.Equal("odd 01", directory.Query("odd*", restart: true, single: true).Items.Single().Name);
            client.Create(@"\d\odd 00", disposition: Disposition.Create).Dispose();
            Assert.Equal("odd 00", directory.Query("odd*", restart: true, single: true).Items.Single().Name); // a new scan sees what is new
            Assert.Equal(10, directory.Query().Items.Count);
        }
        mount.Finish();
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Buffers_of_every_size_give_every_name_once(HostKind kind)
    {
        Random random = RandomContent.NewRandom();
        using var mount = new HostMount(kind);
        StandInClient client = mount.Client;
        client.MakeDirectory(@"\d");
        var names = new HashSet<string> { ".", ".." };
        while (names.Count < 302)
        {
            string name = new((char)random.Next('a', 'z' + 1), random.Next(1, 250));
            name += $"{names.Count}";
            names.Add(name);
            client.Create(@"\d\" + name, disposition: Disposition.Create).Dispose();
        }
        using (NtFile directory = client.Create(@"\d", Access.Read, Disposition.Open, Options.Directory))
        {
            List<DirectoryItem> reference = directory.List();
            Assert.Equal(names.Order(StringComparer.Ordinal), reference.Select(i => i.Name).Order(StringComparer.Ordinal));
            foreach (int system in (int[])[SmallestSystemBuffer, 1000, 4096, 65536])
            {
                foreach (int program in (int[])[650, 2000, 0])
                {
                    Assert.Equal(reference, All(directory, program, system, single: false));
                }
                Assert.Equal(reference, All(directory, 650, system, single: true));
            }

            // No room for the next entry: an error, and the entry comes with the next query.
            Assert.Equal(NtStatus.BufferOverflow, directory.Query("?????*", restart: true, programBuffer: 112).Status);
            Assert.Equal(reference.First(i => i.Name.Length >= 5), directory.Query(single: true).Items.Single());
        }
        mount.Finish();
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void The_longest_names_are_listed(HostKind kind)
    {
        using TestImage image = TestImage.Make(16);
        image.WithKernel("cd $M; mkdir d; touch d/$(printf 'k%.0s' {1..255}); touch d/$'bad \\xff\\xfe bytes' 'd/a*b' 'd/dot.' 'd/Twin' 'd/tWIN'");
        using var mount = new HostMount(kind, image: image);
        StandInClient client = mount.Client;
        string[] more = [new('a', 255), new string('€', 85), string.Concat(Enumerable.Repeat("\U0001F600", 63))];
        foreach (string name in more)
        {
            client.Create(@"\d\" + name, disposition: Disposition.Create).Dispose();
        }
        using (NtFile directory = client.Create(@"\d", Access.Read, Disposition.Open, Options.Directory))
        {
            List<string> listed = [.. All(directory, 620, SmallestSystemBuffer, single: true).Select(i => i.Name).Where(n => n is not ("." or ".."))];
            string[] expected = [.. more, new('k', 255), "bad \uF0FF\uF0FE bytes", "a\uF02Ab", "dot\uF02E", "Twin", "tWIN"];
            Assert.Equal(expected.Order(StringComparer.Ordinal), listed.Order(StringComparer.Ordinal));
            foreach (string name in expected)
            {
                Assert.Equal([name], directory.List(name).Select(i => i.Name).Where(n => n == name)); // by its own spelling
                Assert.True(client.Exists(@"\d\" + name));
            }
        }
        mount.Finish();
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Names_deleted_during_a_listing_neither_end_nor_repeat_it(HostKind kind)
    {
        Random random = RandomContent.NewRandom();
        using var mount = new HostMount(kind);
        StandInClient client = mount.Client;
        client.MakeDirectory(@"\d");
        HashSet<string> present = [.. Enumerable.Range(0, 400).Select(i => $"name {i * 7919 % 1000}")];
        foreach (string name in present)
        {
            client.Create(@"\d\" + name, disposition: Disposition.Create).Dispose();
        }
        var seen = new HashSet<string>();
        var never = new HashSet<string>();
        using (NtFile directory = client.Create(@"\d", Access.Read, Disposition.Open, Options.Directory))
        {
            while (true)
            {
                (NtStatus status, List<DirectoryItem> items) = directory.Query("n*", programBuffer: 1500, systemBuffer: SmallestSystemBuffer);
                if (status == NtStatus.NoMoreFiles)
                {
                    break;
                }
                foreach (DirectoryItem item in items)
                {
                    Assert.True(seen.Add(item.Name), $"{item.Name} twice");
                    Assert.DoesNotContain(item.Name, never);
                    client.Delete(@"\d\" + item.Name); // the marker itself goes too
                    present.Remove(item.Name);
                }
                if (present.Count > 0 && random.Next(3) == 0)
                {
                    string ahead = present.ElementAt(random.Next(present.Count));
                    client.Delete(@"\d\" + ahead);
                    present.Remove(ahead);
                    never.Add(ahead);
                    client.Create($@"\d\new {random.Next(1000)}", disposition: Disposition.OpenIf).Dispose(); // in this listing or not, but once
                }
            }
            Assert.Empty(present);
            Assert.NotEmpty(never);
            Assert.All(client.List(@"\d"), i => Assert.StartsWith("new ", i.Name, StringComparison.Ordinal));
        }
        mount.Finish();
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void A_single_name_is_looked_up_and_not_searched(HostKind kind)
    {
        using var mount = new HostMount(kind);
        StandInClient client = mount.Client;
        client.MakeDirectory(@"\d");
        client.WriteAll(@"\d\Some File", "12345"u8);
        using (NtFile directory = client.Create(@"\d", Access.Read, Disposition.Open, Options.Directory))
        {
            client.Trace(true);
            DirectoryItem item = directory.List("SOME file").Single();
            Assert.Equal(("Some File", 5ul), (item.Name, item.Info.FileSize));
            Assert.Empty(directory.List("someone"));
            IReadOnlyList<(Slot Slot, NtStatus Status)> calls = client.Trace(false);
            Assert.Contains((Slot.GetDirInfoByName, NtStatus.ObjectNameNotFound), calls);
            Assert.DoesNotContain(calls, c => c.Slot == Slot.ReadDirectory);
        }
        mount.Finish();
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void A_listing_tells_of_a_file_what_the_file_tells(HostKind kind)
    {
        using TestImage image = TestImage.Make(16);
        image.WithKernel("cd $M; mkdir d d/sub; echo content > d/file; ln -s file d/link; ln -s sub d/dirlink; mkfifo d/fifo; chmod 444 d/file; setfattr -n user.X -v y d/sub");
        using var mount = new HostMount(kind, image: image);
        StandInClient client = mount.Client;
        using (NtFile grown = client.Create(@"\d\grown", disposition: Disposition.Create, attributes: 0x2))
        {
            grown.Write(0, new byte[123_456]); // in the cache; the size is told all the same
            List<DirectoryItem> items = client.List(@"\d");
            Assert.Equal(["dirlink", "fifo", "file", "grown", "link", "sub"], items.Select(i => i.Name));
            Assert.Equal(123_456ul, items[3].Info.FileSize);
            foreach (DirectoryItem item in items)
            {
                using NtFile file = client.Create(@"\d\" + item.Name, Access.ReadAttributes, Disposition.Open, Options.OpenReparsePoint);
                Assert.Equal(file.GetInfo(), item.Info);
                Assert.Equal(file.GetInfo(), client.List(@"\d", item.Name).Single().Info);
            }
        }
        mount.Finish();
    }

    private static List<DirectoryItem> All(NtFile directory, int programBuffer, int systemBuffer, bool single)
    {
        var all = new List<DirectoryItem>();
        for (bool first = true; ; first = false)
        {
            (NtStatus status, List<DirectoryItem> items) = directory.Query(restart: first, single: single, programBuffer: programBuffer, systemBuffer: systemBuffer);
            if (status == NtStatus.NoMoreFiles)
            {
                return all;
            }
            status.ThrowIfFailed("query");
            Assert.NotEmpty(items);
            Assert.True(!single || items.Count == 1);
            all.AddRange(items);
        }
    }
}
