using System.Buffers.Binary;
using WinLoop.Ext4.Format;
using WinLoop.TestKit;

namespace WinLoop.Ext4.Tests.Hostile;

/// <summary>What the hostile campaign found, each as small as it gets.</summary>
public sealed class HostileRegressionTests
{
    private static byte[] MakeImage(string options, string commands = "")
    {
        Shell.Require("mkfs.ext4", "debugfs");
        string path = Path.GetTempFileName();
        try
        {
            Shell.Script($"truncate -s 3M {path}; mkfs.ext4 -q -F -b 1024 -N 64 {options} {path}");
            foreach (string command in commands.Split(';', StringSplitOptions.RemoveEmptyEntries))
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

    // A thread waited for itself.
    [Theory]
    [InlineData("self", "a"), InlineData("up", "b"), InlineData("other", "b")]
    public async Task A_directory_in_a_wrong_place_is_neither_moved_nor_removed_and_nobody_waits(string name, string at)
    {
        byte[] image = MakeImage("-O ^has_journal", "mkdir /a; mkdir /c; mkdir /d; mkdir /a/b; link /a /a/self; link /a /a/b/up; link /c /a/b/other");
        foreach (int way in Enumerable.Range(0, 4))
        {
            using Ext4Volume volume = Ext4Volume.Mount(new HostileDevice((byte[])image.Clone()), new Ext4MountOptions());
            Inode root = volume.GetInode(Ext4Volume.RootInode), a = volume.Lookup(root, "a"u8)!, b = volume.Lookup(a, "b"u8)!, c = volume.Lookup(root, "c"u8)!;
            Inode directory = at == "a" ? a : b;
            byte[] bytes = System.Text.Encoding.ASCII.GetBytes(name);
            Action change = way switch
            {
                0 => () => volume.Rename(directory, bytes, c, "x"u8, RenameFlags.None, default),
                1 => () => volume.Rename(directory, bytes, directory, "x"u8, RenameFlags.None, default),
                2 => () => volume.Rename(root, "d"u8, directory, bytes, RenameFlags.Exchange, default),
                _ => () => volume.RemoveDirectory(directory, bytes),
            };
            Exception? refused = await Task.Run(() => Record.Exception(change), TestContext.Current.CancellationToken)
                .WaitAsync(TimeSpan.FromSeconds(20), TestContext.Current.CancellationToken);
            Assert.True(refused is Ext4CorruptException or Ext4Exception { Errno: Errno.EINVAL or Errno.ENOTEMPTY }, $"way {way}: {refused}");
        }
    }

    [Fact]
    public void Directories_that_lead_to_each_other_and_not_to_the_root_are_not_changed()
    {
        byte[] image = MakeImage("-O ^has_journal,^metadata_csum", "mkdir /a; mkdir /a/b; mkdir /a/b/c; link /a /a/b/up");
        var map = new ImageMap(image);
        uint a = 12, b = 13;
        // The ".." of a says b.
        int leaf = map.ByKind.Single(kind => kind[0].Kind == TargetKind.DirectoryLeaf).Single(t => t.Number == a).At;
        BinaryPrimitives.WriteUInt32LittleEndian(image.AsSpan(leaf + 12), b);
        using Ext4Volume volume = Ext4Volume.Mount(new HostileDevice(image), new Ext4MountOptions());
        Inode top = volume.GetInode(Ext4Volume.RootInode), first = volume.Lookup(top, "a"u8)!, second = volume.Lookup(first, "b"u8)!;
        Assert.Equal((a, b), (first.Number, second.Number));
        Assert.Throws<Ext4CorruptException>(() => volume.RemoveDirectory(second, "c"u8));
    }
}
