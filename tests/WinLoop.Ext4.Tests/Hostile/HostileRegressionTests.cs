using System.Buffers.Binary;
using WinLoop.Ext4.Format;
using WinLoop.TestKit;

namespace WinLoop.Ext4.Tests.Hostile;

/// <summary>What the hostile campaign found, each as small as it gets.</summary>
public sealed class HostileRegressionTests
{
    private static byte[] MakeImage(string options)
    {
        Shell.Require("mkfs.ext4");
        string path = Path.GetTempFileName();
        try
        {
            Shell.Script($"truncate -s 3M {path}; mkfs.ext4 -q -F -b 1024 -N 64 {options} {path}");
            return File.ReadAllBytes(path);
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Fact]
    public void An_entry_type_above_127_is_read_as_unknown()
    {
        byte[] image = MakeImage("-O ^has_journal,^metadata_csum");
        int leaf = new ImageMap(image).ByKind.Single(kind => kind[0].Kind == TargetKind.DirectoryLeaf)[0].At;
        int third = leaf + 12 + BinaryPrimitives.ReadUInt16LittleEndian(image.AsSpan(leaf + 16));
        image[leaf + 12 + 7] = 0xFE; // ".."
        image[third + 7] = 0xFF; // lost+found
        using Ext4Volume volume = Ext4Volume.Mount(new HostileDevice(image), new Ext4MountOptions { IsReadOnly = true });
        Inode root = volume.GetInode(Ext4Volume.RootInode);
        int entries = 0;
        volume.ReadDirectory(root, 0, (_, _, _, _) => ++entries > 0);
        Assert.Equal(3, entries);
        Assert.NotNull(volume.Lookup(root, "lost+found"u8));
    }

    [Fact]
    public void Damage_found_while_only_reading_leaves_the_image_as_it_is()
    {
        byte[] image = MakeImage("-J size=1");
        Target table = new ImageMap(image).ByKind.Single(kind => kind[0].Kind == TargetKind.Inode).Single(t => t.Number == 11);
        image[table.At + 2] ^= 1; // the owner of lost+found: its checksum is wrong now
        var device = new HostileDevice(image);
        using (Ext4Volume volume = Ext4Volume.Mount(device, new Ext4MountOptions()))
        {
            Inode root = volume.GetInode(Ext4Volume.RootInode);
            Assert.Throws<Ext4CorruptException>(() => volume.Lookup(root, "lost+found"u8));
            Assert.True(volume.IsReadOnly);
            Assert.Throws<Ext4Exception>(volume.Synchronize);
        }
        Assert.Equal(0, device.Changes);
        Assert.True(image.AsSpan().SequenceEqual(device.Bytes));
    }
}
