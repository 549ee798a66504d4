using WinLoop.Ext4.Check;
using WinLoop.Ext4.Tests.Check;
using WinLoop.Storage;

namespace WinLoop.Ext4.Tests.Resize;

/// <summary>
/// A cut at any write of a growth, and the loss of any one write that no flush had made certain, leaves a sound volume
/// of the old size, the new one, or one between.
/// </summary>
public sealed class GrowCrashTests
{
    // Fsck is a process per state: it judges every so many of them; the engine's own check judges all.
    private const int FsckEvery = 40;

    [Theory]
    [InlineData("-b 1024", 10_000, 200_000)]
    [InlineData("-b 1024 -O ^flex_bg", 10_000, 100_000)]
    [InlineData("-b 4096 -g 2048 -J size=4", 6_000, 70_000)]
    public void EveryCutLeavesASoundVolume(string options, long before, long after)
    {
        using ResizeImage image = ResizeImage.Make(before, options);
        int blockSize = int.Parse(options.Split(' ')[1]);
        using var baseImage = Load(image, after * blockSize);
        using var target = new OverlayDevice(baseImage);
        using var recording = new RecordingDevice(target);
        using (Ext4Volume volume = Ext4Volume.Mount(recording, new Ext4MountOptions { UseBackgroundCommit = false }))
        {
            volume.Grow(after * blockSize);
        }
        CutJudge.JudgeAll(baseImage, recording, (ulong)before, (ulong)after, FsckEvery);
    }

    private static MemoryDevice Load(ResizeImage image, long length)
    {
        var device = new MemoryDevice(length);
        device.Write(File.ReadAllBytes(image.Path), 0);
        return device;
    }
}

/// <summary>Judges what a cut leaves.</summary>
internal static class CutJudge
{
    /// <summary>Every prefix of the log, and every pending write left out of it at the cuts before a flush.</summary>
    /// <param name="baseImage">What the volume was before.</param>
    /// <param name="recording">What was written.</param>
    /// <param name="before">Blocks before.</param>
    /// <param name="after">Blocks in the end.</param>
    /// <param name="fsckEvery">e2fsck judges every so many states.</param>
    /// <param name="digest">What <see cref="TreeDigest"/> says of every state; null if that does not matter.</param>
    public static void JudgeAll(IBlockDevice baseImage, RecordingDevice recording, ulong before, ulong after, int fsckEvery, string? digest = null)
    {
        RecordedOperation[] log = recording.GetLog();
        int states = 0, atEnd = 0;
        for (int cut = 0; cut <= log.Length; cut++)
        {
            (List<RecordedOperation> durable, List<RecordedOperation> pending) = RecordingDevice.Cut(log, cut);
            atEnd += Judge(baseImage, [.. durable, .. pending], $"cut {cut} of {log.Length}", before, after, states++ % fsckEvery == 0, digest) ? 1 : 0;
            if (cut == log.Length || log[cut].Kind == RecordedKind.Flush)
            {
                foreach (RecordedOperation omitted in pending)
                {
                    Judge(baseImage, [.. durable, .. pending.Where(o => o != omitted)], $"cut {cut} without {omitted}", before, after, states++ % fsckEvery == 0, digest);
                }
            }
        }
        Assert.True(atEnd > 0, "no cut left the new size");
        Assert.True(states > 50, $"{states} states");
    }

    private static bool Judge(IBlockDevice baseImage, IReadOnlyList<RecordedOperation> operations, string what, ulong before, ulong after, bool withFsck, string? digest)
    {
        using OverlayDevice image = RecordingDevice.Replay(baseImage, operations);
        CheckReport report = Ext4Checker.Check(image, new CheckOptions { Threads = 1 });
        Assert.True(report.ErrorCount == 0, $"{what}: {string.Join("; ", report.Findings.Select(f => f.Text).Take(5))}");
        Assert.InRange(report.Blocks, Math.Min(before, after), Math.Max(before, after));
        if (digest is not null)
        {
            Assert.True(TreeDigest.Of(image) == digest, $"{what}: a file has changed");
        }
        if (withFsck)
        {
            string path = Path.GetTempFileName();
            try
            {
                Save(image, path);
                bool isClean = Fsck.Judge(path, report.NeedsRecovery, out string said) == FsckVerdict.Clean;
                Assert.True(isClean || (report.NeedsRecovery && IsMarksOnly(said)), $"{what}: {said}");
            }
            finally
            {
                File.Delete(path);
            }
        }
        return report.Blocks == after;
    }

    // What only an unmount writes, and a mount after a cut takes from elsewhere: the totals, and the mark of the orphan file.
    private static bool IsMarksOnly(string said)
    {
        string[] lines = said.Split('\n');
        return Enumerable.Range(1, lines.Length - 1).Where(i => lines[i].Contains("? no", StringComparison.Ordinal)).All(i =>
            lines[i - 1].StartsWith("Free blocks count wrong (", StringComparison.Ordinal) ||
            lines[i - 1].StartsWith("Free inodes count wrong (", StringComparison.Ordinal) ||
            lines[i - 1].StartsWith("Feature orphan_present is set but orphan file is clean", StringComparison.Ordinal));
    }

    /// <summary>Writes a device into a file, in place of what it holds.</summary>
    public static void Save(IBlockDevice image, string path)
    {
        using FileStream file = File.OpenWrite(path);
        file.SetLength(0);
        file.SetLength(image.Length);
        byte[] part = new byte[1 << 20];
        for (long at = 0; at < image.Length; at += part.Length)
        {
            Span<byte> piece = part.AsSpan(0, (int)Math.Min(part.Length, image.Length - at));
            image.Read(piece, at);
            if (piece.ContainsAnyExcept((byte)0))
            {
                file.Position = at;
                file.Write(piece);
            }
        }
    }
}
