using WinLoop.Ext4.Format;
using WinLoop.TestKit;

namespace WinLoop.Ext4.Tests.Directories;

/// <summary>Names of one hash, more than a leaf holds: continuation bits and positions that collide.</summary>
public class CollidingNamesTests
{
    // Found by search: behind "c" and 232 dashes all have the legacy hash 048D159C.
    private const string Endings =
        "aahxeenr aa3ckwce aeo8oaha afmqowrq af7xazi0 ag2hlm8x aihzfgzi aiit2r9w aks624k7 ale9313n alfyscto ang9xa0i " +
        "anjq54a5 aqe4efm9 aq2y9niu asd1tq79 au9o8z0h awt1lpml ax6pfjmx a0emkato a0m2yaq1 a03u8pjn a1m3x6on a2zxliox";

    [Fact]
    public void Names_of_one_hash_go_on_from_leaf_to_leaf()
    {
        Shell.Require("tune2fs");
        using TestImage image = TestImage.Make(16, "-b 1024");
        Shell.Script($"tune2fs -E hash_alg=legacy {image.Path}");
        string[] colliding = [.. Endings.Split(' ').Select(end => "c" + new string('-', 232) + end)];
        var hash = new HtreeHash(new byte[16], isUnsigned: false);
        Assert.Equal([0x048D159Cu], colliding.Select(name => hash.Compute(HtreeHashVersion.Legacy, Names.Bytes(name), out _)).Distinct());
        using (Ext4Volume volume = image.Mount())
        {
            Inode root = volume.GetInode(Ext4Volume.RootInode);
            Inode directory = volume.CreateDirectory(root, "dir"u8, 0x1ED, Caller.Root);
            Inode file = volume.Create(root, "file"u8, 0x1A4, 0, Caller.Root);
            var names = new SortedSet<string>(StringComparer.Ordinal);
            for (int i = 0; i < 500; i++)
            {
                string other = $"other {i} {new string('o', i % 200)}";
                volume.Link(file, directory, Names.Bytes(other));
                names.Add(other);
                if (i % 20 == 0 && i / 20 < colliding.Length)
                {
                    volume.Link(file, directory, Names.Bytes(colliding[i / 20]));
                    names.Add(colliding[i / 20]);
                }
            }
            Assert.Equal(names, Names.List(volume, directory, 1));
            Assert.Equal(names, Names.List(volume, directory, 7));
            foreach (string name in names)
            {
                Inode? found = volume.Lookup(directory, Names.Bytes(name));
                Assert.Equal(file.Number, found?.Number);
                volume.Release(found!);
            }
            volume.Release(file);
            volume.Release(directory);
            volume.Release(root);
        }
        image.AssertClean();
        Assert.Equal(24, int.Parse(image.WithKernel("ls -d $M/dir/c* | wc -l"), System.Globalization.CultureInfo.InvariantCulture));
        using (Ext4Volume volume = image.Mount())
        {
            Inode root = volume.GetInode(Ext4Volume.RootInode);
            Inode directory = volume.Lookup(root, "dir"u8)!;
            foreach (string name in colliding.Reverse())
            {
                volume.Unlink(directory, Names.Bytes(name));
                Assert.Null(volume.Lookup(directory, Names.Bytes(name)));
            }
            volume.Release(directory);
            volume.Release(root);
        }
        image.AssertClean();
    }
}
