using WinLoop.Mounting.Windows;
using WinLoop.WindowsTests.StandIn.Client;

namespace WinLoop.WindowsTests.Hosts;

/// <summary>Counterparts of winfsp-tests' "stream" and "ea" groups; the kernel sees both as extended attributes.</summary>
public sealed class StreamTests
{
    public static TheoryData<HostKind> Kinds => [HostKind.Builtin, HostKind.Package];

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Streams_are_made_read_listed_and_removed(HostKind kind)
    {
        using var mount = new HostMount(kind);
        StandInClient client = mount.Client;
        client.WriteAll(@"\file", "content"u8);
        client.MakeDirectory(@"\folder");
        client.WriteAll(@"\file:Zone.Identifier", "[ZoneTransfer]"u8);
        client.WriteAll(@"\file:second:$DATA", "2"u8);
        client.WriteAll(@"\folder:meta", "of a folder"u8);
        // A stream of a file that is not there makes the file.
        client.WriteAll(@"\new:stream", "x"u8);
        Assert.Empty(client.ReadAll(@"\new"));
        Assert.Equal("[ZoneTransfer]"u8.ToArray(), client.ReadAll(@"\FILE:zone.IDENTIFIER"));
        using (NtFile file = client.Create(@"\file", Access.Read, Disposition.Open))
        {
            Assert.Equal([("::$DATA", 7ul), (":second:$DATA", 1ul), (":Zone.Identifier:$DATA", 14ul)],
                file.GetStreams().Select(s => (s.Name.EndsWith(":$DATA", StringComparison.Ordinal) ? s.Name : s.Name.Length == 0 ? "::$DATA" : $":{s.Name.TrimStart(':')}:$DATA", s.Size))
                    .OrderBy(s => s.Item1, StringComparer.OrdinalIgnoreCase));
        }
        Assert.Equal(NtStatus.ObjectNameCollision, client.CreateStatus(@"\file:SECOND", disposition: Disposition.Create));
        Assert.Equal(NtStatus.ObjectNameNotFound, client.CreateStatus(@"\file:none", Access.Read));
        Assert.Equal(NtStatus.ObjectNameInvalid, client.CreateStatus(@"\file:a:b:c", disposition: Disposition.Create));
        client.Delete(@"\file:second");
        Assert.Equal(NtStatus.ObjectNameNotFound, client.CreateStatus(@"\file:second", Access.Read));
        Assert.Equal("content"u8.ToArray(), client.ReadAll(@"\file"));
        mount.Finish();
        Assert.Equal("""
            user.DosStream.Zone.Identifier:$DATA=0x5b5a6f6e655472616e736665725d00
            user.DosStream.meta:$DATA=0x6f66206120666f6c64657200

            """, mount.Image.WithKernel("cd $M; getfattr -d -m 'user.DosStream' -e hex file folder | grep DosStream"));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Streams_have_content_like_files_up_to_their_limit(HostKind kind)
    {
        using var mount = new HostMount(kind, mkfs: "-b 4096");
        StandInClient client = mount.Client;
        client.WriteAll(@"\file", []);
        byte[] content = new byte[3000];
        new Random(5).NextBytes(content);
        using (NtFile stream = client.Create(@"\file:data", disposition: Disposition.Create))
        {
            Assert.False(stream.IsCached);
            stream.Write(0, content.AsSpan(0, 1000));
            stream.Write(2000, content.AsSpan(2000));
            stream.Write(1000, content.AsSpan(1000, 1000));
            Assert.Equal(content, stream.ReadAll());
            Assert.Equal(content[500..700], stream.Read(500, 200));
            stream.SetEnd(100).ThrowIfFailed("cut");
            stream.Write(0, "end"u8, append: true);
            Assert.Equal([.. content[..100], .. "end"u8], stream.ReadAll());
            Assert.Equal(103ul, stream.GetInfo().FileSize);
            // Beyond the room for attributes it is full, and keeps what it has.
            Assert.Equal(NtStatus.DiskFull, stream.SetEnd(100_000));
            Assert.Equal(NtStatus.DiskFull, stream.TryWrite(0, new byte[50_000]));
            Assert.Equal(103ul, stream.GetInfo().FileSize);
        }
        using (NtFile first = client.Create(@"\file:data", Access.Read, Disposition.Open, share: Share.Read))
        {
            Assert.Equal(NtStatus.SharingViolation, client.CreateStatus(@"\file:data", Access.Write));
            Assert.Equal(NtStatus.Success, client.CreateStatus(@"\file", Access.Write));
        }
        // Overwriting the file takes its streams away, as on NTFS.
        client.WriteAll(@"\file", "again"u8);
        Assert.Equal(NtStatus.ObjectNameNotFound, client.CreateStatus(@"\file:data", Access.Read));
        mount.Finish();
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Streams_move_with_their_file_and_are_renamed_within_it(HostKind kind)
    {
        using TestKit.TestImage image = TestKit.TestImage.Make(32);
        image.WithKernel("cd $M; touch samba; setfattr -n 'user.DosStream.Made:$DATA' -v 0x68656c6c6f00 samba");
        using var mount = new HostMount(kind, image: image);
        StandInClient client = mount.Client;
        Assert.Equal("hello"u8.ToArray(), client.ReadAll(@"\samba:made"));
        client.Rename(@"\samba", @"\moved");
        Assert.Equal("hello"u8.ToArray(), client.ReadAll(@"\moved:made"));
        using (NtFile stream = client.Create(@"\moved:made", Access.ReadWrite | Access.Delete, Disposition.Open))
        {
            NtStatus status = stream.TryRename(@"\moved:renamed");
            Assert.True(status is NtStatus.Success, status.ToString());
        }
        Assert.Equal("hello"u8.ToArray(), client.ReadAll(@"\moved:renamed"));
        mount.Finish();
        Assert.Equal("user.DosStream.renamed:$DATA\n", image.WithKernel("cd $M; getfattr -m 'user.DosStream' moved | grep user"));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Extended_attributes_both_ways(HostKind kind)
    {
        using TestKit.TestImage image = TestKit.TestImage.Make(32);
        image.WithKernel("cd $M; touch file; setfattr -n user.from.linux -v value file; setfattr -n security.selinux -v hidden file; setfattr -n trusted.x -v hidden file");
        using var mount = new HostMount(kind, image: image);
        StandInClient client = mount.Client;
        using (NtFile file = client.Create(@"\file", disposition: Disposition.Open))
        {
            Assert.Equal([("from.linux", "value")], Texts(file));
            file.SetEa(new EaBuffer().Add("FIRST", "one"u8).Add("SECOND", "two"u8).ToArray()).ThrowIfFailed("set");
            file.SetEa(new EaBuffer().Add("From.LINUX", "changed"u8).Add("second", []).ToArray()).ThrowIfFailed("change and remove");
            Assert.Equal([("FIRST", "one"), ("from.linux", "changed")], Texts(file));
            Assert.Equal(NtStatus.EaTooLarge, file.SetEa(new EaBuffer().Add("BIG", new byte[20_000]).ToArray()));
            Assert.Equal([("FIRST", "one"), ("from.linux", "changed")], Texts(file));
            Assert.True(file.GetInfo().EaSize > 0);
        }
        client.Create(@"\made", disposition: Disposition.Create, extra: new EaBuffer().Add("AT.CREATE", "x"u8).ToArray()).Dispose();
        mount.Finish();
        Assert.Equal("user.FIRST=\"one\"\nuser.from.linux=\"changed\"\nuser.AT.CREATE=\"x\"\n",
            image.WithKernel("cd $M; getfattr -d -m 'user\\.[^D]' file made | grep '='"));

        static List<(string, string)> Texts(NtFile file) =>
            [.. EaBuffer.Parse(file.GetEa()).Where(e => !e.Name.StartsWith('$')).Select(e => (e.Name, System.Text.Encoding.ASCII.GetString(e.Value))).OrderBy(e => e.Name, StringComparer.Ordinal)];
    }
}
