using WinLoop.Ext4;
using WinLoop.TestKit;
using WinLoop.TestKit.FileSystems;

namespace WinLoop.KernelTests.RandomOperations;

/// <summary>Random steps on a small volume that is full again and again, of blocks and of inodes.</summary>
public sealed class FullVolumeTests(ITestOutputHelper output)
{
    private const string Ballast = "ballast";
    private const int Phase = 8;

    [Theory]
    [InlineData(8, "-b 1024 -N 80 -m 0", 1024)]
    [InlineData(8, "-b 1024 -N 600 -m 5 -O ^dir_index", 1024)]
    [InlineData(16, "-b 4096 -N 128 -m 0 -J size=4", 4096)]
    [InlineData(8, "-b 1024 -N 80 -m 0 -O ^has_journal", 1024)]
    [InlineData(8, "-b 1024 -N 300 -m 0 -O orphan_file,^64bit -J size=1", 1024)]
    public void Volume_without_space_changes_nothing_by_what_fails(int megabytes, string options, int blockSize)
    {
        int seed = Comparison.Seed(), steps = Comparison.Steps(3000);
        output.WriteLine($"seed {seed}, {steps} steps, {options}");
        var random = new Random(seed);
        using TestImage image = TestImage.Make(megabytes, options);
        long maximum = (long)uint.MaxValue * blockSize;
        using (var engine = new EngineFileSystem(() => image.Mount()))
        {
            VolumeStatistics before = engine.Volume.GetStatistics();
            using var model = new ModelFileSystem(maximum, blockSize);
            using var full = new FullFileSystem(engine, model, "/" + Ballast);
            var generator = new OperationGenerator(seed, 1 << 20, blockSize);
            for (int i = 0; i < steps; i++)
            {
                if (i % Phase == 0)
                {
                    FillUp(engine, blockSize, random);
                }
                (string step, _, _) = generator.Next([full]);
                full.Finish(step, i);
                if (i % 1000 == 999)
                {
                    engine.Remount();
                    full.AssertSame($"step {i}, after a remount");
                }
            }
            output.WriteLine($"{full.Failures} steps found no space");
            Assert.True(steps < 1000 || full.Failures > steps / 300, "the volume was never full");
            engine.Unlink(Ballast);
            RemoveAll(engine);
            engine.Remount();
            AssertSpaceIsBack(engine, before);
        }
        image.AssertClean();
    }

    // Leaves a few blocks; sometimes many, so that there is something to run out of.
    private static void FillUp(EngineFileSystem engine, int blockSize, Random random)
    {
        engine.Create(Ballast, 0x1A4);
        if (random.Next(30) == 0)
        {
            engine.Truncate(Ballast, 0);
        }
        engine.SynchronizeAll();
        long leave = random.Next(4) == 0 ? random.Next(300) : random.Next(8);
        long size = engine.Size(Ballast);
        for (long blocks = (long)engine.Volume.GetStatistics().FreeBlocks - leave; blocks > 0; blocks /= 2)
        {
            while ((long)engine.Volume.GetStatistics().FreeBlocks - leave >= blocks && engine.Allocate(Ballast, 0, size, blocks * blockSize) == 0)
            {
                size += blocks * blockSize;
            }
        }
    }

    private static void RemoveAll(EngineFileSystem engine)
    {
        // Children before their parents.
        foreach (string line in engine.Dump().OrderByDescending(l => l, StringComparer.Ordinal))
        {
            string[] words = line.Split(' ');
            if (words[0].Length > 0)
            {
                Assert.Equal(0, words[1].StartsWith('4') ? engine.RemoveDirectory(words[0]) : engine.Unlink(words[0]));
            }
        }
    }

    private static void AssertSpaceIsBack(EngineFileSystem engine, VolumeStatistics before)
    {
        VolumeStatistics after = engine.Volume.GetStatistics();
        Assert.Equal(before.FreeInodes, after.FreeInodes);
        // Directories do not shrink, so the root may have kept some.
        using var root = new Reference(engine.Volume);
        ulong kept = engine.Volume.GetAttributes(root.Inode).Blocks * 512 / (ulong)before.BlockSize;
        Assert.InRange(after.FreeBlocks + kept, before.FreeBlocks, before.FreeBlocks + kept);
    }

    private readonly struct Reference(Ext4Volume volume) : IDisposable
    {
        public Inode Inode { get; } = volume.GetInode(Ext4Volume.RootInode);

        public void Dispose() => volume.Release(Inode);
    }
}
