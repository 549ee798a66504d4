using System.Text;
using WinLoop.TestKit;

namespace WinLoop.Ext4.Tests.Directories;

/// <summary>Positions of a listing while names come and go.</summary>
public class DirectoryListingTests(ITestOutputHelper output)
{
    [Theory]
    [InlineData("-b 1024", 4000, 400)]
    [InlineData("-b 4096", 40, 2000)]          // one block that becomes an index during the listing
    [InlineData("-b 1024 -O ^dir_index", 1000, 100)]
    public void Names_that_stay_are_listed_exactly_once(string options, int count, int changes)
    {
        using TestImage image = TestImage.Make(32, options + " -O ^has_journal");
        int seed = Environment.TickCount;
        output.WriteLine($"seed {seed}");
        var random = new Random(seed);
        using (Ext4Volume volume = image.Mount())
        {
            Inode root = volume.GetInode(Ext4Volume.RootInode);
            Inode file = volume.Create(root, "file"u8, 0x1A4, 0, Caller.Root);
            for (int round = 0; round < 5; round++)
            {
                Inode directory = volume.CreateDirectory(root, Names.Bytes($"dir{round}"), 0x1ED, Caller.Root);
                var stay = new HashSet<string>(StringComparer.Ordinal);
                var passing = new List<string>();
                var everPassing = new HashSet<string>(StringComparer.Ordinal);
                while (stay.Count + passing.Count < count)
                {
                    string name = Names.Random(random);
                    if (!stay.Contains(name) && everPassing.Add(name))
                    {
                        volume.Link(file, directory, Names.Bytes(name));
                        if (random.Next(3) == 0)
                        {
                            passing.Add(name);
                        }
                        else
                        {
                            everPassing.Remove(name);
                            stay.Add(name);
                        }
                    }
                }
                var seen = new HashSet<string>(StringComparer.Ordinal);
                ulong position = 0;
                for (bool isMore = true; isMore;)
                {
                    int room = random.Next(1, 60);
                    isMore = false;
                    volume.ReadDirectory(directory, position, (bytes, _, _, next) =>
                    {
                        isMore = true;
                        if (room-- == 0)
                        {
                            return false;
                        }
                        string name = Encoding.UTF8.GetString(bytes);
                        Assert.True(seen.Add(name) || everPassing.Contains(name), "a name came twice");
                        position = next;
                        return true;
                    });
                    for (int i = random.Next(changes / 10); i > 0; i--)
                    {
                        if (random.Next(2) == 0 && passing.Count > 0)
                        {
                            int at = random.Next(passing.Count);
                            volume.Unlink(directory, Names.Bytes(passing[at]));
                            passing.RemoveAt(at);
                        }
                        else
                        {
                            string name = Names.Random(random);
                            if (!stay.Contains(name) && !passing.Contains(name))
                            {
                                everPassing.Add(name);
                                passing.Add(name);
                                volume.Link(file, directory, Names.Bytes(name));
                            }
                        }
                    }
                    if (passing.Count > 5000)
                    {
                        break; // outrun; what was seen so far is checked
                    }
                }
                Assert.True(passing.Count > 5000 || seen.IsSupersetOf(stay), "a name was lost");
                volume.Release(directory);
            }
            volume.Release(file);
            volume.Release(root);
        }
        image.AssertClean();
    }

    [Fact]
    public void A_refused_name_comes_again()
    {
        using TestImage image = TestImage.Make(8, "-b 1024 -O ^has_journal");
        using Ext4Volume volume = image.Mount();
        Inode root = volume.GetInode(Ext4Volume.RootInode);
        for (int i = 0; i < 200; i++)
        {
            volume.Release(volume.Create(root, Names.Bytes($"n{i}"), 0x1A4, 0, Caller.Root));
        }
        var all = new List<string>();
        volume.ReadDirectory(root, 0, (name, _, _, _) =>
        {
            all.Add(Encoding.UTF8.GetString(name));
            return true;
        });
        Assert.Equal([".", ".."], all[..2]);
        Assert.Equal(203, all.Count);
        Assert.Equal(all.Skip(2).Order(StringComparer.Ordinal), Names.List(volume, root, 1));
        volume.Release(root);
    }

    [Fact]
    public void A_removed_directory_lists_nothing()
    {
        using TestImage image = TestImage.Make(8, "-b 1024");
        using (Ext4Volume volume = image.Mount())
        {
            Inode root = volume.GetInode(Ext4Volume.RootInode);
            Inode directory = volume.CreateDirectory(root, "d"u8, 0x1ED, Caller.Root);
            volume.RemoveDirectory(root, "d"u8);
            volume.ReadDirectory(directory, 0, (_, _, _, _) => throw new InvalidOperationException());
            volume.Release(directory);
            volume.Release(root);
        }
        image.AssertClean();
    }
}
