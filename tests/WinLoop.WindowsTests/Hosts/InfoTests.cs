using WinLoop.Mounting.Windows;
using WinLoop.TestKit;
using WinLoop.WindowsTests.StandIn.Client;

namespace WinLoop.WindowsTests.Hosts;

/// <summary>The group "info": times, sizes, names, the volume. Deletes are in <see cref="DeleteTests"/>, renames in
/// <see cref="RenameTests"/>.</summary>
public sealed class InfoTests
{
    private const uint ReadOnly = 0x1, Hidden = 0x2, Directory = 0x10, Archive = 0x20, Normal = 0x80;
    private const ulong Never = ulong.MaxValue, Again = ulong.MaxValue - 1; // -1 and -2 of FILE_BASIC_INFORMATION

    public static TheoryData<HostKind> Kinds => [HostKind.Builtin, HostKind.Package];

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Times_are_set_one_by_one_and_the_kernel_sees_them(HostKind kind)
    {
        using var mount = new HostMount(kind);
        StandInClient client = mount.Client;
        client.WriteAll(@"\f", "x"u8);
        client.MakeDirectory(@"\d");
        ulong creation = Time(1980, 1), access = Time(2001, 2), write = Time(2040, 3);
        foreach (string path in (string[])[@"\f", @"\d"])
        {
            Options options = path == @"\d" ? Options.Directory : Options.NonDirectory;
            using NtFile file = client.Create(path, Access.ReadAttributes | Access.WriteAttributes, Disposition.Open, options);
            WindowsFileInfo before = file.GetInfo();
            Assert.Equal(NtStatus.Success, file.SetBasic(creation: creation));
            Assert.Equal((creation, before.LastAccessTime, before.LastWriteTime), Times(file));
            Assert.Equal(NtStatus.Success, file.SetBasic(access: access, creation: Again));
            Assert.Equal((creation, access, before.LastWriteTime), Times(file));
            Assert.Equal(NtStatus.Success, file.SetBasic(write: write, access: Never));
            Assert.Equal((creation, access, write), Times(file));
            Assert.Equal(NtStatus.Success, file.SetBasic(change: Time(2030, 4)));
            Assert.Equal(Time(2030, 4), file.GetInfo().ChangeTime);
            Assert.Equal(NtStatus.InvalidParameter, file.SetBasic(write: ulong.MaxValue - 2));
        }
        using (NtFile file = client.Create(@"\f", Access.ReadAttributes, Disposition.Open))
        {
            Assert.Equal(NtStatus.AccessDenied, file.SetBasic(write: Time(2000, 1)));
        }
        mount.Finish();
        using var again = new HostMount(kind, image: mount.Image);
        foreach (string path in (string[])[@"\f", @"\d"])
        {
            using NtFile file = again.Client.Create(path, Access.ReadAttributes, Disposition.Open);
            Assert.Equal((creation, access, write), Times(file));
        }
        again.Finish();
        const string Expected = "1980-01-02 03:04:05.678912300|2001-02-02 03:04:05.678912300|2040-03-02 03:04:05.678912300\n";
        Assert.Equal(Expected + Expected, again.Image.WithKernel("cd $M; TZ=UTC stat -c '%w|%x|%y' f d | sed 's/ +0000//g'"));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Small_inodes_keep_whole_seconds_and_a_creation_time_beside(HostKind kind)
    {
        using TestImage image = TestImage.Make(16, "-I 128");
        using var mount = new HostMount(kind, image: image);
        ulong creation = Time(1985, 1), second = Time(2005, 1) / 10_000_000 * 10_000_000;
        using (NtFile file = mount.Client.Create(@"\f", disposition: Disposition.Create))
        {
            Assert.Equal(NtStatus.Success, file.SetBasic(creation: creation, access: Time(2005, 1), write: Time(2005, 1)));
            Assert.Equal((creation, second, second), Times(file));
        }
        mount.Finish();
        using var again = new HostMount(kind, image: image);
        using (NtFile file = again.Client.Create(@"\f", Access.ReadAttributes, Disposition.Open))
        {
            Assert.Equal((creation, second, second), Times(file));
        }
        again.Finish();
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void A_time_that_a_program_sets_survives_what_it_writes_then(HostKind kind)
    {
        using var mount = new HostMount(kind);
        StandInClient client = mount.Client;
        foreach (Options options in (Options[])[Options.NonDirectory, Options.NonDirectory | Options.NoBuffering, Options.NonDirectory | Options.WriteThrough])
        {
            string path = $@"\f{(uint)options:x}";
            client.WriteAll(path, new byte[8192]);
            using (NtFile file = client.Create(path, Access.ReadWrite, Disposition.Open, options))
            {
                file.Write(0, new byte[512]);
                Assert.Equal(NtStatus.Success, file.SetBasic(write: Time(1999, 5)));
                file.Write(4096, new byte[8192]);
                Assert.Equal(NtStatus.Success, file.SetEnd(20_000));
            }
            using (NtFile file = client.Create(path, Access.ReadWrite, Disposition.Open, options))
            {
                Assert.Equal((Time(1999, 5), 20_000ul), (file.GetInfo().LastWriteTime, file.GetInfo().FileSize));
                file.Write(0, new byte[512]); // another open: times are automatic again
            }
            using NtFile last = client.Create(path, Access.ReadAttributes, Disposition.Open);
            Assert.True(last.GetInfo().LastWriteTime > Time(2020, 1));
        }
        mount.Finish();
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Attributes_change_and_zero_keeps_them(HostKind kind)
    {
        using var mount = new HostMount(kind);
        StandInClient client = mount.Client;
        using (NtFile file = client.Create(@"\f", disposition: Disposition.Create))
        {
            (uint Set, uint Seen)[] steps = [(Hidden, Hidden), (0, Hidden), (Normal, Normal), (ReadOnly | Archive, ReadOnly | Archive), (ReadOnly | Normal, ReadOnly), (Normal, Normal), (Archive, Archive)];
            foreach ((uint set, uint seen) in steps)
            {
                Assert.Equal(NtStatus.Success, file.SetBasic(set));
                Assert.Equal(seen, file.GetInfo().FileAttributes);
            }
            Assert.Equal(NtStatus.InvalidParameter, file.SetBasic(Directory));
            Assert.Equal(NtStatus.Success, file.SetBasic(Normal));
            file.Write(0, "x"u8);
        }
        using (NtFile file = client.Create(@"\f", Access.ReadAttributes, Disposition.Open))
        {
            Assert.Equal(Archive, file.GetInfo().FileAttributes); // Cleanup sets it after a write
        }
        using (NtFile directory = client.Create(@"\d", Access.ReadAttributes | Access.WriteAttributes, Disposition.Create, Options.Directory))
        {
            Assert.Equal(NtStatus.Success, directory.SetBasic(Hidden));
            Assert.Equal(Hidden | Directory, directory.GetInfo().FileAttributes);
            Assert.Equal(NtStatus.Success, directory.SetBasic(Normal));
            Assert.Equal(Directory, directory.GetInfo().FileAttributes);
        }
        mount.Finish();
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void The_end_of_a_file_moves_and_what_is_new_is_zero(HostKind kind)
    {
        using var mount = new HostMount(kind);
        StandInClient client = mount.Client;
        byte[] content = RandomContent.NewRandom().Bytes(10_000);
        client.WriteAll(@"\f", content);
        client.MakeDirectory(@"\d");
        using (NtFile file = client.Create(@"\f", Access.ReadWrite, Disposition.Open), reader = client.Create(@"\f", Access.Read, Disposition.Open))
        {
            Assert.Equal(NtStatus.Success, file.SetEnd(5_001));
            Assert.Equal(content[..5_001], reader.ReadAll());
            Assert.Equal(NtStatus.Success, file.SetEnd(300_000));
            Assert.Equal([.. content[..5_001], .. new byte[294_999]], reader.ReadAll());
            Assert.Equal(300_000ul, reader.GetInfo().FileSize);
            Assert.Equal(NtStatus.AccessDenied, reader.SetEnd(0));
            Assert.Equal(NtStatus.AccessDenied, reader.SetAllocation(0));
            Assert.Equal(NtStatus.InvalidParameter, file.SetEnd(ulong.MaxValue));
            Assert.Equal(NtStatus.DiskFull, file.SetEnd(1ul << 50));
            Assert.Equal(300_000ul, file.GetInfo().FileSize);
            using NtFile directory = client.Create(@"\d", Access.Read | Access.WriteData, Disposition.Open, Options.Directory);
            Assert.Equal(NtStatus.InvalidParameter, directory.SetEnd(0));
        }
        mount.Finish();
        Assert.Equal(RandomContent.Sum([.. content[..5_001], .. new byte[294_999]]) + "  f\n", mount.Image.WithKernel("cd $M; sha256sum f"));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void An_allocation_size_reserves_above_the_end_and_cuts_below_it(HostKind kind)
    {
        using var mount = new HostMount(kind);
        StandInClient client = mount.Client;
        client.WriteAll(@"\f", new byte[10_000]);
        using (NtFile file = client.Create(@"\f", Access.ReadWrite, Disposition.Open))
        {
            Assert.Equal(NtStatus.Success, file.SetAllocation(1_000_000));
            WindowsFileInfo info = file.GetInfo();
            Assert.Equal(10_000ul, info.FileSize);
            Assert.InRange(info.AllocationSize, 1_000_000ul, 1_010_000ul);
            Assert.Equal(NtStatus.DiskFull, file.SetAllocation(1ul << 40));
            Assert.Equal(10_000ul, file.GetInfo().FileSize);
            Assert.Equal(NtStatus.Success, file.SetAllocation(4096));
            Assert.Equal((4096ul, 4096ul), (file.GetInfo().FileSize, file.GetInfo().AllocationSize));
            Assert.Equal(NtStatus.Success, file.SetAllocation(500_000));
        }
        using (NtFile file = client.Create(@"\f", Access.ReadAttributes, Disposition.Open))
        {
            Assert.Equal((4096ul, 4096ul), (file.GetInfo().FileSize, file.GetInfo().AllocationSize));
        }
        mount.Finish();
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void A_name_is_told_as_it_is_on_disk(HostKind kind)
    {
        using var mount = new HostMount(kind);
        StandInClient client = mount.Client;
        client.MakeDirectory(@"\Ordner ÄÖ");
        client.WriteAll(@"\ORDNER äö\Datei.TXT", "x"u8);
        using (NtFile file = client.Create(@"\ordner äÖ\dATEI.txt", Access.ReadAttributes, Disposition.Open))
        {
            Assert.Equal(@"\Ordner ÄÖ\Datei.TXT", file.GetName());
        }
        using (NtFile root = client.Create(@"\", Access.ReadAttributes, Disposition.Open))
        {
            Assert.Equal(@"\", root.GetName());
            Assert.Equal(2ul, root.GetInfo().IndexNumber);
            Assert.Equal(Directory, root.GetInfo().FileAttributes);
        }
        mount.Finish();
        Assert.Equal("Ordner ÄÖ/Datei.TXT\n", mount.Image.WithKernel("cd $M; ls -d O*/*"));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Names_that_differ_in_case_are_different_on_a_case_sensitive_mount(HostKind kind)
    {
        using var mount = new HostMount(kind, new WindowsOptions { Acl = AclMode.Everyone, CaseSensitive = true });
        StandInClient client = mount.Client;
        client.WriteAll(@"\Name", "upper"u8);
        client.WriteAll(@"\name", "lower"u8);
        Assert.False(client.Exists(@"\NAME"));
        Assert.Equal("upper"u8.ToArray(), client.ReadAll(@"\Name"));
        Assert.Equal("lower"u8.ToArray(), client.ReadAll(@"\name"));
        using (NtFile file = client.Create(@"\name", Access.Delete, Disposition.Open))
        {
            Assert.Equal(NtStatus.ObjectNameCollision, file.TryRename(@"\Name"));
            Assert.Equal(NtStatus.Success, file.TryRename(@"\NAME"));
            Assert.Equal(@"\NAME", file.GetName());
        }
        mount.Finish();
        Assert.Equal("upperlower", mount.Image.WithKernel("cat $M/Name $M/NAME"));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void The_volume_tells_its_size_and_takes_a_label(HostKind kind)
    {
        using TestImage image = TestImage.Make(64, "-L before -m 0");
        using var mount = new HostMount(kind, image: image);
        StandInClient client = mount.Client;
        client.Create(@"\f", disposition: Disposition.Create).Dispose();
        VolumeAnswer volume = client.QueryVolume();
        Assert.Equal("before", volume.Label);
        Assert.Equal(512, volume.SectorSize);
        Assert.InRange(volume.TotalSize, 50ul << 20, 64ul << 20);
        Assert.InRange(volume.FreeSize, 40ul << 20, volume.TotalSize);
        client.WriteAll(@"\f", new byte[10 << 20]);
        Assert.InRange(volume.FreeSize - client.QueryVolume().FreeSize, 10ul << 20, (10ul << 20) + 65536);
        client.Delete(@"\f");
        Assert.Equal(NtStatus.Success, client.FlushVolume()); // freed blocks are free after the commit
        Assert.InRange(client.QueryVolume().FreeSize, volume.FreeSize, volume.FreeSize + 65536);

        Assert.Equal(NtStatus.InvalidVolumeLabel, client.SetLabel("seventeen letters"));
        Assert.Equal(NtStatus.InvalidVolumeLabel, client.SetLabel("neun Zeichen ÄÖÜ"));
        Assert.Equal(NtStatus.InvalidParameter, client.SetLabel(new string('x', 33)));
        Assert.Equal("before", client.QueryVolume().Label);
        Assert.Equal(NtStatus.Success, client.SetLabel("Größe 16 Bytes"));
        Assert.Equal("Größe 16 Bytes", client.QueryVolume().Label);
        mount.Finish();
        Assert.Equal("Größe 16 Bytes\n", Shell.Script($"e2label {image.Path}"));
        using var again = new HostMount(kind, image: image);
        Assert.Equal(("Größe 16 Bytes", volume.SerialNumber, volume.CreationTime),
            (again.Client.QueryVolume().Label, again.Client.QueryVolume().SerialNumber, again.Client.QueryVolume().CreationTime));
        Assert.Equal(NtStatus.Success, again.Client.SetLabel(""));
        Assert.Equal("", again.Client.QueryVolume().Label);
        again.Finish();
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Two_names_of_one_file_are_not_cached_and_show_the_same(HostKind kind)
    {
        using TestImage image = TestImage.Make(16);
        image.WithKernel("cd $M; echo one > a; ln a b; echo single > c");
        using var mount = new HostMount(kind, image: image);
        StandInClient client = mount.Client;
        using (NtFile a = client.Create(@"\a", disposition: Disposition.Open), b = client.Create(@"\b", disposition: Disposition.Open), c = client.Create(@"\c", disposition: Disposition.Open))
        {
            Assert.Equal((false, false, true), (a.IsCached, b.IsCached, c.IsCached));
            Assert.Equal(a.GetInfo().IndexNumber, b.GetInfo().IndexNumber);
            Assert.Equal("one\n"u8.ToArray(), b.ReadAll());
            a.Write(0, "two, by a"u8);
            Assert.Equal("two, by a"u8.ToArray(), b.ReadAll());
            b.Write(0, "TWO"u8);
            Assert.Equal("TWO, by a"u8.ToArray(), a.ReadAll());
        }
        client.Delete(@"\a");
        Assert.Equal("TWO, by a"u8.ToArray(), client.ReadAll(@"\b"));
        using (NtFile b = client.Create(@"\b", disposition: Disposition.Open))
        {
            Assert.True(b.IsCached); // one name is left
        }
        mount.Finish();
        Assert.Equal("1 b 1 c\n", mount.Image.WithKernel("cd $M; echo $(stat -c '%h %n' b c)"));
    }

    private static (ulong Creation, ulong Access, ulong Write) Times(NtFile file) =>
        (file.GetInfo().CreationTime, file.GetInfo().LastAccessTime, file.GetInfo().LastWriteTime);

    // 100 ns since 1601.
    private static ulong Time(int year, int month) =>
        (ulong)(new DateTime(year, month, 2, 3, 4, 5, DateTimeKind.Utc).AddTicks(6_789_123).ToFileTimeUtc());
}
