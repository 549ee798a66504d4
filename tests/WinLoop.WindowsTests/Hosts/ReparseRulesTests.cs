using System.Diagnostics;
using WinLoop.Mounting.Windows;
using WinLoop.WindowsTests.StandIn.Client;

namespace WinLoop.WindowsTests.Hosts;

/// <summary>The rules of reparse points: how far links are followed, what happens through and to them, what may replace what.</summary>
public sealed class ReparseRulesTests
{
    public static TheoryData<HostKind> Kinds => [HostKind.Builtin, HostKind.Package];

    private const uint ReparseAttribute = 0x400, DirectoryAttribute = 0x10;

    /// <summary>How many links WinFsp's helper follows, and how many the attribute DIRECTORY is looked for through.</summary>
    private const int Followed = 32, LookedThrough = 40;

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Chains_are_followed_to_the_limit_and_no_further(HostKind kind)
    {
        using TestKit.TestImage image = TestKit.TestImage.Make(32);
        // f1 is one link away from the file, fN is N away; dN the same for a directory.
        image.WithKernel("""
            cd $M; echo end > f0; mkdir d0; echo inside > d0/file
            for i in $(seq 1 45); do ln -s f$((i-1)) f$i; ln -s d$((i-1)) d$i; done
            """);
        using var mount = new HostMount(kind, image: image);
        StandInClient client = mount.Client;
        var watch = Stopwatch.StartNew();
        for (int links = 1; links <= 45; links++)
        {
            bool isFollowed = links <= Followed;
            NtStatus expected = isFollowed ? NtStatus.Success : NtStatus.ReparsePointNotResolved;
            Assert.Equal((links, expected), (links, client.CreateStatus($@"\f{links}", Access.Read)));
            Assert.Equal((links, expected), (links, client.CreateStatus($@"\d{links}\file", Access.Read)));
            uint attributes = client.List(@"\", $"d{links}")[0].Info.FileAttributes;
            Assert.Equal((links, links <= LookedThrough ? ReparseAttribute | DirectoryAttribute : ReparseAttribute), (links, attributes));
        }
        Assert.Equal("end\n"u8.ToArray(), client.ReadAll($@"\f{Followed}"));
        Assert.Equal(["file"], client.List($@"\d{Followed}").Select(i => i.Name));
        Assert.True(watch.Elapsed < TimeSpan.FromSeconds(20), $"{watch.Elapsed}");
        mount.Finish();
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Loops_end_with_a_status_however_they_are_made(HostKind kind)
    {
        using TestKit.TestImage image = TestKit.TestImage.Make(32);
        image.WithKernel("cd $M; ln -s self self; ln -s b a; ln -s c b; ln -s a c; ln -s deep/deep deep; mkdir d; ln -s ../d/up/x d/up; ln -s . here; echo x > file");
        using var mount = new HostMount(kind, image: image);
        StandInClient client = mount.Client;
        foreach (string path in (string[])[@"\self", @"\a", @"\b", @"\deep", @"\d\up", @"\self\below", @"\a\x\y", @"\d\up\x"])
        {
            Assert.Equal((path, NtStatus.ReparsePointNotResolved), (path, client.CreateStatus(path, Access.Read)));
            Assert.Equal((path, NtStatus.ReparsePointNotResolved), (path, client.CreateStatus(path, disposition: Disposition.OpenIf)));
        }
        // A loop that comes to an end is none.
        Assert.Equal("x\n"u8.ToArray(), client.ReadAll(@"\here\here\here\here\file"));
        Assert.Equal(NtStatus.ReparsePointNotResolved, client.CreateStatus(string.Concat(Enumerable.Repeat(@"\here", Followed + 1)) + @"\file", Access.Read));
        Assert.Equal(8, client.List(@"\").Count(i => i.Name != "lost+found"));
        mount.Finish();
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void What_is_made_through_a_link_is_made_where_it_leads(HostKind kind)
    {
        using TestKit.TestImage image = TestKit.TestImage.Make(32);
        image.WithKernel("cd $M; mkdir -p real/sub; ln -s real dir; ln -s real/not-yet dangling; ln -s nowhere/at/all lost; ln -s /real/sub root; ln -s '/??/C:/Windows' away");
        using var mount = new HostMount(kind, image: image);
        StandInClient client = mount.Client;
        client.WriteAll(@"\dir\made", "1"u8);
        client.MakeDirectory(@"\root\folder");
        client.WriteAll(@"\root\folder\file", "2"u8);
        client.WriteAll(@"\dangling", "3"u8);
        Assert.Equal("3"u8.ToArray(), client.ReadAll(@"\real\not-yet"));
        Assert.Equal(NtStatus.ObjectPathNotFound, client.CreateStatus(@"\lost", disposition: Disposition.OpenIf));
        Assert.Equal(NtStatus.ObjectPathNotFound, client.CreateStatus(@"\lost\x", disposition: Disposition.OpenIf));
        // The same file by both names: one entry in the driver's table, one share check.
        using (NtFile open = client.Create(@"\dir\made", Access.Read, Disposition.Open, share: Share.Read))
        {
            Assert.Equal(@"\real\made", open.GetName());
            Assert.Equal(NtStatus.SharingViolation, client.CreateStatus(@"\real\made", Access.Write));
        }
        client.WriteAll(@"\to-move", "4"u8);
        client.Rename(@"\to-move", @"\ROOT\folder\moved");
        client.Rename(@"\root\folder\moved", @"\dir\moved");
        using (NtFile file = client.Create(@"\dir\moved", Access.Delete, Disposition.Open))
        {
            Assert.Equal(NtStatus.ObjectPathNotFound, file.TryRename(@"\lost\x"));
            Assert.Equal(NtStatus.NotSameDevice, file.TryRename(@"\away\x"));
            Assert.Equal(NtStatus.ObjectNameCollision, file.TryRename(@"\dir\made"));
        }
        // Where a link stands already, nothing is made in its place.
        Assert.Equal(NtStatus.ObjectNameCollision, client.CreateStatus(@"\dangling", disposition: Disposition.Create, options: Options.OpenReparsePoint));
        mount.Finish();
        Assert.Equal("real/made 1\nreal/moved 4\nreal/not-yet 3\nreal/sub/folder/file 2\n", image.WithKernel("cd $M; for f in $(find real -type f | sort); do echo $f $(cat $f); done"));
        Assert.Equal("real/not-yet\n", image.WithKernel("readlink $M/dangling"));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void A_link_is_moved_and_deleted_itself(HostKind kind)
    {
        using TestKit.TestImage image = TestKit.TestImage.Make(32);
        image.WithKernel("cd $M; mkdir -p d/e; echo x > d/file; ln -s d/file l; ln -s d dl; ln -s d dl2; ln l hard; mkfifo p; mknod n c 1 3");
        using var mount = new HostMount(kind, image: image);
        StandInClient client = mount.Client;
        client.Rename(@"\l", @"\d\e\moved");
        client.Rename(@"\dl", @"\dl renamed");
        Assert.Equal(["e", "file"], client.List(@"\dl renamed").Select(i => i.Name));
        // The moved link is relative, so it leads elsewhere now: to d/e/d/file.
        Assert.Equal(NtStatus.ObjectPathNotFound, client.CreateStatus(@"\d\e\moved", Access.Read));
        client.Delete(@"\dl renamed");
        client.Rename(@"\p", @"\pipe");
        client.Delete(@"\n");
        // Delete on close, as RemoveDirectory of an old program does it.
        client.Create(@"\dl2", Access.Delete, Disposition.Open, Options.OpenReparsePoint | Options.DeleteOnClose).Dispose();
        Assert.False(client.Exists(@"\dl2"));
        Assert.Equal("x\n"u8.ToArray(), client.ReadAll(@"\d\file"));
        mount.Finish();
        Assert.Equal("d directory\nd/e directory\nd/e/moved symbolic link\nd/file regular file\nhard symbolic link\npipe fifo\n",
            image.WithKernel("cd $M; find d hard pipe | sort | while read f; do stat -c '%n %F' $f; done"));
        Assert.Equal("2\n", image.WithKernel("stat -c %h $M/hard"));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void A_link_takes_another_target_but_no_other_tag(HostKind kind)
    {
        using var mount = new HostMount(kind);
        StandInClient client = mount.Client;
        client.WriteAll(@"\one", "1"u8);
        client.WriteAll(@"\two", "2"u8);
        client.MakeDirectory(@"\dir");
        using (NtFile link = client.Create(@"\link", disposition: Disposition.Create))
        {
            link.SetReparsePoint(ReparseBuffer.MakeSymlink("one")).ThrowIfFailed("set");
            Assert.Equal("1"u8.ToArray(), client.ReadAll(@"\link"));
            link.SetReparsePoint(ReparseBuffer.MakeSymlink("two")).ThrowIfFailed("set again");
            Assert.Equal("2"u8.ToArray(), client.ReadAll(@"\link"));
            Assert.Equal(NtStatus.IoReparseTagMismatch, link.SetReparsePoint(ReparseBuffer.Make(ReparseBuffer.LxFifo)));
            Assert.Equal("2"u8.ToArray(), client.ReadAll(@"\link"));
            // WSL's form of the same thing is the same thing.
            link.SetReparsePoint(ReparseBuffer.MakeLxSymlink("one"u8)).ThrowIfFailed("set as WSL");
            Assert.Equal("1"u8.ToArray(), client.ReadAll(@"\link"));
            link.SetReparsePoint(ReparseBuffer.MakeSymlink("dir")).ThrowIfFailed("set to a directory");
            Assert.Equal(ReparseAttribute | DirectoryAttribute, link.GetInfo().FileAttributes);
            client.Delete(@"\dir");
            Assert.Equal(ReparseAttribute, client.List(@"\", "link")[0].Info.FileAttributes);
        }
        using (NtFile fifo = client.Create(@"\fifo", disposition: Disposition.Create))
        {
            fifo.SetReparsePoint(ReparseBuffer.Make(ReparseBuffer.LxFifo)).ThrowIfFailed("set");
            Assert.Equal(NtStatus.IoReparseTagMismatch, fifo.SetReparsePoint(ReparseBuffer.MakeSymlink("one")));
            Assert.Equal(NtStatus.IoReparseTagMismatch, fifo.DeleteReparsePoint(ReparseBuffer.Make(ReparseBuffer.Symlink)));
        }
        mount.Finish();
        Assert.Equal("dir\nfifo\n", mount.Image.WithKernel("cd $M; readlink link; stat -c %F fifo"));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void A_link_keeps_the_owner_of_the_file_it_was_and_becomes_a_file_again(HostKind kind)
    {
        using TestKit.TestImage image = TestKit.TestImage.Make(32);
        image.WithKernel("cd $M; chown 70:80 .; mkdir d; chown 7:8 d");
        using var mount = new HostMount(kind, image: image);
        StandInClient client = mount.Client;
        using (NtFile link = client.Create(@"\d\link", disposition: Disposition.Create))
        {
            link.SetReparsePoint(ReparseBuffer.MakeSymlink("target")).ThrowIfFailed("set");
            Assert.Equal(ReparseAttribute, link.GetInfo().FileAttributes);
        }
        client.Create(@"\back", disposition: Disposition.Create).Dispose();
        using (NtFile back = client.Create(@"\back", disposition: Disposition.Open))
        {
            back.SetReparsePoint(ReparseBuffer.MakeSymlink("target")).ThrowIfFailed("set");
            back.DeleteReparsePoint(ReparseBuffer.Make(ReparseBuffer.Symlink)).ThrowIfFailed("delete");
            Assert.Equal(0u, back.GetInfo().FileAttributes & ReparseAttribute);
            Assert.Equal(NtStatus.NotAReparsePoint, back.GetReparsePoint().Status);
            back.Write(0, "a file again"u8);
        }
        Assert.Equal("a file again"u8.ToArray(), client.ReadAll(@"\back"));
        mount.Finish();
        Assert.Equal("7:8 777 symbolic link\n70:80 644 regular file\n", image.WithKernel("cd $M; stat -c '%u:%g %a %F' d/link back"));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void What_cannot_be_a_link_says_so(HostKind kind)
    {
        using var mount = new HostMount(kind);
        StandInClient client = mount.Client;
        client.MakeDirectory(@"\full");
        client.WriteAll(@"\full\file", "x"u8);
        client.WriteAll(@"\stream:s", "x"u8);
        byte[] link = ReparseBuffer.MakeSymlink("target");
        foreach ((string path, Options options, NtStatus expected) in ((string, Options, NtStatus)[])
            [(@"\full", Options.Directory, NtStatus.DirectoryNotEmpty), (@"\stream:s", Options.None, NtStatus.InvalidParameter), (@"\", Options.Directory, NtStatus.InvalidParameter)])
        {
            using NtFile file = client.Create(path, Access.ReadAttributes | Access.WriteAttributes, Disposition.Open, options);
            Assert.Equal((path, expected), (path, file.SetReparsePoint(link)));
        }
        using (NtFile file = client.Create(@"\empty", Access.ReadAttributes | Access.WriteAttributes, Disposition.Create))
        {
            // Longer than a block, which is as long as a link on ext4 can be; reserved tags; a NUL.
            Assert.NotEqual(NtStatus.Success, file.SetReparsePoint(ReparseBuffer.MakeSymlink(new string('x', 4090))));
            Assert.NotEqual(NtStatus.Success, file.SetReparsePoint(ReparseBuffer.MakeSymlink("")));
            Assert.NotEqual(NtStatus.Success, file.SetReparsePoint(ReparseBuffer.MakeSymlink("a\0b")));
            Assert.NotEqual(NtStatus.Success, file.SetReparsePoint(ReparseBuffer.Make(1)));
            Assert.NotEqual(NtStatus.Success, file.SetReparsePoint([]));
            Assert.NotEqual(NtStatus.Success, file.SetReparsePoint(ReparseBuffer.Make(ReparseBuffer.LxFifo, 1, 2, 3, 4)));
            Assert.Equal(NtStatus.NotAReparsePoint, file.GetReparsePoint().Status);
        }
        using (NtFile file = client.Create(@"\empty", Access.Read, Disposition.Open))
        {
            Assert.Equal(NtStatus.AccessDenied, file.SetReparsePoint(link));
        }
        mount.Finish();
        Assert.Equal("empty 0\nfull/file 1\nstream 0\n", mount.Image.WithKernel("cd $M; find . -type f -printf '%P %s\\n' | sort"));
    }
}
