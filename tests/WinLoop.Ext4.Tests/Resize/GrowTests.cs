using WinLoop.TestKit;

namespace WinLoop.Ext4.Tests.Resize;

/// <summary>Growing: e2fsck and the kernel agree with it, the files are the same, the counts are those of resize2fs.</summary>
public sealed class GrowTests
{
    [Theory]
    // Within the last group, to its end, and far beyond, for each block size.
    [InlineData("-b 1024", 10_000, 15_000), InlineData("-b 1024", 10_000, 16_385), InlineData("-b 1024", 10_000, 300_000)]
    [InlineData("-b 2048", 20_000, 200_000), InlineData("-b 4096", 20_000, 30_000), InlineData("-b 4096", 20_000, 1_500_000)]
    // Without one feature or another.
    [InlineData("-b 1024 -O ^flex_bg", 20_000, 100_000), InlineData("-b 1024 -O ^metadata_csum", 20_000, 100_000)]
    [InlineData("-b 1024 -O ^metadata_csum,uninit_bg", 20_000, 100_000), InlineData("-b 1024 -O ^64bit", 20_000, 200_000)]
    [InlineData("-b 1024 -O ^resize_inode", 20_000, 100_000), InlineData("-b 1024 -O ^sparse_super,^resize_inode", 20_000, 60_000)]
    [InlineData("-b 1024 -O sparse_super2", 60_000, 150_000), InlineData("-b 1024 -O sparse_super2,^resize_inode", 60_000, 100_000)]
    [InlineData("-b 1024 -O ^has_journal", 20_000, 100_000), InlineData("-b 1024 -O ^metadata_csum,^64bit,^flex_bg", 20_000, 150_000)]
    [InlineData("-b 1024 -I 128 -N 100000", 60_000, 200_000), InlineData("-b 1024 -O orphan_file", 20_000, 100_000)]
    [InlineData("-b 4096 -g 4096", 20_000, 300_000), InlineData("-b 1024 -G 64", 20_000, 400_000), InlineData("-b 1024 -J size=1", 10_000, 100_000)]
    public void KernelAndFsckAgree(string options, long before, long after)
    {
        using ResizeImage image = ResizeImage.Make(before, options);
        int blockSize = int.Parse(options.Split(' ')[1]);
        string tree = image.Tree();
        using ResizeImage expected = image.Copy();

        ResizeResult result = image.Grow(after * blockSize);

        Assert.Equal((ulong)before, result.BlocksBefore);
        image.Image.AssertClean();
        Assert.Equal(tree, image.Tree());
        if (!options.Contains("-J size=1") && !options.Contains("sparse_super2"))
        {
            expected.GrowWithResize2fs(after * blockSize);
            Assert.Equal(expected.Counts(), image.Counts());
        }
        // Every new block can be used.
        image.Image.WithKernel("head -c $(($(stat -f -c %f $M) * $(stat -f -c %S $M) * 9 / 10)) /dev/zero > $M/full; rm $M/a/b/random; sync");
        image.Image.AssertClean();
    }

    // A size that ends in the metadata of the last group, or leaves it too few blocks for data, is cut down to full groups.
    [Theory]
    [InlineData("-b 1024", 10_000, 3 * 8192 + 1)]
    [InlineData("-b 1024 -O ^flex_bg", 10_000, 3 * 8192 + 1)]
    public void SizesInsideTheMetadataOfTheLastGroupAreCutDown(string options, long before, long fullGroups)
    {
        using ResizeImage made = ResizeImage.Make(before, options);
        foreach (int rest in (int[])[4, 60, 200, 300, 400, 480, 560, 600, 800])
        {
            using ResizeImage image = made.Copy(), expected = made.Copy();
            image.Grow((fullGroups + rest) * 1024);
            image.Image.AssertClean();
            expected.GrowWithResize2fs((fullGroups + rest) * 1024);
            Assert.Equal(expected.Counts(), image.Counts());
        }
    }

    [Fact]
    public void FullVolumeGrows()
    {
        using ResizeImage image = ResizeImage.Make(10_000, "-b 1024", "for i in $(seq 1 20000); do head -c 100000 /dev/urandom > $M/$i 2>/dev/null || break; done; sync; ls $M | tail -1");
        string tree = image.Tree();
        image.Grow(100_000 * 1024);
        image.Image.AssertClean();
        Assert.Equal(tree, image.Tree());
    }

    [Fact]
    public void ManySmallStepsAreAsGoodAsOne()
    {
        using ResizeImage image = ResizeImage.Make(10_000, "-b 1024");
        string tree = image.Tree();
        for (long blocks = 12_000; blocks < 140_000; blocks += 12_344)
        {
            image.Grow(blocks * 1024);
            image.Image.AssertClean();
        }
        Assert.Equal(tree, image.Tree());
    }

    [Fact]
    public void TerabytesTakeOneCall()
    {
        using ResizeImage image = ResizeImage.Make(2_000_000, "-b 4096");
        ResizeResult result = image.Grow(2L << 40);
        Assert.Equal(2L << 40, result.BytesAfter);
        Shell.Script($"dumpe2fs -h {image.Path} | grep -q 'Block count: *536870912'");
        using Ext4Volume volume = image.Image.Mount();
        Assert.Equal(16384u, volume.Geometry.GroupCount);
        Assert.Equal(16384u, volume.Groups.CountFree().FreeInodes / volume.Geometry.InodesPerGroup + 1);
    }

    [Theory]
    [InlineData("-b 1024 -O ^resize_inode", 20_000, 16 * 8192 + 8, "no resize_inode")]
    [InlineData("-b 1024 -E resize=200000", 20_000, 5_000_000, "reserved for its group descriptors")]
    public void WhatEndsTheGrowthIsNamed(string options, long before, long after, string reason)
    {
        using ResizeImage image = ResizeImage.Make(before, options);
        image.SetLength(after * 4096);
        string hash = Shell.Script($"dd if={image.Path} bs=1M count=80 status=none | sha1sum");
        using (Ext4Volume volume = image.Image.Mount())
        {
            Ext4Exception e = Assert.Throws<Ext4Exception>(() => volume.Grow(after * volume.Geometry.BlockSize / 1024 * 1024));
            Assert.Equal(Errno.EFBIG, e.Errno);
            Assert.Contains(reason, e.Message);
            Assert.Contains(volume.MaximumSize.ToString(), e.Message);
            e = Assert.Throws<Ext4Exception>(() => volume.Grow(1 << 20));
            Assert.Equal(Errno.EINVAL, e.Errno);
        }
        Assert.Equal(hash, Shell.Script($"dd if={image.Path} bs=1M count=80 status=none | sha1sum"));
        // Up to the limit it works.
        if (after < 1_000_000)
        {
            using (Ext4Volume volume = image.Image.Mount())
            {
                Assert.Equal(volume.MaximumSize / 4096 * 4096, volume.Grow(volume.MaximumSize).BytesAfter);
            }
            image.Image.AssertClean();
        }
    }

    [Fact]
    public void DeviceThatIsTooSmallIsRefused()
    {
        using ResizeImage image = ResizeImage.Make(10_000, "-b 1024");
        using Ext4Volume volume = image.Image.Mount();
        Assert.Equal(Errno.ENOSPC, Assert.Throws<Ext4Exception>(() => volume.Grow(20 << 20)).Errno);
        Assert.Equal(10_000u, volume.Geometry.BlocksCount);
    }
}
