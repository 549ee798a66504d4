using WinLoop.Ext4.Extents;
using WinLoop.TestKit;

namespace WinLoop.Ext4.Tests.Files;

/// <summary>What happens to content when no blocks are left.</summary>
public sealed class FullVolumeTests
{
    [Theory]
    [InlineData("-b 1024")]
    [InlineData("-b 4096")]
    public void AWriteThatDoesNotFitKeepsWhatFits(string options)
    {
        Shell.RequireLoopMounts();
        using TestImage image = TestImage.Make(16, $"{options} -m 0");
        (uint a, uint b) = MakeFiles(image);
        byte[] data = new byte[300_000];
        Random.Shared.NextBytes(data);
        long size = 0;
        using (Ext4Volume volume = image.Mount())
        {
            Inode inode = volume.GetInode(a), other = volume.GetInode(b);
            size = Fill(volume, inode, data);
            Assert.Equal(size, volume.GetAttributes(inode).Size);
            Assert.Equal(Errno.ENOSPC, Assert.Throws<Ext4Exception>(() => volume.Write(other, data, 0, Caller.Root)).Errno);
            Assert.Equal(0, volume.GetAttributes(other).Size);
            Assert.Equal(0u, volume.GetAttributes(other).Blocks);
            // What is freed can be used at once, although its transaction is not durable.
            volume.SetAttributes(inode, new AttributeChanges { Size = size / 2 }, Caller.Root);
            Assert.Equal(data.Length, volume.Write(other, data, 0, Caller.Root));
            volume.SetAttributes(other, new AttributeChanges { Size = 0 }, Caller.Root);
            volume.SetAttributes(inode, new AttributeChanges { Size = 0 }, Caller.Root);
            // The new layout may need a tree node more or less.
            Assert.InRange(Fill(volume, inode, data), size - (8 * volume.Geometry.BlockSize), long.MaxValue);
            size = volume.GetAttributes(inode).Size;
            volume.Release(inode);
            volume.Release(other);
        }
        image.AssertClean();
        using KernelMount kernel = KernelMount.Open(image);
        byte[] content = File.ReadAllBytes(kernel["a"]);
        Assert.Equal(size, content.Length);
        for (int at = 0; at < content.Length; at += data.Length)
        {
            int length = Math.Min(data.Length, content.Length - at);
            Assert.True(content.AsSpan(at, length).SequenceEqual(data.AsSpan(0, length)), $"content at {at}");
        }
    }

    [Fact]
    public void AnAllocationThatCannotFitChangesNothing()
    {
        Shell.RequireLoopMounts();
        using TestImage image = TestImage.Make(16, "-b 1024");
        (uint a, _) = MakeFiles(image);
        using (Ext4Volume volume = image.Mount())
        {
            Inode inode = volume.GetInode(a);
            ulong free = volume.Blocks.FreeBlocks;
            foreach (AllocateMode mode in new[] { AllocateMode.Default, AllocateMode.KeepSize, AllocateMode.ZeroRange })
            {
                Assert.Equal(Errno.ENOSPC, Assert.Throws<Ext4Exception>(() => volume.Allocate(inode, mode, 0, 1L << 30, Caller.Root)).Errno);
            }
            Assert.Equal(free, volume.Blocks.FreeBlocks);
            Assert.Equal(0, volume.GetAttributes(inode).Size);
            volume.Release(inode);
        }
        image.AssertClean();
    }

    [Fact]
    public void PreallocatedBlocksCanBeWrittenOnAFullVolume()
    {
        Shell.RequireLoopMounts();
        using TestImage image = TestImage.Make(24, "-b 1024 -m 0 -J size=1");
        (uint a, uint b) = MakeFiles(image);
        const int blocks = 16_000;
        var model = new FileModel(1024);
        using (Ext4Volume volume = image.Mount())
        {
            Inode inode = volume.GetInode(a), other = volume.GetInode(b);
            volume.Allocate(inode, AllocateMode.Default, 0, blocks * 1024, Caller.Root);
            model.SetSize(blocks * 1024);
            Fill(volume, other, new byte[100_000]);
            var random = new Random(3);
            int[] order = [.. Enumerable.Range(0, blocks / 2)];
            random.Shuffle(order);
            var data = new byte[1024];
            foreach (int i in order)
            {
                random.NextBytes(data);
                int length = random.Next(1, 1025);
                Assert.Equal(length, volume.Write(inode, data.AsSpan(0, length), i * 2048, Caller.Root));
                model.Write(data.AsSpan(0, length), i * 2048);
            }
            model.AssertEqual((offset, buffer) => volume.Read(inode, buffer, offset), volume.GetAttributes(inode).Size, "engine");
            Assert.True(volume.Blocks.FreeBlocks < 16, $"{volume.Blocks.FreeBlocks} blocks are free: the test does not test");
            uint cursor = 0;
            bool isWholeConverted = false;
            while (volume.Extents.MapNext(inode, ref cursor, out ExtentMapping mapping))
            {
                isWholeConverted |= mapping is { State: ExtentState.Written, Length: > 1 };
            }
            Assert.True(isWholeConverted);
            volume.Release(inode);
            volume.Release(other);
        }
        image.AssertClean();
        using KernelMount kernel = KernelMount.Open(image);
        using Microsoft.Win32.SafeHandles.SafeFileHandle file = File.OpenHandle(kernel["a"]);
        model.AssertEqual((offset, buffer) => RandomAccess.Read(file, buffer, offset), RandomAccess.GetLength(file), "kernel");
    }

    [Theory]
    [InlineData("-b 1024", (long)uint.MaxValue * 1024)]
    [InlineData("-b 4096", (long)uint.MaxValue * 4096)]
    [InlineData("-b 4096 -O ^huge_file", (long)(uint.MaxValue - 7) * 512)]
    [InlineData("-b 1024 -O ^large_file", (long)uint.MaxValue * 1024)]
    public void TheLastByteIsThatOfTheFormat(string options, long limit)
    {
        Shell.RequireLoopMounts();
        using TestImage image = TestImage.Make(16, options);
        (uint a, _) = MakeFiles(image);
        using (Ext4Volume volume = image.Mount())
        {
            Inode inode = volume.GetInode(a);
            Assert.Equal(Errno.EFBIG, Assert.Throws<Ext4Exception>(() => volume.Write(inode, new byte[2], limit - 1, Caller.Root)).Errno);
            Assert.Equal(Errno.EFBIG, Assert.Throws<Ext4Exception>(() => volume.SetAttributes(inode, new AttributeChanges { Size = limit + 1 }, Caller.Root)).Errno);
            Assert.Equal(Errno.EFBIG, Assert.Throws<Ext4Exception>(() => volume.Allocate(inode, AllocateMode.Default, limit, 1, Caller.Root)).Errno);
            Assert.Equal(3, volume.Write(inode, "end"u8, limit - 3, Caller.Root));
            Assert.Equal(limit, volume.GetAttributes(inode).Size);
            var end = new byte[10];
            Assert.Equal(4, volume.Read(inode, end, limit - 4));
            Assert.Equal("\0end"u8.ToArray(), end[..4]);
            Assert.Equal(limit - 1, volume.Seek(inode, limit - 1, hole: false));
            Assert.Equal(limit, volume.Seek(inode, limit - 1, hole: true));
            Assert.Equal(Errno.EFBIG, Assert.Throws<Ext4Exception>(() => volume.Allocate(inode, AllocateMode.InsertRange, 0, 4096, Caller.Root)).Errno);
            volume.Release(inode);
        }
        image.AssertClean();
        Assert.Contains("large_file", Shell.Run("dumpe2fs", ["-h", image.Path]).Output, StringComparison.Ordinal);
        Assert.Equal("end", image.WithKernel($"tail -c 3 $M/a; [ $(stat -c %s $M/a) = {limit} ]", "loop,ro"));
    }

    private static long Fill(Ext4Volume volume, Inode inode, byte[] data)
    {
        long size = 0;
        while (true)
        {
            try
            {
                size += volume.Write(inode, data, size, Caller.Root);
            }
            catch (Ext4Exception e) when (e.Errno == Errno.ENOSPC)
            {
                return size;
            }
        }
    }

    private static (uint A, uint B) MakeFiles(TestImage image)
    {
        string[] numbers = image.WithKernel("touch $M/a $M/b; stat -c %i $M/a $M/b").Split('\n');
        return (uint.Parse(numbers[0]), uint.Parse(numbers[1]));
    }
}
