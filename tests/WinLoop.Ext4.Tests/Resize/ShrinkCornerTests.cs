using System.Text;
using WinLoop.Ext4.Extents;
using WinLoop.Storage;
using WinLoop.TestKit;

namespace WinLoop.Ext4.Tests.Resize;

/// <summary>What is rare in the part that goes: the orphan file, shared attributes, inodes of many names, block maps.</summary>
public sealed class ShrinkCornerTests
{
    // Fills the volume, and makes room only in directories of the last groups: what comes next lies there.
    private const string RoomAtTheEnd = """
        for i in $(seq 1 40); do mkdir $M/d$i; head -c 60000 /dev/urandom > $M/d$i/late; done
        echo 0 > /sys/fs/ext4/$(basename $(findmnt -no SOURCE $M))/reserved_clusters
        for i in 1 2 3 4; do cat /dev/zero > $M/in-front$i 2>/dev/null || true; sync; done
        mkdir $M/in-front-too || true; for i in $(seq 1 400); do echo > $M/in-front-too/$i || break; done 2>/dev/null; sync
        for i in $(seq 1 40); do [ $(stat -c %i $M/d$i) -lt 6500 ] || { rm $M/d$i/late; E=$M/d$i; }; done
        """;

    private static ulong LastBlockOf(Ext4Volume volume, uint number)
    {
        Inode inode = volume.Inodes.Get(number);
        uint last = (uint)(inode.Size / volume.Geometry.BlockSize) - 1;
        ExtentMapping mapping = volume.Extents.Map(inode, last);
        volume.Release(inode);
        return mapping.PhysicalOf(last);
    }

    [Fact]
    public void OrphanFileMoves()
    {
        using ResizeImage image = ResizeImage.Make(40_000, "-b 1024 -O ^flex_bg -N 10000", RoomAtTheEnd);
        Shell.Script($"tune2fs -O orphan_file {image.Path} >/dev/null");
        image.Image.WithKernel("rm -r $M/in-front*");
        string tree = image.Tree();
        using (Ext4Volume volume = image.Image.Mount())
        {
            uint number = volume.Superblock.OrphanFileInode;
            Assert.True(LastBlockOf(volume, number) > 20_000, $"at block {LastBlockOf(volume, number)}");
            volume.Shrink(20_000 * 1024);
            Assert.True(LastBlockOf(volume, number) < 20_000);
            // It is in use where it is now.
            Inode root = volume.GetInode(Ext4Volume.RootInode);
            Inode file = volume.Create(root, "open"u8, 0x81A4, 0, Caller.Root);
            volume.Write(file, new byte[100_000], 0, Caller.Root);
            volume.Unlink(root, "open"u8);
            volume.Release(file);
            volume.Release(root);
        }
        image.SetLength(20_000 * 1024);
        image.Image.AssertClean();
        Assert.Equal(tree, image.Tree());
    }

    [Fact]
    public void SharedAttributesStayShared()
    {
        using ResizeImage image = ResizeImage.Make(40_000, "-b 1024 -O ^flex_bg -I 128 -N 10000", RoomAtTheEnd + """

            mkdir $E/shared; for i in $(seq 1 150); do echo > $E/shared/f$i; setfattr -n user.a -v value $E/shared/f$i; done
            rm -r $M/in-front*
            """);
        const string Attributes = "cd $M; getfattr -Rhd -m - . 2>/dev/null | sort";
        string before = image.Image.WithKernel(Attributes, "loop,ro"), tree = image.Tree();
        image.Shrink(20_000 * 1024);
        image.SetLength(20_000 * 1024);
        image.Image.AssertClean();
        Assert.Equal(tree, image.Tree());
        Assert.Equal(before, image.Image.WithKernel(Attributes, "loop,ro"));
        Assert.Contains("user.a=\"value\"", before);
    }

    [Fact]
    public void InodeOfMoreNamesThanATransactionHoldsIsRefusedBeforeTheFirstChange()
    {
        // One name in a block each: so many blocks change with the inode's number.
        using ResizeImage image = ResizeImage.Make(40_000, "-b 1024 -O ^flex_bg -J size=1 -N 10000", RoomAtTheEnd + """

            rm -r $M/in-front*; echo > $E/often
            for i in $(seq 1 900); do ln $E/often $M/d1/$(printf 'n%.0s' $(seq 1 100))$i; done
            """);
        using var device = new RecordingDevice(image.Image.OpenDevice());
        using Ext4Volume volume = Ext4Volume.Mount(device, new Ext4MountOptions { UseBackgroundCommit = false });
        Ext4NotSupportedException e = Assert.Throws<Ext4NotSupportedException>(() => volume.Shrink(20_000 * 1024));
        Assert.Contains("names", e.Message);
        Assert.DoesNotContain(device.GetLog(), o => o.Kind is RecordedKind.Write or RecordedKind.WriteZeroes);
    }

    [Fact]
    public void StableInodesStay()
    {
        using ResizeImage image = ResizeImage.Make(40_000, "-b 1024 -O ^flex_bg -N 10000 -E stride=1", RoomAtTheEnd + "\nrm -r $M/in-front*");
        Shell.Script($"tune2fs -O stable_inodes {image.Path} >/dev/null");
        using Ext4Volume volume = image.Image.Mount();
        Ext4Exception e = Assert.Throws<Ext4Exception>(() => volume.Shrink(20_000 * 1024));
        Assert.Contains("stable_inodes", e.Message);
    }

    [Fact]
    public void BlockMapsOfThreeLevelsMove()
    {
        using ResizeImage image = ResizeImage.Make(90_000, "-b 1024 -O ^extents,^64bit", RoomAtTheEnd.Replace("6500", "0") + """

            rm -r $M/in-front*; head -c 30000000 /dev/urandom > $M/in-front; sync
            mkdir $M/large; for s in 0 10 255 270 66000 70000 140000; do echo $s | dd of=$M/large/sparse bs=1024 seek=$s conv=notrunc status=none; done
            head -c 3000000 /dev/urandom > $M/large/file; ln -s /$(printf 'x%.0s' $(seq 1 200)) $M/large/link; rm $M/in-front
            """);
        Shell.Script($"tune2fs -O extents {image.Path} >/dev/null 2>&1");
        string tree = image.Tree();
        using (Ext4Volume volume = image.Image.Mount())
        {
            volume.Shrink(30_000 * 1024);
        }
        image.SetLength(30_000 * 1024);
        image.Image.AssertClean();
        Assert.Equal(tree, image.Tree());
    }

    [Fact]
    public void VolumeGoesOnBeingUsed()
    {
        using ResizeImage image = ResizeImage.Make(60_000, "-b 1024");
        string tree = image.Tree();
        var content = new byte[300_000];
        new Random(1).NextBytes(content);
        using (Ext4Volume volume = Ext4Volume.Mount(image.Image.OpenDevice(), new Ext4MountOptions()))
        {
            Inode root = volume.GetInode(Ext4Volume.RootInode);
            Assert.Equal(Errno.EBUSY, Assert.Throws<Ext4Exception>(() => volume.Shrink(30_000 * 1024)).Errno);
            volume.Release(root);
            foreach (long blocks in (long[])[30_000, 50_000, 20_000, 60_000])
            {
                ResizeResult result = (ulong)blocks < volume.Geometry.BlocksCount ? volume.Shrink(blocks * 1024) : volume.Grow(blocks * 1024);
                Assert.Equal((ulong)blocks, result.BlocksAfter);
                root = volume.GetInode(Ext4Volume.RootInode);
                byte[] name = Encoding.UTF8.GetBytes("f" + blocks);
                Inode file = volume.Create(root, name, 0x81A4, 0, Caller.Root);
                Assert.Equal(content.Length, volume.Write(file, content, 0, Caller.Root));
                var back = new byte[content.Length];
                Assert.Equal(back.Length, volume.Read(file, back, 0));
                Assert.Equal(content, back);
                volume.Release(file);
                volume.Unlink(root, name);
                volume.Release(root);
            }
        }
        image.Image.AssertClean();
        Assert.Equal(tree, image.Tree());
    }

    [Fact]
    public void MetadataThatIsInTheWayIsNamed()
    {
        // The tables of all groups are in the first one: it cannot end before its own.
        using ResizeImage image = ResizeImage.Make(40_000, "-b 1024 -N 30000");
        using Ext4Volume volume = image.Image.Mount();
        Ext4Exception e = Assert.Throws<Ext4Exception>(() => volume.Shrink(1_000 * 1024));
        Assert.Equal(Errno.ENOSPC, e.Errno);
        Assert.Contains(volume.MinimumSize.ToString(System.Globalization.CultureInfo.InvariantCulture), e.Message);
        foreach (long size in (long[])[0, 1, 1023, 4095, 4096, 8192, 100_000])
        {
            Assert.Equal(Errno.ENOSPC, Assert.Throws<Ext4Exception>(() => volume.Shrink(size)).Errno);
        }
        Assert.Equal(Errno.EINVAL, Assert.Throws<Ext4Exception>(() => volume.Shrink(long.MaxValue)).Errno);
        Assert.Equal(40_000u, volume.Shrink(40_000 * 1024).BlocksAfter);
    }
}
