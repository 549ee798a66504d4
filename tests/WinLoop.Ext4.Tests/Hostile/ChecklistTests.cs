using System.Buffers.Binary;
using WinLoop.Ext4.Format;
using WinLoop.TestKit;

namespace WinLoop.Ext4.Tests.Hostile;

/// <summary>Points of the checklist in docs/hostile-images.md that no other test holds by itself.</summary>
public sealed class ChecklistTests
{
    private static byte[] Make(string options, params string[] commands)
    {
        Shell.Require("mkfs.ext4", "debugfs");
        string path = Path.GetTempFileName();
        try
        {
            Shell.Script($"truncate -s 4M {path}; mkfs.ext4 -q -F -b 1024 -N 64 {options} {path}");
            foreach (string command in commands)
            {
                Shell.Script($"debugfs -w -R '{command}' {path} 2>/dev/null");
            }
            return File.ReadAllBytes(path);
        }
        finally
        {
            File.Delete(path);
        }
    }

    private static Ext4Volume Mount(byte[] image, out HostileDevice device) =>
        Ext4Volume.Mount(device = new HostileDevice(image), new Ext4MountOptions { UseBackgroundCommit = false });

    /// <summary>Point 6: what the superblock names as the file system's own has no name, whatever its number.</summary>
    [Theory]
    [InlineData("-O orphan_file,^metadata_csum", "the orphan file")]
    [InlineData("-O ^metadata_csum", "the journal at another number")]
    public void An_entry_that_names_a_file_of_the_file_system_is_damage(string options, string what)
    {
        byte[] image = Make(options, "write /dev/null victim");
        uint number = ReadInode(image, "victim", out int entry);
        var superblock = new Superblock(image.AsSpan(Superblock.Offset, Superblock.Size));
        if (what == "the orphan file")
        {
            BinaryPrimitives.WriteUInt32LittleEndian(image.AsSpan(entry), superblock.OrphanFileInode);
        }
        else
        {
            BinaryPrimitives.WriteUInt32LittleEndian(image.AsSpan(Superblock.Offset + 0x240), number); // s_usr_quota_inum: reserved all the same
        }
        using Ext4Volume volume = Mount(image, out HostileDevice device);
        Inode root = volume.GetInode(Ext4Volume.RootInode);
        Assert.Throws<Ext4CorruptException>(() => volume.Lookup(root, "victim"u8));
        Assert.Throws<Ext4Exception>(() => volume.GetInode(what == "the orphan file" ? superblock.OrphanFileInode : number));
        Assert.True(volume.IsReadOnly);
        volume.Release(root);
        Assert.Equal(0, device.MetadataChanges);
    }

    /// <summary>Point 7: a rename walks up from its target; parents that are each other's children do not keep it walking.</summary>
    [Fact]
    public void A_rename_below_directories_in_a_circle_ends()
    {
        byte[] image = Make("-O ^metadata_csum,^has_journal", "mkdir a", "mkdir a/b", "mkdir x");
        uint a = ReadInode(image, "a", out _), b = ReadInode(image, "b", out _);
        SetParent(image, a, b);
        SetParent(image, b, a);
        using Ext4Volume volume = Mount(image, out _);
        Inode root = volume.GetInode(Ext4Volume.RootInode), inner = volume.GetInode(b);
        TimeSpan start = ThreadClock.Now;
        Exception? thrown = Record.Exception(() => volume.Rename(root, "x"u8, inner, "x"u8, RenameFlags.None, Caller.Root));
        Assert.True(thrown is Ext4CorruptException or Ext4Exception, $"{thrown}");
        Assert.True(ThreadClock.Now - start < TimeSpan.FromSeconds(1));
        volume.Release(inner);
        volume.Release(root);
    }

    /// <summary>Point 8: a file of the greatest size with nothing in it is never walked block by block.</summary>
    [Fact]
    public void A_file_that_is_all_hole_costs_nothing()
    {
        byte[] image = Make("-O ^has_journal", "write /dev/null f", "sif f size 0x3fffffffc00");
        using (Ext4Volume volume = Mount(image, out HostileDevice device))
        {
            Inode root = volume.GetInode(Ext4Volume.RootInode), file = volume.Lookup(root, "f"u8)!;
            TimeSpan start = ThreadClock.Now;
            Assert.Equal(0x3fffffffc00, file.Size);
            byte[] data = new byte[100];
            Assert.Equal(100, volume.Read(file, data, 0x3ffffff0000));
            Assert.Equal(Errno.ENXIO, Assert.Throws<Ext4Exception>(() => volume.Seek(file, 0, hole: false)).Errno);
            Assert.Equal(0, volume.Seek(file, 0, hole: true));
            volume.Allocate(file, AllocateMode.PunchHole | AllocateMode.KeepSize, 0, 0x3ffffff0000, Caller.Root);
            volume.SetAttributes(file, new AttributeChanges { Size = 10 }, Caller.Root);
            volume.Unlink(root, "f"u8);
            volume.Release(file);
            volume.Release(root);
            Assert.True(ThreadClock.Now - start < TimeSpan.FromSeconds(1));
            Assert.True(device.Reads < 200);
        }
    }

    /// <summary>Point 16: a label may lack its NUL.</summary>
    [Fact]
    public void A_label_without_an_end_has_sixteen_bytes()
    {
        byte[] image = Make("-O ^metadata_csum,^has_journal");
        image.AsSpan(Superblock.Offset + 0x78, 16).Fill((byte)'\e');
        image.AsSpan(Superblock.Offset + 0x88, 64).Fill((byte)'y');
        using Ext4Volume volume = Mount(image, out _);
        Assert.Equal(new string('\e', 16), volume.Superblock.Label);
    }

    /// <summary>Point 18: written to only if the volume is marked sound and its journal can be trusted.</summary>
    [Theory]
    [InlineData("-O ^metadata_csum", 0x3A, 2, "damaged")]
    [InlineData("-O ^metadata_csum", 0x3A, 3, "damaged")]
    [InlineData("-O ^metadata_csum,^has_journal", 0x3A, 0, "not unmounted cleanly")]
    [InlineData("-O ^metadata_csum,^has_journal", 0x60, 0x2C6, "has no journal")]
    public void A_volume_that_is_not_marked_sound_is_read_only(string options, int field, ushort value, string reason)
    {
        byte[] image = Make(options);
        ushort old = BinaryPrimitives.ReadUInt16LittleEndian(image.AsSpan(Superblock.Offset + field));
        BinaryPrimitives.WriteUInt16LittleEndian(image.AsSpan(Superblock.Offset + field), field == 0x60 ? (ushort)(old | 4) : value);
        using Ext4Volume volume = Mount(image, out HostileDevice device);
        Assert.True(volume.IsReadOnly);
        Assert.Contains(reason, volume.ReadOnlyReason, StringComparison.Ordinal);
        Assert.Equal(0, device.Changes);
    }

    private static uint ReadInode(byte[] image, string name, out int entryAt)
    {
        // The first entry of that name in any directory block.
        foreach (Target target in new ImageMap(image).ByKind.Single(k => k[0].Kind == TargetKind.DirectoryLeaf))
        {
            for (int at = target.At; at < target.At + target.Length;)
            {
                int length = BinaryPrimitives.ReadUInt16LittleEndian(image.AsSpan(at + 4));
                if (image[at + 6] == name.Length && image.AsSpan(at + 8, name.Length).SequenceEqual(System.Text.Encoding.ASCII.GetBytes(name)))
                {
                    entryAt = at;
                    return BinaryPrimitives.ReadUInt32LittleEndian(image.AsSpan(at));
                }
                at += length;
            }
        }
        throw new InvalidOperationException(name);
    }

    private static void SetParent(byte[] image, uint directory, uint parent)
    {
        Target block = new ImageMap(image).ByKind.Single(k => k[0].Kind == TargetKind.DirectoryLeaf).First(t => t.Number == directory);
        BinaryPrimitives.WriteUInt32LittleEndian(image.AsSpan(block.At + 12), parent);
    }
}
