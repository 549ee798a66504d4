using WinLoop.TestKit;

namespace WinLoop.Ext4.Tests.Directories;

/// <summary>What happens when the volume or the index is full: ENOSPC, and nothing is lost.</summary>
public class FullDirectoryTests(ITestOutputHelper output)
{
    [Theory]
    [InlineData("-b 1024", 2)]
    [InlineData("-b 1024 -O ^metadata_csum,^has_journal", 2)]
    [InlineData("-b 1024 -O ^dir_index", 2)]
    [InlineData("-b 4096", 6)]
    public void A_full_volume_ends_growth_between_any_two_steps(string options, int megabytes)
    {
        using TestImage image = TestImage.Make(megabytes, options + " -m 0 -N 64");
        int seed = Environment.TickCount;
        output.WriteLine($"seed {seed}");
        var random = new Random(seed);
        var names = new SortedSet<string>(StringComparer.Ordinal);
        using (Ext4Volume volume = image.Mount())
        {
            Inode root = volume.GetInode(Ext4Volume.RootInode);
            Inode file = volume.Create(root, "file"u8, 0x1A4, 0, Caller.Root);
            int refused = 0;
            while (refused < 20)
            {
                string name = random.Next().ToString(System.Globalization.CultureInfo.InvariantCulture).PadRight(random.Next(20, 255), 'x');
                try
                {
                    volume.Link(file, root, Names.Bytes(name));
                    names.Add(name);
                }
                catch (Ext4Exception e) when (e.Errno == Errno.ENOSPC)
                {
                    refused++;
                    Assert.Null(volume.Lookup(root, Names.Bytes(name)));
                }
            }
            SortedSet<string> listed = Names.List(volume, root, 50);
            listed.ExceptWith(["file", "lost+found"]);
            Assert.Equal(names, listed);
            volume.Release(file);
            volume.Release(root);
        }
        image.AssertClean();
    }

    [Theory]
    [InlineData("-b 1024")]
    [InlineData("-b 1024 -O ^metadata_csum")]
    public void An_index_of_two_levels_has_an_end(string options)
    {
        // Where the names end depends on their hashes, by a tenth from seed to seed: one seed for all runs.
        using TestImage image = TestImage.Make(64, options + " -N 64 -E hash_seed=6f4c2f6e-3a55-4c1b-9d0e-2b7f5a1c9e11");
        int count = 0;
        using (Ext4Volume volume = image.Mount())
        {
            Inode root = volume.GetInode(Ext4Volume.RootInode);
            Inode directory = volume.CreateDirectory(root, "d"u8, 0x1ED, Caller.Root);
            Inode[] files = [.. Enumerable.Range(0, 4).Select(i => volume.Create(root, Names.Bytes($"file{i}"), 0x1A4, 0, Caller.Root))];
            Ext4Exception? full = null;
            while (full is null)
            {
                try
                {
                    volume.Link(files[count % 4], directory, Names.Bytes($"{count}".PadRight(250, 'x')));
                    count++;
                }
                catch (Ext4Exception e)
                {
                    full = e;
                }
            }
            Assert.Equal(Errno.ENOSPC, full.Errno);
            output.WriteLine($"{count} names, {directory.Size} bytes");
            // Random hashes fill nodes and leaves by two thirds at least.
            Assert.True(count > 20_000);
            Assert.Equal(count, Names.List(volume, directory, 1000).Count);
            foreach (Inode file in files)
            {
                volume.Release(file);
            }
            volume.Release(directory);
            volume.Release(root);
        }
        image.AssertClean();
        Assert.Equal($"{count}", image.WithKernel("ls -1UA $M/d | wc -l").Trim());
    }
}
