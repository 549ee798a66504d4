using System.Text;
using WinLoop.Ext4;
using WinLoop.Storage.Overlay;
using WinLoop.TestKit;

namespace WinLoop.Storage.Tests.Overlay;

/// <summary>ext4 over an overlay file: e2fsck judges what is left after power cuts and after a commit.</summary>
public sealed class OverlayExt4Tests
{
    private const int Cuts = 24;

    [Fact]
    public void Ext4_is_whole_after_any_cut_and_what_was_fsynced_is_there()
    {
        using TestImage disk = TestImage.Make(16);
        byte[] content = File.ReadAllBytes(disk.Path);
        var image = new MemoryDevice(content, isReadOnly: true);
        MemoryFile fresh = OverlayBench.NewFile(image);
        var before = new MemoryDevice(OverlayBench.All(fresh));
        var recording = new RecordingDevice(fresh);
        RunWorkload(OverlayBench.Open(image, recording), recording);

        RecordedOperation[] log = recording.GetLog();
        int seed = Environment.TickCount;
        var random = new Random(seed);
        int withFiles = 0;
        for (int i = 0; i < Cuts; i++)
        {
            int cut = log.Length * (i + 1) / Cuts;
            int certain = log.Take(cut).Count(o => o.Kind == RecordedKind.Mark);
            (List<RecordedOperation> durable, List<RecordedOperation> pending) = RecordingDevice.Cut(log, cut);
            using OverlayDevice found = RecordingDevice.Replay(before, [.. durable, .. OverlayBench.SomeOf(pending, random)]);
            using TestImage result = disk.Copy();
            using (Ext4Volume volume = Ext4Volume.Mount(OverlayBench.Open(image, new Kept(found)), new Ext4MountOptions()))
            {
                for (int file = 0; file < certain; file++)
                {
                    Assert.True(Content(file).AsSpan().SequenceEqual(ReadFile(volume, $"f{file}")), $"seed {seed}, cut {cut}: f{file} is not as it was fsynced");
                    withFiles++;
                }
            }

            File.WriteAllBytes(result.Path, OverlayBench.All(OverlayBench.Open(image, found)));
            result.AssertClean();
        }

        Assert.True(withFiles > Cuts, $"{withFiles} files looked at");
        Assert.True(content.AsSpan().SequenceEqual(OverlayBench.All(image)), "the base has changed");
    }

    [Fact]
    public void A_dirty_journal_is_replayed_into_the_overlay_and_the_commit_is_clean()
    {
        using TestImage disk = TestImage.Make(16);
        using (IBlockDevice device = disk.OpenDevice())
        {
            // A mount that was cut off after an fsync: its journal is dirty.
            using var changes = new OverlayDevice(device);
            using Ext4Volume volume = Ext4Volume.Mount(changes, new Ext4MountOptions());
            WriteFile(volume, "before", Content(77));
            changes.CopyChangesTo(device);
        }

        Assert.Contains("needs_recovery", Shell.Run("dumpe2fs", ["-h", disk.Path]).Output, StringComparison.Ordinal);
        string hash = HashOf(disk.Path);
        string path = Path.Combine(Path.GetDirectoryName(disk.Path)!, "x.overlay");
        for (int mount = 0; mount < 2; mount++)
        {
            LoopDevice image = LoopDevice.Open(disk.Path, new LoopDeviceOptions { IsReadOnly = true });
            using Ext4Volume volume = Ext4Volume.Mount(OverlayFile.Open(path, image, isReadOnly: false, out _), new Ext4MountOptions());
            Assert.Equal(mount == 0, volume.RecoveryReport is not null);
            Assert.Equal(Content(77), ReadFile(volume, "before"));
            WriteFile(volume, $"mount{mount}", Content(mount));
        }

        Assert.Equal(hash, HashOf(disk.Path));
        Assert.True(OverlayFile.Commit(path, disk.Path) > 0);
        disk.AssertClean();
        Assert.Null(OverlayFile.Commit(path, disk.Path));
        using Ext4Volume after = disk.Mount();
        Assert.Equal(Content(77), ReadFile(after, "before"));
        Assert.Equal(Content(1), ReadFile(after, "mount1"));
        using LoopDevice again = LoopDevice.Open(disk.Path, new LoopDeviceOptions { IsReadOnly = true });
        Assert.Equal(OverlayError.Committed, Assert.Throws<OverlayException>(() => OverlayFile.Open(path, again, false, out _)).Error);
    }

    private static void RunWorkload(OverlayFileDevice device, RecordingDevice recording)
    {
        using Ext4Volume volume = Ext4Volume.Mount(device, new Ext4MountOptions());
        for (int file = 0; file < 12; file++)
        {
            WriteFile(volume, $"f{file}", Content(file));
            recording.Mark("fsynced");
        }
    }

    private static void WriteFile(Ext4Volume volume, string name, byte[] content)
    {
        Inode root = volume.GetInode(Ext4Volume.RootInode);
        Inode inode = volume.Create(root, Encoding.UTF8.GetBytes(name), 0x81A4, 0, Caller.Root);
        volume.Write(inode, content, 0, Caller.Root);
        volume.Synchronize(inode, dataOnly: false);
        volume.Release(inode);
        volume.Release(root);
    }

    private static byte[] ReadFile(Ext4Volume volume, string name)
    {
        Inode root = volume.GetInode(Ext4Volume.RootInode);
        Inode? inode = volume.Lookup(root, Encoding.UTF8.GetBytes(name));
        byte[] content = new byte[1 << 20];
        int length = inode is null ? 0 : volume.Read(inode, content, 0);
        if (inode is not null)
        {
            volume.Release(inode);
        }

        volume.Release(root);
        return content[..length];
    }

    private static byte[] Content(int file) => Pattern.Make(10_000 + (file * 3000), file);

    private static string HashOf(string path) => Convert.ToHexString(System.Security.Cryptography.SHA256.HashData(File.ReadAllBytes(path)));

    // The volume disposes its device; what it wrote is looked at afterwards.
    private sealed class Kept(IBlockDevice inner) : IBlockDevice
    {
        public long Length => inner.Length;
        public bool IsReadOnly => inner.IsReadOnly;
        public int SectorSize => inner.SectorSize;
        public void Read(Span<byte> buffer, long offset) => inner.Read(buffer, offset);
        public void Write(ReadOnlySpan<byte> buffer, long offset, WriteTag tag = WriteTag.Data) => inner.Write(buffer, offset, tag);
        public void Flush() => inner.Flush();
        public void Discard(long offset, long length) => inner.Discard(offset, length);
        public void WriteZeroes(long offset, long length, WriteTag tag = WriteTag.Data) => inner.WriteZeroes(offset, length, tag);
        public void Dispose()
        {
        }
    }
}
