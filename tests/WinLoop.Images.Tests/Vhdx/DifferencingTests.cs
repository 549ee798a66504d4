using WinLoop.Images.Vhdx;
using WinLoop.Storage;
using WinLoop.TestKit;

namespace WinLoop.Images.Tests.Vhdx;

/// <summary>Differencing disks: what is written is in the child, everything else in the parent.</summary>
public sealed class DifferencingTests(ITestOutputHelper output)
{
    private const int MiB = 1 << 20;

    [Theory]
    [InlineData(512, 1)]
    [InlineData(512, 8)]
    [InlineData(4096, 2)]
    public void Chain_HoldsTheSameAsAModel(int sectorSize, int blockMiB)
    {
        int seed = DiskFiles.Seed(), size = (11 * MiB) + 4096;
        output.WriteLine($"seed {seed}");
        using var folder = new TemporaryFolder();
        byte[] model = DiskFiles.Noise(size, seed);
        var options = new VhdxCreateOptions { LogicalSectorSize = sectorSize, BlockSize = blockMiB * MiB };
        Create(folder, "base.vhdx", size, options);
        using (IBlockDevice disk = Open(folder, "base.vhdx"))
        {
            disk.Write(model, 0);
            disk.Flush();
        }

        byte[] baseFile = File.ReadAllBytes(Path.Combine(folder.Path, "base.vhdx"));
        var random = new Random(seed);
        string parent = "base.vhdx";
        Directory.CreateDirectory(Path.Combine(folder.Path, "deeper"));
        foreach (string name in (string[])["one.vhdx", "deeper/two.vhdx", "deeper/three.vhdx"])
        {
            CreateChild(folder, name, parent, size, options);
            for (int session = 0; session < 3; session++)
            {
                using IBlockDevice disk = Open(folder, name);
                Assert.True(DiskFiles.ReadAll(disk).AsSpan().SequenceEqual(model), $"{name}, session {session}, seed {seed}");
                DiskFiles.WriteRandomly(disk, model, random, 40);
                Assert.True(DiskFiles.ReadAll(disk).AsSpan().SequenceEqual(model), $"{name}, written in session {session}, seed {seed}");
            }

            parent = name;
        }

        Assert.Equal(baseFile, File.ReadAllBytes(Path.Combine(folder.Path, "base.vhdx")));
    }

    [Fact]
    public void WritesOfHalfSectors_FromManyThreads_LoseNothing()
    {
        const int Size = 4 * MiB, Piece = 100, Threads = 4;
        var parent = new MemoryFile();
        var child = new MemoryFile();
        MakePair(parent, child, Size);
        byte[] model = DiskFiles.Noise(Size, 5, share: 1);
        using (IBlockDevice disk = Open(child, parent))
        {
            // Each thread has every fourth piece, so that every sector has several writers.
            Parallel.For(0, Threads, new ParallelOptions { MaxDegreeOfParallelism = Threads }, thread =>
            {
                for (int at = thread * Piece; at < Size / 4; at += Threads * Piece)
                {
                    int length = Math.Min(Piece, (Size / 4) - at);
                    disk.Write(Enumerable.Repeat((byte)(0x10 + thread), length).ToArray(), at);
                    if (at % 70_000 == 0)
                    {
                        disk.Flush();
                    }
                }
            });
            for (int at = 0; at < Size / 4; at++)
            {
                model[at] = (byte)(0x10 + (at / Piece % Threads));
            }

            Assert.Equal(model, DiskFiles.ReadAll(disk));
        }

        using IBlockDevice again = Open(child, parent);
        Assert.Equal(model, DiskFiles.ReadAll(again));
    }

    [Fact]
    public void SmallerParent_EndsInZeroes()
    {
        var parent = new MemoryFile();
        var child = new MemoryFile();
        MakePair(parent, child, 2 * MiB, 3 * MiB);
        using IBlockDevice disk = Open(child, parent);
        byte[] expected = new byte[3 * MiB];
        DiskFiles.Noise(2 * MiB, 5, share: 1).CopyTo(expected, 0);
        disk.Write([7], (2 * MiB) + 513);
        expected[(2 * MiB) + 513] = 7;
        disk.Write([8], (2 * MiB) - 1);
        expected[(2 * MiB) - 1] = 8;
        Assert.Equal(expected, DiskFiles.ReadAll(disk));
    }

    [Fact]
    public void ParentThatWasWritten_IsRefused()
    {
        var parent = new MemoryFile();
        var child = new MemoryFile();
        MakePair(parent, child, MiB);
        Open(child, parent).Dispose();
        using (IBlockDevice disk = DiskFiles.Open(parent))
        {
            disk.Write([1], 0);
        }

        var e = Assert.Throws<ImageFormatException>(() => Open(child, parent));
        Assert.Equal(ImageFormatError.Parent, e.Error);
        Assert.Contains("written to since", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void MissingParent_AndNoWayToIt_AreSaid()
    {
        var parent = new MemoryFile();
        var child = new MemoryFile();
        MakePair(parent, child, MiB);
        var e = Assert.Throws<ImageFormatException>(() => DiskFiles.Open(child));
        Assert.Equal(ImageFormatError.Parent, e.Error);
        e = Assert.Throws<ImageFormatException>(() => new VhdxFormat().Open(child, new ImageFormatOptions
        {
            OpenRelated = (name, _) => throw new BlockDeviceException(BlockDeviceError.NotFound, $"{name} is not there"),
        }));
        Assert.Equal(ImageFormatError.Parent, e.Error);
        Assert.Contains("parent.vhdx is not there", e.Message, StringComparison.Ordinal);
        e = Assert.Throws<ImageFormatException>(() => Open(child, new MemoryFile(new byte[MiB])));
        Assert.Contains("is not a VHDX", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void DiskThatIsItsOwnParent_EndsAtTheLimit()
    {
        var parent = new MemoryFile();
        var child = new MemoryFile();
        MakePair(parent, child, MiB);
        int opened = 0;
        var e = Assert.Throws<ImageFormatException>(() => new VhdxFormat().Open(child, new ImageFormatOptions
        {
            IsReadOnly = true,
            OpenRelated = (_, _) =>
            {
                opened++;
                return child;
            },
        }));
        Assert.Equal(ImageFormatError.Parent, e.Error);
        Assert.Contains("more than 16 parents", e.Message, StringComparison.Ordinal);
        Assert.Equal(17, opened);
    }

    private static void MakePair(MemoryFile parent, MemoryFile child, int size, int childSize = 0)
    {
        VhdxImage.Create(parent, size);
        using (IBlockDevice disk = DiskFiles.Open(parent))
        {
            disk.Write(DiskFiles.Noise(size, 5, share: 1), 0);
        }

        using IBlockDevice opened = DiskFiles.Open(parent, isReadOnly: true);
        VhdxImage.Create(child, Math.Max(size, childSize), new VhdxCreateOptions { Parent = new VhdxParent(opened, "parent.vhdx") });
    }

    private static IBlockDevice Open(MemoryFile child, MemoryFile parent) =>
        new VhdxFormat().Open(child, new ImageFormatOptions { OpenRelated = (_, _) => parent });

    private static void Create(TemporaryFolder folder, string name, long size, VhdxCreateOptions options)
    {
        using LoopDevice file = LoopDevice.Open(folder.File(name), new LoopDeviceOptions { IsExact = true });
        VhdxImage.Create(file, size, options);
    }

    private static void CreateChild(TemporaryFolder folder, string name, string parent, long size, VhdxCreateOptions options)
    {
        using IBlockDevice opened = DiskFiles.Open(Path.Combine(folder.Path, parent), isReadOnly: true);
        string relative = Path.GetRelativePath(Path.GetDirectoryName(Path.Combine(folder.Path, name))!, Path.Combine(folder.Path, parent));
        Create(folder, name, size, options with { Parent = new VhdxParent(opened, relative) });
    }

    private static IBlockDevice Open(TemporaryFolder folder, string name) => DiskFiles.Open(Path.Combine(folder.Path, name));
}
