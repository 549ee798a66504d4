using WinLoop.Mounting.Windows;
using WinLoop.WindowsTests.StandIn.Client;

namespace WinLoop.WindowsTests.Hosts;

/// <summary>Counterparts of winfsp-tests' "ea" group: extended attributes as lists, which Linux sees as user.*.</summary>
public sealed class EaTests
{
    public static TheoryData<HostKind> Kinds => [HostKind.Builtin, HostKind.Package];

    private static List<(string Name, string Value)> Texts(NtFile file) =>
        [.. EaBuffer.Parse(file.GetEa()).Where(e => !e.Name.StartsWith('$')).Select(e => (e.Name, System.Text.Encoding.Latin1.GetString(e.Value))).OrderBy(e => e.Name, StringComparer.Ordinal)];

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Files_and_directories_have_them_from_creation_on_and_lose_them_when_overwritten(HostKind kind)
    {
        using var mount = new HostMount(kind);
        StandInClient client = mount.Client;
        byte[] two = new EaBuffer().Add("first", "one"u8).Add("SECOND", new byte[] { 0, 255, 0 }).ToArray();
        client.Create(@"\file", disposition: Disposition.Create, extra: two).Dispose();
        client.Create(@"\dir", Access.Read, Disposition.Create, Options.Directory, extra: two).Dispose();
        foreach (string path in (string[])[@"\file", @"\dir"])
        {
            using NtFile file = client.Create(path, Access.Read, Disposition.Open);
            Assert.Equal([("FIRST", "one"), ("SECOND", "\0ÿ\0")], Texts(file));
            // 5 + name + value each, as NTFS counts.
            Assert.Equal(5u + 5 + 3 + 5 + 6 + 3, file.GetInfo().EaSize);
            Assert.Equal(5u + 5 + 3 + 5 + 6 + 3, client.List(@"\", path[1..])[0].Info.EaSize);
        }
        // An overwrite drops what there was and takes what it brings; so does superseding.
        client.Create(@"\file", disposition: Disposition.Overwrite, extra: new EaBuffer().Add("THIRD", "3"u8).ToArray()).Dispose();
        using (NtFile file = client.Create(@"\file", Access.Read, Disposition.Open))
        {
            Assert.Equal([("THIRD", "3")], Texts(file));
        }
        client.Create(@"\file", disposition: Disposition.Supersede).Dispose();
        using (NtFile file = client.Create(@"\file", Access.Read, Disposition.Open))
        {
            Assert.Empty(Texts(file));
            Assert.Equal(0u, file.GetInfo().EaSize);
        }
        mount.Finish();
        Assert.Equal("user.FIRST=0x6f6e65\nuser.SECOND=0x00ff00\n", mount.Image.WithKernel("cd $M; getfattr -d -e hex file dir | grep = || true"));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Names_that_are_something_else_are_no_attributes(HostKind kind)
    {
        using TestKit.TestImage image = TestKit.TestImage.Make(32);
        image.WithKernel("""
            cd $M; touch file; setfattr -n user.DOSATTRIB -v x file; setfattr -n 'user.DosStream.s:$DATA' -v 0x6100 file; setfattr -n 'user.$LXUID' -v lie file
            setfattr -n 'user.star*' -v x file; setfattr -n user.ok -v yes file; ln -s file link
            """);
        using var mount = new HostMount(kind, image: image);
        using (NtFile file = mount.Client.Create(@"\file", disposition: Disposition.Open))
        {
            Assert.Equal([("ok", "yes")], Texts(file));
            Assert.Equal([0, 0, 0, 0], EaBuffer.Parse(file.GetEa()).Single(e => e.Name == "$LXUID").Value);
            foreach (string name in (string[])["DOSATTRIB", "DosAttrib", "a*b", "a/b", "a:b", "", new string('X', 251), "DOSSTREAM.S:$DATA"])
            {
                // Before the bad one there is a good one: nothing of the list is set.
                Assert.Equal((name, NtStatus.InvalidEaName), (name, file.SetEa(new EaBuffer().Add("GOOD", "x"u8).Add(name, "x"u8).ToArray())));
            }
            Assert.Equal(NtStatus.EaListInconsistent, file.SetEa([1, 2, 3]));
            Assert.Equal(NtStatus.EaListInconsistent, file.SetEa([.. new EaBuffer().Add("GOOD", "x"u8).ToArray()[..^1]]));
            Assert.Equal([("ok", "yes")], Texts(file));
            file.SetEa(new EaBuffer().Add(new string('Y', 250), "x"u8).ToArray()).ThrowIfFailed("the longest name");
            file.SetEa(new EaBuffer().Add(new string('y', 250), []).ToArray()).ThrowIfFailed("removed again");
        }
        using (NtFile file = mount.Client.Create(@"\file", Access.Read, Disposition.Open))
        {
            Assert.Equal(NtStatus.AccessDenied, file.SetEa(new EaBuffer().Add("A", "x"u8).ToArray()));
        }
        using (NtFile link = mount.Client.Create(@"\link", disposition: Disposition.Open, options: Options.OpenReparsePoint))
        {
            Assert.Equal(NtStatus.EasNotSupported, link.SetEa(new EaBuffer().Add("A", "x"u8).ToArray()));
        }
        mount.Finish();
        Assert.Equal("user.$LXUID\nuser.DOSATTRIB\nuser.DosStream.s:$DATA\nuser.ok\nuser.star*\n", image.WithKernel("cd $M; getfattr file | grep user | sort"));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void A_file_takes_as_many_as_fit_and_keeps_them(HostKind kind)
    {
        using var mount = new HostMount(kind, mkfs: "-b 4096");
        StandInClient client = mount.Client;
        client.WriteAll(@"\file", "x"u8);
        int fitted = 0;
        using (NtFile file = client.Create(@"\file", disposition: Disposition.Open))
        {
            NtStatus status = NtStatus.Success;
            for (; fitted < 1000; fitted++)
            {
                status = file.SetEa(new EaBuffer().Add($"NUMBER{fitted:D4}", new byte[100]).ToArray());
                if (status != NtStatus.Success)
                {
                    break;
                }
            }
            Assert.Equal(NtStatus.EaTooLarge, status);
            Assert.InRange(fitted, 20, 40);
            Assert.Equal(Enumerable.Range(0, fitted).Select(i => $"NUMBER{i:D4}"), Texts(file).Select(e => e.Name));
            // What goes makes room for what comes; a value is replaced where it is.
            file.SetEa(new EaBuffer().Add("NUMBER0000", []).Add("INSTEAD000", new byte[100]).ToArray()).ThrowIfFailed("replace");
            file.SetEa(new EaBuffer().Add("NUMBER0001", new byte[99]).ToArray()).ThrowIfFailed("shrink");
            Assert.Equal(fitted, Texts(file).Count);
        }
        mount.Finish();
        Assert.Equal($"{fitted}\n", mount.Image.WithKernel("getfattr $M/file | grep -c user"));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Programs_that_set_them_at_once_lose_none(HostKind kind)
    {
        const int Programs = 6, Rounds = 30;
        using var mount = new HostMount(kind, mkfs: "-b 4096");
        mount.Client.WriteAll(@"\file", "x"u8);
        Parallel.For(0, Programs, new ParallelOptions { MaxDegreeOfParallelism = Programs }, program =>
        {
            using StandInClient client = mount.Connect();
            for (int round = 0; round < Rounds; round++)
            {
                using NtFile file = client.Create(@"\file", Access.ReadEa | Access.WriteEa, Disposition.Open);
                file.SetEa(new EaBuffer().Add($"PROGRAM{program}", System.Text.Encoding.ASCII.GetBytes($"{round}")).ToArray()).ThrowIfFailed("set");
                Assert.Contains(($"PROGRAM{program}", $"{round}"), Texts(file));
            }
        });
        mount.Finish();
        Assert.Equal(string.Concat(Enumerable.Range(0, Programs).Select(p => $"user.PROGRAM{p}=\"{Rounds - 1}\"\n")),
            mount.Image.WithKernel("getfattr -d $M/file | grep = | sort"));
    }
}
