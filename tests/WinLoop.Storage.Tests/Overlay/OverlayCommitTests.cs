using WinLoop.Storage.Overlay;
using WinLoop.TestKit;

namespace WinLoop.Storage.Tests.Overlay;

/// <summary>Commits, and power cuts in them.</summary>
public sealed class OverlayCommitTests
{
    [Fact]
    public void A_commit_that_is_cut_anywhere_ends_right_when_it_is_run_again()
    {
        using TestImage disk = TestImage.Make(8, "-O ^has_journal");
        byte[] content = File.ReadAllBytes(disk.Path);
        var image = new MemoryDevice(content, isReadOnly: true);
        MemoryFile file = OverlayBench.NewFile(image);
        byte[] merged;
        using (OverlayFileDevice device = OverlayBench.Open(image, file))
        {
            // The superblock with a later time, content in many places, zeroes in some.
            byte[] superblock = content[1024..2048];
            superblock[0x30] ^= 1;
            device.Write(superblock, 1024);
            for (int i = 0; i < 40; i++)
            {
                device.Write(Pattern.Make(5000, i), (1 << 20) + (i * 100_000));
            }

            device.WriteZeroes(6 << 20, 100_000);
            device.Flush();
            merged = OverlayBench.All(device);
        }

        // Image and overlay file on one disk, so that the order between them counts too.
        byte[] overlay = OverlayBench.All(file);
        var before = new MemoryDevice([.. content, .. overlay]);
        var recording = new RecordingDevice(new OverlayDevice(before));
        Assert.True(Commit(recording, content.Length) > 40 * 5000);
        Assert.True(merged.AsSpan().SequenceEqual(OverlayBench.All(recording).AsSpan(0, content.Length)));
        Assert.Null(Commit(recording, content.Length)); // nothing more to do

        RecordedOperation[] log = recording.GetLog();
        var random = new Random(1);
        int mixtures = 0;
        for (int cut = 0; cut <= log.Length; cut++)
        {
            (List<RecordedOperation> durable, List<RecordedOperation> pending) = RecordingDevice.Cut(log, cut);
            for (int i = 0; i < 3; i++)
            {
                List<RecordedOperation> some = i == 0 ? pending : i == 1 ? [] : OverlayBench.SomeOf(pending, random);
                using OverlayDevice found = RecordingDevice.Replay(before, [.. durable, .. some]);
                byte[] now = OverlayBench.All(found)[..content.Length];
                bool isOld = content.AsSpan().SequenceEqual(now), isNew = merged.AsSpan().SequenceEqual(now);
                mixtures += isOld || isNew ? 0 : 1;
                Assert.True(isOld || isNew || BaseFingerprint.ReadVolume(found, 0) is null, $"cut {cut}: a mixture that looks like a file system");
                Commit(found, content.Length);
                Assert.True(merged.AsSpan().SequenceEqual(OverlayBench.All(found).AsSpan(0, content.Length)), $"cut {cut}, subset {i}");
            }
        }

        Assert.True(mixtures > 50, $"{mixtures} mixtures");
    }

    [Fact]
    public void An_overlay_is_not_committed_into_another_image_nor_opened_over_one()
    {
        using TestImage disk = TestImage.Make(8), other = TestImage.Make(8);
        using var image = new MemoryDevice(File.ReadAllBytes(disk.Path), isReadOnly: true);
        using var wrong = new MemoryDevice(File.ReadAllBytes(other.Path));
        using var larger = new MemoryDevice(9 << 20);
        MemoryFile file = OverlayBench.NewFile(image);
        string hash = OverlayBench.Hash(wrong);
        Refused(OverlayError.BaseChanged, "UUID", () => OverlayCommit.Run(file, wrong, OverlayBench.Time, 0));
        Refused(OverlayError.BaseChanged, "size", () => OverlayCommit.Run(file, larger, OverlayBench.Time, 0));
        Refused(OverlayError.BaseChanged, "last modified", () => OverlayCommit.Run(file, image, OverlayBench.Time + 1, 0));
        Refused(OverlayError.BaseChanged, "UUID", () => OverlayBench.Open(wrong, file));
        Refused(OverlayError.BaseChanged, "size", () => OverlayBench.Open(larger, file));
        Refused(OverlayError.BaseChanged, "last modified", () => OverlayFile.Attach(image, OverlayBench.Time + 1, file));

        // A commit that was begun on the right one is not ended on another.
        default(OverlayState).Advance(file, OverlayPhase.Committing, 0);
        Refused(OverlayError.BaseChanged, "begun on another image", () => OverlayCommit.Run(file, wrong, OverlayBench.Time, 0));
        Refused(OverlayError.Committed, "begun", () => OverlayBench.Open(image, file));
        Assert.Equal(hash, OverlayBench.Hash(wrong));
    }

    [Fact]
    public void Each_change_of_the_base_is_named()
    {
        Shell.Require("tune2fs");
        using TestImage disk = TestImage.Make(16);
        string path = Path.Combine(Path.GetDirectoryName(disk.Path)!, "x.overlay");
        Use(disk.Path, path, isNew: true);
        Use(disk.Path, path, isNew: false);
        DateTime time = File.GetLastWriteTimeUtc(disk.Path);

        File.SetLastWriteTimeUtc(disk.Path, time.AddTicks(1));
        Refused(OverlayError.BaseChanged, "last modified", () => Use(disk.Path, path, false));
        File.SetLastWriteTimeUtc(disk.Path, time);
        Use(disk.Path, path, isNew: false);

        byte[] content = File.ReadAllBytes(disk.Path);
        content[1024 + 0x31] ^= 1; // s_wtime
        File.WriteAllBytes(disk.Path, content);
        File.SetLastWriteTimeUtc(disk.Path, time);
        Refused(OverlayError.BaseChanged, "last written", () => Use(disk.Path, path, false));

        content[1024 + 0x31] ^= 1;
        File.WriteAllBytes(disk.Path, content);
        Shell.Script($"tune2fs -U random {disk.Path}");
        File.SetLastWriteTimeUtc(disk.Path, time);
        Refused(OverlayError.BaseChanged, "UUID", () => Use(disk.Path, path, false));
        Refused(OverlayError.BaseChanged, "UUID", () => OverlayFile.Commit(path, disk.Path));

        Shell.Script($"truncate -s 17M {disk.Path}");
        Refused(OverlayError.BaseChanged, "size", () => Use(disk.Path, path, false));

        OverlayDescription about = OverlayFile.Describe(path);
        Assert.Equal((disk.Path, 16L << 20, false, false), (about.BasePath, about.BaseLength, about.IsCommitBegun, about.IsCommitted));
        Assert.True(Shell.Script($"du -k {path}").Split('\t')[0] is var used && int.Parse(used, System.Globalization.CultureInfo.InvariantCulture) < 64, $"{used} KiB of a file without changes");
        OverlayFile.Discard(path, isForced: false);
        Assert.False(File.Exists(path));
        Refused(OverlayError.NotAnOverlay, "not an overlay file", () => OverlayFile.Discard(disk.Path, isForced: true));
        Assert.True(File.Exists(disk.Path));
        Assert.Empty(Directory.GetFiles(Path.GetDirectoryName(path)!, "*.new"));
    }

    [Fact]
    public void A_mounted_overlay_is_neither_mounted_again_nor_committed_nor_discarded()
    {
        using TestImage disk = TestImage.Make(8);
        string path = Path.Combine(Path.GetDirectoryName(disk.Path)!, "x.overlay");
        using LoopDevice image = LoopDevice.Open(disk.Path, new LoopDeviceOptions { IsReadOnly = true });
        using OverlayFileDevice device = OverlayFile.Open(path, image, isReadOnly: false, out bool isNew);
        Assert.True(isNew);
        using LoopDevice second = LoopDevice.Open(disk.Path, new LoopDeviceOptions { IsReadOnly = true });
        Assert.Equal(BlockDeviceError.Busy, DeviceContract.Error(() => OverlayFile.Open(path, second, isReadOnly: false, out _)));
        Assert.Equal(BlockDeviceError.Busy, DeviceContract.Error(() => OverlayFile.Commit(path, disk.Path)));
        Assert.Equal(BlockDeviceError.Busy, DeviceContract.Error(() => OverlayFile.Discard(path, isForced: true)));
        Assert.Equal(BlockDeviceError.NotFound, DeviceContract.Error(() => OverlayFile.Open(path + "x", second, isReadOnly: true, out _)));
        Assert.Equal(BlockDeviceError.NotFound, DeviceContract.Error(() => OverlayFile.Open("/nowhere/x", second, isReadOnly: false, out _)));
    }

    private static void Use(string disk, string path, bool isNew)
    {
        using LoopDevice image = LoopDevice.Open(disk, new LoopDeviceOptions { IsReadOnly = true });
        using OverlayFileDevice device = OverlayFile.Open(path, image, isReadOnly: false, out bool made);
        Assert.Equal(isNew, made);
    }

    private static long? Commit(IBlockDevice both, long imageLength) => OverlayCommit.Run(
        new SliceDevice(both, imageLength, both.Length - imageLength), new SliceDevice(both, 0, imageLength), OverlayBench.Time, OverlayBench.Time);

    private static void Refused(OverlayError error, string says, Action action)
    {
        OverlayException e = Assert.Throws<OverlayException>(action);
        Assert.Equal(error, e.Error);
        Assert.Contains(says, e.Message, StringComparison.Ordinal);
    }
}
