using WinLoop.Mounting.Windows;
using WinLoop.TestKit;
using WinLoop.WindowsTests.StandIn.Client;

namespace WinLoop.WindowsTests.Hosts;

/// <summary>The group "rdwr": reading and writing in every way, alone; together is in <see cref="ParallelWriteTests"/>.</summary>
public sealed class ReadWriteTests
{
    private const int Largest = 400_000;

    public static TheoryData<HostKind> Kinds => [HostKind.Builtin, HostKind.Package];

    public static TheoryData<HostKind, Options> KindsAndOptions
    {
        get
        {
            var data = new TheoryData<HostKind, Options>();
            foreach (HostKind kind in Enum.GetValues<HostKind>())
            {
                data.Add(kind, Options.None);
                data.Add(kind, Options.WriteThrough);
                data.Add(kind, Options.NoBuffering);
                data.Add(kind, Options.NoBuffering | Options.WriteThrough);
            }
            return data;
        }
    }

    [Theory]
    [MemberData(nameof(KindsAndOptions))]
    public void Content_is_written_read_and_ends_where_it_ends(HostKind kind, Options options)
    {
        using var mount = new HostMount(kind, fastCache: true);
        StandInClient client = mount.Client;
        client.SetLazyInterval(0);
        bool isCached = !options.HasFlag(Options.NoBuffering);
        byte[] content = RandomContent.NewRandom().Bytes(512 * 500);
        using (NtFile file = client.Create(@"\f", disposition: Disposition.Create, options: options))
        {
            Assert.Equal(isCached, file.IsCached);
            Assert.Empty(file.Read(0, 512));
            file.Write(0, content.AsSpan(0, 512 * 100));
            file.Write(512 * 100, content.AsSpan(512 * 100));
            file.Write(512 * 3, content.AsSpan(512 * 3, 512));
            Assert.Equal(content, file.ReadAll());
            Assert.Equal(content[(512 * 499)..], file.Read(512 * 499, 4096)); // over the end: what there is
            Assert.Empty(file.Read(512 * 500, 512));
            Assert.Empty(file.Read(1 << 30, 512));
            Assert.Equal(isCached ? NtStatus.Success : NtStatus.InvalidParameter, file.TryWrite(5, content.AsSpan(5, 512)));
            Assert.Equal(isCached ? NtStatus.Success : NtStatus.InvalidParameter, file.TryWrite(512, content.AsSpan(512, 7)));
            Assert.Equal(isCached && !options.HasFlag(Options.WriteThrough), client.GetStatistics().DirtyPages > 0);
        }
        mount.Finish();
        Assert.Equal(RandomContent.Sum(content) + "  f\n", mount.Image.WithKernel("cd $M; sha256sum f"));
    }

    [Theory]
    [MemberData(nameof(KindsAndOptions))]
    public void What_is_skipped_is_zero_and_what_does_not_fit_is_refused(HostKind kind, Options options)
    {
        using var mount = new HostMount(kind, megabytes: 16);
        StandInClient client = mount.Client;
        byte[] mark = RandomContent.NewRandom().Bytes(512);
        using (NtFile file = client.Create(@"\f", disposition: Disposition.Create, options: options))
        {
            file.Write(512, mark);
            file.Write(1 << 20, mark);
            Assert.Equal((1ul << 20) + 512, file.GetInfo().FileSize);
            Assert.Equal(new byte[512], file.Read(0, 512));
            Assert.Equal(new byte[4096], file.Read(500 * 1024, 4096));
            Assert.Equal(NtStatus.DiskFull, file.TryWrite(1ul << 50, mark)); // beyond what ext4 can address
            Assert.Equal(NtStatus.InvalidParameter, file.TryWrite(long.MaxValue - 511, new byte[1024]));
            Assert.Equal((1ul << 20) + 512, file.GetInfo().FileSize);
        }
        if (options.HasFlag(Options.NoBuffering))
        {
            using NtFile sparse = client.Create(@"\sparse", disposition: Disposition.Create, options: options);
            sparse.Write(1ul << 40, mark); // no cache, no reservation: a hole
            Assert.Equal((1ul << 40) + 512, sparse.GetInfo().FileSize);
            Assert.Equal(new byte[512], sparse.Read(1ul << 39, 512));
            Assert.InRange(sparse.GetInfo().AllocationSize, 1ul, 16_384ul);
        }
        mount.Finish();
        byte[] expected = new byte[(1 << 20) + 512];
        mark.CopyTo(expected, 512);
        mark.CopyTo(expected, 1 << 20);
        Assert.Equal(RandomContent.Sum(expected) + "  f\n", mount.Image.WithKernel("cd $M; sha256sum f"));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Appending_goes_to_the_end_whatever_the_offset(HostKind kind)
    {
        using var mount = new HostMount(kind);
        StandInClient client = mount.Client;
        client.WriteAll(@"\f", "start"u8);
        foreach (Options options in (Options[])[Options.None, Options.WriteThrough])
        {
            using NtFile file = client.Create(@"\f", Access.AppendData, Disposition.Open, options);
            file.Write(0, "+one"u8);
            file.Write(1_000_000, "+two"u8);
            using NtFile full = client.Create(@"\f", Access.ReadWrite, Disposition.Open, options);
            full.Write(0, "+three"u8, append: true);
            Assert.Equal(NtStatus.AccessDenied, file.SetEnd(0));
        }
        using (NtFile direct = client.Create(@"\f", Access.ReadWrite, Disposition.Open, Options.NoBuffering))
        {
            direct.Write(0, new byte[512].Select(_ => (byte)'.').ToArray(), append: true);
        }
        mount.Finish();
        Assert.Equal("start+one+two+three+one+two+three" + new string('.', 512), mount.Image.WithKernel("cat $M/f"));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void A_file_that_Linux_lets_grow_only_is_appended_to_and_no_write_is_lost(HostKind kind)
    {
        using TestImage image = TestImage.Make(16);
        image.WithKernel("cd $M; echo start > log; chattr +a log");
        using var mount = new HostMount(kind, fastCache: true, image: image);
        StandInClient client = mount.Client;
        using (NtFile log = client.Create(@"\log", Access.AppendData, Disposition.Open), any = client.Create(@"\log", Access.ReadWrite, Disposition.Open))
        {
            Assert.False(log.IsCached);
            log.Write(0, "one "u8);
            any.Write(0, "two"u8, append: true);
            Assert.Equal(NtStatus.AccessDenied, any.TryWrite(0, "X"u8)); // told at once
            Assert.Equal(NtStatus.AccessDenied, any.SetEnd(0));
            Assert.Equal("start\none two"u8.ToArray(), any.ReadAll());
        }
        Assert.Equal(NtStatus.AccessDenied, client.CreateStatus(@"\log", Access.Write, Disposition.OverwriteIf));
        Assert.Equal(0, client.GetStatistics().LostWrites);
        mount.Finish();
        Assert.Equal("start\none two", mount.Image.WithKernel("cat $M/log; chattr -a $M/log"));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void A_handle_does_what_it_was_opened_for(HostKind kind)
    {
        using var mount = new HostMount(kind);
        StandInClient client = mount.Client;
        client.WriteAll(@"\f", "x"u8);
        using (NtFile reader = client.Create(@"\f", Access.Read, Disposition.Open), writer = client.Create(@"\f", Access.Write, Disposition.Open))
        {
            Assert.Equal(NtStatus.AccessDenied, reader.TryWrite(0, "y"u8));
            Assert.Equal(NtStatus.AccessDenied, Assert.Throws<NtStatusException>(() => writer.Read(0, 1)).Status);
            Assert.Equal(NtStatus.Success, writer.TryWrite(0, default));
        }
        using (NtFile root = client.Create(@"\", Access.Read | Access.WriteData, Disposition.Open))
        {
            Assert.Equal(NtStatus.InvalidDeviceRequest, root.TryWrite(0, "y"u8));
            Assert.Equal(NtStatus.InvalidDeviceRequest, Assert.Throws<NtStatusException>(() => root.Read(0, 1)).Status);
        }
        mount.Finish();
        Assert.Equal("x", mount.Image.WithKernel("cat $M/f"));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Late_writes_do_not_move_the_end_that_was_set_meanwhile(HostKind kind)
    {
        using var mount = new HostMount(kind, fastCache: true);
        StandInClient client = mount.Client;
        client.SetLazyInterval(0);
        byte[] content = RandomContent.NewRandom().Bytes(100_000);
        foreach (ulong end in (ulong[])[0, 10, 4096, 4097, 65_536, 99_999])
        {
            using NtFile file = client.Create($@"\f{end}", disposition: Disposition.Create);
            file.Write(0, content);
            client.WriteLazily(runs: 1);
            Assert.Equal(NtStatus.Success, file.SetEnd(end));
            client.WriteLazily();
            Assert.Equal(0, client.GetStatistics().DirtyPages);
            Assert.Equal(end, file.GetInfo().FileSize);
            Assert.Equal(content[..(int)end], file.ReadAll());
        }
        Assert.Equal(0, client.GetStatistics().LostWrites);
        mount.Finish();
        Assert.Equal($"0 10 4096 4097 65536 99999 {RandomContent.Sum(content[..99_999])}\n",
            mount.Image.WithKernel("cd $M; echo $(stat -c %s f0 f10 f4096 f4097 f65536 f99999) $(sha256sum < f99999 | cut -d' ' -f1)"));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void A_mapping_is_read_and_written_after_the_handle_is_closed(HostKind kind)
    {
        using var mount = new HostMount(kind, fastCache: true);
        StandInClient client = mount.Client;
        client.SetLazyInterval(0);
        byte[] content = RandomContent.NewRandom().Bytes(50_000);
        client.WriteAll(@"\f", new byte[50_000]);
        NtFile mapped = client.Create(@"\f", disposition: Disposition.Open);
        mapped.CleanupOnly();
        Assert.Equal(0, client.GetStatistics().OpenHandles);
        Assert.Equal(new byte[50_000], mapped.ReadAll());
        mapped.Write(0, content);
        Assert.Equal(content, client.ReadAll(@"\f"));
        client.WriteLazily();

        // Also of a file whose name is gone: its blocks come back with the Close.
        client.WriteAll(@"\gone", new byte[1 << 20]);
        Assert.Equal(NtStatus.Success, client.FlushVolume());
        ulong free = client.QueryVolume().FreeSize;
        NtFile ghost = client.Create(@"\gone", disposition: Disposition.Open, options: Options.DeleteOnClose);
        ghost.CleanupOnly();
        Assert.False(client.Exists(@"\gone"));
        ghost.Write(0, content);
        Assert.Equal(content, ghost.Read(0, 50_000));
        client.WriteLazily();
        Assert.Equal(NtStatus.Success, client.FlushVolume());
        Assert.InRange(client.QueryVolume().FreeSize, 0ul, free + 65536);
        ghost.Dispose();
        mapped.Dispose();
        Assert.Equal(NtStatus.Success, client.FlushVolume());
        Assert.InRange(client.QueryVolume().FreeSize, free + (1 << 20), ulong.MaxValue);
        Assert.Equal(0, client.GetStatistics().LostWrites);
        mount.Finish();
        Assert.Equal(RandomContent.Sum(content) + "  f\n", mount.Image.WithKernel("cd $M; sha256sum f; test ! -e gone"));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Cached_writes_fill_the_disk_and_none_is_lost(HostKind kind)
    {
        using var mount = new HostMount(kind, megabytes: 8, fastCache: true);
        StandInClient client = mount.Client;
        client.SetLazyInterval(0);
        byte[] content = RandomContent.NewRandom().Bytes(16 << 20);
        int written = 0;
        using (NtFile file = client.Create(@"\f", disposition: Disposition.Create))
        {
            NtStatus status;
            while ((status = file.TryWrite((ulong)written, content.AsSpan(written, 30_000))) == NtStatus.Success)
            {
                written += 30_000;
            }
            Assert.Equal(NtStatus.DiskFull, status);
            Assert.InRange(written, 4 << 20, 8 << 20);
            client.WriteLazily();
            Assert.Equal((ulong)written, file.GetInfo().FileSize);
            Assert.Equal(NtStatus.Success, file.Flush());
        }
        Assert.Equal((0, 0), (client.GetStatistics().LostWrites, client.GetStatistics().DirtyPages));
        client.Delete(@"\f");
        Assert.Equal(NtStatus.Success, client.FlushVolume());
        client.WriteAll(@"\g", content.AsSpan(0, 4 << 20));
        mount.Finish();
        Assert.Equal(RandomContent.Sum(content.AsSpan(0, 4 << 20)) + "  g\n", mount.Image.WithKernel("cd $M; sha256sum g; test ! -e f"));
    }

    [Theory]
    [InlineData(HostKind.Builtin, 0, "-b 1024")]
    [InlineData(HostKind.Builtin, 1, "-b 4096")]
    [InlineData(HostKind.Package, 0, "-b 4096")]
    [InlineData(HostKind.Package, 1, "-b 1024")]
    public void Random_operations_through_all_kinds_of_handles_are_those_of_a_model(HostKind kind, uint lazyInterval, string mkfs)
    {
        Random random = RandomContent.NewRandom();
        using var mount = new HostMount(kind, fastCache: true, mkfs: mkfs);
        StandInClient client = mount.Client;
        client.SetLazyInterval(lazyInterval);
        VolumeAnswer volume = client.QueryVolume();
        int unit = volume.SectorSize * volume.SectorsPerUnit;
        Options[] kinds = [Options.None, Options.WriteThrough, Options.NoBuffering];
        client.Create(@"\f", disposition: Disposition.Create).Dispose();
        NtFile Open(int which) => client.Create(@"\f", disposition: Disposition.Open, options: kinds[which]);
        NtFile[] files = [Open(0), Open(1), Open(2)];
        byte[] model = [];
        for (int i = 0; i < 600; i++)
        {
            int which = random.Next(3), align = which == 2 ? 512 : 1;
            NtFile file = files[which];
            int at = random.Next(Largest) / align * align, length = Math.Max(1, random.Next(40_000) / align) * align;
            string what = $"operation {i}";
            switch (random.Next(16))
            {
                case < 5:
                    byte[] data = random.Bytes(length);
                    file.Write((ulong)at, data);
                    Array.Resize(ref model, Math.Max(model.Length, at + length));
                    data.CopyTo(model, at);
                    break;
                case 5 when model.Length < Largest:
                    data = random.Bytes(length);
                    file.Write(0, data, append: true);
                    model = [.. model, .. data];
                    break;
                case 6:
                    int size = random.Next(Largest);
                    Assert.Equal(NtStatus.Success, file.SetEnd((ulong)size));
                    Array.Resize(ref model, size);
                    break;
                case 7:
                    size = random.Next(Largest);
                    Assert.Equal(NtStatus.Success, file.SetAllocation((ulong)size));
                    Array.Resize(ref model, Math.Min(model.Length, (size + unit - 1) / unit * unit));
                    break;
                case 8:
                    Assert.Equal(NtStatus.Success, file.Flush());
                    break;
                case 9:
                    file.Dispose();
                    files[which] = Open(which);
                    break;
                case 10:
                    client.WriteLazily((uint)random.Next(1, 4));
                    break;
                case 11 when random.Next(4) == 0:
                    client.Create(@"\f", disposition: Disposition.OverwriteIf).Dispose();
                    model = [];
                    break;
                default:
                    byte[] expected = at >= model.Length ? [] : model[at..Math.Min(model.Length, at + length)];
                    Assert.True(expected.AsSpan().SequenceEqual(file.Read((ulong)at, length)), $"{what}: {length} bytes at {at} of {model.Length} through {kinds[which]} differ");
                    break;
            }
            Assert.True((ulong)model.Length == files[random.Next(3)].GetInfo().FileSize, $"{what}: size {files[0].GetInfo().FileSize}, not {model.Length}");
        }
        Array.ForEach(files, f => f.Dispose());
        Assert.Equal(0, client.GetStatistics().LostWrites);
        mount.Finish();
        Assert.Equal(RandomContent.Sum(model) + "  f\n", mount.Image.WithKernel("cd $M; sha256sum f"));
    }
}
