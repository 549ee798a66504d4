using WinLoop.Mounting.Windows;
using WinLoop.WindowsTests.StandIn.Client;

namespace WinLoop.WindowsTests.Hosts;

/// <summary>The rules of winfsp-tests' "stream" group: dispositions, sharing, deleting, renaming, and the room there is.</summary>
public sealed class StreamRulesTests
{
    public static TheoryData<HostKind> Kinds => [HostKind.Builtin, HostKind.Package];

    private static IEnumerable<string> Streams(StandInClient client, string path)
    {
        using NtFile file = client.Create(path, Access.Read, Disposition.Open, Options.OpenReparsePoint);
        return [.. file.GetStreams().Select(s => s.Name).Where(n => n.Length > 0).Order(StringComparer.Ordinal)];
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Every_disposition_does_to_a_stream_what_it_does_to_a_file(HostKind kind)
    {
        using var mount = new HostMount(kind);
        StandInClient client = mount.Client;
        client.WriteAll(@"\file", "content"u8);
        client.MakeDirectory(@"\dir");
        foreach (string path in (string[])[@"\file:s", @"\dir:s"])
        {
            Assert.Equal(NtStatus.ObjectNameNotFound, client.CreateStatus(path, disposition: Disposition.Open));
            Assert.Equal(NtStatus.ObjectNameNotFound, client.CreateStatus(path, disposition: Disposition.Overwrite));
            Assert.Equal(NtStatus.NotADirectory, client.CreateStatus(path, disposition: Disposition.Create, options: Options.Directory));
            Do(path, Disposition.Create, CreateResult.Created, "");
            Assert.Equal(NtStatus.ObjectNameCollision, client.CreateStatus(path, disposition: Disposition.Create));
            Do(path, Disposition.OpenIf, CreateResult.Opened, "made by Create");
            Do(path, Disposition.Open, CreateResult.Opened, "made by OpenIf");
            Do(path, Disposition.Overwrite, CreateResult.Overwritten, "");
            Do(path, Disposition.OverwriteIf, CreateResult.Overwritten, "");
            Do(path, Disposition.Supersede, CreateResult.Superseded, "");
            Assert.Equal([path[(path.IndexOf(':') + 1)..]], Streams(client, path[..path.IndexOf(':')]));
        }
        Assert.Equal("content"u8.ToArray(), client.ReadAll(@"\file"));
        Assert.Equal("content"u8.ToArray(), client.ReadAll(@"\file::$DATA"));
        // Streams are no names of a directory, and do not keep it.
        Assert.Empty(client.List(@"\dir"));
        client.Delete(@"\dir");
        mount.Finish();
        Assert.Equal("user.DosStream.s:$DATA=\"made by Supersede\"\n", mount.Image.WithKernel("cd $M; ls -d dir 2>/dev/null || getfattr -d file | grep ="));

        void Do(string path, Disposition disposition, CreateResult expected, string content)
        {
            using NtFile stream = client.Create(path, disposition: disposition);
            Assert.Equal((path, expected), (path, stream.Result));
            Assert.Equal(content, System.Text.Encoding.ASCII.GetString(stream.ReadAll()));
            stream.SetEnd(0).ThrowIfFailed("cut");
            stream.Write(0, System.Text.Encoding.ASCII.GetBytes($"made by {disposition}"));
        }
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Renaming_keeps_to_the_file_and_replaces_only_when_asked(HostKind kind)
    {
        using var mount = new HostMount(kind);
        StandInClient client = mount.Client;
        client.WriteAll(@"\file:one", "1"u8);
        client.WriteAll(@"\file:two", "2"u8);
        client.WriteAll(@"\other", "o"u8);
        using (NtFile one = client.Create(@"\file:one", Access.ReadWrite | Access.Delete, Disposition.Open))
        {
            Assert.Equal(NtStatus.ObjectNameCollision, one.TryRename(@"\file:two"));
            Assert.Equal(NtStatus.ObjectNameCollision, one.TryRename(@"\file:TWO"));
            foreach (string elsewhere in (string[])[@"\other:one", @"\other:moved", @"\nowhere:one", @"\other", @"\new", @"\file"])
            {
                NtStatus status = one.TryRename(elsewhere, RenameOptions.Replace);
                Assert.True((uint)status >= 0xC0000000, $"{elsewhere}: {status}");
            }
            one.Rename(@"\file:ONE", RenameOptions.None); // its case alone
            Assert.Equal("1"u8.ToArray(), one.ReadAll());
            one.Rename(@"\file:TWO", RenameOptions.Replace);
            Assert.Equal("1"u8.ToArray(), one.ReadAll());
            one.Rename(@"\FILE:three", RenameOptions.None);
            one.Write(1, " more"u8);
        }
        Assert.Equal(["three"], Streams(client, @"\file"));
        Assert.Empty(Streams(client, @"\other"));
        Assert.Equal("1 more"u8.ToArray(), client.ReadAll(@"\file:three"));
        mount.Finish();
        Assert.Equal("# file: file\nuser.DosStream.three:$DATA=\"1 more\"\n\n", mount.Image.WithKernel("cd $M; getfattr -d -m DosStream file other"));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Deleting_a_stream_or_its_file_ends_the_name_and_not_the_handle(HostKind kind)
    {
        using var mount = new HostMount(kind);
        StandInClient client = mount.Client;
        client.WriteAll(@"\file:kept", "kept"u8);
        client.WriteAll(@"\file:gone", "gone"u8);
        client.Create(@"\file:closed", Access.ReadWrite | Access.Delete, Disposition.Create, Options.DeleteOnClose).Dispose();
        Assert.Equal(["gone", "kept"], Streams(client, @"\file"));
        client.Delete(@"\file:gone");
        Assert.Equal(["kept"], Streams(client, @"\file"));
        Assert.True(client.Exists(@"\file"));
        // The main stream by its name is the file.
        using (NtFile stream = client.Create(@"\file:kept", Access.ReadWrite, Disposition.Open))
        {
            client.Delete(@"\file");
            Assert.False(client.Exists(@"\file"));
            Assert.False(client.Exists(@"\file:kept"));
            client.WriteAll(@"\file", "another"u8);
            Assert.Equal("kept"u8.ToArray(), stream.ReadAll());
            stream.Write(0, "KEPT"u8);
            Assert.Equal("KEPT"u8.ToArray(), stream.ReadAll());
        }
        Assert.Empty(Streams(client, @"\file"));
        mount.Finish();
        Assert.Equal("another\n", mount.Image.WithKernel("cd $M; cat file; echo; getfattr file"));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Streams_share_by_themselves(HostKind kind)
    {
        using var mount = new HostMount(kind);
        StandInClient client = mount.Client;
        client.WriteAll(@"\file:a", "a"u8);
        client.WriteAll(@"\file:b", "b"u8);
        using (NtFile a = client.Create(@"\file:a", Access.ReadWrite, Disposition.Open, share: Share.None))
        {
            Assert.Equal(NtStatus.SharingViolation, client.CreateStatus(@"\FILE:A", Access.Read));
            Assert.Equal(NtStatus.Success, client.CreateStatus(@"\file:b", Access.ReadWrite, share: Share.None));
            Assert.Equal(NtStatus.Success, client.CreateStatus(@"\file", Access.ReadWrite, share: Share.None));
            Assert.False(a.IsCached);
        }
        using (NtFile writer = client.Create(@"\file:b", Access.ReadWrite, Disposition.Open), reader = client.Create(@"\file:B:$data", Access.Read, Disposition.Open))
        {
            writer.Write(0, "changed"u8);
            Assert.Equal("changed"u8.ToArray(), reader.ReadAll());
            Assert.Equal(7ul, reader.GetInfo().FileSize);
        }
        mount.Finish();
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void As_many_as_fit_are_whole_and_the_next_one_is_told_that_it_is_full(HostKind kind)
    {
        using var mount = new HostMount(kind, mkfs: "-b 4096");
        StandInClient client = mount.Client;
        client.WriteAll(@"\file", []);
        int made = 0;
        NtStatus status = NtStatus.Success;
        for (; made < 100; made++)
        {
            using NtFile file = client.Create($@"\file:{made:D3}", disposition: Disposition.Create);
            status = file.TryWrite(0, Enumerable.Repeat((byte)made, 300).ToArray());
            if (status != NtStatus.Success)
            {
                Assert.Empty(file.ReadAll());
                file.SetDisposition(DispositionFlags.Delete);
                break;
            }
        }
        Assert.Equal(NtStatus.DiskFull, status);
        Assert.InRange(made, 8, 14);
        for (int i = 0; i < made; i++)
        {
            Assert.Equal(Enumerable.Repeat((byte)i, 300).ToArray(), client.ReadAll($@"\file:{i:D3}"));
        }
        Assert.Equal(Enumerable.Range(0, made).Select(i => $"{i:D3}"), Streams(client, @"\file"));
        // Renaming one needs room for both only if there is any; it ends whole either way.
        client.Rename(@"\file:003", @"\file:renamed");
        Assert.Equal(Enumerable.Repeat((byte)3, 300).ToArray(), client.ReadAll(@"\file:renamed"));
        client.Delete(@"\file:000");
        client.WriteAll(@"\file:last", new byte[300]);
        mount.Finish();
        Assert.Equal($"{made}\n", mount.Image.WithKernel("getfattr -m DosStream $M/file | grep -c Dos"));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Names_from_Linux_are_found_and_those_from_here_keep_their_spelling(HostKind kind)
    {
        using TestKit.TestImage image = TestKit.TestImage.Make(32);
        image.WithKernel("""
            cd $M; touch f; setfattr -n 'user.DosStream.Twin:$DATA' -v 0x4100 f; setfattr -n 'user.DosStream.twin:$DATA' -v 0x6100 f
            setfattr -n 'user.DosStream.continued:$DATA' -v 0x6101 f; setfattr -n 'user.DosStream.empty:$DATA' -v 0x00 f; echo -n content > f; ln -s f link; ln -s . dir
            """);
        using var mount = new HostMount(kind, image: image);
        StandInClient client = mount.Client;
        Assert.Equal("A"u8.ToArray(), client.ReadAll(@"\f:Twin"));
        Assert.Equal("a"u8.ToArray(), client.ReadAll(@"\f:twin"));
        Assert.Equal("A"u8.ToArray(), client.ReadAll(@"\f:TWIN")); // the first in byte order
        Assert.Empty(client.ReadAll(@"\f:empty"));
        using (NtFile continued = client.Create(@"\f:continued", disposition: Disposition.Open))
        {
            Assert.Equal(NtStatus.NotSupported, Assert.Throws<NtStatusException>(() => continued.ReadAll()).Status);
            Assert.Equal(NtStatus.NotSupported, continued.TryWrite(0, "x"u8));
        }
        // A link has no streams, and what is meant for one does not reach the target's content instead.
        foreach (string path in (string[])[@"\link:through", @"\dir\link:through", @"\dir\dir\LINK:through:$DATA"])
        {
            Assert.Equal((path, NtStatus.AccessDenied), (path, client.CreateStatus(path, disposition: Disposition.OverwriteIf)));
            Assert.Equal((path, NtStatus.ObjectNameNotFound), (path, client.CreateStatus(path, Access.Read)));
        }
        Assert.Equal("content"u8.ToArray(), client.ReadAll(@"\link"));
        client.WriteAll(@"\dir\f:through", "t"u8);
        Assert.Equal("t"u8.ToArray(), client.ReadAll(@"\f:through"));
        client.WriteAll(@"\f:Grüße 漢字", "u"u8);
        client.WriteAll(@"\f:end. ", "e"u8);
        Assert.Equal("u"u8.ToArray(), client.ReadAll(@"\F:GRÜSSE 漢字".Replace("SS", "ß", StringComparison.Ordinal)));
        Assert.Equal(NtStatus.ObjectNameInvalid, client.CreateStatus(@"\f:" + new string('x', 250), disposition: Disposition.Create));
        Assert.Equal(["Grüße 漢字", "Twin", "continued", "empty", "end. ", "through", "twin"], Streams(client, @"\f"));
        mount.Finish();
        Assert.Equal("user.DosStream.Grüße 漢字:$DATA\nuser.DosStream.end. :$DATA\n", image.WithKernel("getfattr -m DosStream $M/f | grep -e end -e Gr | sort | sed 's/\\\\303\\\\274/ü/; s/\\\\303\\\\237/ß/'"));
    }
}
