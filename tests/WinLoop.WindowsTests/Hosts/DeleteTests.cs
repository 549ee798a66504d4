using WinLoop.Mounting.Windows;
using WinLoop.TestKit;
using WinLoop.WindowsTests.StandIn.Client;

namespace WinLoop.WindowsTests.Hosts;

/// <summary>Deletes, of the groups "info" and "exec": who may, when the name goes, what goes on without it.</summary>
public sealed class DeleteTests
{
    private const uint ReadOnly = 0x1;
    private const DispositionFlags Delete = DispositionFlags.Delete, PosixDelete = DispositionFlags.Delete | DispositionFlags.Posix;

    public static TheoryData<HostKind> Kinds => [HostKind.Builtin, HostKind.Package];

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Deleting_needs_the_right_to(HostKind kind)
    {
        using var mount = new HostMount(kind);
        StandInClient client = mount.Client;
        client.WriteAll(@"\f", "x"u8);
        using (NtFile file = client.Create(@"\f", Access.ReadWrite, Disposition.Open))
        {
            Assert.Equal(NtStatus.AccessDenied, file.TrySetDisposition(Delete, extended: false));
            Assert.Equal(NtStatus.AccessDenied, file.TrySetDisposition(PosixDelete, extended: true));
        }
        using (NtFile root = client.Create(@"\", Access.Delete, Disposition.Open))
        {
            Assert.Equal(NtStatus.CannotDelete, root.TrySetDisposition(Delete, extended: false));
        }
        Assert.Equal("x"u8.ToArray(), client.ReadAll(@"\f"));
        using (NtFile file = client.Create(@"\f", Access.Delete, Disposition.Open))
        {
            Assert.Equal(NtStatus.Success, file.TrySetDisposition(Delete, extended: false));
        }
        Assert.False(client.Exists(@"\f"));
        Assert.Equal(NtStatus.ObjectNameNotFound, client.CreateStatus(@"\f", Access.Delete));
        mount.Finish();
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void A_pending_delete_refuses_opens_can_be_taken_back_and_ends_with_the_last_handle(HostKind kind)
    {
        using var mount = new HostMount(kind);
        StandInClient client = mount.Client;
        foreach (bool isDirectory in (bool[])[false, true])
        {
            Options options = isDirectory ? Options.Directory : Options.NonDirectory;
            client.Create(@"\f", Access.ReadAttributes, Disposition.Create, options).Dispose();
            NtFile deleter = client.Create(@"\f", Access.Delete, Disposition.Open, options), other = client.Create(@"\f", Access.Read, Disposition.Open, options);
            Assert.Equal(NtStatus.Success, deleter.TrySetDisposition(Delete, extended: false));
            Assert.Equal(NtStatus.DeletePending, client.CreateStatus(@"\F", Access.Read));
            Assert.Equal(NtStatus.DeletePending, client.CreateStatus(@"\f", disposition: Disposition.OpenIf));
            Assert.Equal(NtStatus.ObjectNameCollision, client.CreateStatus(@"\f", disposition: Disposition.Create));
            Assert.Equal(NtStatus.DeletePending, deleter.TryRename(@"\g"));
            Assert.Equal(NtStatus.Success, deleter.TrySetDisposition(DispositionFlags.None, extended: false));
            Assert.Equal(NtStatus.Success, client.CreateStatus(@"\f", Access.Read));
            Assert.Equal(NtStatus.Success, deleter.TrySetDisposition(Delete, extended: false));
            deleter.Dispose();
            Assert.Equal(NtStatus.DeletePending, client.CreateStatus(@"\f", Access.Read)); // "other" is open
            other.Dispose();
            Assert.Equal(NtStatus.ObjectNameNotFound, client.CreateStatus(@"\f", Access.Read));
        }
        mount.Finish();
        Assert.Equal("lost+found\n", mount.Image.WithKernel("ls $M"));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void A_posix_delete_frees_the_name_at_once_and_the_others_go_on(HostKind kind)
    {
        using var mount = new HostMount(kind);
        StandInClient client = mount.Client;
        byte[] old = RandomContent.NewRandom().Bytes(200_000);
        client.WriteAll(@"\f", old);
        ulong free = client.QueryVolume().FreeSize;
        NtFile other = client.Create(@"\f", disposition: Disposition.Open);
        client.Delete(@"\F");
        Assert.False(client.Exists(@"\f"));
        Assert.Equal(old, other.ReadAll());
        other.Write(200_000, old);
        Assert.Equal(400_000ul, other.GetInfo().FileSize);
        Assert.NotEqual(NtStatus.Success, other.TryRename(@"\back"));
        client.WriteAll(@"\f", "new"u8);
        client.WriteAll(@"\f2", "2"u8);
        Assert.Equal([.. old, .. old], other.ReadAll());
        other.Dispose();
        Assert.Equal("new"u8.ToArray(), client.ReadAll(@"\f"));
        Assert.Equal(NtStatus.Success, client.FlushVolume());
        Assert.InRange(client.QueryVolume().FreeSize, free + 150_000, ulong.MaxValue);
        mount.Finish();
        Assert.Equal("new2", mount.Image.WithKernel("cd $M; cat f f2"));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void A_readonly_file_is_deleted_only_if_that_is_to_be_ignored(HostKind kind)
    {
        using var mount = new HostMount(kind);
        StandInClient client = mount.Client;
        client.Create(@"\f", Access.ReadAttributes, Disposition.Create, attributes: ReadOnly).Dispose();
        client.Create(@"\d", Access.ReadAttributes, Disposition.Create, Options.Directory, attributes: ReadOnly).Dispose();
        client.WriteAll(@"\d\x", "x"u8);
        using (NtFile file = client.Create(@"\f", Access.Delete, Disposition.Open))
        {
            Assert.Equal(NtStatus.CannotDelete, file.TrySetDisposition(Delete, extended: false));
            Assert.Equal(NtStatus.CannotDelete, file.TrySetDisposition(PosixDelete, extended: true));
            Assert.Equal(NtStatus.CannotDelete, file.TrySetDisposition(Delete | DispositionFlags.IgnoreReadOnly, extended: false)); // no such flag there
            Assert.Equal(NtStatus.Success, file.TrySetDisposition(PosixDelete | DispositionFlags.IgnoreReadOnly, extended: true));
        }
        Assert.False(client.Exists(@"\f"));
        using (NtFile directory = client.Create(@"\d", Access.Delete, Disposition.Open, Options.Directory))
        {
            Assert.Equal(NtStatus.DirectoryNotEmpty, directory.TrySetDisposition(PosixDelete | DispositionFlags.IgnoreReadOnly, extended: true));
            client.Delete(@"\d\x");
            Assert.Equal(NtStatus.Success, directory.TrySetDisposition(PosixDelete | DispositionFlags.IgnoreReadOnly, extended: true));
        }
        Assert.False(client.Exists(@"\d"));
        mount.Finish();
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Directories_are_asked_about_files_are_not_and_one_that_fills_up_meanwhile_stays(HostKind kind)
    {
        using var mount = new HostMount(kind);
        StandInClient client = mount.Client;
        client.WriteAll(@"\f", "x"u8);
        client.MakeDirectory(@"\d");
        client.Trace(true);
        client.Delete(@"\f");
        Assert.DoesNotContain(client.Trace(true), c => c.Slot == Slot.SetDelete);
        using (NtFile directory = client.Create(@"\d", Access.Delete, Disposition.Open, Options.Directory))
        {
            Assert.Equal(NtStatus.Success, directory.TrySetDisposition(Delete, extended: false));
            Assert.Contains((Slot.SetDelete, NtStatus.Success), client.Trace(false));
            client.WriteAll(@"\d\late", "late"u8);
        }
        Assert.Equal("late"u8.ToArray(), client.ReadAll(@"\d\late"));
        mount.Finish();
        Assert.Equal("late", mount.Image.WithKernel("cat $M/d/late"));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void What_Linux_protects_stays(HostKind kind)
    {
        using TestImage image = TestImage.Make(16);
        image.WithKernel("cd $M; echo i > i; mkdir d; echo x > d/x; chattr +i i d");
        using var mount = new HostMount(kind, image: image);
        StandInClient client = mount.Client;
        using (NtFile directory = client.Create(@"\d", Access.Delete, Disposition.Open, Options.Directory))
        {
            Assert.Equal(NtStatus.CannotDelete, directory.TrySetDisposition(PosixDelete, extended: true));
            Assert.Equal(NtStatus.AccessDenied, directory.TryRename(@"\e"));
        }
        Assert.Equal(NtStatus.AccessDenied, client.CreateStatus(@"\d\new", disposition: Disposition.Create));
        Assert.Equal(NtStatus.AccessDenied, client.CreateStatus(@"\i", Access.Write));
        Assert.Equal(NtStatus.CannotDelete, client.CreateStatus(@"\i", Access.Delete, options: Options.DeleteOnClose));
        using (NtFile file = client.Create(@"\i", Access.Read | Access.WriteAttributes | Access.Delete, Disposition.Open))
        {
            Assert.Equal(ReadOnly | 0x20, file.GetInfo().FileAttributes);
            Assert.Equal(NtStatus.CannotDelete, file.TrySetDisposition(PosixDelete, extended: true));
            Assert.Equal(NtStatus.AccessDenied, file.SetBasic(0x80));
            Assert.Equal(NtStatus.AccessDenied, file.TryRename(@"\j"));
        }
        Assert.Equal(ReadOnly | 0x20, client.List(@"\", "i").Single().Info.FileAttributes);

        // The driver asks nobody about these two; the names stay all the same.
        using (NtFile file = client.Create(@"\i", Access.Delete, Disposition.Open))
        {
            file.TrySetDisposition(PosixDelete | DispositionFlags.IgnoreReadOnly, extended: true);
        }
        client.Delete(@"\d\x");
        Assert.True(client.Exists(@"\i") && client.Exists(@"\d\x"));
        mount.Finish();
        Assert.Equal("i\nx\n", mount.Image.WithKernel("cd $M; cat i d/x; chattr -i i d"));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void A_deleted_file_with_cached_data_takes_its_late_writes(HostKind kind)
    {
        using var mount = new HostMount(kind, fastCache: true);
        StandInClient client = mount.Client;
        client.SetLazyInterval(0);
        NtFile file = client.Create(@"\f", disposition: Disposition.Create), deleter = client.Create(@"\f", Access.Delete, Disposition.Open);
        file.Write(0, new byte[500_000]);
        deleter.SetDisposition(PosixDelete);
        deleter.Dispose();
        Assert.False(client.Exists(@"\f"));
        client.WriteAll(@"\f", "another"u8);
        file.Dispose();
        client.WriteLazily();
        Assert.Equal((0, 0), (client.GetStatistics().LostWrites, client.GetStatistics().DirtyPages));
        Assert.Equal("another"u8.ToArray(), client.ReadAll(@"\f"));
        mount.Finish();
        Assert.Equal("another", mount.Image.WithKernel("cat $M/f"));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void What_the_cache_keeps_of_a_file_is_not_seen_in_the_next_one_of_its_name(HostKind kind)
    {
        using var mount = new HostMount(kind, fastCache: true);
        StandInClient client = mount.Client;
        client.SetLazyInterval(0);
        client.WriteAll(@"\f", new byte[50_000].Select(_ => (byte)'o').ToArray());
        client.ReadAll(@"\f"); // stays in the cache, closed and not written back
        client.Delete(@"\f");
        using (NtFile file = client.Create(@"\f", disposition: Disposition.Create))
        {
            Assert.Equal(NtStatus.Success, file.SetEnd(60_000));
            Assert.Equal(new byte[60_000], file.ReadAll());
        }
        client.WriteAll(@"\g", "g"u8);
        client.Rename(@"\g", @"\f");
        Assert.Equal("g"u8.ToArray(), client.ReadAll(@"\f"));
        client.WriteLazily();
        mount.Finish();
        Assert.Equal("g", mount.Image.WithKernel("cat $M/f"));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void A_mapped_file_goes_on_when_it_is_renamed_replaced_or_deleted(HostKind kind)
    {
        using var mount = new HostMount(kind, fastCache: true);
        StandInClient client = mount.Client;
        client.SetLazyInterval(0);
        client.WriteAll(@"\f", "first"u8);
        client.WriteAll(@"\g", "other"u8);
        NtFile mapped = client.Create(@"\f", disposition: Disposition.Open);
        mapped.CleanupOnly();
        client.Rename(@"\f", @"\h");
        mapped.Write(0, "FIRST"u8);
        client.WriteLazily();
        Assert.Equal("FIRST"u8.ToArray(), client.ReadAll(@"\h"));
        client.Rename(@"\g", @"\h", RenameOptions.Replace);
        mapped.Write(0, "ghost"u8);
        Assert.Equal("ghost"u8.ToArray(), mapped.ReadAll());
        Assert.Equal("other"u8.ToArray(), client.ReadAll(@"\h"));
        client.WriteLazily();
        mapped.Dispose();
        Assert.Equal(0, client.GetStatistics().LostWrites);
        mount.Finish();
        Assert.Equal("other", mount.Image.WithKernel("cat $M/h; test ! -e f -a ! -e g"));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void What_is_open_when_the_mount_ends_is_deleted_if_it_was_opened_for_that(HostKind kind)
    {
        using var mount = new HostMount(kind);
        StandInClient client = mount.Client;
        client.WriteAll(@"\nameless", new byte[1 << 20]);
        NtFile[] left =
        [
            client.Create(@"\temporary", disposition: Disposition.Create, options: Options.DeleteOnClose),
            client.Create(@"\directory", Access.Delete, Disposition.Create, Options.Directory),
            client.Create(@"\stays", disposition: Disposition.Create, options: Options.WriteThrough),
            client.Create(@"\nameless", disposition: Disposition.Open),
        ];
        left[1].SetDisposition(Delete);
        left[2].Write(0, "x"u8);
        client.Delete(@"\nameless");
        mount.Host.Unmount(force: true);
        Assert.True(mount.Host.WaitForUnmount(), mount.Host.Failure?.ToString());
        Array.ForEach(left, f => f.Dispose());
        mount.Image.AssertClean();
        Assert.Equal("lost+found stays\nx", mount.Image.WithKernel("cd $M; echo $(ls); cat stays"));
    }
}
