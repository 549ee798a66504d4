using WinLoop.Ext4.Allocation;
using WinLoop.Ext4.Journal;
using WinLoop.TestKit;

namespace WinLoop.Ext4.Tests.Allocation;

public sealed class BlockAllocatorTests
{
    private static readonly Ext4MountOptions s_manual = new() { UseBackgroundCommit = false };
    private static readonly Caller s_user = new(1000, 1000);

    public static TheoryData<int, string> Formats => new()
    {
        { 100, "-b 1024" },
        { 300, "-b 4096" },
        { 100, "-b 1024 -O ^flex_bg" },
        { 100, "-b 2048 -O ^64bit" },
        { 100, "-b 1024 -O ^metadata_csum,uninit_bg" },
        { 100, "-b 1024 -O ^metadata_csum,^uninit_bg,^64bit" },
        { 100, "-b 1024 -O ^has_journal" },
        { 100, "-b 1024 -g 2040" },
    };

    [Theory]
    [MemberData(nameof(Formats))]
    public void EverythingCanBeAllocatedAndFreedAgain(int megabytes, string options)
    {
        Random random = Seeded();
        using TestImage image = TestImage.Make(megabytes, options);
        var runs = new List<BlockReservation>();
        ulong free;
        HashSet<ulong> taken = [];
        using (Ext4Volume volume = image.Mount(s_manual))
        {
            free = volume.Blocks.FreeBlocks;
            FillUp(volume, random, runs);
            Assert.Equal(0ul, volume.Blocks.FreeBlocks);
            foreach (BlockReservation run in runs)
            {
                Assert.False(volume.Groups.IsSystemZone(run.Physical, run.Length));
                for (uint i = 0; i < run.Length; i++)
                {
                    Assert.True(taken.Add(run.Physical + i));
                }
            }
            Assert.Equal(free, (ulong)taken.Count);
            random.Shuffle(System.Runtime.InteropServices.CollectionsMarshal.AsSpan(runs));
            FreeRuns(volume, runs, runs.Count / 2);
            foreach (BlockReservation run in runs[..(runs.Count / 2)])
            {
                for (uint i = 0; i < run.Length; i++)
                {
                    taken.Remove(run.Physical + i);
                }
            }
        }
        // What the disk says now is what we think.
        var dumped = new HashSet<ulong>(DumpedGroups.Read(image.Path).SelectMany(g => g.FreeBlockNumbers));
        Assert.Equal(free - (ulong)taken.Count, (ulong)dumped.Count);
        Assert.False(dumped.Overlaps(taken));

        using (Ext4Volume volume = image.Mount(s_manual))
        {
            Assert.Equal((ulong)dumped.Count, volume.Blocks.FreeBlocks);
            FreeRuns(volume, runs[(runs.Count / 2)..], int.MaxValue);
            Assert.Equal(free, volume.Blocks.FreeBlocks);
            volume.Journal.Commit(volume.Journal.RunningTid);
            // All groups are whole again.
            FillUp(volume, random, runs = []);
            Assert.Equal(0ul, volume.Blocks.FreeBlocks);
            FreeRuns(volume, runs, int.MaxValue);
        }
        image.AssertClean();
    }

    [Fact]
    public void FreedBlocksComeBackWithTheCommitOnly()
    {
        using TestImage image = TestImage.Make(32, "-b 1024");
        using (Ext4Volume volume = image.Mount(s_manual))
        {
            var runs = new List<BlockReservation>();
            FillUp(volume, Seeded(), runs);
            BlockReservation run = runs.MaxBy(r => r.Length);
            FreeRuns(volume, [run], 1);
            Assert.Equal(run.Length, (uint)volume.Blocks.FreeBlocks);
            using (Handle handle = volume.Journal.Start(8))
            {
                // A handle is open: nothing may wait for a commit.
                Ext4Exception e = Assert.Throws<Ext4Exception>(() => volume.Blocks.AllocateMetadata(handle, new Inode(20), run.Physical));
                Assert.Equal(Errno.ENOSPC, e.Errno);
            }
            volume.Journal.Commit(volume.Journal.RunningTid);
            using (Handle handle = volume.Journal.Start(8))
            {
                Assert.Equal(run.Physical, volume.Blocks.AllocateMetadata(handle, new Inode(20), run.Physical));
            }
            FreeRuns(volume, [new BlockReservation(run.Physical, 1)], 1);
            runs.Remove(run);
            FreeRuns(volume, runs, int.MaxValue);
        }
        image.AssertClean();
    }

    [Fact]
    public void ReserveCommitsWhenOnlyFreedBlocksAreLeft()
    {
        using TestImage image = TestImage.Make(32, "-b 1024");
        using (Ext4Volume volume = image.Mount(s_manual))
        {
            var runs = new List<BlockReservation>();
            FillUp(volume, Seeded(), runs);
            FreeRuns(volume, runs, int.MaxValue);
            uint tid = volume.Journal.RunningTid;
            BlockReservation taken = volume.Blocks.Reserve(new Inode(20), 0, 0, 100, s_user);
            Assert.True(volume.Journal.IsCommitted(tid));
            volume.Blocks.Cancel(taken);
        }
        image.AssertClean();
    }

    [Fact]
    public void WrongFreesAreRefused()
    {
        using TestImage image = TestImage.Make(32, "-b 1024");
        using (Ext4Volume volume = image.Mount(s_manual))
        {
            BlockReservation run = volume.Blocks.Reserve(new Inode(20), 0, 9000, 4, Caller.Root);
            using Handle handle = volume.Journal.Start(16);
            volume.Blocks.Commit(handle, new Inode(20), run);
            ulong free = volume.Blocks.FreeBlocks;
            Assert.Throws<Ext4CorruptException>(() => volume.Blocks.Free(handle, null, 1, 1, false));
            Assert.Throws<Ext4CorruptException>(() => volume.Blocks.Free(handle, null, volume.Geometry.BlocksCount - 1, 2, false));
            Assert.Throws<Ext4CorruptException>(() => volume.Blocks.Free(handle, null, ulong.MaxValue, uint.MaxValue, false));
            Assert.Throws<Ext4CorruptException>(() => volume.Blocks.Free(handle, null, run.Physical, 5, false));
            Assert.Equal(free, volume.Blocks.FreeBlocks);
            volume.Blocks.Free(handle, null, run.Physical, 4, false);
            Assert.Throws<Ext4CorruptException>(() => volume.Blocks.Free(handle, null, run.Physical, 4, false));
        }
        image.AssertClean();
    }

    [Fact]
    public void FilesThatGrowTogetherStayContiguous()
    {
        using TestImage image = TestImage.Make(300, "-b 4096");
        using (Ext4Volume volume = image.Mount(s_manual))
        {
            var files = new GrowingFile[] { new(volume, 20), new(volume, 21), new(volume, 22) };
            for (int i = 0; i < 8192; i++)
            {
                foreach (GrowingFile file in files)
                {
                    file.Append(1);
                }
            }
            foreach (GrowingFile file in files)
            {
                // 32 MiB by 4 KiB: windows of 64 KiB to 8 MiB, then 8 MiB each; some end at a group's end.
                Assert.True(file.Runs.Count <= 20, $"{file.Runs.Count} extents");
                Assert.Equal(8192ul * 8, file.Inode.Sectors);
                volume.Blocks.DropPreallocation(file.Inode);
                FreeRuns(volume, file.Runs, int.MaxValue);
                Assert.Equal(8192ul * 8, file.Inode.Sectors);
            }
        }
        image.AssertClean();
    }

    [Fact]
    public void OneGrowingFileIsContiguous()
    {
        using TestImage image = TestImage.Make(300, "-b 4096");
        using (Ext4Volume volume = image.Mount(s_manual))
        {
            var file = new GrowingFile(volume, 20);
            for (int i = 0; i < 100; i++)
            {
                file.Append(256);
            }
            Assert.True(file.Runs.Count <= 3, $"{file.Runs.Count} extents");
            volume.Blocks.DropPreallocation(file.Inode);
            FreeRuns(volume, file.Runs, int.MaxValue);
        }
        image.AssertClean();
    }

    [Fact]
    public void SmallNewFilesAreBehindOneAnother()
    {
        Random random = Seeded();
        using TestImage image = TestImage.Make(100, "-b 1024");
        using Ext4Volume volume = image.Mount(s_manual);
        ulong goal = volume.Geometry.GroupStart(3), next = 0;
        for (uint i = 0; i < 500; i++)
        {
            var file = new GrowingFile(volume, 100 + i) { Goal = goal };
            file.Append((uint)random.Next(1, 5));
            BlockReservation run = Assert.Single(file.Runs);
            Assert.True(next == 0 || run.Physical == next, $"file {i} is at {run.Physical}, not {next}");
            next = run.Physical + run.Length;
            volume.Blocks.DropPreallocation(file.Inode);
            FreeRuns(volume, file.Runs, 1);
        }
    }

    [Fact]
    public void RootsReserveIsForRoot()
    {
        using TestImage image = TestImage.Make(64, "-b 1024 -m 10");
        using (Ext4Volume volume = image.Mount(s_manual))
        {
            ulong reserved = volume.Superblock.ReservedBlocksCount;
            Assert.True(reserved > 5000);
            var runs = new List<BlockReservation>();
            var inode = new Inode(20);
            Ext4Exception e = Assert.Throws<Ext4Exception>(() =>
            {
                for (int i = 0; i < 1_000_000; i++)
                {
                    Add(volume, inode, runs, 1000, s_user);
                }
            });
            Assert.Equal(Errno.ENOSPC, e.Errno);
            Assert.InRange(volume.Blocks.FreeBlocks, reserved, reserved + 1024);
            Assert.Equal(0ul, volume.Blocks.AvailableBlocks);
            // Metadata of what a user already has may use the reserve, and root may.
            using (Handle handle = volume.Journal.Start(8))
            {
                runs.Add(new BlockReservation(volume.Blocks.AllocateMetadata(handle, inode, 0), 1));
            }
            Add(volume, inode, runs, 1000, Caller.Root);
            FreeRuns(volume, runs, int.MaxValue);
        }
        image.AssertClean();
    }

    [Fact]
    public void WindowsAreTakenBackBeforeGivingUp()
    {
        using TestImage image = TestImage.Make(64, "-b 1024 -m 0");
        using (Ext4Volume volume = image.Mount(s_manual))
        {
            var files = new List<GrowingFile>();
            for (uint i = 0; i < 20; i++)
            {
                files.Add(new GrowingFile(volume, 20 + i));
                files[^1].Append(100);
                files[^1].Append(100);
            }
            Assert.Contains(files, f => f.Inode.Preallocation!.Length > 0);
            var runs = new List<BlockReservation>();
            FillUp(volume, Seeded(), runs);
            Assert.Equal(0ul, volume.Blocks.FreeBlocks);
            Assert.All(files, f => Assert.Equal(0u, f.Inode.Preallocation!.Length));
            FreeRuns(volume, runs, int.MaxValue);
            files.ForEach(f => FreeRuns(volume, f.Runs, int.MaxValue));
        }
        image.AssertClean();
    }

    [Fact]
    public void LoadedGroupsAreBounded()
    {
        using TestImage image = TestImage.Make(3000, "-b 4096 -g 512 -N 12000 -O ^resize_inode");
        using (Ext4Volume volume = image.Mount(s_manual))
        {
            uint groups = volume.Geometry.GroupCount;
            Assert.InRange(groups, 1400u, 1600u);
            ulong free = volume.Blocks.FreeBlocks;
            for (int round = 0; round < 2; round++)
            {
                var runs = new List<BlockReservation>();
                for (uint group = 0; group < groups; group++)
                {
                    ulong goal = volume.Geometry.GroupStart(group) + 200;
                    Add(volume, new Inode(20), runs, 1, Caller.Root, goal);
                    if (group % 300 == 299)
                    {
                        volume.Journal.Commit(volume.Journal.RunningTid);
                    }
                }
                Assert.InRange(volume.Blocks.Bitmaps.Count, 1000, 1100);
                FreeRuns(volume, runs, int.MaxValue);
                volume.Journal.Commit(volume.Journal.RunningTid);
                Assert.Equal(free, volume.Blocks.FreeBlocks);
            }
        }
        image.AssertClean();
    }

    [Fact]
    public void ThreadsNeverGetTheSameBlock()
    {
        Random seeds = Seeded();
        using TestImage image = TestImage.Make(200, "-b 1024 -m 0");
        using (Ext4Volume volume = image.Mount(new Ext4MountOptions { CommitInterval = 1 }))
        {
            ulong free = volume.Blocks.FreeBlocks;
            var owners = new int[volume.Geometry.BlocksCount];
            var threads = new List<Thread>();
            var failures = new List<Exception>();
            for (int t = 1; t <= 4; t++)
            {
                int id = t, seed = seeds.Next();
                threads.Add(new Thread(() =>
                {
                    try
                    {
                        Churn(volume, owners, id, new Random(seed));
                    }
                    catch (Exception e)
                    {
                        lock (failures)
                        {
                            failures.Add(e);
                        }
                    }
                }));
            }
            threads.ForEach(t => t.Start());
            threads.ForEach(t => t.Join());
            Assert.Empty(failures);
            Assert.Equal(free, volume.Blocks.FreeBlocks);
            volume.Journal.Commit(volume.Journal.RunningTid);
            var runs = new List<BlockReservation>();
            FillUp(volume, new Random(1), runs);
            Assert.Equal(0ul, volume.Blocks.FreeBlocks);
            FreeRuns(volume, runs, int.MaxValue);
        }
        image.AssertClean();
    }

    private static void Churn(Ext4Volume volume, int[] owners, int id, Random random)
    {
        var held = new List<BlockReservation>();
        var file = new Inode((uint)(20 + id));
        for (int i = 0; i < 6000; i++)
        {
            if (random.Next(100) == 0)
            {
                volume.Blocks.DropPreallocation(file);
                file = new Inode((uint)(20 + id));
            }
            if (held.Count > 0 && random.Next(100) < (held.Count > 60 ? 70 : 30))
            {
                int at = random.Next(held.Count);
                BlockReservation run = held[at];
                held.RemoveAt(at);
                for (uint b = 0; b < run.Length; b++)
                {
                    Assert.Equal(id, Interlocked.Exchange(ref owners[run.Physical + b], 0));
                }
                using Handle handle = volume.Journal.Start(4);
                volume.Blocks.Free(handle, null, run.Physical, run.Length, random.Next(4) == 0);
                continue;
            }
            BlockReservation taken;
            try
            {
                taken = volume.Blocks.Reserve(file, (uint)(file.Size >> 10), held.Count > 0 ? held[^1].Physical + held[^1].Length : 0,
                    (uint)random.Next(1, random.Next(2) == 0 ? 8 : 2000), s_user);
            }
            catch (Ext4Exception e) when (e.Errno == Errno.ENOSPC)
            {
                continue;
            }
            for (uint b = 0; b < taken.Length; b++)
            {
                Assert.Equal(0, Interlocked.Exchange(ref owners[taken.Physical + b], id));
            }
            if (random.Next(5) == 0)
            {
                for (uint b = 0; b < taken.Length; b++)
                {
                    owners[taken.Physical + b] = 0;
                }
                volume.Blocks.Cancel(taken);
                continue;
            }
            using (Handle handle = volume.Journal.Start(2))
            {
                volume.Blocks.Commit(handle, file, taken);
            }
            file.Size += taken.Length << 10;
            held.Add(taken);
        }
        volume.Blocks.DropPreallocation(file);
        FreeRuns(volume, held, int.MaxValue);
        foreach (BlockReservation run in held)
        {
            owners.AsSpan((int)run.Physical, (int)run.Length).Clear();
        }
    }

    private static Random Seeded()
    {
        int seed = Environment.TickCount;
        TestContext.Current.TestOutputHelper?.WriteLine($"seed {seed}");
        return new Random(seed);
    }

    // Takes every free block, the pool for metadata too.
    private static void FillUp(Ext4Volume volume, Random random, List<BlockReservation> runs)
    {
        try
        {
            while (true)
            {
                var inode = new Inode((uint)random.Next(20, 1000)) { Mode = 0x8000 };
                ulong goal = (ulong)random.NextInt64((long)volume.Geometry.BlocksCount);
                for (int i = random.Next(1, 4); i > 0; i--)
                {
                    Add(volume, inode, runs, (uint)random.Next(1, 3000), Caller.Root, goal);
                }
            }
        }
        catch (Ext4Exception e) when (e.Errno == Errno.ENOSPC)
        {
        }
        try
        {
            while (true)
            {
                using Handle handle = volume.Journal.Start(2);
                runs.Add(new BlockReservation(volume.Blocks.AllocateMetadata(handle, new Inode(20), runs[^1].Physical), 1));
            }
        }
        catch (Ext4Exception e) when (e.Errno == Errno.ENOSPC)
        {
        }
    }

    private static void Add(Ext4Volume volume, Inode inode, List<BlockReservation> runs, uint wanted, Caller caller, ulong goal = 0)
    {
        uint logical = (uint)((ulong)inode.Size >> volume.Geometry.BlockSizeBits);
        BlockReservation run = volume.Blocks.Reserve(inode, logical, goal, wanted, caller);
        Assert.InRange(run.Length, 1u, wanted);
        using (Handle handle = volume.Journal.Start(2))
        {
            volume.Blocks.Commit(handle, inode, run);
        }
        inode.Size += (long)run.Length << volume.Geometry.BlockSizeBits;
        runs.Add(run);
    }

    private static void FreeRuns(Ext4Volume volume, List<BlockReservation> runs, int count)
    {
        foreach (BlockReservation run in runs.Take(count))
        {
            using Handle handle = volume.Journal.Start(40);
            volume.Blocks.Free(handle, null, run.Physical, run.Length, run.Length == 1);
        }
    }

    private sealed class GrowingFile(Ext4Volume volume, uint number)
    {
        public Inode Inode { get; } = new(number) { Mode = 0x81A4 };
        public ulong Goal { get; init; }
        public List<BlockReservation> Runs { get; } = [];

        public void Append(uint count)
        {
            while (count > 0)
            {
                uint logical = (uint)(Inode.Size >> volume.Geometry.BlockSizeBits);
                ulong goal = Runs.Count == 0 ? Goal : Runs[^1].Physical + Runs[^1].Length;
                BlockReservation run = volume.Blocks.Reserve(Inode, logical, goal, count, s_user);
                using (Handle handle = volume.Journal.Start(2))
                {
                    volume.Blocks.Commit(handle, Inode, run);
                }
                Inode.Size += (long)run.Length << volume.Geometry.BlockSizeBits;
                if (Runs.Count > 0 && Runs[^1].Physical + Runs[^1].Length == run.Physical)
                {
                    Runs[^1] = new BlockReservation(Runs[^1].Physical, Runs[^1].Length + run.Length);
                }
                else
                {
                    Runs.Add(run);
                }
                count -= run.Length;
            }
        }
    }
}
