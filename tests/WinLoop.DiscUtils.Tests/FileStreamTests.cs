using DiscUtils.Streams;
using WinLoop.TestKit;

namespace WinLoop.DiscUtils.Tests;

/// <summary>The streams of files: holes, lengths, and whether Flush keeps its word.</summary>
public sealed class FileStreamTests
{
    [Fact]
    public void ExtentsAreWhereTheDataIs()
    {
        using TestImage image = TestImage.Make(40, "-b 4096");
        using (Ext4FileSystem fs = Opened.Open(image))
        {
            using SparseStream s = fs.OpenFile("f", FileMode.Create);
            Assert.Empty(s.Extents);
            s.SetLength(1 << 20);
            Assert.Empty(s.Extents);
            s.Position = 8192;
            s.Write(new byte[10_000]);
            s.Position = 100_000;
            s.Write([1]);
            Assert.Equal([new StreamExtent(8192, 12288), new StreamExtent(98304, 4096)], s.Extents);
            Assert.Equal([new StreamExtent(9000, 1000)], s.GetExtentsInRange(9000, 1000));
            Assert.Equal([new StreamExtent(20000, 480), new StreamExtent(98304, 96)], s.GetExtentsInRange(20000, 78400));
            Assert.Empty(s.GetExtentsInRange(200_000, long.MaxValue));
            Assert.Empty(s.GetExtentsInRange(2 << 20, 5));

            // A whole block of zeroes becomes a hole; behind the end the file grows.
            s.Position = 8192;
            s.Clear(4096);
            Assert.Equal(12288, s.Position);
            Assert.Equal([new StreamExtent(12288, 8192), new StreamExtent(98304, 4096)], s.Extents);
            s.Position = (1 << 20) - 10;
            s.Clear(5000);
            Assert.Equal((1 << 20) + 4990, s.Length);
            s.Clear(0);
            s.SetLength(99_000);
            Assert.Equal(99_000, s.Position);
            Assert.Equal(new StreamExtent(98304, 696), s.Extents.Last());
        }
        image.AssertClean();
    }

    [Fact]
    public void PreallocatedBlocksAreHolesAndReadAsZeroes()
    {
        using TestImage image = TestImage.Make(20, "-b 4096");
        using (Ext4FileSystem fs = Opened.Open(image))
        {
            fs.Put("f", "");
            fs.WithRoot((volume, root) =>
            {
                var inode = volume.Lookup(root, "f"u8)!;
                volume.Allocate(inode, Ext4.AllocateMode.Default, 0, 1 << 20, Ext4.Caller.Root);
                volume.Release(inode);
            });
            using SparseStream s = fs.OpenFile("f", FileMode.Open, FileAccess.Read);
            Assert.Equal(1 << 20, s.Length);
            Assert.Empty(s.Extents);
            byte[] content = new byte[1 << 20];
            s.ReadExactly(content);
            Assert.Equal(-1, content.AsSpan().IndexOfAnyExcept((byte)0));
        }
        image.AssertClean();
    }

    [Fact]
    public async Task AsyncCallsAreTheSame()
    {
        using TestImage image = TestImage.Make(20);
        using (Ext4FileSystem fs = Opened.Open(image))
        {
            using Stream s = fs.OpenFile("f", FileMode.Create);
            await s.WriteAsync(new byte[] { 1, 2, 3 }, TestContext.Current.CancellationToken);
#pragma warning disable CA1835 // Both overloads are meant.
            await s.WriteAsync([4, 5], 0, 2, TestContext.Current.CancellationToken);
            await s.FlushAsync(TestContext.Current.CancellationToken);
            s.Position = 1;
            byte[] read = new byte[10];
            Assert.Equal(4, await s.ReadAsync(read, 0, 10, TestContext.Current.CancellationToken));
#pragma warning restore CA1835
            Assert.Equal([2, 3, 4, 5], read[..4]);
        }
        image.AssertClean();
    }

    /// <summary>The image is copied while it is mounted: what is in it then is what a power loss would have left.</summary>
    [Fact]
    public void FlushOfAStreamIsFsync()
    {
        using TestImage image = TestImage.Make(20);
        int barriers = 0;
        using var file = new FileStream(image.Path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite, bufferSize: 0);
        var options = new Ext4FileSystemOptions
        {
            Barrier = () => barriers++,
            Mount = new Ext4.Ext4MountOptions { UseBackgroundCommit = false },
        };
        using (var fs = new Ext4FileSystem(file, options))
        {
            using SparseStream s = fs.OpenFile("f", FileMode.Create);
            s.Write("durable"u8);
            using (TestImage lost = image.Copy())
            using (Ext4FileSystem after = Opened.Open(lost))
            {
                Assert.False(after.Exists("f"));
            }
            int before = barriers;
            s.Flush();
            Assert.True(barriers > before, "no barrier");
            using (TestImage kept = image.Copy())
            {
                using (Ext4FileSystem after = Opened.Open(kept))
                {
                    Assert.Equal("durable", after.Text("f"));
                    Assert.NotNull(after.Volume.RecoveryReport);
                }
                kept.AssertClean();
            }
        }
        image.AssertClean();
    }

    [Fact]
    public void AFailedBarrierIsToldByEveryLaterFlush()
    {
        using TestImage image = TestImage.Make(20);
        using var file = new FileStream(image.Path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);
        bool fails = false;
        var fs = new Ext4FileSystem(file, new Ext4FileSystemOptions { Barrier = () => _ = fails ? throw new IOException("the disk is gone") : 0 });
        Stream s = fs.OpenFile("f", FileMode.Create);
        s.Write("x"u8);
        fails = true;
        Assert.ThrowsAny<IOException>(s.Flush);
        fails = false;
        Assert.ThrowsAny<IOException>(s.Flush);
        Assert.ThrowsAny<IOException>(fs.Flush);
        Assert.False(fs.CanWrite);
        Assert.Throws<UnauthorizedAccessException>(() => fs.CreateDirectory("d"));
        fs.Dispose();
    }

    /// <summary>Random calls against a MemoryStream, which has the same semantics.</summary>
    [Theory]
    [InlineData("-b 1024", false)]
    [InlineData("-b 4096", true)]
    public void BehavesLikeAMemoryStream(string mkfs, bool isDisposedOften)
    {
        int seed = Random.Shared.Next();
        TestContext.Current.TestOutputHelper!.WriteLine($"seed {seed}");
        var random = new Random(seed);
        using TestImage image = TestImage.Make(40, mkfs);
        var model = new MemoryStream();
        using (Ext4FileSystem fs = Opened.Open(image))
        {
            SparseStream stream = fs.OpenFile("f", FileMode.Create);
            byte[] data = new byte[50_000], back = new byte[50_000];
            for (int i = 0; i < 1500; i++)
            {
                // Not 0: a MemoryStream grows by a write of nothing behind its end, a file does not.
                int count = 1 + random.Next(random.Next(2) == 0 ? 50 : data.Length - 1);
                long position = random.Next(4) == 0 ? model.Position : random.Next(2_000_000);
                stream.Position = model.Position = position;
                switch (random.Next(6))
                {
                    case 0 or 1:
                        random.NextBytes(data);
                        stream.Write(data, 0, count);
                        model.Write(data, 0, count);
                        break;
                    case 2:
                        int read = model.Read(data, 0, count);
                        Assert.Equal(read, stream.ReadAtLeast(back.AsSpan(0, count), count, throwOnEndOfStream: false));
                        Assert.True(data.AsSpan(0, read).SequenceEqual(back.AsSpan(0, read)), $"seed {seed}, step {i}");
                        break;
                    case 3 when random.Next(5) == 0:
                        long length = random.Next(2_000_000);
                        stream.SetLength(length);
                        model.SetLength(length);
                        break;
                    case 4:
                        stream.Clear(count);
                        model.Write(new byte[count]);
                        break;
                    case 5 when isDisposedOften:
                        stream.Dispose();
                        stream = fs.OpenFile("f", FileMode.Open);
                        stream.Position = model.Position;
                        break;
                    default:
                        Assert.Equal(model.Seek(-Math.Min(count, model.Position), SeekOrigin.Current), stream.Seek(-Math.Min(count, position), SeekOrigin.Current));
                        break;
                }
                Assert.Equal(model.Length, stream.Length);
                Assert.Equal(model.Position, stream.Position);
            }
            byte[] expected = model.ToArray();
            Assert.True(expected.AsSpan().SequenceEqual(fs.Bytes("f")), $"seed {seed}: the content differs");
            long end = 0;
            foreach (StreamExtent extent in stream.Extents)
            {
                Assert.Equal(-1, expected.AsSpan((int)end, (int)(extent.Start - end)).IndexOfAnyExcept((byte)0));
                Assert.True(extent.Length > 0);
                end = extent.Start + extent.Length;
            }
            Assert.Equal(-1, expected.AsSpan((int)end).IndexOfAnyExcept((byte)0));
        }
        image.AssertClean();
    }
}
