using WinLoop.TestKit;

namespace WinLoop.Ext4.Tests.Extents;

/// <summary>Files with block maps, as ext2 and ext3 make them.</summary>
public sealed class BlockMapTests
{
    private const int BlockSize = 1024;
    // Direct, indirect, double and triple indirect, each with holes before and behind.
    private static readonly long[] s_blocks = [0, 1, 5, 11, 12, 13, 100, 267, 268, 300, 5000, 65803, 65804, 65805, 70000, 200_000, 200_001];

    [Fact]
    public void MapsOfAllLevelsAreRead()
    {
        using TestImage image = MakeImage(out uint number);
        using Ext4Volume volume = image.Mount(new Ext4MountOptions { IsReadOnly = true });
        Inode inode = volume.GetInode(number);
        Assert.False(inode.HasExtents);
        AssertContent(volume, inode, _ => true);
        long offset = 0;
        var found = new List<long>();
        while (true)
        {
            try
            {
                offset = volume.Seek(inode, offset, hole: false);
            }
            catch (Ext4Exception e) when (e.Errno == Errno.ENXIO)
            {
                break;
            }
            long end = volume.Seek(inode, offset, hole: true);
            for (; offset < end; offset += BlockSize)
            {
                found.Add(offset / BlockSize);
            }
        }
        Assert.Equal(s_blocks, found);
        volume.Release(inode);
    }

    [Fact]
    public void MapsAreOverwrittenPunchedAndTruncated()
    {
        using TestImage image = MakeImage(out uint number);
        Shell.Script($"tune2fs -O extent {image.Path}; e2fsck -fy {image.Path} || [ $? -le 1 ]");
        using (Ext4Volume volume = image.Mount())
        {
            Inode inode = volume.GetInode(number);
            Assert.Equal(BlockSize, volume.Write(inode, Content(1000), 5 * BlockSize, Caller.Root));
            volume.Write(inode, Content(5), 5 * BlockSize, Caller.Root);
            Assert.Throws<Ext4NotSupportedException>(() => volume.Write(inode, Content(1), 6 * BlockSize, Caller.Root));
            volume.Allocate(inode, AllocateMode.PunchHole | AllocateMode.KeepSize, 12 * BlockSize, 200 * BlockSize, Caller.Root);
            volume.Allocate(inode, AllocateMode.PunchHole | AllocateMode.KeepSize, 65804 * BlockSize, 5000 * BlockSize, Caller.Root);
            AssertContent(volume, inode, b => b is < 12 or > 212 and (< 65804 or >= 70804));
            volume.Release(inode);
        }
        image.AssertClean();
        using (Ext4Volume volume = image.Mount())
        {
            Inode inode = volume.GetInode(number);
            volume.SetAttributes(inode, new AttributeChanges { Size = 268 * BlockSize }, Caller.Root);
            AssertContent(volume, inode, b => b is < 12 or 267);
            volume.Release(inode);
        }
        image.AssertClean();
        using (Ext4Volume volume = image.Mount())
        {
            Inode inode = volume.GetInode(number);
            volume.SetAttributes(inode, new AttributeChanges { Size = 0 }, Caller.Root);
            Assert.Equal(0u, volume.GetAttributes(inode).Blocks);
            volume.Release(inode);
        }
        image.AssertClean();
    }

    private static TestImage MakeImage(out uint number)
    {
        Shell.RequireLoopMounts();
        TestImage image = TestImage.Make(32, "-b 1024 -O ^extent,^64bit,^metadata_csum");
        using (KernelMount kernel = KernelMount.Open(image, "loop"))
        {
            using FileStream file = File.Create(kernel["f"], 0);
            foreach (long block in s_blocks)
            {
                file.Position = block * BlockSize;
                file.Write(Content(block));
            }
        }
        number = uint.Parse(image.WithKernel("stat -c %i $M/f", "loop,ro"));
        return image;
    }

    private static void AssertContent(Ext4Volume volume, Inode inode, Func<long, bool> isThere)
    {
        var bytes = new byte[BlockSize];
        foreach (long block in s_blocks.SelectMany(b => new[] { b, b + 1 }).Distinct().Where(b => b * BlockSize < inode.Size))
        {
            Assert.Equal(BlockSize, volume.Read(inode, bytes, block * BlockSize));
            ReadOnlySpan<byte> expected = s_blocks.Contains(block) && isThere(block) ? Content(block) : new byte[BlockSize];
            Assert.True(bytes.AsSpan().SequenceEqual(expected), $"block {block}");
        }
    }

    private static byte[] Content(long block)
    {
        var bytes = new byte[BlockSize];
        Array.Fill(bytes, (byte)(1 + (block % 255)));
        return bytes;
    }
}
