using System.Text;
using WinLoop.TestKit;

namespace WinLoop.Ext4.Tests.Resize;

/// <summary>Growing a volume while it is written to.</summary>
public sealed class OnlineGrowTests
{
    [Theory]
    [InlineData("-b 1024", 1024, 12_000)]
    [InlineData("-b 4096", 4096, 20_000)]
    [InlineData("-b 1024 -O ^has_journal", 1024, 12_000)]
    public void FilesAreWrittenAllTheWhile(string options, int blockSize, long before)
    {
        using ResizeImage image = ResizeImage.Make(before, options);
        long last = before * 12;
        image.SetLength(last * blockSize);
        var written = new System.Collections.Concurrent.ConcurrentBag<(string Name, byte Fill, int Length)>();
        int refused = 0;
        using (Ext4Volume volume = image.Image.Mount())
        {
            using var stop = new CancellationTokenSource();
            Exception? failure = null;
            Thread[] writers = [.. Enumerable.Range(0, 3).Select(writer => new Thread(() =>
            {
                try
                {
                    Write(volume, writer, written, ref refused, stop.Token);
                }
                catch (Exception e)
                {
                    failure = e;
                }
            }))];
            Array.ForEach(writers, thread => thread.Start());
            for (long size = before * 2; size <= last; size += before)
            {
                volume.Grow(size * blockSize);
                Thread.Sleep(50);
            }
            stop.Cancel();
            Array.ForEach(writers, thread => thread.Join());
            Assert.Null(failure);
            Assert.Equal((ulong)last, volume.Geometry.BlocksCount);
            VolumeStatistics statistics = volume.GetStatistics();
            Assert.True(statistics.Blocks > (ulong)(last * 8 / 10), $"{statistics.Blocks} blocks");
            foreach ((string name, byte fill, int length) in written)
            {
                AssertContent(volume, name, fill, length);
            }
        }
        Assert.NotEmpty(written);
        image.Image.AssertClean();
        // More than the volume had before: the new groups were used while it was mounted.
        Assert.True(written.Sum(file => (long)file.Length) > before * blockSize, $"{written.Sum(file => (long)file.Length)} bytes");
    }

    private static void Write(Ext4Volume volume, int writer, System.Collections.Concurrent.ConcurrentBag<(string, byte, int)> written, ref int refused, CancellationToken stop)
    {
        Inode root = volume.GetInode(Ext4Volume.RootInode);
        for (int i = 0; !stop.IsCancellationRequested; i++)
        {
            string name = $"writer-{writer}-file-{i}";
            byte fill = (byte)((writer * 80) + (i % 80) + 1);
            int length = 100_000 + (i * 7919 % 400_000);
            Inode? file = null;
            try
            {
                file = volume.Create(root, Encoding.UTF8.GetBytes(name), 0x81A4, 0, Caller.Root);
                byte[] content = new byte[length];
                Array.Fill(content, fill);
                int count = volume.Write(file, content, 0, Caller.Root);
                written.Add((name, fill, count));
                if (count < length)
                {
                    Thread.Sleep(5);
                }
            }
            catch (Ext4Exception e) when (e.Errno == Errno.ENOSPC)
            {
                Interlocked.Increment(ref refused);
                Thread.Sleep(5);
            }
            finally
            {
                if (file is not null)
                {
                    volume.Release(file);
                }
            }
        }
        volume.Release(root);
    }

    private static void AssertContent(Ext4Volume volume, string name, byte fill, int length)
    {
        Inode root = volume.GetInode(Ext4Volume.RootInode);
        Inode file = volume.Lookup(root, Encoding.UTF8.GetBytes(name))!;
        byte[] content = new byte[length + 1];
        int count = volume.Read(file, content, 0);
        Assert.Equal(length, count);
        Assert.Equal(-1, content.AsSpan(0, length).IndexOfAnyExcept(fill));
        volume.Release(file);
        volume.Release(root);
    }
}
