using System.Text;
using WinLoop.Storage;
using WinLoop.TestKit;

namespace WinLoop.Ext4.Tests.Limits;

/// <summary>Bounds of memory and of the journal: reaching one costs time and never an error (docs/limits.md).</summary>
public sealed class CacheLimitTests
{
    private const ushort File = 0x81A4;

    [Fact]
    public void The_block_cache_and_the_inode_cache_keep_their_bounds()
    {
        using TestImage image = TestImage.Make(64, "-b 1024 -N 16000");
        // The smallest cache there is: 64 blocks.
        var options = new Ext4MountOptions { CacheBytes = 1, CachedInodes = 50, UseBackgroundCommit = false };
        using (Ext4Volume volume = image.Mount(options))
        {
            Inode root = volume.GetInode(Ext4Volume.RootInode);
            var numbers = new List<uint>();
            for (int d = 0; d < 60; d++)
            {
                Inode directory = volume.CreateDirectory(root, Name("d", d), 0x1ED, Caller.Root);
                for (int f = 0; f < 100; f++)
                {
                    Inode file = volume.Create(directory, Name("f", f), File, 0, Caller.Root);
                    numbers.Add(file.Number);
                    volume.Release(file);
                }
                volume.Release(directory);
            }
            // Dirty blocks stay until they are home, whatever the bound; afterwards they leave as others come.
            volume.Suspend();
            for (int round = 0; round < 2; round++)
            {
                foreach (uint number in numbers)
                {
                    volume.Release(volume.GetInode(number));
                }
            }
            VolumeFigures figures = volume.GetFigures();
            Assert.Equal(64, figures.CachedBlockLimit);
            Assert.InRange(figures.CachedBlocks, 1, figures.CachedBlockLimit + 1);
            Assert.InRange(figures.CachedInodes, 1, options.CachedInodes + 1);
            volume.Release(root);
        }
        image.AssertClean();
    }

    [Fact]
    public void Files_that_are_held_open_pass_the_bound_of_the_inode_cache_and_come_back_under_it()
    {
        const int files = 20_000;
        using TestImage image = TestImage.Make(64, "-b 1024 -N 24000");
        using (Ext4Volume volume = image.Mount(new Ext4MountOptions { CachedInodes = 100 }))
        {
            Inode root = volume.GetInode(Ext4Volume.RootInode);
            var open = new Inode[files];
            for (int i = 0; i < files; i++)
            {
                open[i] = volume.CreateTemporary(root, File, Caller.Root);
            }
            Assert.InRange(volume.GetFigures().CachedInodes, files, files + 200);
            foreach (Inode file in open)
            {
                volume.Release(file);
            }
            for (int i = 0; i < 300; i++)
            {
                volume.Release(volume.Create(root, Name("n", i), File, 0, Caller.Root));
            }
            Assert.InRange(volume.GetFigures().CachedInodes, 1, 102);
            volume.Release(root);
        }
        image.AssertClean();
    }

    [Fact]
    public void A_full_transaction_is_committed_by_whoever_needs_room_and_a_full_log_is_checkpointed()
    {
        // The shortest journal: a transaction takes a quarter of it.
        using TestImage image = TestImage.Make(64, "-b 1024 -J size=1 -N 16000");
        var recorder = new RecordingDevice(image.OpenDevice(), ownsInner: true);
        using (Ext4Volume volume = Ext4Volume.Mount(recorder, new Ext4MountOptions { UseBackgroundCommit = false }))
        {
            Inode root = volume.GetInode(Ext4Volume.RootInode);
            int limit = volume.Journal.MaxCredits * 2;
            Assert.InRange(limit, 250, 256);
            for (int d = 0; d < 120; d++)
            {
                Inode directory = volume.CreateDirectory(root, Name("d", d), 0x1ED, Caller.Root);
                for (int f = 0; f < 60; f++)
                {
                    volume.Release(volume.Create(directory, Name("a-long-name-that-fills-blocks-", f), File, 0, Caller.Root));
                }
                volume.Release(directory);
            }
            volume.Release(root);
            Assert.True(volume.GetFigures().Commits >= 3, "nobody asked for a commit, and none came");
            AssertTransactions(recorder, limit);
        }
        image.AssertClean();
    }

    // No transaction is larger than the bound, and the tail moved while the log was in use.
    private static void AssertTransactions(RecordingDevice recorder, int limit)
    {
        long blocks = 0, largest = 0;
        int tails = 0;
        foreach (RecordedOperation entry in recorder.GetLog())
        {
            switch (entry.Tag)
            {
                case WriteTag.JournalDescriptor when entry.Kind == RecordedKind.Write:
                    blocks += entry.Length / 1024;
                    break;
                case WriteTag.JournalCommit when entry.Kind == RecordedKind.Write:
                    largest = Math.Max(largest, blocks);
                    blocks = 0;
                    break;
                case WriteTag.JournalSuperblock when entry.Kind == RecordedKind.Write:
                    tails++;
                    break;
            }
        }
        // The descriptor blocks, one for some sixty images, come on top.
        Assert.InRange(largest, limit / 2, limit + (limit / 50) + 2);
        Assert.True(tails >= 2, $"the log was checkpointed {tails} times");
    }

    private static byte[] Name(string prefix, int number) => Encoding.ASCII.GetBytes($"{prefix}{number:d3}");
}
