using WinLoop.Mounting.Windows;
using WinLoop.WindowsTests.StandIn.Client;

namespace WinLoop.WindowsTests.Hosts;

/// <summary>Counterparts of winfsp-tests' "reparse" and "wsl" groups: links and special files, both ways.</summary>
public sealed class ReparseTests
{
    public static TheoryData<HostKind> Kinds => [HostKind.Builtin, HostKind.Package];

    private const uint ReparseAttribute = 0x400, DirectoryAttribute = 0x10;

    // As mklink does it: an empty file or directory, and the data.
    private static NtStatus MakeLink(StandInClient client, string path, byte[] data, bool isDirectory = false)
    {
        using NtFile file = client.Create(path, disposition: Disposition.Create, options: isDirectory ? Options.Directory : Options.NonDirectory);
        NtStatus status = file.SetReparsePoint(data);
        if (status != NtStatus.Success)
        {
            file.SetDisposition(DispositionFlags.Delete);
        }
        return status;
    }

    private static (string, bool) ReadLink(StandInClient client, string path)
    {
        using NtFile link = client.Create(path, Access.Read, Disposition.Open, Options.OpenReparsePoint);
        (NtStatus status, byte[] data) = link.GetReparsePoint();
        Assert.Equal(NtStatus.Success, status);
        return ReparseBuffer.ReadSymlink(data);
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Links_made_here_are_links_on_Linux_and_lead_where_they_say(HostKind kind)
    {
        using var mount = new HostMount(kind);
        StandInClient client = mount.Client;
        client.MakeDirectory(@"\dir");
        client.MakeDirectory(@"\dir\sub");
        client.WriteAll(@"\dir\file", "content"u8);
        Assert.Equal(NtStatus.Success, MakeLink(client, @"\relative", ReparseBuffer.MakeSymlink(@"dir\file")));
        Assert.Equal(NtStatus.Success, MakeLink(client, @"\dir\sub\up", ReparseBuffer.MakeSymlink(@"..\..\dir\file")));
        Assert.Equal(NtStatus.Success, MakeLink(client, @"\absolute", ReparseBuffer.MakeSymlink(@"\dir\file")));
        Assert.Equal(NtStatus.Success, MakeLink(client, @"\todir", ReparseBuffer.MakeSymlink("dir"), isDirectory: true));
        Assert.Equal(NtStatus.Success, MakeLink(client, @"\wsl", ReparseBuffer.MakeLxSymlink("dir/file"u8)));
        Assert.Equal(NtStatus.Success, MakeLink(client, @"\outside", ReparseBuffer.MakeSymlink(@"\??\C:\Windows", isRelative: false)));
        foreach (string path in (string[])[@"\relative", @"\dir\sub\up", @"\absolute", @"\wsl", @"\todir\file", @"\todir\sub\up"])
        {
            Assert.Equal("content"u8.ToArray(), client.ReadAll(path));
        }
        Assert.Equal((@"dir\file", true), ReadLink(client, @"\relative"));
        Assert.Equal((@"\dir\file", true), ReadLink(client, @"\absolute"));
        Assert.Equal((@"\??\C:\Windows", false), ReadLink(client, @"\outside"));
        Assert.Equal(ReparseAttribute | DirectoryAttribute, client.List(@"\", "todir")[0].Info.FileAttributes);
        Assert.Equal(ReparseAttribute, client.List(@"\", "relative")[0].Info.FileAttributes);
        // Writing through a link writes its target; deleting it leaves the target.
        client.WriteAll(@"\relative", "changed"u8);
        client.Delete(@"\relative");
        client.Delete(@"\todir");
        Assert.Equal("changed"u8.ToArray(), client.ReadAll(@"\dir\file"));
        mount.Finish();
        Assert.Equal("/dir/file\n/??/C:/Windows\ndir/file\n../../dir/file\n", mount.Image.WithKernel("cd $M; readlink absolute outside wsl dir/sub/up"));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Links_of_Linux_are_followed_and_never_for_ever(HostKind kind)
    {
        using TestKit.TestImage image = TestKit.TestImage.Make(32);
        image.WithKernel("""
            cd $M; mkdir -p a/b; echo deep > a/b/file; ln -s a/b dirlink; ln -s dirlink/file twice; ln -s /a/b/file root; ln -s nowhere dangling
            ln -s loop2 loop1; ln -s loop1 loop2; ln -s . a/self; ln -s ../../../../a/b/file above
            ln -s a/b/file chain0; for i in $(seq 1 20); do ln -s chain$((i-1)) chain$i; done; mkfifo fifo; mknod null c 1 3; mknod disk b 8 0
            """);
        using var mount = new HostMount(kind, image: image);
        StandInClient client = mount.Client;
        foreach (string path in (string[])[@"\dirlink\file", @"\twice", @"\root", @"\above", @"\chain20", @"\a\self\self\self\b\file"])
        {
            Assert.Equal("deep\n"u8.ToArray(), client.ReadAll(path));
        }
        Assert.Equal(["file"], client.List(@"\dirlink").Select(i => i.Name));
        Assert.Equal(NtStatus.ObjectNameNotFound, client.CreateStatus(@"\dangling", Access.Read));
        Assert.NotEqual(NtStatus.Success, client.CreateStatus(@"\loop1", Access.Read));
        Assert.NotEqual(NtStatus.Success, client.CreateStatus(@"\loop1\below", Access.Read));
        Assert.Equal(("loop2", true), ReadLink(client, @"\loop1"));
        Assert.Equal(ReparseAttribute, client.List(@"\", "dangling")[0].Info.FileAttributes);
        Assert.Equal(ReparseAttribute | DirectoryAttribute, client.List(@"\", "dirlink")[0].Info.FileAttributes);
        foreach ((string path, uint tag) in ((string, uint)[])[(@"\fifo", ReparseBuffer.LxFifo), (@"\null", ReparseBuffer.LxChar), (@"\disk", ReparseBuffer.LxBlock)])
        {
            using NtFile file = client.Create(path, Access.Read, Disposition.Open, Options.OpenReparsePoint);
            Assert.Equal(ReparseBuffer.Make(tag), file.GetReparsePoint().Data);
            Assert.Equal(tag, client.List(@"\", path[1..])[0].Info.ReparseTag);
        }
        using (NtFile file = client.Create(@"\null", Access.Read, Disposition.Open, Options.OpenReparsePoint))
        {
            Dictionary<string, byte[]> eas = EaBuffer.Parse(file.GetEa()).ToDictionary(e => e.Name, e => e.Value);
            Assert.Equal([1, 0, 0, 0, 3, 0, 0, 0], eas["$LXDEV"]);
            Assert.Equal(0x21A4u, BitConverter.ToUInt32(eas["$LXMOD"]));
        }
        mount.Finish();
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Special_files_of_WSL_become_those_of_Linux(HostKind kind)
    {
        using var mount = new HostMount(kind);
        StandInClient client = mount.Client;
        (string Name, uint Tag, uint Mode, byte[]? Device)[] files =
        [
            ("fifo", ReparseBuffer.LxFifo, 0x1000 | 0x1A4, null), ("socket", ReparseBuffer.AfUnix, 0xC000 | 0x1FF, null),
            ("null", ReparseBuffer.LxChar, 0x2000 | 0x1B6, [1, 0, 0, 0, 3, 0, 0, 0]), ("disk", ReparseBuffer.LxBlock, 0x6000 | 0x1B0, [8, 0, 0, 0, 17, 0, 0, 0]),
        ];
        foreach ((string name, uint tag, uint mode, byte[]? device) in files)
        {
            EaBuffer list = new EaBuffer().Add("$LXUID", 1000u).Add("$LXGID", 70000u).Add("$LXMOD", mode);
            if (device is not null)
            {
                list.Add("$LXDEV", device);
            }
            using NtFile file = client.Create("\\" + name, disposition: Disposition.Create);
            file.SetReparsePoint(ReparseBuffer.Make(tag)).ThrowIfFailed("set tag");
            file.SetEa(list.ToArray()).ThrowIfFailed("set metadata");
        }
        // At the creation itself, as DrvFs does it for files and directories.
        client.Create(@"\script", disposition: Disposition.Create,
            extra: new EaBuffer().Add("$LXUID", 33u).Add("$LXGID", 44u).Add("$LXMOD", 0x8000u | 0x9ED).ToArray()).Dispose();
        client.Create(@"\folder", Access.Read, Disposition.Create, Options.Directory, extra: new EaBuffer().Add("$LXUID", 5u).Add("$LXMOD", 0x4000u | 0x3FF).ToArray()).Dispose();
        using (NtFile script = client.Create(@"\script", disposition: Disposition.Open))
        {
            // Another type than the file's own is refused.
            Assert.NotEqual(NtStatus.Success, script.SetEa(new EaBuffer().Add("$LXMOD", 0x2000u | 0x1FF).ToArray()));
            Assert.NotEqual(NtStatus.Success, script.SetEa(new EaBuffer().Add("$LXUID", [1, 2]).ToArray()));
        }
        mount.Finish();
        Assert.Equal("""
            660 1000:70000 block special file 8:11
            644 1000:70000 fifo 0:0
            1777 5:0 directory 0:0
            666 1000:70000 character special file 1:3
            4755 33:44 regular empty file 0:0
            777 1000:70000 socket 0:0

            """,
            mount.Image.WithKernel("cd $M; stat -c '%a %u:%g %F %t:%T' disk fifo folder null script socket"));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void What_ext4_has_no_form_for_is_refused_and_nothing_changes(HostKind kind)
    {
        using var mount = new HostMount(kind);
        StandInClient client = mount.Client;
        client.WriteAll(@"\full", "content"u8);
        Assert.Equal(NtStatus.IoReparseTagNotHandled, MakeLink(client, @"\junction", ReparseBuffer.Make(ReparseBuffer.Junction, new byte[12]), isDirectory: true));
        Assert.Equal(NtStatus.IoReparseTagNotHandled, MakeLink(client, @"\foreign", [.. BitConverter.GetBytes(0x00001234u), .. BitConverter.GetBytes(4), .. new byte[16], 1, 2, 3, 4]));
        Assert.NotEqual(NtStatus.Success, MakeLink(client, @"\broken", ReparseBuffer.Make(ReparseBuffer.Symlink, 1, 2, 3)));
        Assert.NotEqual(NtStatus.Success, MakeLink(client, @"\network", ReparseBuffer.MakeSymlink(@"\??\UNC\server\share", isRelative: false)));
        using (NtFile full = client.Create(@"\full", disposition: Disposition.Open))
        {
            Assert.Equal(NtStatus.NotSupported, full.SetReparsePoint(ReparseBuffer.MakeSymlink("x")));
            Assert.Equal(NtStatus.NotAReparsePoint, full.GetReparsePoint().Status);
            Assert.Equal(NtStatus.NotAReparsePoint, full.DeleteReparsePoint(ReparseBuffer.Make(ReparseBuffer.Symlink)));
        }
        Assert.Equal("content"u8.ToArray(), client.ReadAll(@"\full"));
        Assert.Equal(NtStatus.Success, MakeLink(client, @"\link", ReparseBuffer.MakeSymlink("full")));
        using (NtFile link = client.Create(@"\link", disposition: Disposition.Open, options: Options.OpenReparsePoint))
        {
            Assert.Equal(NtStatus.IoReparseTagMismatch, link.DeleteReparsePoint(ReparseBuffer.Make(ReparseBuffer.LxFifo)));
            Assert.Equal(NtStatus.Success, link.DeleteReparsePoint(ReparseBuffer.Make(ReparseBuffer.Symlink)));
        }
        Assert.Empty(client.ReadAll(@"\link"));
        mount.Finish();
        Assert.Equal("full\nlink\n", mount.Image.WithKernel("ls $M | grep -v lost"));
    }
}
