using WinLoop.Ext4.Format;
using WinLoop.TestKit;

namespace WinLoop.Ext4.Tests.Suspend;

/// <summary>What a suspend leaves on the image, and that the volume goes on.</summary>
public sealed class SuspendTests
{
    private const ushort File = 0x81A4;

    private static Superblock SuperblockOf(TestImage image)
    {
        using WinLoop.Storage.IBlockDevice device = image.OpenDevice(isReadOnly: true);
        return SuperblockReader.Read(device);
    }

    [Theory]
    [InlineData("")]
    [InlineData("-O ^has_journal")]
    [InlineData("-O orphan_file")]
    [InlineData("-b 1024 -O ^metadata_csum,^64bit")]
    public void A_suspended_volume_is_clean_on_the_disk_and_can_be_used_on(string options)
    {
        using TestImage image = TestImage.Make(16, options);
        ushort mounts = SuperblockOf(image).MountCount;
        using (Ext4Volume volume = image.Mount())
        {
            Inode root = volume.GetInode(Ext4Volume.RootInode);
            for (int round = 0; round < 4; round++)
            {
                Inode file = volume.Create(root, "round"u8.ToArray().Append((byte)('0' + round)).ToArray(), File, 0, Caller.Root);
                volume.Write(file, new byte[10_000], 0, Caller.Root);
                volume.Suspend();
                image.AssertClean();
                Assert.True(volume.Resume());
                Assert.False(volume.IsReadOnly);
                if (round % 2 == 0)
                {
                    volume.Write(file, new byte[5000], 20_000, Caller.Root);
                    volume.Synchronize(file, dataOnly: false);
                    Superblock used = SuperblockOf(image);
                    Assert.True(used.Has(CompatFeatures.HasJournal) ? used.Has(IncompatFeatures.Recover) : (used.State & Superblock.StateValid) == 0,
                        "in use and marked clean");
                }
                volume.Release(file);
            }
            volume.Suspend();
            volume.Suspend();
            volume.Release(root);
        }
        image.AssertClean();
        Assert.Equal(mounts + 1, SuperblockOf(image).MountCount);
        using Ext4Volume again = image.Mount(new Ext4MountOptions { IsReadOnly = true });
        Assert.Null(again.RecoveryReport);
    }

    [Fact]
    public void An_open_file_without_a_name_outlives_a_suspend()
    {
        using TestImage image = TestImage.Make(16);
        using (Ext4Volume volume = image.Mount())
        {
            Inode root = volume.GetInode(Ext4Volume.RootInode);
            Inode file = volume.Create(root, "open"u8, File, 0, Caller.Root);
            volume.Write(file, "kept"u8, 0, Caller.Root);
            volume.Unlink(root, "open"u8);
            volume.Suspend();
            // On the disk it is an orphan, which the next mount of a machine that lost power now would free.
            using (TestImage copy = image.Copy())
            {
                using (Ext4Volume elsewhere = copy.Mount())
                {
                    Assert.Contains("freed 1", elsewhere.RecoveryReport, StringComparison.Ordinal);
                }
                copy.AssertClean();
            }
            Assert.True(volume.Resume());
            var content = new byte[4];
            Assert.Equal(4, volume.Read(file, content, 0));
            Assert.Equal("kept"u8.ToArray(), content);
            volume.Release(file);
            volume.Release(root);
        }
        image.AssertClean();
    }

    [Fact]
    public void A_volume_that_was_not_changed_is_not_written_by_a_suspend()
    {
        using TestImage image = TestImage.Make(8);
        string before = Shell.Script($"sha256sum {image.Path}");
        using (Ext4Volume volume = image.Mount())
        {
            volume.Suspend();
            Assert.True(volume.Resume());
        }
        Assert.Equal(before, Shell.Script($"sha256sum {image.Path}"));
    }

    [Theory]
    [InlineData("")]
    [InlineData("-O ^has_journal")]
    public void Suspends_under_load_lose_nothing_and_stop_nobody(string options)
    {
        const int threads = 4, perThread = 60;
        using TestImage image = TestImage.Make(32, options);
        using (Ext4Volume volume = image.Mount(new Ext4MountOptions { CommitInterval = 1 }))
        {
            using var done = new CountdownEvent(threads);
            var failures = new System.Collections.Concurrent.ConcurrentQueue<Exception>();
            for (int t = 0; t < threads; t++)
            {
                int thread = t;
                new Thread(() =>
                {
                    try
                    {
                        Work(volume, thread, perThread);
                    }
                    catch (Exception e)
                    {
                        failures.Enqueue(e);
                    }
                    done.Signal();
                }).Start();
            }
            int suspends = 0;
            while (!done.Wait(2, TestContext.Current.CancellationToken))
            {
                volume.Suspend();
                Assert.True(volume.Resume());
                suspends++;
            }
            Assert.Empty(failures);
            Assert.True(suspends > 0, "the load was over before the first suspend");
        }
        image.AssertClean();
        using Ext4Volume again = image.Mount(new Ext4MountOptions { IsReadOnly = true });
        Inode root = again.GetInode(Ext4Volume.RootInode);
        var content = new byte[9000];
        for (int i = 0; i < threads * perThread; i++)
        {
            Inode? file = again.Lookup(root, System.Text.Encoding.ASCII.GetBytes($"f{i / perThread}-{i % perThread}"));
            Assert.NotNull(file);
            Assert.Equal(content.Length, again.Read(file, content, 0));
            Assert.Equal(-1, content.AsSpan().IndexOfAnyExcept((byte)(i % perThread)));
            again.Release(file);
        }
        again.Release(root);
    }

    private static void Work(Ext4Volume volume, int thread, int count)
    {
        Inode root = volume.GetInode(Ext4Volume.RootInode);
        var content = new byte[9000];
        for (int i = 0; i < count; i++)
        {
            content.AsSpan().Fill((byte)i);
            Inode file = volume.Create(root, System.Text.Encoding.ASCII.GetBytes($"t{thread}"), File, 0, Caller.Root);
            volume.Write(file, content, 0, Caller.Root);
            volume.SetExtendedAttribute(file, "user.n"u8, content.AsSpan(0, 100), AttributeSetMode.CreateOrReplace);
            if (i % 8 == 0)
            {
                volume.Synchronize(file, dataOnly: false);
            }
            volume.Release(file);
            volume.Rename(root, System.Text.Encoding.ASCII.GetBytes($"t{thread}"), root, System.Text.Encoding.ASCII.GetBytes($"f{thread}-{i}"),
                RenameFlags.None, Caller.Root);
        }
        volume.Release(root);
    }
}
