using WinLoop.Mounting.Windows;
using WinLoop.WindowsTests.StandIn.Client;

namespace WinLoop.WindowsTests.Hosts;

/// <summary>Counterparts of winfsp-tests' "wsl" group: Linux' metadata as extended attributes, which are the inode itself.</summary>
public sealed class WslTests
{
    public static TheoryData<HostKind> Kinds => [HostKind.Builtin, HostKind.Package];

    private static uint Number(NtFile file, string name) => BitConverter.ToUInt32(EaBuffer.Parse(file.GetEa()).Single(e => e.Name == name).Value);

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Each_is_set_alone_later_and_read_back(HostKind kind)
    {
        using var mount = new HostMount(kind);
        StandInClient client = mount.Client;
        client.WriteAll(@"\file", "x"u8);
        client.MakeDirectory(@"\dir");
        using (NtFile file = client.Create(@"\file", disposition: Disposition.Open))
        {
            file.SetEa(new EaBuffer().Add("$LXUID", 4_000_000_000).ToArray()).ThrowIfFailed("uid");
            Assert.Equal((4_000_000_000, 0u, 0x81A4u), (Number(file, "$LXUID"), Number(file, "$LXGID"), Number(file, "$LXMOD")));
            file.SetEa(new EaBuffer().Add("$LXGID", 65534u).ToArray()).ThrowIfFailed("gid");
            Assert.Equal((4_000_000_000, 65534u, 0x81A4u), (Number(file, "$LXUID"), Number(file, "$LXGID"), Number(file, "$LXMOD")));
            // Without the type bits, and in another spelling.
            file.SetEa(new EaBuffer().Add("$lxmod", 0xDEDu).ToArray()).ThrowIfFailed("mode");
            Assert.Equal(0x8DEDu, Number(file, "$LXMOD"));
            Assert.Equal(0u, file.GetInfo().EaSize);
            // No write bit is READONLY, and back.
            file.SetEa(new EaBuffer().Add("$LXMOD", 0x8124u).ToArray()).ThrowIfFailed("read-only");
            Assert.Equal(1u, file.GetInfo().FileAttributes & 1);
            file.SetBasic(attributes: 0x80).ThrowIfFailed("normal");
            Assert.Equal(0x81A4u, Number(file, "$LXMOD"));
            file.SetEa(new EaBuffer().Add("$LXMOD", 0x8DEDu).ToArray()).ThrowIfFailed("mode");
        }
        using (NtFile dir = client.Create(@"\dir", Access.ReadWrite, Disposition.Open, Options.Directory))
        {
            dir.SetEa(new EaBuffer().Add("$LXUID", 12u).Add("$LXGID", 13u).Add("$LXMOD", 0x43FFu).ToArray()).ThrowIfFailed("dir");
        }
        mount.Finish();
        Assert.Equal("1777 12:13 directory\n6755 4000000000:65534 regular file\n", mount.Image.WithKernel("cd $M; stat -c '%a %u:%g %F' dir file"));
        Assert.Equal("", mount.Image.WithKernel("cd $M; getfattr -d -m '.*LX' dir file"));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void What_Linux_cannot_have_is_refused_and_changes_nothing(HostKind kind)
    {
        using var mount = new HostMount(kind);
        StandInClient client = mount.Client;
        client.WriteAll(@"\file", "x"u8);
        using (NtFile file = client.Create(@"\file", disposition: Disposition.Open))
        {
            foreach (byte[] list in (byte[][])
            [
                new EaBuffer().Add("$LXUID", [1]).ToArray(), new EaBuffer().Add("$LXUID", new byte[8]).ToArray(), new EaBuffer().Add("$LXUID", uint.MaxValue).ToArray(),
                new EaBuffer().Add("$LXMOD", 0x10000u).ToArray(), new EaBuffer().Add("$LXMOD", 0x41FFu).ToArray(), new EaBuffer().Add("$LXDEV", 1u).ToArray(),
                new EaBuffer().Add("$LXDEV", [0, 0x10, 0, 0, 0, 0, 0, 0]).ToArray(), new EaBuffer().Add("$LXGID", 5u).Add("$LXUID", [1, 2]).ToArray(),
                new EaBuffer().Add("GOOD", "x"u8).Add("$LXMOD", 0x10000u).ToArray(),
            ])
            {
                Assert.Equal(NtStatus.InvalidParameter, file.SetEa(list));
            }
            // Removing is no change: a file always has an owner. A device number is nothing to a file.
            Assert.Equal(NtStatus.Success, file.SetEa(new EaBuffer().Add("$LXUID", []).ToArray()));
            Assert.Equal(NtStatus.Success, file.SetEa(new EaBuffer().Add("$LXDEV", [1, 0, 0, 0, 3, 0, 0, 0]).ToArray()));
            Assert.Equal(["$LXUID", "$LXGID", "$LXMOD"], EaBuffer.Parse(file.GetEa()).Select(e => e.Name));
        }
        // At creation too; no file is left behind.
        Assert.Equal(NtStatus.InvalidParameter, Status(() => client.Create(@"\new", disposition: Disposition.Create, extra: new EaBuffer().Add("$LXMOD", 0x10000u).ToArray())));
        Assert.Equal(NtStatus.InvalidParameter, Status(() => client.Create(@"\new", disposition: Disposition.Create, extra: new EaBuffer().Add("$LXMOD", 0x2000u).ToArray())));
        Assert.False(client.Exists(@"\new"));
        mount.Finish();
        Assert.Equal("644 0:0\n", mount.Image.WithKernel("stat -c '%a %u:%g' $M/file"));

        static NtStatus Status(Func<NtFile> create)
        {
            try
            {
                create().Dispose();
                return NtStatus.Success;
            }
            catch (NtStatusException e)
            {
                return e.Status;
            }
        }
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Links_and_special_files_are_made_in_one_step(HostKind kind)
    {
        using var mount = new HostMount(kind);
        StandInClient client = mount.Client;
        client.WriteAll(@"\target", "content"u8);
        Make(@"\link", ReparseBuffer.MakeLxSymlink("target"u8));
        Make(@"\mklink", ReparseBuffer.MakeSymlink("target"));
        Make(@"\fifo", ReparseBuffer.Make(ReparseBuffer.LxFifo));
        Make(@"\socket", ReparseBuffer.Make(ReparseBuffer.AfUnix));
        Assert.Equal("content"u8.ToArray(), client.ReadAll(@"\link"));
        Assert.Equal("content"u8.ToArray(), client.ReadAll(@"\mklink"));
        using (NtFile link = client.Create(@"\link", Access.ReadWrite, Disposition.Open, Options.OpenReparsePoint))
        {
            link.SetEa(new EaBuffer().Add("$LXUID", 9u).Add("$LXMOD", 0xA1C0u).ToArray()).ThrowIfFailed("owner of a link");
            Assert.Equal((9u, 0xA1FFu), (Number(link, "$LXUID"), Number(link, "$LXMOD"))); // a link's mode is what it is
        }
        mount.Finish();
        Assert.Equal("0:0 fifo\n9:0 symbolic link\n0:0 symbolic link\n0:0 socket\n", mount.Image.WithKernel("cd $M; stat -c '%u:%g %F' fifo link mklink socket"));

        void Make(string path, byte[] data) =>
            client.Create(path, disposition: Disposition.Create, options: Options.OpenReparsePoint, extra: data, extraIsReparsePoint: true).Dispose();
    }
}
