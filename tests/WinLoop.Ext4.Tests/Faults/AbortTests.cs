using WinLoop.Ext4.Format;
using WinLoop.Ext4.Tests.Hostile;
using WinLoop.Storage;
using WinLoop.TestKit;

namespace WinLoop.Ext4.Tests.Faults;

/// <summary>A defect of the engine itself (any exception that should not be) ends all writing, and what is on the
/// disk stays as the last commit left it.</summary>
public sealed class AbortTests
{
    // Throws what no device throws, from a moment on.
    private sealed class DefectiveDevice(HostileDevice inner) : IBlockDevice
    {
        public volatile bool ThrowsOnRead;
        public volatile bool ThrowsOnLog;

        public long Length => inner.Length;
        public bool IsReadOnly => false;
        public int SectorSize => 512;

        public void Read(Span<byte> buffer, long offset)
        {
            if (ThrowsOnRead)
            {
                throw new InvalidOperationException("a defect while reading");
            }
            inner.Read(buffer, offset);
        }

        public void Write(ReadOnlySpan<byte> buffer, long offset, WriteTag tag = WriteTag.Data)
        {
            if (ThrowsOnLog && tag is WriteTag.JournalDescriptor or WriteTag.JournalCommit && ThrowsOnLog)
            {
                throw new InvalidOperationException("a defect while committing");
            }
            inner.Write(buffer, offset, tag);
        }

        public void Flush() => inner.Flush();
        public void Discard(long offset, long length) => inner.Discard(offset, length);
        public void WriteZeroes(long offset, long length, WriteTag tag = WriteTag.Data) => inner.WriteZeroes(offset, length, tag);
        public void Dispose() => inner.Dispose();
    }

    private static byte[] MakeImage()
    {
        Shell.Require("mkfs.ext4");
        string path = Path.GetTempFileName();
        try
        {
            Shell.Script($"truncate -s 3M {path}; mkfs.ext4 -q -F -b 1024 -N 64 -J size=1 {path}");
            return File.ReadAllBytes(path);
        }
        finally
        {
            File.Delete(path);
        }
    }

    private static void AssertAborted(Ext4Volume volume, HostileDevice disk)
    {
        Assert.True(volume.IsReadOnly);
        Assert.IsType<InvalidOperationException>(volume.Journal.AbortReason);
        Inode root = volume.GetInode(Ext4Volume.RootInode);
        Assert.Equal(Errno.EROFS, Assert.Throws<Ext4Exception>(() => volume.Create(root, "more"u8, 0x81A4, 0, Caller.Root)).Errno);
        Assert.Equal(Errno.EIO, Assert.Throws<Ext4Exception>(() => volume.Synchronize(root, false)).Errno);
        Assert.Equal(Errno.EIO, Assert.Throws<Ext4Exception>(volume.Synchronize).Errno);
        volume.Release(root);
        volume.Dispose();
        var superblock = new Superblock(disk.Bytes.AsSpan(Superblock.Offset, Superblock.Size));
        Assert.True(superblock.HasValidChecksum);
        Assert.True(superblock.Has(IncompatFeatures.Recover), "marked as clean after an abort");
        using Ext4Volume again = Ext4Volume.Mount(disk, new Ext4MountOptions());
        Assert.Contains("damaged", again.ReadOnlyReason, StringComparison.Ordinal);
        Inode recovered = again.GetInode(Ext4Volume.RootInode);
        Assert.NotNull(again.Lookup(recovered, "before"u8));
        Assert.Null(again.Lookup(recovered, "during"u8));
    }

    private static (Ext4Volume, DefectiveDevice, HostileDevice) MountUsed(Ext4MountOptions options)
    {
        var disk = new HostileDevice(MakeImage());
        var device = new DefectiveDevice(disk);
        Ext4Volume volume = Ext4Volume.Mount(device, options);
        Inode root = volume.GetInode(Ext4Volume.RootInode);
        volume.Release(volume.Create(root, "before"u8, 0x81A4, 0, Caller.Root));
        volume.Release(root);
        volume.Synchronize();
        return (volume, device, disk);
    }

    [Fact]
    public void An_unexpected_exception_inside_a_handle_aborts()
    {
        (Ext4Volume volume, DefectiveDevice device, HostileDevice disk) = MountUsed(new Ext4MountOptions { UseBackgroundCommit = false });
        Inode root = volume.GetInode(Ext4Volume.RootInode);
        // Inheriting an ACL that cannot be read fails after the inode was allocated.
        byte[] acl = [2, 0, 0, 0, 1, 0, 7, 0, 255, 255, 255, 255, 4, 0, 5, 0, 255, 255, 255, 255, 32, 0, 5, 0, 255, 255, 255, 255];
        volume.SetExtendedAttribute(root, "system.posix_acl_default"u8, acl, AttributeSetMode.CreateOrReplace);
        volume.SetExtendedAttribute(root, "user.big"u8, new byte[700], AttributeSetMode.CreateOrReplace);
        volume.Synchronize();
        volume.Release(root);
        volume.Dispose();

        device = new DefectiveDevice(disk);
        volume = Ext4Volume.Mount(device, new Ext4MountOptions { UseBackgroundCommit = false });
        root = volume.GetInode(Ext4Volume.RootInode);
        Assert.Null(volume.Lookup(root, "during"u8));
        volume.SetAttributes(root, new AttributeChanges { Mode = 0x1C0 }, Caller.Root); // marks the volume as in use
        device.ThrowsOnRead = true;
        Assert.Throws<InvalidOperationException>(() => volume.CreateDirectory(root, "during"u8, 0x1ED, Caller.Root));
        device.ThrowsOnRead = false;
        volume.Release(root);
        AssertAborted(volume, disk);
    }

    [Fact]
    public void An_unexpected_exception_in_a_commit_aborts()
    {
        (Ext4Volume volume, DefectiveDevice device, HostileDevice disk) = MountUsed(new Ext4MountOptions { UseBackgroundCommit = false });
        Inode root = volume.GetInode(Ext4Volume.RootInode);
        volume.Release(volume.Create(root, "during"u8, 0x81A4, 0, Caller.Root));
        device.ThrowsOnLog = true;
        Assert.Throws<Ext4Exception>(volume.Synchronize);
        device.ThrowsOnLog = false;
        volume.Release(root);
        AssertAborted(volume, disk);
    }

    [Fact]
    public void An_unexpected_exception_in_the_background_aborts_and_the_process_lives()
    {
        (Ext4Volume volume, DefectiveDevice device, HostileDevice disk) = MountUsed(new Ext4MountOptions { CommitInterval = 1 });
        device.ThrowsOnLog = true;
        Inode root = volume.GetInode(Ext4Volume.RootInode);
        volume.Release(volume.Create(root, "during"u8, 0x81A4, 0, Caller.Root));
        volume.Release(root);
        Assert.True(SpinWait.SpinUntil(() => volume.IsReadOnly, TimeSpan.FromSeconds(30)), "the background commit did not come");
        device.ThrowsOnLog = false;
        AssertAborted(volume, disk);
    }
}
