using WinLoop.Mounting.Windows;
using WinLoop.WindowsTests.StandIn.Client;

namespace WinLoop.WindowsTests.Hosts;

/// <summary>Counterparts of winfsp-tests' renames.</summary>
public sealed class RenameTests
{
    public static TheoryData<HostKind> Kinds => [HostKind.Builtin, HostKind.Package];

    private static NtStatus TryRename(StandInClient client, string path, string target, RenameOptions options = RenameOptions.None)
    {
        using NtFile file = client.Create(path, Access.Delete, Disposition.Open, Options.OpenReparsePoint);
        return file.TryRename(target, options);
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void A_name_that_is_taken_is_replaced_only_if_asked(HostKind kind)
    {
        using var mount = new HostMount(kind);
        StandInClient client = mount.Client;
        client.WriteAll(@"\a", "a"u8);
        client.WriteAll(@"\b", "b"u8);
        client.MakeDirectory(@"\folder");
        client.MakeDirectory(@"\empty");
        Assert.Equal(NtStatus.ObjectNameCollision, TryRename(client, @"\a", @"\b"));
        Assert.Equal("b"u8.ToArray(), client.ReadAll(@"\b"));
        Assert.Equal(NtStatus.Success, TryRename(client, @"\a", @"\B", RenameOptions.Replace));
        Assert.Equal(["B", "empty", "folder", "lost+found"], client.List(@"\").Select(i => i.Name));
        Assert.Equal("a"u8.ToArray(), client.ReadAll(@"\b"));
        Assert.Equal(NtStatus.AccessDenied, TryRename(client, @"\b", @"\folder", RenameOptions.Replace));
        Assert.Equal(NtStatus.AccessDenied, TryRename(client, @"\folder", @"\empty", RenameOptions.Replace));
        Assert.Equal(NtStatus.AccessDenied, TryRename(client, @"\folder", @"\b", RenameOptions.Replace));
        Assert.Equal(NtStatus.ObjectNameCollision, TryRename(client, @"\folder", @"\empty"));
        Assert.Equal(NtStatus.ObjectPathNotFound, TryRename(client, @"\b", @"\none\b"));
        Assert.Equal(NtStatus.ObjectNameInvalid, TryRename(client, @"\b", @"\b*"));
        Assert.Equal(NtStatus.Success, TryRename(client, @"\folder", @"\moved\"));
        Assert.Equal(NtStatus.Success, TryRename(client, @"\moved", @"\empty\inside"));
        Assert.True(client.Exists(@"\empty\inside"));
        Assert.Equal(NtStatus.AccessDenied, TryRename(client, @"\empty", @"\empty\inside\itself"));
        Assert.Equal(NtStatus.AccessDenied, TryRename(client, @"\", @"\x"));
        mount.Finish();
        Assert.Equal("B\nempty\nempty/inside\n", mount.Image.WithKernel("cd $M; find B empty | sort"));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Case_alone_can_be_changed(HostKind kind)
    {
        using var mount = new HostMount(kind);
        StandInClient client = mount.Client;
        client.WriteAll(@"\name", "x"u8);
        client.MakeDirectory(@"\folder");
        Assert.Equal(NtStatus.Success, TryRename(client, @"\name", @"\NAME"));
        Assert.Equal(NtStatus.Success, TryRename(client, @"\name", @"\NaMe"));
        Assert.Equal(NtStatus.Success, TryRename(client, @"\FOLDER", @"\Folder"));
        Assert.Equal(["Folder", "lost+found", "NaMe"], client.List(@"\").Select(i => i.Name));
        // There and back again, many times.
        for (int i = 0; i < 50; i++)
        {
            Assert.Equal(NtStatus.Success, TryRename(client, @"\name", @"\other"));
            Assert.Equal(NtStatus.Success, TryRename(client, @"\other", @"\name"));
        }
        mount.Finish();
        Assert.Equal("Folder\nname\n", mount.Image.WithKernel("ls $M | grep -v lost"));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void An_open_target_is_replaced_with_posix_semantics_only(HostKind kind)
    {
        using var mount = new HostMount(kind);
        StandInClient client = mount.Client;
        client.WriteAll(@"\a", "a"u8);
        client.WriteAll(@"\b", "b"u8);
        using (NtFile open = client.Create(@"\b", Access.ReadWrite, Disposition.Open))
        {
            Assert.Equal(NtStatus.AccessDenied, TryRename(client, @"\a", @"\b", RenameOptions.Replace));
            Assert.Equal(NtStatus.Success, TryRename(client, @"\a", @"\b", RenameOptions.Replace | RenameOptions.Posix));
            Assert.Equal("b"u8.ToArray(), open.ReadAll());
            open.Write(0, "B"u8);
            Assert.Equal("a"u8.ToArray(), client.ReadAll(@"\b"));
        }
        Assert.Equal("a"u8.ToArray(), client.ReadAll(@"\b"));
        // READONLY protects a target.
        client.Create(@"\fixed", disposition: Disposition.Create, attributes: 1).Dispose();
        Assert.Equal(NtStatus.AccessDenied, TryRename(client, @"\b", @"\fixed", RenameOptions.Replace));
        Assert.Equal(NtStatus.Success, TryRename(client, @"\b", @"\fixed", RenameOptions.Replace | RenameOptions.IgnoreReadOnly));
        mount.Finish();
        Assert.Equal("a", mount.Image.WithKernel("cat $M/fixed"));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void A_directory_with_open_files_stays_and_open_files_follow_their_name(HostKind kind)
    {
        using var mount = new HostMount(kind, fastCache: true);
        StandInClient client = mount.Client;
        client.MakeDirectory(@"\folder");
        using (NtFile file = client.Create(@"\folder\file", disposition: Disposition.Create))
        {
            Assert.Equal(NtStatus.AccessDenied, TryRename(client, @"\folder", @"\moved"));
            file.Write(0, "written before"u8);
            file.Rename(@"\folder\renamed", RenameOptions.None);
            Assert.Equal(@"\folder\renamed", file.GetName());
            file.Write(14, " and after"u8);
            Assert.Equal("written before and after"u8.ToArray(), client.ReadAll(@"\folder\RENAMED"));
        }
        // What the cache still holds of the file must end in it, whatever its path is by then.
        Assert.Equal(NtStatus.Success, TryRename(client, @"\folder", @"\moved"));
        Assert.Equal("written before and after"u8.ToArray(), client.ReadAll(@"\moved\renamed"));
        mount.Finish();
        Assert.Equal("written before and after", mount.Image.WithKernel("cat $M/moved/renamed"));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Deleted_names_do_not_move_and_links_move_themselves(HostKind kind)
    {
        using TestKit.TestImage image = TestKit.TestImage.Make(32);
        image.WithKernel("cd $M; echo target > target; ln -s target link; ln target hard");
        using var mount = new HostMount(kind, image: image);
        StandInClient client = mount.Client;
        Assert.Equal(NtStatus.Success, TryRename(client, @"\link", @"\moved link"));
        Assert.Equal("target\n"u8.ToArray(), client.ReadAll(@"\moved link"));
        // Two names of one file: the old one goes.
        Assert.Equal(NtStatus.Success, TryRename(client, @"\hard", @"\target", RenameOptions.Replace));
        Assert.False(client.Exists(@"\hard"));
        using (NtFile file = client.Create(@"\target", Access.Delete, Disposition.Open))
        {
            file.SetDisposition(DispositionFlags.Delete);
            Assert.Equal(NtStatus.DeletePending, file.TryRename(@"\x"));
        }
        mount.Finish();
        Assert.Equal("moved link\n", image.WithKernel("ls $M | grep -v lost"));
    }
}
