using WinLoop.Ext4.Extents;
using WinLoop.TestKit;

namespace WinLoop.Ext4.Tests.Extents;

/// <summary>Files of many thousand extents, made by the kernel and by the engine.</summary>
public sealed class DeepTreeTests
{
    private const int BlockSize = 1024;
    private const int Extents = 30_000; // at 84 a node: a root over two levels of index nodes and the leaves

    [Fact]
    public void TheKernelsTreeIsReadChangedAndFreed()
    {
        Shell.RequireLoopMounts();
        using TestImage image = TestImage.Make(128, "-b 1024");
        using (KernelMount kernel = KernelMount.Open(image, "loop"))
        {
            using FileStream file = File.Create(kernel["f"], 0);
            for (int i = 0; i < Extents; i++)
            {
                file.Position = (long)i * 2 * BlockSize;
                file.Write(Content(i));
            }
        }
        uint number = NumberOf(image);
        var random = new Random(7);
        using (Ext4Volume volume = image.Mount())
        {
            Inode inode = volume.GetInode(number);
            Assert.Equal(3, ExtentPath.Root(inode).Depth);
            AssertContent(volume, inode, _ => true);
            uint cursor = 0;
            for (uint i = 0; i < Extents; i++)
            {
                Assert.True(volume.Extents.MapNext(inode, ref cursor, out ExtentMapping mapping));
                Assert.Equal(((i * 2, 1u, ExtentState.Written)), ((mapping.Logical, mapping.Length, mapping.State)));
            }
            Assert.False(volume.Extents.MapNext(inode, ref cursor, out _));
            // Fill holes in no order, so that extents merge everywhere and leaves are left half empty.
            for (int i = 0; i < Extents / 2; i++)
            {
                long offset = ((random.NextInt64(Extents) * 2) + 1) * BlockSize;
                volume.Write(inode, new byte[BlockSize], offset, Caller.Root);
            }
            AssertContent(volume, inode, _ => true);
            for (int i = Extents / 3; i < Extents / 2; i++)
            {
                volume.Allocate(inode, AllocateMode.PunchHole | AllocateMode.KeepSize, (long)i * 2 * BlockSize, BlockSize, Caller.Root);
            }
            AssertContent(volume, inode, i => i < Extents / 3 || i >= Extents / 2);
            volume.Release(inode);
        }
        image.AssertClean();
        using (Ext4Volume volume = image.Mount())
        {
            Inode inode = volume.GetInode(number);
            AssertContent(volume, inode, i => i < Extents / 3 || i >= Extents / 2);
            volume.SetAttributes(inode, new AttributeChanges { Size = 10 * BlockSize }, Caller.Root);
            volume.Synchronize();
            Assert.Equal(0, ExtentPath.Root(inode).Depth);
            volume.Release(inode);
        }
        image.AssertClean();
    }

    [Theory]
    [InlineData(Order.Ascending)]
    [InlineData(Order.Descending)]
    [InlineData(Order.Random)]
    public void TheEnginesTreeIsReadByTheKernel(Order order)
    {
        Shell.RequireLoopMounts();
        using TestImage image = TestImage.Make(128, "-b 1024");
        image.WithKernel("touch $M/f");
        uint number = NumberOf(image);
        int[] blocks = [.. Enumerable.Range(0, Extents)];
        if (order == Order.Random)
        {
            new Random(11).Shuffle(blocks);
        }
        else if (order == Order.Descending)
        {
            Array.Reverse(blocks);
        }
        using (Ext4Volume volume = image.Mount())
        {
            Inode inode = volume.GetInode(number);
            foreach (int i in blocks)
            {
                volume.Write(inode, Content(i), (long)i * 2 * BlockSize, Caller.Root);
            }
            AssertContent(volume, inode, _ => true);
            volume.Release(inode);
        }
        image.AssertClean();
        Shell.Result list = Shell.Run("debugfs", ["-R", $"ex <{number}>", image.Path]);
        Assert.DoesNotContain("orrupt", list.All, StringComparison.Ordinal);
        using KernelMount kernel = KernelMount.Open(image);
        byte[] content = File.ReadAllBytes(kernel["f"]);
        Assert.Equal((((long)Extents * 2) - 1) * BlockSize, content.Length);
        for (int i = 0; i < Extents; i++)
        {
            Assert.True(content.AsSpan(i * 2 * BlockSize, BlockSize).SequenceEqual(Content(i)), $"block {i}");
        }
    }

    [Fact]
    public void CollapseAndInsertMoveManyExtents()
    {
        Shell.RequireLoopMounts();
        using TestImage image = TestImage.Make(64, "-b 1024 -J size=1");
        image.WithKernel("touch $M/f");
        uint number = NumberOf(image);
        const int count = 5000;
        using (Ext4Volume volume = image.Mount())
        {
            Inode inode = volume.GetInode(number);
            for (int i = 0; i < count; i++)
            {
                volume.Write(inode, Content(i), (long)i * 2 * BlockSize, Caller.Root);
            }
            volume.Allocate(inode, AllocateMode.InsertRange, 100 * BlockSize, 1000 * BlockSize, Caller.Root);
            AssertBlock(volume, inode, 49, 98);
            AssertBlock(volume, inode, 50, 1100);
            AssertBlock(volume, inode, count - 1, 1000 + ((count - 1) * 2));
            volume.Allocate(inode, AllocateMode.CollapseRange, 50 * BlockSize, 1150 * BlockSize, Caller.Root);
            AssertBlock(volume, inode, 24, 48);
            AssertBlock(volume, inode, 100, 50);
            AssertBlock(volume, inode, count - 1, ((count - 1) * 2) - 150);
            volume.Release(inode);
        }
        image.AssertClean();
        using KernelMount kernel = KernelMount.Open(image);
        using FileStream file = File.OpenRead(kernel["f"]);
        Assert.Equal((((long)count * 2) - 151) * BlockSize, file.Length);
        var block = new byte[BlockSize];
        for (int i = 100; i < count; i++)
        {
            file.Position = (50 + ((i - 100) * 2)) * BlockSize;
            file.ReadExactly(block);
            Assert.True(block.AsSpan().SequenceEqual(Content(i)), $"block {i}");
        }
    }

    public enum Order
    {
        Ascending, Descending, Random,
    }

    private static void AssertBlock(Ext4Volume volume, Inode inode, int content, long block)
    {
        var bytes = new byte[BlockSize];
        Assert.Equal(BlockSize, volume.Read(inode, bytes, block * BlockSize));
        Assert.True(bytes.AsSpan().SequenceEqual(Content(content)), $"block {block} is not that of {content}");
    }

    private static void AssertContent(Ext4Volume volume, Inode inode, Func<int, bool> isThere)
    {
        var bytes = new byte[2 * BlockSize];
        for (int i = 0; i < Extents; i++)
        {
            volume.Read(inode, bytes, (long)i * 2 * BlockSize);
            ReadOnlySpan<byte> expected = isThere(i) ? Content(i) : new byte[BlockSize];
            Assert.True(bytes.AsSpan(0, BlockSize).SequenceEqual(expected), $"block {i}");
            Assert.True(bytes.AsSpan(BlockSize).IndexOfAnyExcept((byte)0) < 0, $"hole {i}");
            bytes.AsSpan().Clear();
        }
    }

    private static byte[] Content(int block)
    {
        var bytes = new byte[BlockSize];
        new Random(block).NextBytes(bytes.AsSpan(0, 64));
        bytes[^1] = 1;
        return bytes;
    }

    private static uint NumberOf(TestImage image) => uint.Parse(image.WithKernel("stat -c %i $M/f", "loop,ro"));
}
