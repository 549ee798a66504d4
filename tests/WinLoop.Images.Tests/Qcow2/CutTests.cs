using WinLoop.Images.Qcow2;
using WinLoop.Images.Tests.PowerCuts;
using WinLoop.Images.Tests.Vhdx;
using WinLoop.Storage;
using WinLoop.TestKit;

namespace WinLoop.Images.Tests.Qcow2;

/// <summary>The power goes at any operation of our writer: the qcow2 opens, what was flushed is there, and qemu finds at most
/// clusters that are lost.</summary>
public sealed class CutTests(ITestOutputHelper output)
{
    private const int MiB = 1 << 20;

    /// <summary>What the disk is made from, cluster size, bits of a count, size.</summary>
    public static TheoryData<string, int, int, int> Kinds => new()
    {
        { "empty", 65536, 16, (8 * MiB) + 512 },
        { "empty", 512, 64, MiB + 512 }, // tables of all kinds grow
        { "empty", 4096, 1, 4 * MiB },
        { "version 2", 4096, 16, (4 * MiB) + 512 },
        { "backed", 65536, 16, (5 * MiB) + 512 },
        { "compressed", 16384, 16, (3 * MiB) + 512 },
        { "snapshot", 16384, 16, (3 * MiB) + 512 },
    };

    [Theory]
    [MemberData(nameof(Kinds))]
    public void AnyCut_LeavesWhatWasFlushed(string kind, int clusterSize, int refcountBits, int size)
    {
        Shell.Require("qemu-img");
        int seed = DiskFiles.Seed();
        var random = new Random(seed);
        using var folder = new TemporaryFolder();
        (byte[] start, byte[] content, MemoryFile? backing) = Make(kind, clusterSize, refcountBits, size, folder.Path, seed);
        CutRecording recording = CutRecording.Begin(start, content);
        for (int session = 0; session < 3; session++)
        {
            using IBlockDevice disk = Qcow2Files.Open(recording.File, backing: backing);
            CutWork.Run(recording, disk, random, 20);
        }

        int states = 0, asked = 0;
        foreach ((StateFile state, Expectation expected, _, string name) in recording.States(seed, subsets: 2))
        {
            if (random.Next(1 + (recording.File.Log.Count / 120)) != 0)
            {
                continue; // many small clusters make many operations
            }

            states++;
            if (random.Next(25) == 0)
            {
                asked++;
                AskQemu(state, folder.Path, name);
            }

            Judge(state, expected, $"{kind} {clusterSize} {name}", backing, random);
        }

        output.WriteLine($"{recording.File.Log.Count} operations, {states} states, {asked} checked by qemu, seed {seed}");
        Assert.True(states > 100 && asked > 3, $"{states} states, {asked} asked, seed {seed}");
    }

    /// <summary>A harness that cannot fail proves nothing: a file that forgets to flush must be found out.</summary>
    [Fact]
    public void LyingFlush_IsFound()
    {
        int seed = DiskFiles.Seed();
        var file = new MemoryFile();
        Qcow2Image.Create(file, 4 * MiB);
        CutRecording recording = CutRecording.Begin(DiskFiles.ReadAll(file), new byte[4 * MiB]);
        using (IBlockDevice disk = Qcow2Files.Open(recording.File))
        {
            CutWork.Run(recording, disk, new Random(seed), 25);
        }

        recording.File.Log.RemoveAll(operation => operation.Kind == FileOperationKind.Flush);
        Assert.Contains(recording.States(seed, subsets: 3), cut =>
        {
            try
            {
                using IBlockDevice disk = Qcow2Files.Open(cut.File);
                return disk.IsReadOnly || cut.Expected.Check(DiskFiles.ReadAll(disk)) is not null;
            }
            catch (IOException)
            {
                return true;
            }
        });
    }

    private static void Judge(StateFile state, Expectation expected, string name, IGrowableDevice? backing, Random random)
    {
        byte[] content;
        state.IsReadOnly = true; // a write would throw
        using (IBlockDevice disk = Qcow2Files.Open(state, backing: backing))
        {
            content = DiskFiles.ReadAll(disk);
        }

        Assert.True(expected.Check(content) is not { } wrong, $"{name}: {expected.Check(content)}");
        if (random.Next(4) != 0)
        {
            return;
        }

        // It can be written again, and new clusters show nothing of what the cut has left behind.
        state.IsReadOnly = false;
        using (IBlockDevice disk = Qcow2Files.Open(state, backing: backing))
        {
            Assert.False(disk.IsReadOnly, name);
            for (int at = 1000; at < disk.Length - 3; at += (int)disk.Length / 8)
            {
                disk.Write([1, 2, 3], at);
                new byte[] { 1, 2, 3 }.CopyTo(content, at);
            }

            Assert.True(DiskFiles.ReadAll(disk).AsSpan().SequenceEqual(content), $"{name}: writes after the cut went wrong");
        }

        using IBlockDevice again = Qcow2Files.Open(state, backing: backing);
        Assert.True(DiskFiles.ReadAll(again).AsSpan().SequenceEqual(content), $"{name}: writes after the cut are lost");
    }

    private static void AskQemu(StateFile state, string folder, string name)
    {
        string path = Path.Combine(folder, "cut");
        Qcow2Files.Save(state, path);
        Qcow2Files.AssertSound(path, name, mayLeak: true);
    }

    private static (byte[] Start, byte[] Content, MemoryFile? Backing) Make(string kind, int clusterSize, int refcountBits, int size, string folder, int seed)
    {
        var file = new MemoryFile();
        var options = new Qcow2CreateOptions { ClusterSize = clusterSize, RefcountBits = refcountBits };
        byte[] content = new byte[size];
        string raw = Path.Combine(folder, "raw"), made = Path.Combine(folder, "made");
        switch (kind)
        {
            case "empty":
                Qcow2Image.Create(file, size, options);
                return (DiskFiles.ReadAll(file), content, null);
            case "version 2":
                Qcow2Image.Create(file, size, options with { Version = 2 });
                return (DiskFiles.ReadAll(file), content, null);
            case "backed":
                // The backing file is shorter than the disk.
                byte[] below = DiskFiles.Noise(size - 100_352, seed);
                below.CopyTo(content, 0);
                Qcow2Image.Create(file, size, options with { BackingFile = "raw", BackingFormat = "raw" });
                DiskFiles.WriteSparse(raw, below); // for qemu
                return (DiskFiles.ReadAll(file), content, new MemoryFile(below));
        }

        content = DiskFiles.Noise(size, seed, 0.8);
        for (int i = 0; i < size; i++)
        {
            content[i] &= 7;
        }

        DiskFiles.WriteSparse(raw, content);
        string compress = kind == "compressed" ? "-c" : "";
        Shell.Script($"qemu-img convert -f raw -O qcow2 {compress} -o cluster_size={clusterSize} {raw} {made}");
        if (kind == "snapshot")
        {
            Shell.Script($"qemu-img snapshot -c one {made}");
        }

        byte[] start = File.ReadAllBytes(made);
        Array.Resize(ref start, (start.Length + 511) / 512 * 512);
        return (start, content, null);
    }
}
