using System.Text;
using WinLoop.Ext4.Format;
using WinLoop.TestKit;

namespace WinLoop.Ext4.Tests.Directories;

/// <summary>Directories on real images; e2fsck, debugfs and the kernel judge.</summary>
public class DirectoryImageTests(ITestOutputHelper output)
{
    public static TheoryData<string, int> Images => new()
    {
        { "-b 1024", 60_000 },
        { "-b 1024 -O ^metadata_csum", 60_000 },
        { "-b 2048 -I 128 -O ^metadata_csum,^64bit", 20_000 },
        { "-b 4096", 60_000 },
        { "-b 4096 -O ^metadata_csum", 60_000 },
        { "-b 4096 -O ^has_journal", 20_000 },
        { "-b 4096 -O ^dir_index", 2_000 },
        { "-b 1024 -O ^dir_index,^metadata_csum,^filetype", 2_000 },
    };

    [Theory]
    [MemberData(nameof(Images))]
    public void Names_come_and_go(string options, int count)
    {
        Shell.Require("debugfs");
        using TestImage image = TestImage.Make(96, options + " -N 2000");
        int seed = Environment.TickCount;
        output.WriteLine($"seed {seed}");
        var random = new Random(seed);
        var names = new HashSet<string>(StringComparer.Ordinal);
        while (names.Count < count)
        {
            names.Add(Names.Random(random));
        }
        string[] all = [.. names];
        var left = new SortedSet<string>(names, StringComparer.Ordinal);
        using (Ext4Volume volume = image.Mount())
        {
            Inode root = volume.GetInode(Ext4Volume.RootInode);
            Inode directory = volume.CreateDirectory(root, "dir"u8, 0x1ED, Caller.Root);
            Inode[] files = [.. Enumerable.Range(0, 8).Select(i => volume.Create(root, Names.Bytes($"file{i}"), 0x1A4, 0, Caller.Root))];
            for (int i = 0; i < all.Length; i++)
            {
                volume.Link(files[i % 8], directory, Names.Bytes(all[i]));
            }
            Assert.Equal(all.Order(StringComparer.Ordinal), Names.List(volume, directory, 37));
            foreach (string name in all)
            {
                Inode? found = volume.Lookup(directory, Names.Bytes(name));
                Assert.NotNull(found);
                volume.Release(found);
            }
            Assert.Null(volume.Lookup(directory, "not there"u8));
            Assert.Equal(Errno.ENOTEMPTY, Assert.Throws<Ext4Exception>(() => volume.RemoveDirectory(root, "dir"u8)).Errno);
            volume.Release(directory);
            foreach (Inode file in files)
            {
                volume.Release(file);
            }
            volume.Release(root);
        }
        image.AssertClean();
        random.Shuffle(all);
        using (Ext4Volume volume = image.Mount())
        {
            Inode root = volume.GetInode(Ext4Volume.RootInode);
            Inode directory = volume.Lookup(root, "dir"u8)!;
            Inode file = volume.Lookup(root, "file0"u8)!;
            for (int i = 0; i < all.Length / 2; i++)
            {
                volume.Unlink(directory, Names.Bytes(all[i]));
                left.Remove(all[i]);
                // Room that was freed is used again.
                if (i % 4 == 0)
                {
                    string name = Names.Random(random);
                    if (left.Add(name))
                    {
                        volume.Link(file, directory, Names.Bytes(name));
                    }
                }
            }
            Assert.Equal(left, Names.List(volume, directory, 1000));
            volume.Release(file);
            volume.Release(directory);
            volume.Release(root);
        }
        image.AssertClean();
        if (options.Contains("^dir_index", StringComparison.Ordinal))
        {
            Assert.DoesNotContain("htree", Shell.Run("debugfs", ["-R", "stat /dir", image.Path]).Output, StringComparison.Ordinal);
        }
        else
        {
            string dump = Shell.Run("debugfs", ["-R", "htree_dump /dir", image.Path]).Output;
            Assert.Contains(options.Contains("-b 1024", StringComparison.Ordinal) ? "Indirect levels: 1" : "Hash Version: 1", dump, StringComparison.Ordinal);
        }
        string listed = image.WithKernel("ls -1UA $M/dir");
        Assert.Equal(left, listed.Split('\n', StringSplitOptions.RemoveEmptyEntries).Order(StringComparer.Ordinal));
        // The kernel finds each name by its hash, adds more, and removes them all.
        image.WithKernel("cd $M/dir; find . -type f -print0 | xargs -0 stat -c %i | wc -l > /dev/null; " +
            "for i in $(seq 1 500); do : > kernel$i; done; cd /; rm -r $M/dir");
        image.AssertClean();
    }
}
