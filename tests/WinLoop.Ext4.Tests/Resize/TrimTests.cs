using System.Text;
using WinLoop.Storage;
using WinLoop.TestKit;

namespace WinLoop.Ext4.Tests.Resize;

/// <summary>Free blocks, and no others, are discarded.</summary>
public sealed class TrimTests
{
    [Theory]
    [InlineData("-b 1024", 1024), InlineData("-b 4096", 4096), InlineData("-b 1024 -O ^metadata_csum,^has_journal", 1024)]
    public void AllThatIsFreeAndNothingElse(string options, int blockSize)
    {
        using ResizeImage image = ResizeImage.Make(40_000, options);
        string tree = image.Tree();
        long free = long.Parse(image.Counts()["Free blocks"]);
        using var content = new MemoryDevice(File.ReadAllBytes(image.Path));
        using var recording = new RecordingDevice(content);
        using (Ext4Volume volume = Ext4Volume.Mount(recording, new Ext4MountOptions()))
        {
            Assert.Equal(free * blockSize, volume.Trim());
            Assert.Equal(free * blockSize, volume.Trim()); // they are free still
            // Only runs of some length, and only in a range.
            long large = volume.Trim(minimum: 1 << 20);
            Assert.InRange(large, 1, free * blockSize);
            long half = volume.Trim(0, 20_000L * blockSize), rest = volume.Trim(20_000L * blockSize);
            Assert.Equal(free * blockSize, half + rest);
            Assert.Equal(Errno.EINVAL, Assert.Throws<Ext4Exception>(() => volume.Trim(40_000L * blockSize)).Errno);
            Assert.Equal((ulong)free, volume.GetStatistics().FreeBlocks);
        }
        // Nothing was written: a volume that is only trimmed is not in use.
        Assert.DoesNotContain(recording.GetLog(), o => o.Kind is RecordedKind.Write or RecordedKind.WriteZeroes);
        // The recorded discards, done as zeroes, leave every file and all metadata.
        using (FileStream file = File.OpenWrite(image.Path))
        {
            foreach (RecordedOperation discard in recording.GetLog().Where(o => o.Kind == RecordedKind.Discard))
            {
                file.Position = discard.Offset;
                file.Write(new byte[discard.Length]);
            }
        }
        image.Image.AssertClean();
        Assert.Equal(tree, image.Tree());
    }

    [Fact]
    public void FilesOfOthersStayWholeMeanwhile()
    {
        using ResizeImage image = ResizeImage.Make(60_000, "-b 1024");
        using Ext4Volume volume = Ext4Volume.Mount(LoopDevice.Open(image.Path), new Ext4MountOptions());
        Inode root = volume.GetInode(Ext4Volume.RootInode);
        bool stop = false;
        Exception? failure = null;
        var trimmer = new Thread(() =>
        {
            try
            {
                while (!Volatile.Read(ref stop))
                {
                    volume.Trim();
                }
            }
            catch (Exception e)
            {
                failure = e;
            }
        });
        trimmer.Start();
        for (int i = 0; i < 200; i++)
        {
            byte[] content = new byte[200_000];
            Array.Fill(content, (byte)(i + 1));
            byte[] name = Encoding.UTF8.GetBytes($"file{i % 20}");
            if (i >= 20)
            {
                volume.Unlink(root, name);
            }
            Inode file = volume.Create(root, name, 0x81A4, 0, Caller.Root);
            Assert.Equal(content.Length, volume.Write(file, content, 0, Caller.Root));
            byte[] back = new byte[content.Length];
            Assert.Equal(back.Length, volume.Read(file, back, 0));
            Assert.True(content.AsSpan().SequenceEqual(back));
            volume.Release(file);
        }
        Volatile.Write(ref stop, true);
        trimmer.Join();
        Assert.Null(failure);
        for (int i = 180; i < 200; i++)
        {
            Inode file = volume.Lookup(root, Encoding.UTF8.GetBytes($"file{i % 20}"))!;
            byte[] back = new byte[200_000];
            Assert.Equal(back.Length, volume.Read(file, back, 0));
            Assert.Equal(-1, back.AsSpan().IndexOfAnyExcept((byte)(i + 1)));
            volume.Release(file);
        }
        volume.Release(root);
        volume.Dispose();
        image.Image.AssertClean();
    }
}
