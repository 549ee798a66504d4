using WinLoop.Mounting.Windows;
using WinLoop.TestKit;
using WinLoop.WindowsTests.StandIn.Client;

namespace WinLoop.WindowsTests.Hosts;

/// <summary>The group "flush": what is flushed is in the image, which is then copied as if the power had gone.</summary>
/// <remarks>The copy has all that was handed to the system below. That nothing but what was flushed there is needed, in
/// any order, is the matter of the engine's crash tests.</remarks>
public sealed class FlushTests
{
    public static TheoryData<HostKind> Kinds => [HostKind.Builtin, HostKind.Package];

    [Theory]
    [MemberData(nameof(Kinds))]
    public void A_flushed_file_is_there_after_a_power_cut(HostKind kind)
    {
        using var mount = new HostMount(kind, fastCache: true);
        StandInClient client = mount.Client;
        client.SetLazyInterval(0);
        byte[] content = RandomContent.NewRandom().Bytes(543_210);
        client.MakeDirectory(@"\d");
        using (NtFile file = client.Create(@"\d\f", disposition: Disposition.Create), reader = client.Create(@"\d\f", Access.Read, Disposition.Open))
        {
            file.Write(0, content);
            Assert.NotEqual(RandomContent.Sum(content), SumAfterPowerCut(mount, "d/f")); // it is the flush that does it
            Assert.Equal(NtStatus.AccessDenied, reader.Flush());
            Assert.Equal(NtStatus.Success, file.Flush());
            Assert.Equal(0, client.GetStatistics().DirtyPages);
            Assert.Equal(RandomContent.Sum(content), SumAfterPowerCut(mount, "d/f"));

            // In place, then shorter.
            content.AsSpan(100_000, 50_000).Reverse();
            file.Write(100_000, content.AsSpan(100_000, 50_000));
            Assert.Equal(NtStatus.Success, file.Flush());
            Assert.Equal(RandomContent.Sum(content), SumAfterPowerCut(mount, "d/f"));
            Assert.Equal(NtStatus.Success, file.SetEnd(1234));
            Assert.Equal(NtStatus.Success, file.Flush());
            Assert.Equal(RandomContent.Sum(content[..1234]), SumAfterPowerCut(mount, "d/f"));
        }
        mount.Finish();
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Names_of_a_flushed_file_are_durable_after_rename_and_replace(HostKind kind)
    {
        using var mount = new HostMount(kind, fastCache: true);
        StandInClient client = mount.Client;
        client.SetLazyInterval(0);
        client.WriteAll(@"\document", "old"u8);
        Assert.Equal(NtStatus.Success, client.FlushVolume());
        using (NtFile file = client.Create(@"\document.tmp", disposition: Disposition.Create)) // as editors save
        {
            file.Write(0, "new"u8);
            Assert.Equal(NtStatus.Success, file.Flush());
            file.Rename(@"\document", RenameOptions.Replace | RenameOptions.Posix);
            Assert.Contains(SumAfterPowerCut(mount, "document"), (string[])[RandomContent.Sum("old"u8), RandomContent.Sum("new"u8)]); // whole
            Assert.Equal(NtStatus.Success, file.Flush());
        }
        using TestImage copy = CutPower(mount);
        Assert.Equal("new", copy.WithKernel("cd $M; cat document; test ! -e document.tmp"));
        copy.AssertClean();
        mount.Finish();
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void A_flush_of_the_volume_or_of_its_root_takes_all_files(HostKind kind)
    {
        Random random = RandomContent.NewRandom();
        using var mount = new HostMount(kind, fastCache: true);
        StandInClient client = mount.Client;
        client.SetLazyInterval(0);
        foreach (bool byRoot in (bool[])[false, true])
        {
            List<string> sums = [];
            string folder = byRoot ? "root" : "volume";
            client.MakeDirectory(@"\" + folder);
            NtFile stillOpen = client.Create($@"\{folder}\9", disposition: Disposition.Create);
            for (int i = 0; i < 9; i++)
            {
                byte[] content = random.Bytes(random.Next(1, 100_000));
                client.WriteAll($@"\{folder}\{i}", content);
                sums.Add($"{RandomContent.Sum(content)}  {i}\n");
            }
            byte[] open = random.Bytes(70_000);
            stillOpen.Write(0, open);
            sums.Add($"{RandomContent.Sum(open)}  9\n");
            Assert.True(client.GetStatistics().DirtyPages > 0);
            client.Trace(true);
            if (byRoot)
            {
                using NtFile root = client.Create(@"\", Access.ReadWrite, Disposition.Open, Options.Directory | Options.BackupIntent);
                Assert.Equal(NtStatus.Success, root.Flush());
            }
            else
            {
                Assert.Equal(NtStatus.Success, client.FlushVolume());
            }
            Assert.Contains((Slot.Flush, NtStatus.Success), client.Trace(false));
            Assert.Equal(0, client.GetStatistics().DirtyPages);
            using TestImage copy = CutPower(mount);
            Assert.Equal(string.Concat(sums), copy.WithKernel($"cd $M/{folder}; sha256sum ?"));
            copy.AssertClean();
            stillOpen.Dispose();
        }
        mount.Finish();
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void A_write_through_and_a_closed_handle_need_no_flush_of_the_cache(HostKind kind)
    {
        using var mount = new HostMount(kind); // without the fast cache the last close writes everything back
        StandInClient client = mount.Client;
        client.SetLazyInterval(0);
        byte[] content = RandomContent.NewRandom().Bytes(100_000);
        client.WriteAll(@"\closed", content);
        using (NtFile through = client.Create(@"\through", disposition: Disposition.Create, options: Options.WriteThrough))
        {
            through.Write(0, content);
            Assert.Equal(0, client.GetStatistics().DirtyPages);
            using NtFile root = client.Create(@"\", Access.ReadWrite, Disposition.Open);
            Assert.Equal(NtStatus.Success, root.Flush());
            Assert.Equal(RandomContent.Sum(content), SumAfterPowerCut(mount, "through"));
            Assert.Equal(RandomContent.Sum(content), SumAfterPowerCut(mount, "closed"));
        }
        mount.Finish();
    }

    // The sum of a file in a copy of the image as it is now: by the kernel, which replays the journal, and after e2fsck.
    private static string SumAfterPowerCut(HostMount mount, string file)
    {
        string script = $"cd $M; sha256sum {file} 2>/dev/null | cut -d' ' -f1 || true";
        using TestImage copy = CutPower(mount), replayed = copy.Copy();
        string sum = copy.WithKernel(script).Trim();
        copy.AssertClean();
        Shell.Script($"e2fsck -y -E journal_only {replayed.Path} >/dev/null || test $? = 1");
        Shell.Result result = Shell.Run("e2fsck", ["-fn", replayed.Path]); // which may ask to sum up the free blocks: no journal has that
        Assert.True(result.ExitCode == 0, result.All);
        Assert.Equal(sum, replayed.WithKernel(script).Trim());
        return sum;
    }

    // A copy into which nothing was written while it was made: that would be a state which never was.
    private static TestImage CutPower(HostMount mount)
    {
        while (true)
        {
            DateTime before = File.GetLastWriteTimeUtc(mount.Image.Path);
            TestImage copy = mount.Image.Copy();
            if (File.GetLastWriteTimeUtc(mount.Image.Path) == before)
            {
                return copy;
            }
            copy.Dispose();
        }
    }
}
