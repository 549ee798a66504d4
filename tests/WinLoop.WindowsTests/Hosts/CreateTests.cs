using WinLoop.Mounting.Windows;
using WinLoop.WindowsTests.StandIn.Client;

namespace WinLoop.WindowsTests.Hosts;

/// <summary>The group "create": dispositions with the callbacks that they lead to, attributes, names, deletes on close.
/// Rights and sharing are in <see cref="CreateAccessTests"/>.</summary>
public sealed class CreateTests
{
    private const uint ReadOnly = 0x1, Hidden = 0x2, System = 0x4, Directory = 0x10, Archive = 0x20, Normal = 0x80, Temporary = 0x100;

    public static TheoryData<HostKind> Kinds => [HostKind.Builtin, HostKind.Package];

    public static TheoryData<HostKind, Disposition> KindsAndDispositions
    {
        get
        {
            var data = new TheoryData<HostKind, Disposition>();
            foreach (HostKind kind in Enum.GetValues<HostKind>())
            {
                foreach (Disposition disposition in Enum.GetValues<Disposition>())
                {
                    data.Add(kind, disposition);
                }
            }
            return data;
        }
    }

    [Theory]
    [MemberData(nameof(KindsAndDispositions))]
    public void Every_disposition_on_an_existing_file(HostKind kind, Disposition disposition)
    {
        using var mount = new HostMount(kind);
        StandInClient client = mount.Client;
        using (NtFile file = client.Create(@"\f", disposition: Disposition.Create, attributes: Hidden))
        {
            file.Write(0, "old"u8);
        }
        ulong index = InfoOf(client, @"\f").IndexNumber;

        client.Trace(true);
        if (disposition == Disposition.Create)
        {
            Assert.Equal(NtStatus.ObjectNameCollision, client.CreateStatus(@"\F", disposition: disposition));
            Assert.Equal([(Slot.GetSecurityByName, NtStatus.Success), (Slot.CreateEx, NtStatus.ObjectNameCollision), (Slot.GetSecurityByName, NtStatus.Success)],
                client.Trace(false));
            Assert.Equal("old"u8.ToArray(), client.ReadAll(@"\f"));
            mount.Finish();
            return;
        }
        using (NtFile file = client.Create(@"\F", Access.ReadWrite | Access.Delete, disposition, attributes: Hidden | System))
        {
            IReadOnlyList<(Slot Slot, NtStatus Status)> calls = client.Trace(false);
            bool overwrites = disposition is not (Disposition.Open or Disposition.OpenIf);
            Assert.Equal(overwrites ? [Slot.GetSecurityByName, Slot.Open, Slot.OverwriteEx] : [Slot.GetSecurityByName, Slot.Open], calls.Select(c => c.Slot));
            Assert.All(calls, c => Assert.Equal(NtStatus.Success, c.Status));
            Assert.Equal(disposition switch
            {
                Disposition.Supersede => CreateResult.Superseded,
                Disposition.Open or Disposition.OpenIf => CreateResult.Opened,
                _ => CreateResult.Overwritten,
            }, file.Result);
            WindowsFileInfo info = file.GetInfo();
            Assert.Equal(index, info.IndexNumber);
            Assert.Equal(overwrites ? 0ul : 3, info.FileSize);
            Assert.Equal(overwrites ? Hidden | System | Archive : Hidden | Archive, info.FileAttributes);
            Assert.Equal(@"\f", file.GetName());
        }
        mount.Finish();
        Assert.Equal(disposition is Disposition.Open or Disposition.OpenIf ? "old" : "", mount.Image.WithKernel("cat $M/f"));
    }

    [Theory]
    [MemberData(nameof(KindsAndDispositions))]
    public void Every_disposition_on_a_missing_file_and_in_a_missing_directory(HostKind kind, Disposition disposition)
    {
        using var mount = new HostMount(kind);
        StandInClient client = mount.Client;
        client.Trace(true);
        if (disposition is Disposition.Open or Disposition.Overwrite)
        {
            Assert.Equal(NtStatus.ObjectNameNotFound, client.CreateStatus(@"\new", disposition: disposition));
            Assert.Equal([(Slot.GetSecurityByName, NtStatus.ObjectNameNotFound)], client.Trace(false));
        }
        else
        {
            using NtFile file = client.Create(@"\new", disposition: disposition);
            Assert.Equal(CreateResult.Created, file.Result);
            List<(Slot, NtStatus)> expected = [(Slot.GetSecurityByName, NtStatus.Success), (Slot.CreateEx, NtStatus.Success)];
            if (disposition != Disposition.Create)
            {
                expected.Insert(0, (Slot.GetSecurityByName, NtStatus.ObjectNameNotFound));
            }
            Assert.Equal(expected, client.Trace(false));
            Assert.Equal((0ul, Archive), (file.GetInfo().FileSize, file.GetInfo().FileAttributes));
        }
        Assert.Equal(NtStatus.ObjectPathNotFound, client.CreateStatus(@"\nowhere\new", disposition: disposition));
        client.WriteAll(@"\file", "x"u8);
        NtStatus below = client.CreateStatus(@"\file\new", disposition: disposition);
        Assert.True(below is NtStatus.ObjectPathNotFound or NtStatus.NotADirectory, below.ToString());
        mount.Finish();
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Overwriting_adds_attributes_superseding_replaces_them_and_hidden_stays_hidden(HostKind kind)
    {
        using var mount = new HostMount(kind);
        StandInClient client = mount.Client;
        client.Create(@"\f", disposition: Disposition.Create, attributes: Temporary).Dispose();
        using (NtFile file = client.Create(@"\f", disposition: Disposition.Overwrite, attributes: System))
        {
            Assert.Equal(System | Temporary | Archive, file.GetInfo().FileAttributes);
        }
        Assert.Equal(NtStatus.AccessDenied, client.CreateStatus(@"\f", disposition: Disposition.Overwrite));
        using (NtFile file = client.Create(@"\f", disposition: Disposition.Supersede, attributes: System))
        {
            Assert.Equal(System | Archive, file.GetInfo().FileAttributes);
        }
        mount.Finish();
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Attributes_given_at_creation_are_there_at_the_next_mount_and_in_the_kernel(HostKind kind)
    {
        uint[] all = [Normal, ReadOnly, Hidden, System, Archive, Temporary, ReadOnly | Hidden | System];
        using var mount = new HostMount(kind);
        for (int i = 0; i < all.Length; i++)
        {
            using (NtFile file = mount.Client.Create($@"\f{i}", disposition: Disposition.Create, attributes: all[i]))
            {
                file.Write(0, "x"u8); // whoever creates a READONLY file may write it
            }
            mount.Client.Create($@"\d{i}", Access.ReadAttributes, Disposition.Create, Options.Directory, attributes: all[i] & ~Archive).Dispose();
        }
        mount.Finish();
        using var again = new HostMount(kind, image: mount.Image);
        for (int i = 0; i < all.Length; i++)
        {
            Assert.Equal((all[i] & ~Normal) | Archive, InfoOf(again.Client, $@"\f{i}").FileAttributes);
            Assert.Equal((all[i] & ~(Normal | Archive)) | Directory, InfoOf(again.Client, $@"\d{i}").FileAttributes);
        }
        again.Finish();
        Assert.Equal("644 444 644 644 644 644 444 ", again.Image.WithKernel("cd $M; stat -c %a f? | tr '\\n' ' '"));
        Assert.Equal("755", again.Image.WithKernel("cd $M; stat -c %a d1").Trim()); // READONLY of a directory is no mode
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void A_readonly_directory_takes_new_names_and_is_not_deleted(HostKind kind)
    {
        using var mount = new HostMount(kind);
        StandInClient client = mount.Client;
        client.Create(@"\d", Access.ReadAttributes, Disposition.Create, Options.Directory, attributes: ReadOnly).Dispose();
        client.WriteAll(@"\d\f", "in"u8);
        client.MakeDirectory(@"\d\sub");
        client.Delete(@"\d\f");
        client.Delete(@"\d\sub");
        Assert.Equal(NtStatus.CannotDelete, client.CreateStatus(@"\d", Access.Delete, options: Options.Directory | Options.DeleteOnClose));
        using (NtFile directory = client.Create(@"\d", Access.Delete | Access.WriteAttributes, Disposition.Open, Options.Directory))
        {
            Assert.Equal(NtStatus.CannotDelete, directory.TrySetDisposition(DispositionFlags.Delete, extended: false));
            Assert.Equal(NtStatus.Success, directory.SetBasic(Directory));
            Assert.Equal(NtStatus.Success, directory.TrySetDisposition(DispositionFlags.Delete, extended: false));
        }
        Assert.False(client.Exists(@"\d"));
        mount.Finish();
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void A_readonly_file_is_read_but_not_written_overwritten_or_deleted(HostKind kind)
    {
        using var mount = new HostMount(kind);
        StandInClient client = mount.Client;
        client.Create(@"\f", disposition: Disposition.Create, attributes: ReadOnly).Dispose();
        Assert.Equal(NtStatus.Success, client.CreateStatus(@"\f", Access.Read));
        Assert.Equal(NtStatus.AccessDenied, client.CreateStatus(@"\f", Access.WriteData));
        Assert.Equal(NtStatus.AccessDenied, client.CreateStatus(@"\f", Access.AppendData));
        foreach (Disposition disposition in (Disposition[])[Disposition.Supersede, Disposition.Overwrite, Disposition.OverwriteIf])
        {
            Assert.Equal(NtStatus.AccessDenied, client.CreateStatus(@"\f", Access.Read | Access.Delete, disposition));
        }
        Assert.Equal(NtStatus.CannotDelete, client.CreateStatus(@"\f", Access.Delete, options: Options.DeleteOnClose));
        Assert.Equal(NtStatus.CannotDelete, client.CreateStatus(@"\g", Access.Delete, Disposition.Create, Options.DeleteOnClose, attributes: ReadOnly));
        Assert.False(client.Exists(@"\g"));
        mount.Finish();
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Space_is_reserved_at_creation_or_there_is_no_file(HostKind kind)
    {
        using var mount = new HostMount(kind, megabytes: 16);
        StandInClient client = mount.Client;
        client.Create(@"\first", disposition: Disposition.Create).Dispose(); // from the first change on, room for metadata is kept back
        ulong free = client.QueryVolume().FreeSize;
        using (NtFile file = client.Create(@"\f", disposition: Disposition.Create, allocationSize: 3_000_001))
        {
            Assert.Equal(0ul, file.GetInfo().FileSize);
            Assert.InRange(file.GetInfo().AllocationSize, 3_000_001ul, 3_000_001ul + 8192);
            Assert.InRange(free - client.QueryVolume().FreeSize, 3_000_001ul, 3_000_001ul + 65536);
            file.Write(0, "abc"u8);
        }
        Assert.InRange(InfoOf(client, @"\f").AllocationSize, 1ul, 8192ul); // goes back with the last handle
        Assert.Throws<NtStatusException>(() => client.Create(@"\g", disposition: Disposition.Create, allocationSize: 1 << 30));
        Assert.False(client.Exists(@"\g"));
        Assert.Equal(NtStatus.DiskFull,
            Assert.Throws<NtStatusException>(() => client.Create(@"\f", disposition: Disposition.Overwrite, allocationSize: 1 << 30)).Status);
        using (NtFile file = client.Create(@"\f", disposition: Disposition.Overwrite, allocationSize: 100_000))
        {
            Assert.InRange(file.GetInfo().AllocationSize, 100_000ul, 110_000ul);
        }
        mount.Finish();
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Directories_and_files_are_told_apart(HostKind kind)
    {
        using var mount = new HostMount(kind);
        StandInClient client = mount.Client;
        client.MakeDirectory(@"\d");
        client.WriteAll(@"\f", "x"u8);
        Assert.Equal(NtStatus.NotADirectory, client.CreateStatus(@"\f", Access.Read, options: Options.Directory));
        Assert.Equal(NtStatus.FileIsADirectory, client.CreateStatus(@"\d", Access.Read, options: Options.NonDirectory));
        Assert.Equal(NtStatus.InvalidParameter, client.CreateStatus(@"\d", Access.Read, options: Options.Directory | Options.NonDirectory));
        Assert.Equal(NtStatus.FileIsADirectory, client.CreateStatus(@"\d", Access.Read, Disposition.OverwriteIf));
        Assert.Equal(NtStatus.FileIsADirectory, client.CreateStatus(@"\d", Access.Read, Disposition.Create, Options.NonDirectory));
        Assert.Equal(NtStatus.ObjectNameCollision, client.CreateStatus(@"\d", Access.Read, Disposition.Create, Options.Directory));
        Assert.Equal(NtStatus.ObjectNameCollision, client.CreateStatus(@"\f", Access.Read, Disposition.Create, Options.Directory));
        Assert.Equal(NtStatus.InvalidParameter, client.CreateStatus(@"\d", Access.Read, Disposition.OverwriteIf, Options.Directory));
        Assert.Equal(NtStatus.ObjectNameCollision, client.CreateStatus(@"\", Access.Read, Disposition.Create, Options.Directory));
        using (NtFile directory = client.Create(@"\D", Access.Read, Disposition.OpenIf, Options.Directory))
        {
            Assert.Equal(CreateResult.Opened, directory.Result);
        }

        // A backslash at the end means a directory.
        Assert.Equal(NtStatus.Success, client.CreateStatus(@"\d\", Access.Read));
        Assert.Equal(NtStatus.Success, client.CreateStatus(@"\d\new\", Access.Read, Disposition.Create, Options.Directory));
        Assert.Equal(NtStatus.NotADirectory, client.CreateStatus(@"\f\", Access.Read));
        Assert.Equal(NtStatus.ObjectNameInvalid, client.CreateStatus(@"\f\", Access.Read, options: Options.NonDirectory));
        Assert.Equal(NtStatus.ObjectNameInvalid, client.CreateStatus(@"\new\", Access.Read, Disposition.Create));
        Assert.Equal(["d", "f"], client.List(@"\").Select(i => i.Name).Where(n => n != "lost+found"));
        mount.Finish();
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Names_are_as_long_as_their_bytes_allow(HostKind kind)
    {
        using var mount = new HostMount(kind);
        StandInClient client = mount.Client;
        string[] longest =
        [
            new('a', 255), new string('é', 127) + "b", new('€', 85), string.Concat(Enumerable.Repeat("\U0001F600", 63)) + "abc",
            new string('c', 252) + "\uF02A", // '*' to the kernel, one byte there
        ];
        foreach (string name in longest)
        {
            client.WriteAll(@"\" + name, "x"u8);
            using NtFile file = client.Create(@"\" + name, Access.Read | Access.Delete, Disposition.Open);
            Assert.Equal(@"\" + name, file.GetName());
            Assert.Equal(NtStatus.ObjectNameInvalid, client.CreateStatus(@"\" + name + "xyz", disposition: Disposition.Create));
            Assert.Equal(NtStatus.ObjectNameInvalid, file.TryRename(@"\" + name + "xyz"));
        }
        Assert.Equal(NtStatus.ObjectNameInvalid, client.CreateStatus(@"\" + new string('a', 256), disposition: Disposition.Create));
        Assert.Equal(NtStatus.ObjectNameInvalid, client.CreateStatus(@"\" + new string('€', 86), disposition: Disposition.Create));
        Assert.Equal(NtStatus.ObjectNameInvalid, client.CreateStatus(@"\" + new string('ж', 200) + "x", Access.Read, Disposition.OpenIf, Options.Directory));
        mount.Finish();
        string[] kernel = mount.Image.WithKernel("ls -1 $M").TrimEnd('\n').Split('\n');
        Assert.Equal(longest.Select(n => n.Replace('\uF02A', '*')).Append("lost+found").Order(StringComparer.Ordinal), kernel.Order(StringComparer.Ordinal));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Paths_have_1023_units(HostKind kind)
    {
        using var mount = new HostMount(kind);
        StandInClient client = mount.Client;
        string path = "";
        for (int i = 0; i < 4; i++)
        {
            path += @"\" + new string((char)('a' + i), 200);
            client.MakeDirectory(path);
        }
        string file = path + @"\" + new string('f', 1023 - path.Length - 1);
        Assert.Equal(1023, file.Length);
        client.WriteAll(file, "deep"u8);
        Assert.Equal("deep"u8.ToArray(), client.ReadAll(file.ToUpperInvariant()));
        Assert.Equal(NtStatus.ObjectNameInvalid, client.CreateStatus(file + "f", disposition: Disposition.OpenIf));
        using (NtFile open = client.Create(file, Access.Delete, Disposition.Open))
        {
            Assert.Equal(file, open.GetName());
            Assert.Equal(NtStatus.ObjectNameInvalid, open.TryRename(file + "f"));
        }
        mount.Finish();
        Assert.Equal("deep", mount.Image.WithKernel("cat $M/aaa*/bbb*/ccc*/ddd*/fff*"));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Delete_on_close_deletes_with_the_last_handle(HostKind kind)
    {
        using var mount = new HostMount(kind);
        StandInClient client = mount.Client;
        Assert.Equal(NtStatus.InvalidParameter, client.CreateStatus(@"\f", Access.Read, Disposition.Create, Options.DeleteOnClose));
        client.Trace(true);
        NtFile deleter = client.Create(@"\f", Access.ReadWrite | Access.Delete, Disposition.Create, Options.DeleteOnClose);
        NtFile other = client.Create(@"\f", Access.Read, Disposition.Open);
        deleter.Write(0, "still here"u8);
        deleter.Dispose();
        Assert.Equal(NtStatus.DeletePending, client.CreateStatus(@"\f", Access.Read));
        Assert.Equal("still here"u8.ToArray(), other.ReadAll());
        other.Dispose();
        Assert.DoesNotContain(client.Trace(false), c => c.Slot is Slot.SetDelete or Slot.CanDelete);
        Assert.False(client.Exists(@"\f"));

        // A directory with names is not asked about either; it has to stay.
        client.MakeDirectory(@"\d");
        client.WriteAll(@"\d\f", "x"u8);
        client.Create(@"\d", Access.Delete, Disposition.Open, Options.Directory | Options.DeleteOnClose).Dispose();
        Assert.Equal("x"u8.ToArray(), client.ReadAll(@"\d\f"));
        client.Create(@"\e", Access.Delete, Disposition.Create, Options.Directory | Options.DeleteOnClose).Dispose();
        Assert.False(client.Exists(@"\e"));
        mount.Finish();
        Assert.Equal("d\n", mount.Image.WithKernel("ls $M | grep -v lost"));
    }

    private static WindowsFileInfo InfoOf(StandInClient client, string path)
    {
        using NtFile file = client.Create(path, Access.ReadAttributes, Disposition.Open);
        return file.GetInfo();
    }
}
