using WinLoop.TestKit;

namespace WinLoop.Ext4.Tests.Directories;

/// <summary>Lookups and listings beside changes, from several threads.</summary>
public class ParallelDirectoryTests
{
    [Fact]
    public async Task Lookups_and_listings_run_beside_changes()
    {
        using TestImage image = TestImage.Make(32, "-b 1024 -N 64");
        using (Ext4Volume volume = image.Mount())
        {
            Inode root = volume.GetInode(Ext4Volume.RootInode);
            Inode directory = volume.CreateDirectory(root, "d"u8, 0x1ED, Caller.Root);
            Inode file = volume.Create(root, "f"u8, 0x1A4, 0, Caller.Root);
            byte[][] stay = [.. Enumerable.Range(0, 1000).Select(i => Names.Bytes($"stay {i}"))];
            foreach (byte[] name in stay)
            {
                volume.Link(file, directory, name);
            }
            bool isDone = false;
            Task[] readers = [.. Enumerable.Range(0, 3).Select(n => Task.Run(() =>
            {
                var random = new Random(n);
                while (!Volatile.Read(ref isDone))
                {
                    for (int i = 0; i < 200; i++)
                    {
                        Inode? found = volume.Lookup(directory, stay[random.Next(stay.Length)]);
                        Assert.Equal(file.Number, found?.Number);
                        volume.Release(found!);
                        Assert.Null(volume.Lookup(directory, "never"u8));
                    }
                    int count = 0;
                    volume.ReadDirectory(directory, 0, (name, _, _, _) =>
                    {
                        count += name.StartsWith("stay"u8) ? 1 : 0;
                        return true;
                    });
                    Assert.Equal(stay.Length, count);
                }
            }))];
            Task[] writers = [.. Enumerable.Range(0, 2).Select(n => Task.Run(() =>
            {
                for (int i = 0; i < 4000; i++)
                {
                    volume.Link(file, directory, Names.Bytes($"writer {n} {i}".PadRight(i % 200 + 20, '-')));
                    if (i % 2 == 0)
                    {
                        volume.Unlink(directory, Names.Bytes($"writer {n} {i}".PadRight(i % 200 + 20, '-')));
                    }
                }
            }))];
            await Task.WhenAll(writers);
            Volatile.Write(ref isDone, true);
            await Task.WhenAll(readers);
            Assert.Equal(5000, Names.List(volume, directory, 100).Count);
            volume.Release(file);
            volume.Release(directory);
            volume.Release(root);
        }
        image.AssertClean();
    }

    // The kernel here does not mount such blocks; e2fsck judges them all the same.
    [Theory]
    [InlineData("-b 65536")]
    [InlineData("-b 65536 -O ^metadata_csum")]
    [InlineData("-b 8192")]
    public void Blocks_above_the_page_size(string options)
    {
        using TestImage image = TestImage.Make(256, options + " -N 64");
        using (Ext4Volume volume = image.Mount())
        {
            Inode root = volume.GetInode(Ext4Volume.RootInode);
            Inode directory = volume.CreateDirectory(root, "d"u8, 0x1ED, Caller.Root);
            Inode file = volume.Create(root, "f"u8, 0x1A4, 0, Caller.Root);
            for (int i = 0; i < 12_000; i++)
            {
                volume.Link(file, directory, Names.Bytes($"name {i}"));
            }
            for (int i = 0; i < 12_000; i += 3)
            {
                volume.Unlink(directory, Names.Bytes($"name {i}"));
            }
            Assert.Equal(8000, Names.List(volume, directory, 100).Count);
            volume.Release(file);
            volume.Release(directory);
            volume.Release(root);
        }
        image.AssertClean();
    }
}
