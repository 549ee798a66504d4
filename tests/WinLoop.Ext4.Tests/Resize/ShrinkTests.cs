using WinLoop.Ext4.Format;
using WinLoop.Storage;
using WinLoop.TestKit;

namespace WinLoop.Ext4.Tests.Resize;

/// <summary>Shrinking: e2fsck and the kernel agree with it, and every file is what it was.</summary>
public sealed class ShrinkTests(ITestOutputHelper output)
{
    // Files all over the volume: directories spread by the kernel, files in pieces, links, attributes of both kinds.
    private const string Spread = """
        fallocate -l $(($(stat -f -c %a $M) * $(stat -f -c %S $M) / 2)) $M/hole; head -c 300000 /dev/urandom > $M/first
        for d in $(seq 1 24); do
          mkdir -p $M/dir$d/sub/deep; head -c $((d * 3000)) /dev/urandom > $M/dir$d/file; ln $M/dir$d/file $M/dir$d/sub/linked
          ln -s /$(printf 'x%.0s' $(seq 1 $((d * 10)))) $M/dir$d/symlink; mkfifo $M/dir$d/sub/fifo
          setfattr -n user.small -v $d $M/dir$d/file; setfattr -n user.large -v "$(head -c 700 /dev/zero | tr '\0' y)" $M/dir$d/sub
          ln $M/first $M/dir$d/also-first; truncate -s 1000000 $M/dir$d/holes
          echo here | dd of=$M/dir$d/holes bs=1 seek=$((d * 30000)) conv=notrunc status=none
        done
        mkdir $M/many; for i in $(seq 1 600); do echo $i > $M/many/a-file-with-quite-a-long-name-$i; done
        for i in $(seq 1 40); do echo $i >> $M/first; echo $i >> $M/dir1/file; sync -f $M; done
        fallocate -l 200000 $M/dir9/preallocated
        head -c 2500000 /dev/urandom > $M/dir20/sub/large; chown 1000:1000 $M/dir3/file; chmod 4711 $M/dir4/file; rm $M/hole
        """;

    private static string Manifest(ResizeImage image) => image.Tree() + image.Image.WithKernel(
        "cd $M; getfattr -Rhd -m - . 2>/dev/null; find . -printf '%p %U %G %T@\\n' | sort", "loop,ro");

    [Theory]
    [InlineData("-b 1024", 100_000), InlineData("-b 2048", 60_000), InlineData("-b 4096", 60_000), InlineData("-b 4096 -g 4096", 40_000)]
    [InlineData("-b 1024 -O ^flex_bg", 100_000), InlineData("-b 1024 -O ^metadata_csum", 100_000)]
    [InlineData("-b 1024 -O ^metadata_csum,uninit_bg", 100_000), InlineData("-b 1024 -O ^64bit", 100_000)]
    [InlineData("-b 1024 -O ^resize_inode", 100_000), InlineData("-b 1024 -O ^sparse_super,^resize_inode", 100_000)]
    [InlineData("-b 1024 -O sparse_super2", 100_000), InlineData("-b 1024 -O sparse_super2,^resize_inode", 100_000)]
    [InlineData("-b 1024 -O ^has_journal", 100_000), InlineData("-b 1024 -O ^metadata_csum,^64bit,^flex_bg", 100_000)]
    [InlineData("-b 1024 -I 128 -N 60000", 100_000), InlineData("-b 1024 -O orphan_file", 100_000), InlineData("-b 1024 -G 64", 400_000)]
    [InlineData("-b 1024 -O ^filetype", 100_000), InlineData("-b 1024 -O ^dir_index", 100_000), InlineData("-b 1024 -O ^extra_isize", 100_000)]
    public void KernelAndFsckAgree(string options, long before)
    {
        int blockSize = int.Parse(options.Split(' ')[1]);
        using ResizeImage made = ResizeImage.Make(before, options, Spread);
        string manifest = Manifest(made);
        int seed = Environment.TickCount;
        output.WriteLine($"seed {seed}");
        long minimum;
        using (Ext4Volume volume = made.Image.Mount())
        {
            minimum = volume.MinimumSize;
        }
        output.WriteLine($"{options}: {before * blockSize} bytes, minimum {minimum}");
        Assert.True(minimum < before * blockSize * 9 / 10, $"{minimum} of {before * blockSize}");
        foreach (long size in (long[])[new Random(seed).NextInt64(minimum, before * blockSize), minimum])
        {
            using ResizeImage image = made.Copy();
            if (size == minimum && options.Length < 10)
            {
                using ResizeImage copy = made.Copy();
                long theirs = copy.ShrinkWithResize2fs();
                output.WriteLine($"resize2fs -M: {theirs}");
                Assert.True(minimum < theirs + (theirs / 8), $"{minimum}, resize2fs: {theirs}");
            }
            ResizeResult result = image.Shrink(size);
            output.WriteLine($"{size} -> {result.BytesAfter}");
            Assert.InRange(result.BytesAfter, size - (20L << 20), size);
            image.SetLength(result.BytesAfter);
            image.Image.AssertClean();
            Assert.Equal(manifest, Manifest(image));
            image.Image.WithKernel("head -c $(($(stat -f -c %a $M) * $(stat -f -c %S $M) * 9 / 10)) /dev/zero > $M/full; rm $M/dir2/file; sync");
            image.Image.AssertClean();
        }
    }
}
