using WinLoop.Images.Tests.PowerCuts;
using WinLoop.Images.Tests.Vhdx;
using WinLoop.Images.Vmdk;
using WinLoop.Storage;
using WinLoop.TestKit;

namespace WinLoop.Images.Tests.Vmdk;

/// <summary>Delta links: disks that show their parent where they have no grain of their own.</summary>
public sealed class DeltaTests(ITestOutputHelper output)
{
    private const int MiB = 1 << 20;

    [Theory]
    [InlineData("monolithicSparse", "monolithicSparse")]
    [InlineData("monolithicFlat", "monolithicSparse,zeroed_grain=on")]
    [InlineData("twoGbMaxExtentSparse", "twoGbMaxExtentSparse")]
    public void WhatQemuMakes_ReadsTheSame_AndIsSoundAfterOurWrites(string parent, string child)
    {
        Shell.Require("qemu-img", "qemu-io");
        const int Size = (20 * MiB) + 512;
        int seed = DiskFiles.Seed();
        output.WriteLine($"seed {seed}");
        using var folder = new TemporaryFolder();
        string raw = folder.File("raw"), path = Path.Combine(folder.Path, "child.vmdk");
        byte[] model = DiskFiles.Noise(Size, seed);
        DiskFiles.WriteSparse(raw, model);
        Shell.Script($"cd {folder.Path}; qemu-img convert -f raw -O vmdk -o subformat={parent} raw base.vmdk; "
            + $"qemu-img create -q -f vmdk -o subformat={child} -b base.vmdk -F vmdk child.vmdk; qemu-io -f vmdk -c 'write -P 0x41 3M 100k' child.vmdk");
        model.AsSpan(3 * MiB, 100 * 1024).Fill(0x41);
        byte[] before = File.ReadAllBytes(Path.Combine(folder.Path, "base.vmdk"));
        using (IBlockDevice disk = DiskFiles.Open(path, isReadOnly: true))
        {
            Assert.Equal(model, DiskFiles.ReadAll(disk));
        }

        for (int round = 0; round < 2; round++)
        {
            using IBlockDevice disk = DiskFiles.Open(path);
            DiskFiles.WriteRandomly(disk, model, new Random(seed + round), 60);
            Assert.Equal(model, DiskFiles.ReadAll(disk));
        }

        DiskFiles.WriteSparse(raw, model);
        VmdkFiles.AssertQemuAgrees(path, raw);
        Assert.Equal(before, File.ReadAllBytes(Path.Combine(folder.Path, "base.vmdk")));
    }

    [Fact]
    public void AParentThatWasWrittenToSince_IsRefused()
    {
        Shell.Require("qemu-img", "qemu-io");
        using var folder = new TemporaryFolder();
        Shell.Script($"cd {folder.Path}; qemu-img create -q -f vmdk base.vmdk 4M; qemu-img create -q -f vmdk -b base.vmdk -F vmdk child.vmdk");
        DiskFiles.Open(Path.Combine(folder.Path, "child.vmdk")).Dispose();
        using (IBlockDevice disk = DiskFiles.Open(Path.Combine(folder.Path, "base.vmdk")))
        {
            disk.Write([1], 0); // we change the identifier as qemu does
        }

        var e = Assert.Throws<ImageFormatException>(() => DiskFiles.Open(Path.Combine(folder.Path, "child.vmdk"), isReadOnly: true));
        Assert.Equal(ImageFormatError.Parent, e.Error);
        Assert.Contains("written to since", e.Message, StringComparison.Ordinal);
        Shell.Script($"cd {folder.Path}; rm base.vmdk");
        Assert.ThrowsAny<IOException>(() => DiskFiles.Open(Path.Combine(folder.Path, "child.vmdk"), isReadOnly: true));
    }

    [Fact]
    public void ADiskThatIsItsOwnAncestor_IsRefused()
    {
        var file = new MemoryFile(VmdkFiles.Sparse(4 * MiB, "self"));
        var e = Assert.Throws<ImageFormatException>(() => VmdkFiles.Open(file, new Dictionary<string, IGrowableDevice> { ["self"] = file }, isReadOnly: true));
        Assert.Equal(ImageFormatError.Parent, e.Error);
        Assert.Contains("own ancestor", e.Message, StringComparison.Ordinal);
        e = Assert.Throws<ImageFormatException>(() => VmdkFiles.Open(file));
        Assert.Contains("self cannot be opened here", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void AParentThatIsShorter_EndsInZeroes()
    {
        var parent = new MemoryFile(VmdkFiles.Sparse(2 * MiB, null));
        byte[] model = new byte[3 * MiB];
        Fill(parent, model.AsSpan(0, 2 * MiB));
        var child = new MemoryFile(VmdkFiles.Sparse(3 * MiB, "p"));
        using IBlockDevice disk = VmdkFiles.Open(child, new Dictionary<string, IGrowableDevice> { ["p"] = parent });
        Assert.Equal(model, DiskFiles.ReadAll(disk));
        DiskFiles.WriteRandomly(disk, model, new Random(1), 30);
        Assert.Equal(model, DiskFiles.ReadAll(disk));
    }

    [Fact]
    public void AnyCut_LeavesWhatWasFlushed()
    {
        const int Size = (6 * MiB) + 512;
        int seed = DiskFiles.Seed();
        var random = new Random(seed);
        var parent = new MemoryFile(VmdkFiles.Sparse(Size, null));
        byte[] start = new byte[Size];
        Fill(parent, start);
        var files = new Dictionary<string, IGrowableDevice> { ["p"] = parent };
        CutRecording recording = CutRecording.Begin(VmdkFiles.Sparse(Size, "p"), start);
        for (int session = 0; session < 2; session++)
        {
            using IBlockDevice disk = VmdkFiles.Open(recording.File, files);
            CutWork.Run(recording, disk, random, 20);
        }

        int states = 0;
        foreach ((StateFile state, Expectation expected, _, string name) in recording.States(seed, subsets: 3))
        {
            states++;
            state.IsReadOnly = true;
            using IBlockDevice disk = VmdkFiles.Open(state, files);
            string? wrong = expected.Check(DiskFiles.ReadAll(disk));
            Assert.True(wrong is null, $"{name}: {wrong}");
        }

        output.WriteLine($"{recording.File.Log.Count} operations, {states} states, seed {seed}");
        Assert.True(states > 200, $"{states} states, seed {seed}");
    }

    [Fact]
    public void SeveralThreads()
    {
        const int Size = 16 * MiB, Lanes = 4, Grain = 65536;
        int seed = DiskFiles.Seed();
        var parent = new MemoryFile(VmdkFiles.Sparse(Size, null));
        byte[] model = new byte[Size];
        Fill(parent, model);
        var files = new Dictionary<string, IGrowableDevice> { ["p"] = parent };
        var child = new MemoryFile(VmdkFiles.Sparse(Size, "p"));
        using IBlockDevice disk = VmdkFiles.Open(child, files);
        Parallel.For(0, Lanes, new ParallelOptions { MaxDegreeOfParallelism = Lanes }, lane =>
        {
            var random = new Random(seed + lane);
            byte[] noise = new byte[Grain / Lanes];
            for (int i = 0; i < 200; i++)
            {
                int length = random.Next(1, noise.Length), at = (random.Next(Size / Grain) * Grain) + (lane * noise.Length) + random.Next(noise.Length - length);
                bool isZero = random.Next(4) == 0;
                random.NextBytes(noise.AsSpan(0, length));
                if (isZero)
                {
                    noise.AsSpan(0, length).Clear();
                    disk.WriteZeroes(at, length);
                }
                else
                {
                    disk.Write(noise.AsSpan(0, length), at);
                }

                noise.AsSpan(0, length).CopyTo(model.AsSpan(at));
            }
        });
        Assert.True(DiskFiles.ReadAll(disk).AsSpan().SequenceEqual(model), $"seed {seed}");
    }

    /// <summary>Fills a parent with noise and gives it its identifier back.</summary>
    private static void Fill(MemoryFile parent, Span<byte> model)
    {
        byte[] descriptor = new byte[20 * 512];
        parent.Read(descriptor, 512);
        DiskFiles.Noise(model.Length, 5, share: 0.8).CopyTo(model);
        using IBlockDevice disk = VmdkFiles.Open(parent);
        disk.Write(model, 0);
        disk.Flush();
        parent.Write(descriptor, 512);
    }
}
