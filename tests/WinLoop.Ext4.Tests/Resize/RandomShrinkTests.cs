using System.Globalization;
using WinLoop.Storage;
using WinLoop.TestKit;

namespace WinLoop.Ext4.Tests.Resize;

/// <summary>
/// Volumes of random features, filled and emptied at random by the kernel until files and free space are in pieces, made
/// smaller at random. <c>WINLOOP_SHRINK_RUNS=N</c> sets how many, <c>WINLOOP_SEED=N</c> where the seeds begin.
/// </summary>
public sealed class RandomShrinkTests(ITestOutputHelper output)
{
    private const int UsualRuns = 3;

    private static readonly string[] s_features =
        ["flex_bg", "metadata_csum", "64bit", "resize_inode", "sparse_super", "sparse_super2", "has_journal", "dir_index", "filetype", "orphan_file", "extra_isize", "huge_file", "uninit_bg"];

    [Fact]
    public void FilesStayWhatTheyAre()
    {
        int runs = int.TryParse(Environment.GetEnvironmentVariable("WINLOOP_SHRINK_RUNS"), out int given) ? given : UsualRuns;
        int seed = int.Parse(Environment.GetEnvironmentVariable("WINLOOP_SEED") ?? Environment.TickCount.ToString(CultureInfo.InvariantCulture), CultureInfo.InvariantCulture);
        for (int run = 0; run < runs; run++)
        {
            Shrink(seed + run);
        }
    }

    private void Shrink(int seed)
    {
        var random = new Random(seed);
        int blockSize = 1024 << random.Next(3);
        bool hasBlockMaps = random.Next(4) == 0;
        string options = $"-b {blockSize} -O {Features(random, hasBlockMaps)} -N {random.Next(2, 9) * 1000} {(random.Next(3) == 0 ? "-g 1024" : "")} {(random.Next(3) == 0 ? "-J size=8" : "")}";
        options += options.Contains("^flex_bg", StringComparison.Ordinal) ? "" : $" -G {1 << random.Next(6)}";
        long blocks = random.NextInt64(30L << 20, 120L << 20) / blockSize;
        output.WriteLine($"seed {seed}: {blocks} blocks, {options}, block maps: {hasBlockMaps}");
        using ResizeImage? image = TryMake(blocks, options, Fill(random));
        if (image is null)
        {
            output.WriteLine("mkfs.ext4 does not make that");
            return;
        }
        if (hasBlockMaps)
        {
            Shell.Script($"tune2fs -O extents {image.Path} >/dev/null 2>&1");
            image.Image.WithKernel("for i in 1 2 3; do head -c 100000 /dev/urandom > $M/with-extents-$i; done");
        }
        // The kernel itself writes what e2fsck does not like into volumes without filetype.
        Shell.Script($"e2fsck -fy {image.Path} >/dev/null || true");
        image.Image.AssertClean();
        string digest = Digest(image);
        for (int step = 0; step < 2; step++)
        {
            long minimum, now;
            using (Ext4Volume volume = image.Image.Mount())
            {
                (minimum, now) = (volume.MinimumSize, (long)volume.Geometry.BlocksCount * blockSize);
            }
            long size = step == 0 && minimum < now ? random.NextInt64(minimum, now) : minimum;
            try
            {
                ResizeResult result = step == 0 ? image.Shrink(size) : image.ShrinkToMinimum();
                output.WriteLine($"  {now}, minimum {minimum}: {size} -> {result.BytesAfter}");
                Assert.True(step > 0 ? result.BytesAfter <= now : result.BytesAfter <= size);
                image.SetLength(result.BytesAfter);
            }
            catch (Ext4Exception e) when (e.Errno == Errno.ENOSPC)
            {
                // Pieces of free space can make the last blocks too many; then nothing was cut off.
                output.WriteLine($"  {now}, minimum {minimum}: {size}: {e.Message}");
                Assert.True(size < minimum + (minimum / 16), e.Message);
            }
            catch (Ext4NotSupportedException e) when (e.Message.Contains("the journal takes", StringComparison.Ordinal))
            {
                output.WriteLine($"  {size}: {e.Message}");
            }
            image.Image.AssertClean();
            Assert.Equal(digest, Digest(image));
        }
        image.Image.WithKernel("find $M -name '*7' -type f -delete; sync; echo new > $M/new-file || true; mkdir $M/new-directory || true");
        image.Image.AssertClean();
    }

    private static string Features(Random random, bool hasBlockMaps)
    {
        var list = new List<string>();
        foreach (string feature in s_features)
        {
            // Most volumes have most of what mkfs makes by itself.
            if (random.Next(4) == 0)
            {
                list.Add((feature is "sparse_super2" or "orphan_file" ? "" : "^") + feature);
            }
        }
        if (list.Contains("^has_journal"))
        {
            list.Remove("orphan_file");
        }
        if (list.Contains("^sparse_super") || list.Contains("sparse_super2"))
        {
            list.Add("^resize_inode");
        }
        list.AddRange(hasBlockMaps ? ["^extents", "^64bit"] : []);
        return list.Count == 0 ? "extents" : string.Join(',', list);
    }

    private static ResizeImage? TryMake(long blocks, string options, string fill)
    {
        string probe = Path.GetTempFileName();
        try
        {
            if (Shell.Run("bash", ["-c", $"mkfs.ext4 -q -F {options} {probe} {blocks}"]).ExitCode != 0)
            {
                return null;
            }
        }
        finally
        {
            File.Delete(probe);
        }
        return ResizeImage.Make(blocks, options, fill);
    }

    // Files of all sizes until some share of the volume is used, with deletions between; sparse files, links, attributes.
    private static string Fill(Random random) => $$"""
        set +eo pipefail
        exec 2>/dev/null
        RANDOM={{random.Next(32768)}}; share={{random.Next(5, 60)}}
        free=$(stat -f -c %a $M)
        for i in $(seq 1 400); do
          d=$M/d$((RANDOM % 12)); [ -d $d ] || mkdir -p $d/sub 2>/dev/null || break
          case $((RANDOM % 12)) in
            0) f=$(ls -d $d/*7 $d/*3 2>/dev/null | head -3); [ -z "$f" ] || rm -rf $f;;
            1) ln -s /$(printf 'y%.0s' $(seq 1 $((RANDOM % 150 + 1)))) $d/link$i || true;;
            2) f=$(ls -d $d/f* 2>/dev/null | head -1); [ -z "$f" ] || ln $f $d/sub/hard$i || true;;
            3) truncate -s $((RANDOM * 100)) $d/holes$i; for k in 1 2 3; do echo $k | dd of=$d/holes$i bs=1 seek=$((RANDOM * 90)) conv=notrunc status=none || true; done;;
            4) mkdir -p $d/e$i; setfattr -n user.long -v "$(head -c 900 /dev/zero | tr '\0' a)" $d/e$i || true;;
            5) fallocate -l $((RANDOM * 10)) $d/pre$i || true;;
            6) for k in $(seq 1 30); do echo $k > $d/sub/many-small-files-$i-$k || true; done; rm -f $d/sub/*$((RANDOM % 10));;
            7) head -c $((RANDOM * 40)) /dev/urandom >> $d/grows || true; sync -f $M;;
            *) head -c $((RANDOM * ((RANDOM % 16) + 1))) /dev/urandom > $d/f$i || true;;
          esac
          [ $(($(stat -f -c %a $M) * 100)) -gt $((free * (100 - share))) ] || { rm -rf $M/d$((RANDOM % 12)); }
        done
        true
        """;

    private static string Digest(ResizeImage image)
    {
        using IBlockDevice device = image.Image.OpenDevice(isReadOnly: true);
        return TreeDigest.Of(device);
    }
}
