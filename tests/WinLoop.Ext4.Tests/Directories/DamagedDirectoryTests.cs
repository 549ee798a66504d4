using WinLoop.Ext4.Cache;
using WinLoop.Ext4.Format;
using WinLoop.TestKit;

namespace WinLoop.Ext4.Tests.Directories;

/// <summary>Damaged indexes and leaves: reading goes on where it can, changing does not.</summary>
public class DamagedDirectoryTests
{
    public static TheoryData<string, uint, int, string> IndexDamage => new()
    {
        { "some", 0, 0x1C, "09" },          // hash version
        { "some", 0, 0x1C, "04" },          // an in-memory version
        { "some", 0, 0x1D, "0C" },          // info length
        { "some", 0, 0x1E, "03" },          // levels
        { "some", 0, 0x1F, "01" },          // flags
        { "some", 0, 0x20, "7B00" },        // limit
        { "some", 0, 0x22, "0000" },        // count
        { "some", 0, 0x22, "FF00" },        // count above limit
        { "some", 0, 0x24, "0000000000000000000000000000" }, // pairs that point at the root
        { "deep", 0, 0x24, "FFFFFF0F" },    // beyond the directory
        { "deep", 0, 0x24, "01000000" },    // a leaf for a node
    };

    [Theory]
    [MemberData(nameof(IndexDamage))]
    public void A_damaged_index_is_read_past_and_never_written(string name, uint logical, int at, string bytes)
    {
        var fixture = new DirectoryFixture("-b 1024 -O ^metadata_csum");
        using Ext4Volume volume = fixture.Mount();
        Inode directory = DirectoryFixture.Open(volume, name);
        using (MetadataBuffer block = DirectoryFixture.Block(volume, directory, logical))
        {
            Convert.FromHexString(bytes).CopyTo(block.Data[at..]);
        }
        string[] names = fixture.Shapes.Single(s => s.Name == name).Names;
        foreach (string each in names)
        {
            Inode? found = volume.Lookup(directory, Names.Bytes(each));
            Assert.Equal(fixture.FileInode, found?.Number);
            volume.Release(found!);
        }
        Assert.Null(volume.Lookup(directory, "not there"u8));
        Assert.False(volume.Directories.IsEmpty(directory));
        Assert.Equal(names.Order(StringComparer.Ordinal), Names.List(volume, directory, 100));
        // "some" has leaves on both sides of the damage, so one of the names meets it.
        Assert.Throws<Ext4CorruptException>(() =>
        {
            for (int i = 0; i < names.Length; i++)
            {
                volume.Unlink(directory, Names.Bytes(names[i]));
            }
        });
        Assert.True(volume.IsReadOnly);
        volume.Release(directory);
    }

    [Fact]
    public void A_wrong_checksum_of_an_index_is_an_error()
    {
        var fixture = new DirectoryFixture("-b 1024");
        foreach ((string name, int at) in new[] { ("some", 0x2C), ("deep", 0x2C) })
        {
            using Ext4Volume clean = fixture.Mount(isReadOnly: true);
            Inode directory = DirectoryFixture.Open(clean, name);
            ulong physical = clean.Extents.Map(directory, 0).PhysicalOf(0);
            clean.Release(directory);

            using Ext4Volume volume = fixture.Mount();
            byte[] changed = [0x55];
            volume.Device.Write(changed, ((long)physical * 1024) + at);
            directory = DirectoryFixture.Open(volume, name);
            Assert.Throws<Ext4CorruptException>(() => volume.Lookup(directory, "name 1"u8));
            Assert.Throws<Ext4CorruptException>(() => volume.ReadDirectory(directory, 0, (_, _, _, _) => true));
            volume.Release(directory);
        }
    }

    [Theory]
    [InlineData("a/b")]
    [InlineData("a\0b")]
    [InlineData(".")]
    [InlineData("..")]
    public void Names_that_a_host_would_take_for_paths_are_not_listed(string evil)
    {
        var fixture = new DirectoryFixture("-b 1024");
        using Ext4Volume volume = fixture.Mount(isReadOnly: true);
        Inode directory = DirectoryFixture.Open(volume, "one");
        using (MetadataBuffer block = DirectoryFixture.Block(volume, directory, 0))
        {
            block.Data[24 + 6] = (byte)evil.Length;
            Names.Bytes(evil).CopyTo(block.Data[(24 + 8)..]);
        }
        Assert.Throws<Ext4CorruptException>(() => volume.ReadDirectory(directory, 0, (_, _, _, _) => true));
        volume.Release(directory);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(8)]
    public void Entries_do_not_name_reserved_inodes(uint reserved)
    {
        var fixture = new DirectoryFixture("-b 1024");
        using Ext4Volume volume = fixture.Mount(isReadOnly: true);
        Inode directory = DirectoryFixture.Open(volume, "one");
        using (MetadataBuffer block = DirectoryFixture.Block(volume, directory, 0))
        {
            BitConverter.TryWriteBytes(block.Data[24..], reserved);
        }
        Assert.Throws<Ext4CorruptException>(() => volume.Lookup(directory, "name 0"u8));
        volume.Release(directory);
    }

    [Fact]
    public void An_index_in_a_volume_without_indexes_is_dropped_with_the_first_change()
    {
        using TestImage image = TestImage.Make(8, "-b 1024 -O ^metadata_csum -N 64");
        using (Ext4Volume volume = image.Mount())
        {
            Inode root = volume.GetInode(Ext4Volume.RootInode);
            Inode directory = volume.CreateDirectory(root, "d"u8, 0x1ED, Caller.Root);
            Inode file = volume.Create(root, "f"u8, 0x1A4, 0, Caller.Root);
            for (int i = 0; i < 3000; i++)
            {
                volume.Link(file, directory, Names.Bytes($"name {i}".PadRight(80, '.')));
            }
            volume.Release(file);
            volume.Release(directory);
            volume.Release(root);
        }
        Shell.Require("debugfs");
        Shell.Script($"debugfs -w -R 'feature -dir_index' {image.Path}");
        using (Ext4Volume volume = image.Mount())
        {
            Inode directory = DirectoryFixture.Open(volume, "d");
            Assert.Equal(3000, Names.List(volume, directory, 100).Count);
            for (int i = 0; i < 3000; i += 2)
            {
                volume.Unlink(directory, Names.Bytes($"name {i}".PadRight(80, '.')));
            }
            Assert.False((directory.Flags & InodeFlags.Index) != 0);
            Inode file = DirectoryFixture.Open(volume, "f");
            for (int i = 0; i < 2000; i++)
            {
                volume.Link(file, directory, Names.Bytes($"{i} more".PadRight(80, '.')));
            }
            Assert.Equal(3500, Names.List(volume, directory, 100).Count);
            volume.Release(file);
            volume.Release(directory);
        }
        image.AssertClean();
    }
}
