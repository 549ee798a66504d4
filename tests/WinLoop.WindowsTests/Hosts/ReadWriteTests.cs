using WinLoop.Mounting.Windows;
using WinLoop.WindowsTests.StandIn.Client;

namespace WinLoop.WindowsTests.Hosts;

/// <summary>Counterparts of winfsp-tests' "rdwr" and "flush" groups: content, cached and not, from several programs, late, and
/// across a power cut.</summary>
public sealed class ReadWriteTests(ITestOutputHelper output)
{
    public static TheoryData<HostKind> Kinds => [HostKind.Builtin, HostKind.Package];

    public static TheoryData<HostKind, bool, Options> Ways => new()
    {
        { HostKind.Builtin, false, Options.None }, { HostKind.Builtin, true, Options.None }, { HostKind.Builtin, true, Options.NoBuffering },
        { HostKind.Builtin, true, Options.WriteThrough }, { HostKind.Package, false, Options.None }, { HostKind.Package, true, Options.None },
        { HostKind.Package, true, Options.NoBuffering }, { HostKind.Package, true, Options.WriteThrough },
    };

    [Theory]
    [MemberData(nameof(Ways))]
    public void Random_reads_and_writes_equal_a_model(HostKind kind, bool fastCache, Options options)
    {
        const int Largest = 600_000, Sector = 4096;
        using var mount = new HostMount(kind, fastCache: fastCache);
        int seed = Random.Shared.Next();
        output.WriteLine($"seed {seed}");
        var random = new Random(seed);
        byte[] model = new byte[Largest];
        int size = 0, unit = options.HasFlag(Options.NoBuffering) ? Sector : 1;
        using (NtFile file = mount.Client.Create(@"\file", disposition: Disposition.Create, options: options))
        {
            for (int step = 0; step < 400; step++)
            {
                int at = random.Next((Largest - 50_000) / unit) * unit, length = (random.Next(40_000 / unit) + 1) * unit;
                switch (random.Next(8))
                {
                    case 0:
                        size = random.Next(Largest);
                        file.SetEnd((ulong)size).ThrowIfFailed("set end");
                        model.AsSpan(size).Clear();
                        break;
                    case 1 when unit == 1 && size + length < Largest:
                        random.NextBytes(model.AsSpan(size, length));
                        file.Write(0, model.AsSpan(size, length), append: true);
                        size += length;
                        break;
                    case 2 or 3 or 4:
                        random.NextBytes(model.AsSpan(at, length));
                        file.Write((ulong)at, model.AsSpan(at, length));
                        size = Math.Max(size, at + length);
                        break;
                    case 5:
                        Assert.Equal((ulong)size, file.GetInfo().FileSize);
                        break;
                    default:
                        int expected = Math.Clamp(size - at, 0, length);
                        Assert.True(model.AsSpan(at, expected).SequenceEqual(file.Read((ulong)at, length)), $"step {step}: {length} bytes at {at}");
                        break;
                }
            }
        }
        Assert.True(model.AsSpan(0, size).SequenceEqual(mount.Client.ReadAll(@"\file")));
        mount.Finish();
        Assert.Equal(Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(model.AsSpan(0, size))),
            mount.Image.WithKernel("sha256sum < $M/file | cut -c1-64").Trim());
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void At_the_end_and_behind_it(HostKind kind)
    {
        using var mount = new HostMount(kind);
        using (NtFile file = mount.Client.Create(@"\file", disposition: Disposition.Create))
        {
            Assert.Empty(file.Read(0, 10));
            file.Write(0, "0123456789"u8);
            Assert.Equal("789"u8.ToArray(), file.Read(7, 10));
            Assert.Empty(file.Read(10, 10));
            Assert.Empty(file.Read(1 << 30, 10));
            file.Write(100_000, "far"u8);
            Assert.Equal(100_003ul, file.GetInfo().FileSize);
            Assert.False(file.Read(10, 99_990).AsSpan().ContainsAnyExcept((byte)0));
            Assert.NotEqual(NtStatus.Success, file.TryWrite(long.MaxValue - 10, new byte[100]));
            Assert.Equal(NtStatus.Success, file.TryWrite(50, []));
            Assert.Equal(100_003ul, file.GetInfo().FileSize);
        }
        using (NtFile file = mount.Client.Create(@"\file", Access.AppendData | Access.Synchronize, Disposition.Open))
        {
            // Without the right to write data everything goes to the end.
            Assert.Equal(NtStatus.Success, file.TryWrite(0, "end"u8, append: true));
        }
        using (NtFile file = mount.Client.Create(@"\file", Access.Read, Disposition.Open))
        {
            Assert.Equal(NtStatus.AccessDenied, file.TryWrite(0, "x"u8));
            Assert.Equal("farend"u8.ToArray(), file.Read(100_000, 100));
        }
        mount.Finish();
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Eight_programs_append_to_one_file(HostKind kind)
    {
        const int Programs = 8, Records = 200, Length = 100;
        using var mount = new HostMount(kind);
        mount.Client.WriteAll(@"\log", []);
        Parallel.For(0, Programs, new ParallelOptions { MaxDegreeOfParallelism = Programs }, program =>
        {
            using StandInClient client = mount.Connect();
            using NtFile file = client.Create(@"\log", Access.AppendData | Access.Synchronize, Disposition.Open);
            byte[] record = new byte[Length];
            for (int i = 0; i < Records; i++)
            {
                record.AsSpan().Fill((byte)(program + 1));
                record[0] = (byte)i;
                file.Write(0, record, append: true);
            }
        });
        byte[] all = mount.Client.ReadAll(@"\log");
        Assert.Equal(Programs * Records * Length, all.Length);
        var next = new byte[Programs];
        for (int at = 0; at < all.Length; at += Length)
        {
            int program = all[at + 1] - 1;
            Assert.Equal(next[program]++, all[at]);
            Assert.False(all.AsSpan(at + 1, Length - 1).ContainsAnyExcept((byte)(program + 1)));
        }
        mount.Finish();
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Late_writes_come_after_the_handle_is_closed_and_never_make_the_file_longer(HostKind kind)
    {
        using var mount = new HostMount(kind, fastCache: true);
        StandInClient client = mount.Client;
        client.SetLazyInterval(3_600_000);
        byte[] content = new byte[300_000];
        new Random(3).NextBytes(content);
        using (NtFile file = client.Create(@"\late", disposition: Disposition.Create))
        {
            file.WriteAll(content);
            Assert.True(file.IsCached);
        }
        Assert.True(client.GetStatistics().DirtyPages > 0);
        using (NtFile file = client.Create(@"\late", Access.ReadWrite, Disposition.Open))
        {
            // Cut while pages behind the end wait to be written.
            file.SetEnd(100_001).ThrowIfFailed("cut");
        }
        client.WriteLazily();
        StandInStatistics statistics = client.GetStatistics();
        Assert.Equal((0, 0), (statistics.DirtyPages, statistics.LostWrites));
        Assert.True(statistics.PagingWrites > 0);
        mount.Finish();
        Assert.Equal($"100001 {Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(content.AsSpan(0, 100_001)))}",
            mount.Image.WithKernel("echo $(stat -c %s $M/late) $(sha256sum < $M/late | cut -c1-64)").Trim());
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void What_was_flushed_survives_a_power_cut(HostKind kind)
    {
        using var mount = new HostMount(kind, fastCache: true);
        StandInClient client = mount.Client;
        client.SetLazyInterval(3_600_000);
        byte[] content = new byte[200_000];
        new Random(4).NextBytes(content);
        using NtFile kept = client.Create(@"\kept", disposition: Disposition.Create), open = client.Create(@"\volume", disposition: Disposition.Create);
        kept.WriteAll(content);
        kept.Flush().ThrowIfFailed("flush the file");
        AssertSurvives("kept");
        open.WriteAll(content);
        client.FlushVolume().ThrowIfFailed("flush the volume");
        AssertSurvives("kept", "volume");
        kept.Dispose();
        open.Dispose();
        mount.Finish();

        // The image as it is at this moment, replayed by the kernel and by e2fsck.
        void AssertSurvives(params string[] names)
        {
            using TestKit.TestImage cut = mount.Image.Copy();
            string expected = string.Concat(names.Select(_ => Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(content)) + "\n"));
            Assert.Equal(expected, cut.WithKernel($"cd $M; sha256sum {string.Join(' ', names)} | cut -c1-64"));
            cut.AssertClean();
        }
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Cached_and_uncached_opens_of_one_file_see_each_other(HostKind kind)
    {
        using var mount = new HostMount(kind, fastCache: true);
        StandInClient client = mount.Client;
        using (NtFile cached = client.Create(@"\mixed", disposition: Disposition.Create),
            direct = client.Create(@"\mixed", Access.ReadWrite, Disposition.Open, Options.NoBuffering))
        {
            Assert.True(cached.IsCached);
            Assert.False(direct.IsCached);
            byte[] block = new byte[4096];
            for (byte i = 1; i < 20; i++)
            {
                block.AsSpan().Fill(i);
                cached.Write(4096ul * i, block);
                Assert.Equal(block, direct.Read(4096ul * i, 4096));
                block.AsSpan().Fill((byte)(i + 100));
                direct.Write(4096ul * i, block);
                Assert.Equal(block, cached.Read(4096ul * i, 4096));
            }
        }
        mount.Finish();
    }
}
