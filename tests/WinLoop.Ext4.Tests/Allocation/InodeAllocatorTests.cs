using WinLoop.Ext4.Format;
using WinLoop.Ext4.Journal;
using WinLoop.TestKit;

namespace WinLoop.Ext4.Tests.Allocation;

public sealed class InodeAllocatorTests
{
    private static readonly Ext4MountOptions s_manual = new() { UseBackgroundCommit = false };

    [Theory]
    [InlineData("-b 1024 -N 4000")]
    [InlineData("-b 1024 -N 4000 -O ^flex_bg")]
    [InlineData("-b 1024 -N 4000 -O ^metadata_csum,uninit_bg,^64bit")]
    [InlineData("-b 1024 -N 4000 -O ^metadata_csum,^uninit_bg")]
    [InlineData("-b 4096 -N 4000 -O ^has_journal")]
    public void EveryNumberCanBeAllocatedAndFreedAgain(string options)
    {
        int seed = Environment.TickCount;
        TestContext.Current.TestOutputHelper?.WriteLine($"seed {seed}");
        var random = new Random(seed);
        using TestImage image = TestImage.Make(100, options);
        using (Ext4Volume volume = image.Mount(s_manual))
        {
            uint free = volume.InodeNumbers.FreeInodes;
            var root = new Inode(2);
            var numbers = new Dictionary<uint, bool>();
            Ext4Exception e = Assert.Throws<Ext4Exception>(() =>
            {
                for (int i = 0; i < 1_000_000; i++)
                {
                    bool isDirectory = random.Next(3) == 0;
                    Inode parent = numbers.Count == 0 || random.Next(2) == 0 ? root : new Inode(numbers.Keys.ElementAt(random.Next(numbers.Count)));
                    uint number = Allocate(volume, parent, isDirectory);
                    Assert.InRange(number, volume.Geometry.FirstInode, volume.Geometry.InodesCount);
                    Assert.True(volume.InodeNumbers.IsAllocated(number));
                    numbers.Add(number, isDirectory);
                }
            });
            Assert.Equal(Errno.ENOSPC, e.Errno);
            Assert.Equal(free, (uint)numbers.Count);
            Assert.Equal(0u, volume.InodeNumbers.FreeInodes);

            uint[] order = [.. numbers.Keys];
            random.Shuffle(order);
            Release(volume, order[0], numbers[order[0]]);
            Assert.False(volume.InodeNumbers.IsAllocated(order[0]));
            // Not before the commit.
            Assert.Throws<Ext4Exception>(() => Allocate(volume, root, false));
            Assert.Equal(1, volume.InodeNumbers.PendingInodes);
            volume.Journal.Commit(volume.Journal.RunningTid);
            Assert.Equal(0, volume.InodeNumbers.PendingInodes);
            Assert.Equal(order[0], Allocate(volume, root, numbers[order[0]]));
            foreach (uint number in order)
            {
                Release(volume, number, numbers[number]);
            }
            Assert.Equal(free, volume.InodeNumbers.FreeInodes);
            Assert.Throws<Ext4CorruptException>(() => Release(volume, order[0], false));
            Assert.Throws<Ext4CorruptException>(() => Release(volume, 2, true));
            Assert.Throws<Ext4CorruptException>(() => Release(volume, uint.MaxValue, true));
        }
        image.AssertClean();
    }

    [Fact]
    public void TailOfTheTableFollowsTheHighestNumber()
    {
        using TestImage image = TestImage.Make(100, "-b 1024 -N 4000");
        var numbers = new List<uint>();
        using (Ext4Volume volume = image.Mount(s_manual))
        {
            for (int i = 0; i < 700; i++)
            {
                numbers.Add(Allocate(volume, new Inode(2), false));
            }
            Assert.True(volume.Groups.IsUnusedSlot(volume.Geometry.GroupCount - 1, 0));
            foreach (uint number in numbers)
            {
                Assert.False(volume.Groups.IsUnusedSlot(volume.Geometry.GroupOfInode(number), (number - 1) % volume.Geometry.InodesPerGroup));
                Release(volume, number, false);
            }
        }
        image.AssertClean();
        DumpedGroup first = DumpedGroups.Read(image.Path)[0];
        Assert.Equal(0u, first.UnusedInodes);
    }

    [Fact]
    public void DirectoriesOfTheRootSpreadAndTheirContentFollows()
    {
        using TestImage image = TestImage.Make(512, "-b 1024 -G 8 -N 32768");
        using Ext4Volume volume = image.Mount(s_manual);
        Geometry geometry = volume.Geometry;
        var flexes = new HashSet<uint>();
        for (int i = 0; i < 8; i++)
        {
            uint top = Allocate(volume, new Inode(2), isDirectory: true);
            uint group = geometry.GroupOfInode(top);
            flexes.Add(group / 8);
            var directory = new Inode(top);
            Assert.Equal(group, geometry.GroupOfInode(Allocate(volume, directory, isDirectory: false)));
            Assert.Equal(group, geometry.GroupOfInode(Allocate(volume, directory, isDirectory: true)));
        }
        // Those with the journal and the root's own blocks have less room than the average.
        Assert.True(flexes.Count >= 6, $"{flexes.Count} of 8 flex groups");
    }

    [Fact]
    public void ThreadsNeverGetTheSameNumber()
    {
        using TestImage image = TestImage.Make(100, "-b 1024 -N 8000");
        using (Ext4Volume volume = image.Mount(new Ext4MountOptions { CommitInterval = 1 }))
        {
            uint free = volume.InodeNumbers.FreeInodes;
            var owners = new int[volume.Geometry.InodesCount + 1];
            var failures = new List<Exception>();
            Thread[] threads = [.. Enumerable.Range(1, 4).Select(id => new Thread(() =>
            {
                var random = new Random(id);
                var held = new List<(uint Number, bool IsDirectory)>();
                try
                {
                    for (int i = 0; i < 5000 || held.Count > 0; i++)
                    {
                        if (i >= 5000 || (held.Count > 0 && random.Next(10) < 4))
                        {
                            (uint number, bool isDirectory) = held[^1];
                            held.RemoveAt(held.Count - 1);
                            Assert.Equal(id, Interlocked.Exchange(ref owners[number], 0));
                            Release(volume, number, isDirectory);
                            continue;
                        }
                        bool directory = random.Next(4) == 0;
                        uint taken;
                        try
                        {
                            taken = Allocate(volume, new Inode((uint)random.Next(11, 8000)), directory);
                        }
                        catch (Ext4Exception e) when (e.Errno == Errno.ENOSPC)
                        {
                            volume.Journal.Commit(volume.Journal.RunningTid);
                            continue;
                        }
                        Assert.Equal(0, Interlocked.Exchange(ref owners[taken], id));
                        held.Add((taken, directory));
                    }
                }
                catch (Exception e)
                {
                    lock (failures)
                    {
                        failures.Add(e);
                    }
                }
            }))];
            Array.ForEach(threads, t => t.Start());
            Array.ForEach(threads, t => t.Join());
            Assert.Empty(failures);
            Assert.Equal(free, volume.InodeNumbers.FreeInodes);
        }
        image.AssertClean();
    }

    private static uint Allocate(Ext4Volume volume, Inode parent, bool isDirectory)
    {
        using Handle handle = volume.Journal.Start(8);
        return volume.InodeNumbers.Allocate(handle, parent, isDirectory);
    }

    private static void Release(Ext4Volume volume, uint number, bool isDirectory)
    {
        using Handle handle = volume.Journal.Start(8);
        volume.InodeNumbers.Free(handle, number, isDirectory);
    }
}
