using WinLoop.Ext4.Tests.Check;
using WinLoop.Storage;
using WinLoop.TestKit;

namespace WinLoop.Ext4.Tests.Resize;

/// <summary>
/// A cut at any write of a shrink, and the loss of any one write that no flush had made certain, leaves a sound volume
/// of the old size or the new one.
/// </summary>
public sealed class ShrinkCrashTests
{
    // Fsck is a process per state: it judges every so many of them; the engine's own check judges all.
    private const int FsckEvery = 25;

    [Theory]
    // The journal is in the middle, so it moves; inodes, directories, links and attributes are in every group.
    [InlineData("-b 1024", 40_000, 14_000, "")]
    [InlineData("-b 1024 -O ^flex_bg,^resize_inode", 40_000, 13_000, "")]
    [InlineData("-b 1024 -J size=1", 40_000, 20_000, "orphan_file")]
    [InlineData("-b 1024 -O ^extents,^64bit,^metadata_csum", 40_000, 14_000, "extents")]
    public void EveryCutLeavesASoundVolume(string options, long before, long after, string featureAfterwards)
    {
        using ResizeImage image = ResizeImage.Make(before, options, """
            fallocate -l 16000000 $M/in-front || head -c 16000000 /dev/zero > $M/in-front
            for d in $(seq 1 6); do
              mkdir -p $M/dir$d/sub; head -c 20000 /dev/urandom > $M/dir$d/file; ln $M/dir$d/file $M/dir$d/sub/linked
              setfattr -n user.large -v "$(head -c 700 /dev/zero | tr '\0' y)" $M/dir$d/sub
            done
            mkdir $M/many; for i in $(seq 1 60); do echo $i > $M/many/a-file-with-quite-a-long-name-$i; done
            """);
        if (featureAfterwards.Length > 0)
        {
            Shell.Script($"tune2fs -O {featureAfterwards} {image.Path} >/dev/null 2>&1");
        }
        image.Image.WithKernel("rm $M/in-front");
        using var baseImage = new MemoryDevice(File.ReadAllBytes(image.Path));
        using var target = new OverlayDevice(baseImage);
        using var recording = new RecordingDevice(target);
        using (Ext4Volume volume = Ext4Volume.Mount(recording, new Ext4MountOptions { UseBackgroundCommit = false, Hooks = new TestHooks { CommitsEachHandle = true } }))
        {
            volume.Shrink(after * 1024);
        }
        CutJudge.JudgeAll(baseImage, recording, (ulong)before, (ulong)after, FsckEvery, TreeDigest.Of(baseImage));
    }

    [Fact]
    public void KernelGoesOnWithAJournalThatWasMovingAndAnotherShrinkEndsIt()
    {
        using ResizeImage image = ResizeImage.Make(40_000, "-b 1024");
        string tree = image.Tree();
        using var baseImage = new MemoryDevice(File.ReadAllBytes(image.Path));
        using var target = new OverlayDevice(baseImage);
        using var recording = new RecordingDevice(target);
        using (Ext4Volume volume = Ext4Volume.Mount(recording, new Ext4MountOptions { UseBackgroundCommit = false }))
        {
            volume.Shrink(14_000 * 1024);
        }
        RecordedOperation[] log = recording.GetLog();
        int[] exchanges = [.. Enumerable.Range(0, log.Length).Where(i => log[i].Kind == RecordedKind.Write && log[i].Length == 512)];
        Assert.NotEmpty(exchanges);
        foreach (int cut in exchanges.SelectMany(at => (int[])[at, at + 1, at + 2]))
        {
            (List<RecordedOperation> durable, List<RecordedOperation> pending) = RecordingDevice.Cut(log, cut);
            using ResizeImage left = image.Copy();
            using (OverlayDevice state = RecordingDevice.Replay(baseImage, [.. durable, .. pending]))
            {
                CutJudge.Save(state, left.Path);
            }
            left.Image.AssertClean();
            Assert.Equal(tree, left.Tree());
            left.Image.WithKernel("for i in $(seq 1 50); do mkdir $M/new$i; head -c 20000 /dev/urandom > $M/new$i/f; sync -f $M; done; rm -r $M/new*");
            left.Image.AssertClean();
            left.Shrink(14_000 * 1024);
            left.SetLength(14_000 * 1024);
            left.Image.AssertClean();
            Assert.Equal(tree, left.Tree());
        }
    }

    [Theory]
    [InlineData("-b 1024", 14_000), InlineData("-b 1024 -O ^flex_bg", 13_000)]
    public void AnotherShrinkDoesTheRest(string options, long after)
    {
        using ResizeImage image = ResizeImage.Make(40_000, options);
        using var baseImage = new MemoryDevice(File.ReadAllBytes(image.Path));
        string digest = TreeDigest.Of(baseImage);
        using var target = new OverlayDevice(baseImage);
        using var recording = new RecordingDevice(target);
        var mount = new Ext4MountOptions { UseBackgroundCommit = false, Hooks = new TestHooks { CommitsEachHandle = true } };
        using (Ext4Volume volume = Ext4Volume.Mount(recording, mount))
        {
            volume.Shrink(after * 1024);
        }
        RecordedOperation[] log = recording.GetLog();
        for (int cut = 0; cut <= log.Length; cut += 1 + (log.Length / 40))
        {
            (List<RecordedOperation> durable, List<RecordedOperation> pending) = RecordingDevice.Cut(log, cut);
            using OverlayDevice state = RecordingDevice.Replay(baseImage, [.. durable, .. pending]);
            using (Ext4Volume volume = Ext4Volume.Mount(new SliceDevice(state, 0, state.Length), new Ext4MountOptions { UseBackgroundCommit = false }))
            {
                Assert.Equal((ulong)after, volume.Shrink(after * 1024).BlocksAfter);
            }
            Ext4.Check.CheckReport report = Ext4.Check.Ext4Checker.Check(state, new Ext4.Check.CheckOptions());
            Assert.True(report.IsSpotless, $"cut {cut}: {string.Join("; ", report.Findings.Take(5))}");
            Assert.Equal(digest, TreeDigest.Of(state));
        }
    }
}
