using WinLoop.Ext4.Format;
using WinLoop.TestKit;

namespace WinLoop.Ext4.Tests.Directories;

/// <summary>Large directories made by the kernel, read and changed by the engine.</summary>
public class KernelDirectoryTests
{
    [Theory]
    [InlineData("-b 1024", "half_md4", 1)]
    [InlineData("-b 4096", "half_md4", 1)]
    [InlineData("-b 4096", "half_md4", 2)]
    [InlineData("-b 4096", "tea", 1)]
    [InlineData("-b 1024 -O ^metadata_csum", "tea", 2)]
    [InlineData("-b 4096", "legacy", 1)]
    [InlineData("-b 1024", "legacy", 2)]
    public void Directories_of_the_kernel_are_read_and_grown(string options, string hash, int flags)
    {
        Shell.RequireLoopMounts();
        Shell.Require("tune2fs", "debugfs");
        using TestImage image = TestImage.Make(64, options + " -N 25000 -O ^orphan_file");
        Shell.Script($"tune2fs -E hash_alg={hash} {image.Path}; debugfs -w -R 'ssv flags {flags}' {image.Path}");
        image.WithKernel("""
            mkdir $M/dir $M/deep
            cd $M/dir
            seq -f 'name-äé漢-%07g' 1 8000 | xargs touch
            cd $M/deep
            seq -f "$(printf 'x%.0s' $(seq 230))-%07g" 1 6000 | xargs touch
            """);
        string[] expected = [.. image.WithKernel("ls -1UA $M/dir $M/deep").Split('\n').Where(l => l.StartsWith("name", StringComparison.Ordinal) || l.StartsWith('x'))];
        Assert.Equal(14000, expected.Length);
        var seen = new List<string>();
        using (Ext4Volume volume = image.Mount())
        {
            Inode root = volume.GetInode(Ext4Volume.RootInode);
            foreach (string path in new[] { "dir", "deep" })
            {
                Inode directory = volume.Lookup(root, Names.Bytes(path))!;
                Assert.True((directory.Flags & InodeFlags.Index) != 0);
                SortedSet<string> names = Names.List(volume, directory, 100);
                seen.AddRange(names);
                foreach (string name in names)
                {
                    // Through the index alone: the writer does not take a linear search for an answer.
                    volume.Rename(directory, Names.Bytes(name), directory, Names.Bytes(name + "+"), RenameFlags.None, Caller.Root);
                }
                volume.Release(directory);
            }
            volume.Release(root);
        }
        Assert.Equal(expected.Order(StringComparer.Ordinal), seen.Order(StringComparer.Ordinal));
        image.AssertClean();
        string[] renamed = [.. image.WithKernel("ls -1UA $M/dir $M/deep; stat -c %n $M/dir/* | wc -l >&2").Split('\n').Where(l => l.EndsWith('+'))];
        Assert.Equal(expected.Select(n => n + "+").Order(StringComparer.Ordinal), renamed.Order(StringComparer.Ordinal));
        image.WithKernel("rm -r $M/dir $M/deep");
        image.AssertClean();
    }
}
