using WinLoop.Mounting.Windows;
using WinLoop.WindowsTests.StandIn.Client;

namespace WinLoop.WindowsTests.Hosts;

/// <summary>Counterparts of winfsp-tests' "create" group: dispositions and the callbacks they lead to, attributes, sharing,
/// access, names.</summary>
public sealed class CreateTests
{
    public static TheoryData<HostKind> Kinds => [HostKind.Builtin, HostKind.Package];

    private static readonly Slot[] s_creating = [Slot.GetSecurityByName, Slot.Create, Slot.CreateEx, Slot.Open, Slot.Overwrite, Slot.OverwriteEx];

    private const uint ReadOnly = 1, Hidden = 2, System = 4, DirectoryAttribute = 0x10, Archive = 0x20, Normal = 0x80;

    // Which of the callbacks that open were called, without those that look at the parent or the name.
    private static Slot[] Opened(StandInClient client) =>
        [.. client.Trace(false).Where(c => s_creating.Contains(c.Slot) && c.Slot != Slot.GetSecurityByName && c.Status == NtStatus.Success).Select(c => c.Slot)];

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Every_disposition_on_a_file_that_is_there_and_on_one_that_is_not(HostKind kind)
    {
        using var mount = new HostMount(kind);
        StandInClient client = mount.Client;
        (Disposition, NtStatus, CreateResult, bool)[] missing =
        [
            (Disposition.Supersede, NtStatus.Success, CreateResult.Created, true),
            (Disposition.Open, NtStatus.ObjectNameNotFound, default, false),
            (Disposition.Create, NtStatus.Success, CreateResult.Created, true),
            (Disposition.OpenIf, NtStatus.Success, CreateResult.Created, true),
            (Disposition.Overwrite, NtStatus.ObjectNameNotFound, default, false),
            (Disposition.OverwriteIf, NtStatus.Success, CreateResult.Created, true),
        ];
        foreach ((Disposition disposition, NtStatus status, CreateResult result, bool exists) in missing)
        {
            string path = $@"\missing {disposition}";
            client.Trace(true);
            if (status == NtStatus.Success)
            {
                using NtFile file = client.Create(path, disposition: disposition);
                Assert.Equal(result, file.Result);
                Assert.Equal([Slot.CreateEx], Opened(client));
            }
            else
            {
                Assert.Equal(status, client.CreateStatus(path, disposition: disposition));
                Assert.Empty(Opened(client));
            }
            Assert.Equal(exists, client.Exists(path));
        }
        (Disposition, NtStatus, CreateResult, string, Slot[])[] present =
        [
            (Disposition.Supersede, NtStatus.Success, CreateResult.Superseded, "", [Slot.Open, Slot.OverwriteEx]),
            (Disposition.Open, NtStatus.Success, CreateResult.Opened, "content", [Slot.Open]),
            (Disposition.Create, NtStatus.ObjectNameCollision, default, "content", []),
            (Disposition.OpenIf, NtStatus.Success, CreateResult.Opened, "content", [Slot.Open]),
            (Disposition.Overwrite, NtStatus.Success, CreateResult.Overwritten, "", [Slot.Open, Slot.OverwriteEx]),
            (Disposition.OverwriteIf, NtStatus.Success, CreateResult.Overwritten, "", [Slot.Open, Slot.OverwriteEx]),
        ];
        foreach ((Disposition disposition, NtStatus status, CreateResult result, string content, Slot[] slots) in present)
        {
            string path = $@"\present {disposition}";
            client.WriteAll(path, "content"u8);
            client.Trace(true);
            if (status == NtStatus.Success)
            {
                using NtFile file = client.Create(path, disposition: disposition);
                Assert.Equal(result, file.Result);
                Assert.Equal(slots, Opened(client));
            }
            else
            {
                Assert.Equal(status, client.CreateStatus(path, disposition: disposition));
                Assert.Empty(Opened(client));
            }
            Assert.Equal(content, System_Text(client.ReadAll(path)));
        }
        mount.Finish();
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Directories_are_told_from_files(HostKind kind)
    {
        using var mount = new HostMount(kind);
        StandInClient client = mount.Client;
        client.WriteAll(@"\file", "x"u8);
        client.MakeDirectory(@"\folder");
        Assert.Equal(NtStatus.NotADirectory, client.CreateStatus(@"\file", Access.Read, options: Options.Directory));
        Assert.Equal(NtStatus.FileIsADirectory, client.CreateStatus(@"\folder", Access.Read, options: Options.NonDirectory));
        Assert.Equal(NtStatus.FileIsADirectory, client.CreateStatus(@"\folder", disposition: Disposition.OverwriteIf));
        Assert.Equal(NtStatus.FileIsADirectory, client.CreateStatus(@"\folder", disposition: Disposition.Create, options: Options.NonDirectory));
        Assert.Equal(NtStatus.ObjectNameCollision, client.CreateStatus(@"\folder", disposition: Disposition.Create, options: Options.Directory));
        Assert.Equal(NtStatus.ObjectNameCollision, client.CreateStatus(@"\file", disposition: Disposition.Create, options: Options.Directory));
        Assert.Equal(NtStatus.ObjectPathNotFound, client.CreateStatus(@"\none\file", disposition: Disposition.Create));
        Assert.Equal(NtStatus.ObjectPathNotFound, client.CreateStatus(@"\none\file", Access.Read));
        Assert.Equal(NtStatus.ObjectPathNotFound, client.CreateStatus(@"\file\below", Access.Read));
        Assert.Equal(NtStatus.Success, client.CreateStatus(@"\folder\", Access.Read, options: Options.Directory));
        Assert.Equal(NtStatus.ObjectNameInvalid, client.CreateStatus(@"\file\", Access.Read, options: Options.NonDirectory));
        using (NtFile folder = client.Create(@"\again", disposition: Disposition.OpenIf, options: Options.Directory))
        {
            Assert.Equal(CreateResult.Created, folder.Result);
            Assert.Equal(DirectoryAttribute, folder.GetInfo().FileAttributes & DirectoryAttribute);
        }
        mount.Finish();
        Assert.Equal("directory\ndirectory\nregular file\n", mount.Image.WithKernel("cd $M; stat -c %F again folder file"));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Attributes_given_at_creation_are_kept_and_overwriting_adds_or_replaces(HostKind kind)
    {
        using var mount = new HostMount(kind);
        StandInClient client = mount.Client;
        foreach (uint given in (uint[])[0, Normal, ReadOnly, Hidden, System, Archive, ReadOnly | Hidden | System])
        {
            string path = $@"\attributes {given:x}";
            client.Create(path, disposition: Disposition.Create, attributes: given).Dispose();
            uint expected = (given & ~Normal) | Archive;
            Assert.Equal(expected, client.List(@"\", path[1..])[0].Info.FileAttributes);
        }
        client.Create(@"\folder", Access.Read, Disposition.Create, Options.Directory, attributes: Hidden).Dispose();
        Assert.Equal(DirectoryAttribute | Hidden, client.List(@"\", "folder")[0].Info.FileAttributes);

        // Windows' rules for overwriting: hidden and system have to be named again, READONLY refuses.
        Assert.Equal(NtStatus.AccessDenied, client.CreateStatus(@"\attributes 2", disposition: Disposition.Overwrite));
        Assert.Equal(NtStatus.Success, client.CreateStatus(@"\attributes 2", disposition: Disposition.Overwrite, attributes: Hidden));
        Assert.Equal(Hidden | Archive, client.List(@"\", "attributes 2")[0].Info.FileAttributes);
        Assert.Equal(NtStatus.AccessDenied, client.CreateStatus(@"\attributes 1", disposition: Disposition.Overwrite));
        Assert.Equal(NtStatus.AccessDenied, client.CreateStatus(@"\attributes 1", Access.Write));
        Assert.Equal(NtStatus.Success, client.CreateStatus(@"\attributes 1", Access.Read));
        Assert.Equal(NtStatus.CannotDelete, client.CreateStatus(@"\attributes 1", Access.Read | Access.Delete, options: Options.DeleteOnClose));
        Assert.Equal(NtStatus.CannotDelete, client.CreateStatus(@"\new", Access.Read | Access.Delete, Disposition.Create, Options.DeleteOnClose, attributes: ReadOnly));
        Assert.False(client.Exists(@"\new"));
        mount.Finish();
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void A_read_only_directory_takes_files_and_hidden_follows_the_dot_only_if_asked(HostKind kind)
    {
        using var mount = new HostMount(kind, new WindowsOptions { Acl = AclMode.Everyone, HideDotFiles = true });
        StandInClient client = mount.Client;
        client.Create(@"\folder", Access.Read, Disposition.Create, Options.Directory, attributes: ReadOnly).Dispose();
        Assert.Equal(DirectoryAttribute | ReadOnly, client.List(@"\", "folder")[0].Info.FileAttributes);
        client.WriteAll(@"\folder\inside", "x"u8);
        client.WriteAll(@"\.dot", "x"u8);
        Assert.Equal(Hidden | Archive, client.List(@"\", ".dot")[0].Info.FileAttributes);
        client.Delete(@"\folder\inside");
        using (NtFile folder = client.Create(@"\folder", Access.Delete, Disposition.Open))
        {
            Assert.Equal(NtStatus.CannotDelete, folder.TrySetDisposition(DispositionFlags.Delete, extended: false));
            Assert.Equal(NtStatus.Success, folder.TrySetDisposition(DispositionFlags.Delete | DispositionFlags.IgnoreReadOnly, extended: true));
        }
        Assert.False(client.Exists(@"\folder"));
        mount.Finish();
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void What_is_allocated_at_creation_is_reserved_and_the_rest_goes_back(HostKind kind)
    {
        using var mount = new HostMount(kind);
        StandInClient client = mount.Client;
        using (NtFile file = client.Create(@"\reserved", disposition: Disposition.Create, allocationSize: 1 << 20))
        {
            WindowsFileInfo info = file.GetInfo();
            Assert.Equal(0ul, info.FileSize);
            Assert.True(info.AllocationSize >= 1 << 20, info.AllocationSize.ToString());
            file.Write(0, new byte[5000]);
        }
        Assert.Equal(NtStatus.DiskFull, CreateSized(client, @"\too large", 1ul << 30));
        Assert.False(client.Exists(@"\too large"));
        mount.Finish();
        Assert.Equal("5000 10\n", mount.Image.WithKernel("stat -c '%s %b' $M/reserved"));
    }

    private static NtStatus CreateSized(StandInClient client, string path, ulong size)
    {
        try
        {
            client.Create(path, disposition: Disposition.Create, allocationSize: size).Dispose();
            return NtStatus.Success;
        }
        catch (NtStatusException e)
        {
            return e.Status;
        }
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Share_modes_are_kept(HostKind kind)
    {
        using var mount = new HostMount(kind);
        StandInClient client = mount.Client;
        client.WriteAll(@"\shared", "x"u8);
        Access[] accesses = [Access.ReadData, Access.WriteData, Access.Delete, Access.ReadData | Access.WriteData | Access.Delete, Access.ReadAttributes];
        for (uint first = 0; first < 8; first++)
        {
            foreach (Access held in accesses)
            {
                using NtFile holder = client.Create(@"\shared", held, Disposition.Open, share: (Share)first);
                for (uint second = 0; second < 8; second++)
                {
                    foreach (Access wanted in accesses)
                    {
                        NtStatus expected = Conflicts(held, (Share)first, wanted, (Share)second) ? NtStatus.SharingViolation : NtStatus.Success;
                        Assert.Equal((held, first, wanted, second, expected), (held, first, wanted, second, client.CreateStatus(@"\shared", wanted, share: (Share)second)));
                    }
                }
            }
        }
        // What is not shared is not asked for at the file system twice: contexts stay in balance.
        Assert.Equal(0, client.GetStatistics().OpenContexts);
        mount.Finish();

        static bool Conflicts(Access held, Share heldShare, Access wanted, Share wantedShare)
        {
            Share Needs(Access access) => (access.HasFlag(Access.ReadData) ? Share.Read : 0) | (access.HasFlag(Access.WriteData) ? Share.Write : 0)
                | (access.HasFlag(Access.Delete) ? Share.Delete : 0);
            // Who takes neither data nor the right to delete is never in anybody's way.
            return Needs(held) != 0 && Needs(wanted) != 0 && ((Needs(wanted) & ~heldShare) != 0 || (Needs(held) & ~wantedShare) != 0);
        }
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Names_up_to_their_limits(HostKind kind)
    {
        using var mount = new HostMount(kind);
        StandInClient client = mount.Client;
        // 255 bytes of UTF-8, whatever they are made of.
        foreach (string name in (string[])[new('a', 255), new string('ü', 127) + "x", string.Concat(Enumerable.Repeat("\U0001F600", 63)) + "abc"])
        {
            client.WriteAll("\\" + name, "x"u8);
            Assert.Equal([name], client.List(@"\", name).Select(i => i.Name));
            Assert.Equal(NtStatus.ObjectNameInvalid, client.CreateStatus("\\" + name + "y", disposition: Disposition.Create));
            client.Delete("\\" + name);
        }
        foreach (string name in (string[])["a*", "a?", "a<", "a>", "a|", "a\"", "a\u0001"])
        {
            Assert.Equal(NtStatus.ObjectNameInvalid, client.CreateStatus("\\" + name, disposition: Disposition.Create));
        }
        // A path of 1023 units is one, a longer one is not.
        string path = "";
        while (path.Length + 101 < 1023)
        {
            path += "\\" + new string('d', 100);
            client.MakeDirectory(path);
        }
        string longest = path + "\\" + new string('f', 1022 - path.Length);
        Assert.Equal(1023, longest.Length);
        client.WriteAll(longest, "deep"u8);
        Assert.Equal("deep"u8.ToArray(), client.ReadAll(longest));
        Assert.Equal(NtStatus.ObjectNameInvalid, client.CreateStatus(longest + "f", disposition: Disposition.Create));
        mount.Finish();
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Deleted_when_closed(HostKind kind)
    {
        using var mount = new HostMount(kind);
        StandInClient client = mount.Client;
        using (NtFile temporary = client.Create(@"\temporary", disposition: Disposition.Create, options: Options.DeleteOnClose))
        {
            temporary.Write(0, "gone"u8);
            Assert.Equal("gone"u8.ToArray(), client.ReadAll(@"\temporary"));
        }
        Assert.False(client.Exists(@"\temporary"));
        // With a second handle open the name is pending until that one closes too.
        client.WriteAll(@"\pending", "x"u8);
        using (NtFile second = client.Create(@"\pending", Access.Read, Disposition.Open))
        {
            client.Create(@"\pending", disposition: Disposition.Open, options: Options.DeleteOnClose).Dispose();
            Assert.Equal(NtStatus.DeletePending, client.CreateStatus(@"\pending", Access.Read));
            Assert.Equal("x"u8.ToArray(), second.ReadAll());
        }
        Assert.False(client.Exists(@"\pending"));
        Assert.Equal(NtStatus.InvalidParameter, client.CreateStatus(@"\pending", Access.Read, Disposition.Create, Options.DeleteOnClose));
        mount.Finish();
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Spelling_is_preserved_and_does_not_matter(HostKind kind)
    {
        using var mount = new HostMount(kind);
        StandInClient client = mount.Client;
        client.MakeDirectory(@"\Straße");
        client.WriteAll(@"\Straße\ÄÖÜ.Txt", "x"u8);
        using (NtFile file = client.Create(@"\STRAßE\äöü.tXT", Access.Read, Disposition.Open))
        {
            Assert.Equal(@"\Straße\ÄÖÜ.Txt", file.GetName());
        }
        Assert.Equal(NtStatus.ObjectNameCollision, client.CreateStatus(@"\straße\äöü.txt", disposition: Disposition.Create));
        client.WriteAll(@"\straße\ÄÖÜ.TXT", "overwritten"u8);
        Assert.Equal(["ÄÖÜ.Txt"], client.List(@"\straße").Select(i => i.Name));
        mount.Finish();
        using var sensitive = new HostMount(kind, new WindowsOptions { Acl = AclMode.Everyone, CaseSensitive = true });
        sensitive.Client.WriteAll(@"\name", "lower"u8);
        sensitive.Client.WriteAll(@"\NAME", "upper"u8);
        Assert.Equal("lower"u8.ToArray(), sensitive.Client.ReadAll(@"\name"));
        Assert.False(sensitive.Client.Exists(@"\Name"));
        sensitive.Finish();
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Twins_in_case_are_both_reached_one_at_a_time(HostKind kind)
    {
        using TestKit.TestImage image = TestKit.TestImage.Make(32);
        image.WithKernel("cd $M; mkdir d; echo upper > d/Twin; echo lower > d/twin; echo other > d/other");
        using var mount = new HostMount(kind, image: image);
        StandInClient client = mount.Client;
        Assert.Equal(["other", "Twin", "twin"], client.List(@"\d").Select(i => i.Name));
        using (NtFile upper = client.Create(@"\d\Twin", Access.Read, Disposition.Open))
        {
            Assert.False(upper.IsCached);
            Assert.Equal(NtStatus.SharingViolation, client.CreateStatus(@"\d\twin", Access.Read));
            Assert.Equal("upper\n"u8.ToArray(), upper.ReadAll());
        }
        using (NtFile lower = client.Create(@"\d\twin", Access.ReadWrite, Disposition.Open))
        {
            lower.Write(0, "LOWER"u8);
            Assert.Equal(6ul, lower.GetInfo().FileSize);
        }
        Assert.Equal("LOWER\n"u8.ToArray(), client.ReadAll(@"\d\twin"));
        Assert.Equal("upper\n"u8.ToArray(), client.ReadAll(@"\d\TWIN"));
        mount.Finish();
        Assert.Equal("upper\nLOWER\n", image.WithKernel("cat $M/d/Twin $M/d/twin"));
    }

    private static string System_Text(byte[] content) => global::System.Text.Encoding.ASCII.GetString(content);
}
