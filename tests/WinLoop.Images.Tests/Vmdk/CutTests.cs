using WinLoop.Images.Tests.PowerCuts;
using WinLoop.Images.Tests.Vhdx;
using WinLoop.Images.Vmdk;
using WinLoop.Storage;
using WinLoop.TestKit;

namespace WinLoop.Images.Tests.Vmdk;

/// <summary>A power cut at every write to a VMDK leaves what was flushed.</summary>
public sealed class CutTests(ITestOutputHelper output)
{
    private const int MiB = 1 << 20;
    private const int Size = (12 * MiB) + 512;

    [Theory]
    [InlineData(0)]
    [InlineData(MiB)]
    public void AnyCut_LeavesWhatWasFlushed(int rubbish)
    {
        Shell.Require("qemu-img");
        int seed = DiskFiles.Seed();
        var random = new Random(seed);
        var file = new MemoryFile();
        VmdkImage.Create(file, Size);
        if (rubbish > 0)
        {
            // What another writer lost behind its last grain must not show.
            long end = file.Length;
            byte[] bytes = new byte[rubbish];
            random.NextBytes(bytes);
            file.SetLength(end + rubbish);
            file.Write(bytes, end);
        }

        using var folder = new TemporaryFolder();
        CutRecording recording = CutRecording.Begin(DiskFiles.ReadAll(file), new byte[Size]);
        for (int session = 0; session < 3; session++)
        {
            using IBlockDevice disk = VmdkFiles.Open(recording.File);
            CutWork.Run(recording, disk, random, 20);
        }

        int states = 0, unclean = 0, differing = 0, judged = 0;
        foreach ((StateFile state, Expectation expected, _, string name) in recording.States(seed, subsets: 3))
        {
            states++;
            byte[] first = new byte[SparseHeader.Size];
            state.Read(first, 0);
            unclean += first[SparseHeader.UncleanShutdownAt];
            differing += CopiesDiffer(state) ? 1 : 0;
            byte[]? forQemu = random.Next(100) == 0 ? state.ToArray() : null;
            byte[] content = Judge(state, expected, name, random);
            if (forQemu is not null)
            {
                judged++;
                string path = folder.File("cut.vmdk"), raw = folder.File("cut.raw");
                File.WriteAllBytes(path, forQemu);
                DiskFiles.WriteSparse(raw, content);
                VmdkFiles.AssertQemuAgrees(path, raw);
            }
        }

        output.WriteLine($"{recording.File.Log.Count} operations, {states} states, {unclean} unclean, {differing} with copies that differ, {judged} shown to qemu, seed {seed}");
        Assert.True(states > 200 && unclean > 50 && differing > 0, $"{states} states, {unclean} unclean, {differing} differ, seed {seed}");
    }

    [Fact]
    public void WithoutACut_TheFileIsClosedInOrder_AndEndsWithItsLastGrain()
    {
        var file = new MemoryFile();
        VmdkImage.Create(file, 8 * MiB);
        long empty = file.Length;
        using (IBlockDevice disk = VmdkFiles.Open(file))
        {
            disk.Write([1, 2, 3], 5 * MiB);
            byte[] first = new byte[SparseHeader.Size];
            file.Read(first, 0);
            Assert.Equal(1, first[SparseHeader.UncleanShutdownAt]);
        }

        VmdkFiles.AssertClosed(file);
        Assert.Equal(empty + (64 * 1024), file.Length);
    }

    [Fact]
    public void AbandonedDisk_WritesNothingMore()
    {
        var file = new MemoryFile();
        VmdkImage.Create(file, 8 * MiB);
        byte[] before;
        using (IBlockDevice disk = VmdkFiles.Open(file))
        {
            disk.Write([1, 2, 3], 5 * MiB);
            disk.Abandon();
            before = DiskFiles.ReadAll(file);
        }

        Assert.True(before.AsSpan().SequenceEqual(DiskFiles.ReadAll(file)));
    }

    private static bool CopiesDiffer(StateFile state)
    {
        GrainTables tables = GrainTables.Read(state, SparseHeader.Read(state), isForWriting: true);
        byte[] one = new byte[GrainTables.TableSectors * 512], other = new byte[one.Length];
        for (int i = 0; i < tables.Places.Length; i++)
        {
            state.Read(one, tables.Places[i] * 512L);
            state.Read(other, tables.RedundantPlaces[i] * 512L);
            if (!one.AsSpan().SequenceEqual(other))
            {
                return true;
            }
        }

        return false;
    }

    private static byte[] Judge(StateFile state, Expectation expected, string name, Random random)
    {
        byte[] content;
        state.IsReadOnly = true; // a write would throw
        using (IBlockDevice disk = VmdkFiles.Open(state))
        {
            content = DiskFiles.ReadAll(disk);
        }

        Assert.True(expected.Check(content) is not { } wrong, $"{name}: {expected.Check(content)}");
        if (random.Next(4) != 0)
        {
            return content;
        }

        state.IsReadOnly = false;
        byte[] model = (byte[])content.Clone();
        using (IBlockDevice disk = VmdkFiles.Open(state))
        {
            // Into all sectors of the tables, or into one: the others have to be mended, too.
            for (int at = 1000 + (random.Next(12) * MiB), step = random.Next(2) == 0 ? MiB : Size; at < disk.Length; at += step)
            {
                disk.Write([1, 2, 3], at);
                new byte[] { 1, 2, 3 }.CopyTo(model, at);
            }
        }

        VmdkFiles.AssertClosed(state);
        using IBlockDevice again = VmdkFiles.Open(state);
        Assert.True(DiskFiles.ReadAll(again).AsSpan().SequenceEqual(model), $"{name}: writes after the cut went wrong");
        return content;
    }
}
