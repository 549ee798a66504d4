using System.Text;
using WinLoop.TestKit;

namespace WinLoop.Ext4.Tests.Limits;

/// <summary>Bounds of the format: the last value is taken, the next one is refused with the right errno, and neither is
/// ever taken for damage (docs/limits.md).</summary>
public sealed class FormatLimitTests
{
    private const ushort File = 0x81A4;

    [Fact]
    public void Names_have_255_bytes_and_paths_any_length()
    {
        using TestImage image = TestImage.Make(16);
        using (Ext4Volume volume = image.Mount())
        {
            Inode current = volume.GetInode(Ext4Volume.RootInode);
            byte[] longest = Enumerable.Repeat((byte)'n', 255).ToArray(), tooLong = Enumerable.Repeat((byte)'n', 256).ToArray();
            for (int depth = 0; depth < 40; depth++)
            {
                Refused(Errno.ENAMETOOLONG, () => volume.Create(current, tooLong, File, 0, Caller.Root));
                Refused(Errno.ENAMETOOLONG, () => volume.Lookup(current, tooLong));
                Inode next = volume.CreateDirectory(current, longest, 0x1ED, Caller.Root);
                volume.Release(current);
                current = next;
            }
            Refused(Errno.ENAMETOOLONG, () => volume.Rename(current, longest, current, tooLong, RenameFlags.None, Caller.Root));
            volume.Release(current);
            Assert.False(volume.IsReadOnly);
        }
        image.AssertClean();
    }

    [Fact]
    public void A_tree_may_be_deeper_than_any_path_and_is_not_damage()
    {
        const int depth = 66_000;
        using TestImage image = TestImage.Make(112, "-b 1024 -I 128 -N 67000 -O ^resize_inode");
        using (Ext4Volume volume = image.Mount(new Ext4MountOptions { CachedInodes = 1000 }))
        {
            Inode root = volume.GetInode(Ext4Volume.RootInode);
            Inode top = volume.CreateDirectory(root, "top"u8, 0x1ED, Caller.Root);
            Inode other = volume.CreateDirectory(root, "other"u8, 0x1ED, Caller.Root);
            Inode current = volume.CreateDirectory(top, "d"u8, 0x1ED, Caller.Root);
            for (int i = 0; i < depth; i++)
            {
                Inode next = volume.CreateDirectory(current, "d"u8, 0x1ED, Caller.Root);
                volume.Release(current);
                current = next;
            }
            // Both ask for all ancestors: into the depth it goes, into itself it does not.
            volume.Rename(root, "other"u8, current, "moved"u8, RenameFlags.None, Caller.Root);
            Refused(Errno.EINVAL, () => volume.Rename(root, "top"u8, current, "loop"u8, RenameFlags.None, Caller.Root));
            Assert.False(volume.IsReadOnly);
            volume.Release(current);
            volume.Release(other);
            volume.Release(top);
            volume.Release(root);
        }
        image.AssertClean();
    }

    [Fact]
    public void A_tree_that_is_a_ring_is_damage()
    {
        Shell.Require("debugfs");
        using TestImage image = TestImage.Make(16, "-b 1024 -O ^metadata_csum");
        Shell.Script($"printf 'mkdir /a\\nmkdir /a/b\\nmkdir /a/b/c\\nmkdir /x\\n' | debugfs -w -f - {image.Path} 2>/dev/null");
        // The parent of a becomes c: the second entry of a directory's first block names it.
        long block = long.Parse(Shell.Script($"debugfs -R 'bmap /a 0' {image.Path} 2>/dev/null"), System.Globalization.CultureInfo.InvariantCulture);
        using (WinLoop.Storage.IBlockDevice device = image.OpenDevice())
        {
            uint c = uint.Parse(Shell.Script($"debugfs -R 'stat /a/b/c' {image.Path} 2>/dev/null | sed -n 's/^Inode: *\\([0-9]*\\).*/\\1/p'"),
                System.Globalization.CultureInfo.InvariantCulture);
            device.Write(BitConverter.GetBytes(c), (block * 1024) + 12);
        }
        using Ext4Volume volume = image.Mount();
        Inode root = volume.GetInode(Ext4Volume.RootInode);
        Inode a = volume.Lookup(root, "a"u8)!;
        Inode b = volume.Lookup(a, "b"u8)!;
        Assert.Throws<Ext4CorruptException>(() => volume.Rename(root, "x"u8, b, "x"u8, RenameFlags.None, Caller.Root));
        Assert.True(volume.IsReadOnly);
        foreach (Inode inode in (Inode[])[b, a, root])
        {
            volume.Release(inode);
        }
    }

    [Theory]
    [InlineData(1024)]
    [InlineData(2048)]
    [InlineData(4096)]
    public void Symbolic_links_have_one_byte_less_than_a_block(int blockSize)
    {
        using TestImage image = TestImage.Make(16, $"-b {blockSize}");
        using (Ext4Volume volume = image.Mount())
        {
            Inode root = volume.GetInode(Ext4Volume.RootInode);
            var buffer = new byte[blockSize];
            foreach (int length in (int[])[1, 59, 60, blockSize - 1])
            {
                byte[] target = Enumerable.Repeat((byte)'t', length).ToArray();
                Inode link = volume.CreateSymlink(root, Encoding.ASCII.GetBytes($"l{length}"), target, Caller.Root);
                Assert.Equal(length, volume.ReadLink(link, buffer));
                Assert.Equal(target, buffer[..length]);
                Assert.Equal(length < 60 ? 0ul : (ulong)blockSize / 512, volume.GetAttributes(link).Blocks);
                volume.Release(link);
            }
            Refused(Errno.ENAMETOOLONG, () => volume.CreateSymlink(root, "no"u8, new byte[blockSize].Select(_ => (byte)'t').ToArray(), Caller.Root));
            volume.Release(root);
            Assert.False(volume.IsReadOnly);
        }
        image.AssertClean();
    }

    [Fact]
    public void A_file_has_65000_names()
    {
        using TestImage image = TestImage.Make(64);
        using (Ext4Volume volume = image.Mount())
        {
            Inode root = volume.GetInode(Ext4Volume.RootInode);
            Inode file = volume.Create(root, "0"u8, File, 0, Caller.Root);
            for (int i = 1; i < 65_000; i++)
            {
                volume.Link(file, root, Encoding.ASCII.GetBytes($"{i}"));
            }
            Refused(Errno.EMLINK, () => volume.Link(file, root, "one more"u8));
            Assert.Equal(65_000u, volume.GetAttributes(file).Links);
            volume.Unlink(root, "0"u8);
            volume.Link(file, root, "the last"u8);
            volume.Release(file);
            volume.Release(root);
            Assert.False(volume.IsReadOnly);
        }
        image.AssertClean();
    }

    [Theory]
    [InlineData("dir_nlink")]
    [InlineData("^dir_nlink")]
    public void A_directory_stops_counting_its_subdirectories_or_refuses_them(string feature)
    {
        bool stops = feature[0] != '^';
        using TestImage image = TestImage.Make(80, $"-b 1024 -I 128 -N 66000 -O {feature},^resize_inode");
        using (Ext4Volume volume = image.Mount(new Ext4MountOptions { CachedInodes = 1000 }))
        {
            Inode root = volume.GetInode(Ext4Volume.RootInode);
            Inode parent = volume.CreateDirectory(root, "p"u8, 0x1ED, Caller.Root);
            for (int i = 0; i < 64_998; i++)
            {
                volume.Release(volume.CreateDirectory(parent, Encoding.ASCII.GetBytes($"{i}"), 0x1ED, Caller.Root));
            }
            Assert.Equal(65_000u, volume.GetAttributes(parent).Links);
            if (stops)
            {
                volume.Release(volume.CreateDirectory(parent, "more"u8, 0x1ED, Caller.Root));
                Assert.Equal(1u, volume.GetAttributes(parent).Links);
            }
            else
            {
                Refused(Errno.EMLINK, () => volume.CreateDirectory(parent, "more"u8, 0x1ED, Caller.Root));
            }
            volume.Release(parent);
            volume.Release(root);
            Assert.False(volume.IsReadOnly);
        }
        image.AssertClean();
    }

    // The block's header, one entry with its name, the end of the list and the value, in units of 4.
    [Theory]
    [InlineData(1024, 128)]
    [InlineData(2048, 256)]
    [InlineData(4096, 256)]
    public void Attributes_of_an_inode_share_one_block(int blockSize, int inodeSize)
    {
        using TestImage image = TestImage.Make(16, $"-b {blockSize} -I {inodeSize}");
        using (Ext4Volume volume = image.Mount())
        {
            Inode root = volume.GetInode(Ext4Volume.RootInode);
            Inode file = volume.Create(root, "f"u8, File, 0, Caller.Root);
            int largest = blockSize - 32 - (16 + 4) - 4;
            var value = new byte[largest + 1];
            Refused(Errno.ENOSPC, () => volume.SetExtendedAttribute(file, "user.a"u8, value, AttributeSetMode.CreateOrReplace));
            volume.SetExtendedAttribute(file, "user.a"u8, value.AsSpan(0, largest), AttributeSetMode.CreateOrReplace);
            Assert.Equal(largest, volume.GetExtendedAttribute(file, "user.a"u8, value));
            byte[] name = [.. "user."u8, .. Enumerable.Repeat((byte)'n', 251)];
            Refused(Errno.ERANGE, () => volume.SetExtendedAttribute(file, name, value.AsSpan(0, 1), AttributeSetMode.CreateOrReplace));
            volume.RemoveExtendedAttribute(file, "user.a"u8);
            volume.SetExtendedAttribute(file, name.AsSpan(0, 255), value.AsSpan(0, 1), AttributeSetMode.CreateOrReplace);
            volume.Release(file);
            volume.Release(root);
            Assert.False(volume.IsReadOnly);
        }
        image.AssertClean();
        if (OperatingSystem.IsLinux())
        {
            Shell.RequireLoopMounts();
            image.WithKernel("getfattr -d $M/f | grep -q user.nnn");
        }
    }

    [Fact]
    public void A_block_of_attributes_is_shared_by_1024_inodes()
    {
        using TestImage image = TestImage.Make(32, "-b 1024 -I 128 -N 5000");
        using (Ext4Volume volume = image.Mount())
        {
            Inode root = volume.GetInode(Ext4Volume.RootInode);
            Inode directory = volume.CreateDirectory(root, "d"u8, 0x1ED, Caller.Root);
            for (int i = 0; i < 3000; i++)
            {
                volume.Release(volume.Create(directory, Encoding.ASCII.GetBytes($"{i}"), File, 0, Caller.Root));
            }
            ulong free = volume.GetStatistics().FreeBlocks;
            var value = new byte[700];
            for (int i = 0; i < 3000; i++)
            {
                Inode file = volume.Lookup(directory, Encoding.ASCII.GetBytes($"{i}"))!;
                volume.SetExtendedAttribute(file, "user.same"u8, value, AttributeSetMode.Create);
                volume.Release(file);
            }
            Assert.Equal(3ul, free - volume.GetStatistics().FreeBlocks);
            volume.Release(directory);
            volume.Release(root);
        }
        image.AssertClean();
    }

    private static void Refused(Errno errno, Action action) => Assert.Equal(errno, Assert.Throws<Ext4Exception>(action).Errno);
}
