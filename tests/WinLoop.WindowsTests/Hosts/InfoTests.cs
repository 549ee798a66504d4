using WinLoop.Mounting.Windows;
using WinLoop.WindowsTests.StandIn.Client;

namespace WinLoop.WindowsTests.Hosts;

/// <summary>Counterparts of winfsp-tests' "info" and "exec" groups without renames: attributes, times, sizes, names, and when a
/// deletion takes effect.</summary>
public sealed class InfoTests
{
    public static TheoryData<HostKind> Kinds => [HostKind.Builtin, HostKind.Package];

    private const uint ReadOnly = 1, Hidden = 2, Archive = 0x20, Normal = 0x80;
    private const ulong Keep = 0, LeaveAlone = ulong.MaxValue;
    private const ulong Time2001 = 126_227_808_001_234_567;

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Times_are_set_to_100_ns_and_kept_where_the_program_says_so(HostKind kind)
    {
        using var mount = new HostMount(kind, mkfs: "-I 256");
        StandInClient client = mount.Client;
        using (NtFile file = client.Create(@"\times", disposition: Disposition.Create))
        {
            file.SetBasic(creation: Time2001, access: Time2001 + 1, write: Time2001 + 2).ThrowIfFailed("set");
            WindowsFileInfo info = file.GetInfo();
            Assert.Equal((Time2001, Time2001 + 1, Time2001 + 2), (info.CreationTime, info.LastAccessTime, info.LastWriteTime));
            // 0 keeps, and a time once set is left alone by writes through the same open.
            file.SetBasic(access: Time2001 + 10).ThrowIfFailed("set");
            file.Write(0, "written after"u8);
            Assert.Equal((Time2001, Time2001 + 10, Time2001 + 2), Three(file));
        }
        Assert.Equal(Time2001 + 2, client.List(@"\", "times")[0].Info.LastWriteTime);
        using (NtFile file = client.Create(@"\times", Access.ReadWrite, Disposition.Open))
        {
            file.SetBasic(write: LeaveAlone).ThrowIfFailed("set");
            file.Write(0, "x"u8);
        }
        Assert.Equal(Time2001 + 2, client.List(@"\", "times")[0].Info.LastWriteTime);
        using (NtFile file = client.Create(@"\times", Access.ReadWrite, Disposition.Open))
        {
            file.Write(0, "y"u8);
        }
        ulong now = (ulong)DateTime.UtcNow.ToFileTimeUtc(), written = client.List(@"\", "times")[0].Info.LastWriteTime;
        Assert.InRange(written, now - 600_000_000, now + 10_000_000);
        using (NtFile file = client.Create(@"\times", Access.WriteAttributes, Disposition.Open))
        {
            // Before 1901 and after 2446 ext4 has no time: clamped or refused, never wrapped.
            NtStatus status = file.SetBasic(write: 1);
            ulong stored = file.GetInfo().LastWriteTime;
            Assert.True(status != NtStatus.Success ? stored == written : stored < Time2001, $"{status} {stored}");
            file.SetBasic(write: Time2001 + 3).ThrowIfFailed("set");
        }
        mount.Finish();
        Assert.Equal("978307200.1234570\n", mount.Image.WithKernel("stat -c %.7Y $M/times"));

        static (ulong, ulong, ulong) Three(NtFile file)
        {
            WindowsFileInfo info = file.GetInfo();
            return (info.CreationTime, info.LastAccessTime, info.LastWriteTime);
        }
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Attributes_are_set_cleared_and_survive_a_new_mount(HostKind kind)
    {
        using TestKit.TestImage image = TestKit.TestImage.Make(32);
        using (var mount = new HostMount(kind, image: image))
        {
            using NtFile file = mount.Client.Create(@"\attributes", disposition: Disposition.Create);
            foreach (uint attributes in (uint[])[ReadOnly, Hidden | Archive, ReadOnly | Hidden, Archive])
            {
                file.SetBasic(attributes).ThrowIfFailed("set");
                Assert.Equal(attributes, file.GetInfo().FileAttributes);
            }
            file.SetBasic(Normal).ThrowIfFailed("set");
            Assert.Equal(Normal, file.GetInfo().FileAttributes);
            file.SetBasic(Hidden).ThrowIfFailed("set");
            file.SetBasic(0).ThrowIfFailed("keep");
            Assert.Equal(Hidden, file.GetInfo().FileAttributes);
            Assert.Equal(NtStatus.InvalidParameter, file.SetBasic(0x10));
            file.Dispose();
            mount.Finish();
            mount.Host.Dispose();
            using var again = new HostMount(kind, image: image);
            Assert.Equal(Hidden, again.Client.List(@"\", "attributes")[0].Info.FileAttributes);
            again.Finish();
        }
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Sizes_and_allocation(HostKind kind)
    {
        using var mount = new HostMount(kind);
        StandInClient client = mount.Client;
        using (NtFile file = client.Create(@"\sized", disposition: Disposition.Create))
        {
            file.Write(0, new byte[10_000]);
            file.SetEnd(5000).ThrowIfFailed("shrink");
            Assert.Equal(5000ul, file.GetInfo().FileSize);
            file.SetEnd(20_000).ThrowIfFailed("grow");
            byte[] content = file.ReadAll();
            Assert.Equal(20_000, content.Length);
            Assert.False(content.AsSpan().ContainsAnyExcept((byte)0));
            file.SetAllocation(1 << 20).ThrowIfFailed("reserve");
            Assert.Equal(20_000ul, file.GetInfo().FileSize);
            Assert.True(file.GetInfo().AllocationSize >= 1 << 20);
            file.SetAllocation(4096).ThrowIfFailed("cut by allocation");
            Assert.Equal(4096ul, file.GetInfo().FileSize);
            Assert.Equal(NtStatus.DiskFull, file.SetEnd(1ul << 40));
            Assert.Equal(4096ul, file.GetInfo().FileSize);
        }
        using (NtFile reader = client.Create(@"\sized", Access.Read, Disposition.Open))
        {
            Assert.Equal(NtStatus.AccessDenied, reader.SetEnd(0));
        }
        mount.Finish();
        Assert.Equal("4096\n", mount.Image.WithKernel("stat -c %s $M/sized"));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void A_file_of_several_names_tells_so_by_not_being_cached(HostKind kind)
    {
        using TestKit.TestImage image = TestKit.TestImage.Make(32);
        image.WithKernel("cd $M; echo linked > one; ln one two; echo single > three");
        using var mount = new HostMount(kind, fastCache: true, image: image);
        StandInClient client = mount.Client;
        using NtFile one = client.Create(@"\one", Access.ReadWrite, Disposition.Open), two = client.Create(@"\two", Access.ReadWrite, Disposition.Open),
            three = client.Create(@"\three", Access.ReadWrite, Disposition.Open);
        Assert.False(one.IsCached);
        Assert.False(two.IsCached);
        Assert.True(three.IsCached);
        Assert.Equal(one.GetInfo().IndexNumber, two.GetInfo().IndexNumber);
        Assert.NotEqual(one.GetInfo().IndexNumber, three.GetInfo().IndexNumber);
        one.Write(0, "LINKED"u8);
        Assert.Equal("LINKED\n"u8.ToArray(), two.ReadAll());
        one.Dispose();
        client.Delete(@"\one");
        Assert.Equal("LINKED\n"u8.ToArray(), two.ReadAll());
        two.Dispose();
        three.Dispose();
        mount.Finish();
        Assert.Equal("LINKED\n1\n", image.WithKernel("cat $M/two; stat -c %h $M/two"));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Deletion_without_posix_takes_effect_at_the_last_close(HostKind kind)
    {
        using var mount = new HostMount(kind);
        StandInClient client = mount.Client;
        client.WriteAll(@"\file", "x"u8);
        using (NtFile other = client.Create(@"\file", Access.Read, Disposition.Open))
        {
            using (NtFile file = client.Create(@"\file", Access.Delete, Disposition.Open))
            {
                file.TrySetDisposition(DispositionFlags.Delete, extended: false).ThrowIfFailed("delete");
                Assert.Equal(NtStatus.DeletePending, client.CreateStatus(@"\file", Access.Read));
                // And taken back.
                file.TrySetDisposition(DispositionFlags.None, extended: false).ThrowIfFailed("keep");
                Assert.Equal(NtStatus.Success, client.CreateStatus(@"\file", Access.Read));
                file.TrySetDisposition(DispositionFlags.Delete, extended: false).ThrowIfFailed("delete");
            }
            Assert.Equal(NtStatus.DeletePending, client.CreateStatus(@"\file", Access.Read));
            // The file system, which is asked first, still has the name.
            Assert.Equal(NtStatus.ObjectNameCollision, client.CreateStatus(@"\file", disposition: Disposition.Create));
            Assert.Equal("x"u8.ToArray(), other.ReadAll());
        }
        Assert.Equal(NtStatus.ObjectNameNotFound, client.CreateStatus(@"\file", Access.Read));
        using (NtFile file = client.Create(@"\file", Access.Read, Disposition.Create))
        {
            Assert.Equal(NtStatus.AccessDenied, file.TrySetDisposition(DispositionFlags.Delete, extended: false));
        }
        mount.Finish();
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Posix_deletion_takes_effect_at_once_and_read_only_counts_unless_told(HostKind kind)
    {
        using var mount = new HostMount(kind);
        StandInClient client = mount.Client;
        client.WriteAll(@"\file", "old"u8);
        using (NtFile reader = client.Create(@"\file", Access.ReadWrite, Disposition.Open))
        {
            using (NtFile file = client.Create(@"\file", Access.Delete, Disposition.Open))
            {
                file.SetDisposition(DispositionFlags.Delete | DispositionFlags.Posix);
            }
            Assert.Equal(NtStatus.ObjectNameNotFound, client.CreateStatus(@"\file", Access.Read));
            client.WriteAll(@"\file", "new"u8);
            reader.Write(0, "OLD"u8);
            Assert.Equal("OLD"u8.ToArray(), reader.ReadAll());
            Assert.Equal(3ul, reader.GetInfo().FileSize);
        }
        Assert.Equal("new"u8.ToArray(), client.ReadAll(@"\file"));
        client.Create(@"\protected", disposition: Disposition.Create, attributes: ReadOnly).Dispose();
        using (NtFile file = client.Create(@"\protected", Access.Delete, Disposition.Open))
        {
            Assert.Equal(NtStatus.CannotDelete, file.TrySetDisposition(DispositionFlags.Delete, extended: false));
            Assert.Equal(NtStatus.CannotDelete, file.TrySetDisposition(DispositionFlags.Delete | DispositionFlags.Posix, extended: true));
            Assert.Equal(NtStatus.Success, file.TrySetDisposition(DispositionFlags.Delete | DispositionFlags.Posix | DispositionFlags.IgnoreReadOnly, extended: true));
        }
        Assert.False(client.Exists(@"\protected"));
        using (NtFile root = client.Create(@"\", Access.Read | Access.Delete, Disposition.Open, Options.Directory))
        {
            Assert.Equal(NtStatus.CannotDelete, root.TrySetDisposition(DispositionFlags.Delete, extended: false));
        }
        mount.Finish();
        Assert.Equal("new", mount.Image.WithKernel("cat $M/file"));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void A_full_directory_is_refused_and_an_empty_one_goes(HostKind kind)
    {
        using var mount = new HostMount(kind);
        StandInClient client = mount.Client;
        client.MakeDirectory(@"\folder");
        client.WriteAll(@"\folder\file", "x"u8);
        using (NtFile folder = client.Create(@"\folder", Access.Delete | Access.Read, Disposition.Open, Options.Directory))
        {
            Assert.Equal(NtStatus.DirectoryNotEmpty, folder.TrySetDisposition(DispositionFlags.Delete, extended: false));
            client.Delete(@"\folder\file");
            folder.TrySetDisposition(DispositionFlags.Delete, extended: false).ThrowIfFailed("delete");
            // A program holds it: nothing can be made in it any more, or it stays.
            NtStatus made = client.CreateStatus(@"\folder\late", disposition: Disposition.Create);
            folder.Dispose();
            Assert.Equal(made == NtStatus.Success, client.Exists(@"\folder"));
        }
        mount.Finish();
    }
}
