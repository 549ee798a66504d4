using WinLoop.Mounting.Windows;
using WinLoop.WindowsTests.StandIn.Client;

namespace WinLoop.WindowsTests.Hosts;

/// <summary>Opening, content, listings, renames and deletes through both hosts and the stand-in driver.</summary>
public sealed class BasicTests
{
    public static TheoryData<HostKind> Kinds => [HostKind.Builtin, HostKind.Package];

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Content_goes_in_and_comes_out_of_the_kernel(HostKind kind)
    {
        using var mount = new HostMount(kind);
        StandInClient client = mount.Client;
        byte[] content = new byte[300_000];
        new Random(7).NextBytes(content);
        client.MakeDirectory(@"\Folder");
        client.WriteAll(@"\Folder\Data.bin", content);
        Assert.Equal(content, client.ReadAll(@"\folder\DATA.BIN"));
        Assert.Equal(["Data.bin"], client.List(@"\FOLDER").Select(i => i.Name));
        client.Rename(@"\folder\data.bin", @"\Folder\Other name.bin");
        Assert.False(client.Exists(@"\Folder\Data.bin"));
        mount.Finish();
        Assert.Equal($"{Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(content))}  Folder/Other name.bin\n",
            mount.Image.WithKernel("cd $M; sha256sum 'Folder/Other name.bin'"));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Late_writes_of_the_cache_arrive_whole(HostKind kind)
    {
        using var mount = new HostMount(kind, fastCache: true);
        byte[] content = new byte[1_000_001];
        new Random(8).NextBytes(content);
        using (NtFile file = mount.Client.Create(@"\late", disposition: Disposition.Create))
        {
            Assert.True(file.IsCached);
            for (int at = 0; at < content.Length; at += 3001)
            {
                file.Write((ulong)at, content.AsSpan(at, Math.Min(3001, content.Length - at)));
            }
        }
        Assert.True(mount.Client.GetStatistics().PagingWrites >= 0);
        mount.Client.WriteLazily();
        mount.Finish();
        Assert.Equal($"{Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(content))}  late\n",
            mount.Image.WithKernel("cd $M; sha256sum late"));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void A_file_deleted_while_open_goes_on_and_its_name_is_free(HostKind kind)
    {
        using var mount = new HostMount(kind);
        StandInClient client = mount.Client;
        client.WriteAll(@"\gone", "old"u8);
        using (NtFile open = client.Create(@"\gone", Access.Read, Disposition.Open))
        {
            client.Delete(@"\gone");
            Assert.False(client.Exists(@"\gone"));
            client.WriteAll(@"\gone", "new"u8);
            Assert.Equal("old"u8.ToArray(), open.ReadAll());
        }
        Assert.Equal("new"u8.ToArray(), client.ReadAll(@"\gone"));
        mount.Finish();
        Assert.Equal("new", mount.Image.WithKernel("cat $M/gone"));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void A_directory_with_names_is_not_deleted_and_a_large_one_is_listed_once(HostKind kind)
    {
        using var mount = new HostMount(kind);
        StandInClient client = mount.Client;
        client.MakeDirectory(@"\many");
        for (int i = 0; i < 700; i++)
        {
            client.Create($@"\many\name {i}", disposition: Disposition.Create).Dispose();
        }
        using (NtFile directory = client.Create(@"\many", Access.Read | Access.Delete, Disposition.Open, Options.Directory))
        {
            Assert.Equal(NtStatus.DirectoryNotEmpty, directory.TrySetDisposition(DispositionFlags.Delete | DispositionFlags.Posix, extended: true));
            List<string> names = [.. directory.List(systemBuffer: 4096).Select(i => i.Name)];
            Assert.Equal(702, names.Count);
            Assert.Equal(702, names.Distinct().Count());
            Assert.Equal(111, directory.List("name 1*").Count);
        }
        Assert.Equal(["name 42"], client.List(@"\many", "NAME 42").Select(i => i.Name));
        mount.Finish();
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void A_full_disk_is_told_when_the_size_is_set(HostKind kind)
    {
        using var mount = new HostMount(kind, megabytes: 8);
        using (NtFile file = mount.Client.Create(@"\big", disposition: Disposition.Create))
        {
            Assert.Equal(NtStatus.DiskFull, file.SetEnd(64 << 20));
            Assert.Equal(0ul, file.GetInfo().FileSize);
            Assert.Equal(NtStatus.Success, file.SetEnd(1 << 20));
        }
        mount.Finish();
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void A_read_only_mount_refuses_changes_and_changes_no_byte(HostKind kind)
    {
        using TestKit.TestImage image = TestKit.TestImage.Make(16);
        string before = TestKit.Shell.Script($"sha256sum {image.Path}");
        var mount = new HostMount(kind, image: image, readOnly: true);
        Assert.Equal(NtStatus.MediaWriteProtected, mount.Client.CreateStatus(@"\new", disposition: Disposition.Create));
        Assert.Single(mount.Client.List(@"\"));
        mount.Host.Unmount(force: true);
        Assert.Equal(before, TestKit.Shell.Script($"sha256sum {image.Path}"));
    }
}
