using WinLoop.Storage;
using WinLoop.TestKit;

namespace WinLoop.Ext4.Tests.Suspend;

/// <summary>The image is changed by somebody else while the machine sleeps: nothing is written to it any more, and what
/// the other one left stays sound.</summary>
public sealed class ChangedImageTests
{
    private const ushort File = 0x81A4;

    /// <summary>What others do to an image.</summary>
    public static TheoryData<string, string> Deeds => new()
    {
        { "kernel writes", "M=$(mktemp -d); mount -o loop $I $M; echo theirs >$M/theirs; umount $M; rmdir $M" },
        { "kernel mounts only", "M=$(mktemp -d); mount -o loop $I $M; umount $M; rmdir $M" },
        { "e2fsck -fy", "e2fsck -fy $I || [ $? -lt 4 ]" },
        { "tune2fs -L", "e2fsck -fy $I || [ $? -lt 4 ]; tune2fs -L other $I" },
        { "debugfs", "e2fsck -fy $I || [ $? -lt 4 ]; debugfs -w -R 'mkdir theirs' $I" },
        { "mkfs", "mkfs.ext4 -q -F $I" },
    };

    private static void Do(string deed, TestImage image)
    {
        if (deed.Contains("mount", StringComparison.Ordinal))
        {
            Shell.RequireLoopMounts();
        }
        Shell.Require("e2fsck", "tune2fs", "debugfs");
        Shell.Script($"I={image.Path}\n({deed}) 2>&1");
    }

    private static string Hash(TestImage image) => Shell.Script($"sha256sum <{image.Path}");

    [Theory]
    [MemberData(nameof(Deeds))]
    public void A_change_during_a_suspend_ends_writing(string name, string deed)
    {
        Assert.NotEmpty(name);
        using TestImage image = TestImage.Make(16);
        string theirs;
        using (Ext4Volume volume = image.Mount())
        {
            (Inode root, Inode file) = Use(volume);
            volume.Suspend();
            image.AssertClean();
            Do(deed, image);
            theirs = Hash(image);
            Assert.False(volume.Resume());
            AssertStopped(volume, root, file);
            Assert.Equal(theirs, Hash(image));
        }
        Assert.Equal(theirs, Hash(image));
        image.AssertClean();
    }

    [Theory]
    [MemberData(nameof(Deeds))]
    public void A_change_during_a_sleep_that_nobody_announced_is_found_before_the_first_write(string name, string deed)
    {
        Assert.NotEmpty(name);
        using TestImage image = TestImage.Make(16);
        var sleep = new FakeSleep();
        string theirs;
        using (Ext4Volume volume = image.Mount(new Ext4MountOptions { Hooks = new TestHooks { SleepClock = sleep }, UseBackgroundCommit = false }))
        {
            (Inode root, Inode file) = Use(volume);
            volume.Release(volume.Create(root, "never committed"u8, File, 0, Caller.Root));
            // The log holds transactions, which the other one recovers; ours go on in memory.
            Do(deed, image);
            theirs = Hash(image);
            sleep.Sleep(TimeSpan.FromHours(8));
            Assert.Equal(BlockDeviceError.ReadOnly,
                Assert.Throws<BlockDeviceException>(() => volume.Write(file, new byte[4096], 0, Caller.Root)).Error);
            AssertStopped(volume, root, file);
        }
        Assert.Equal(theirs, Hash(image));
        image.AssertClean();
    }

    [Fact]
    public void The_commit_thread_finds_a_change_by_itself()
    {
        using TestImage image = TestImage.Make(16);
        var sleep = new FakeSleep();
        using Ext4Volume volume = image.Mount(new Ext4MountOptions { Hooks = new TestHooks { SleepClock = sleep } });
        (Inode root, Inode file) = Use(volume);
        Do("e2fsck -fy $I || [ $? -lt 4 ]", image);
        string theirs = Hash(image);
        sleep.Sleep(TimeSpan.FromSeconds(2));
        Assert.True(SpinWait.SpinUntil(() => volume.IsReadOnly, TimeSpan.FromSeconds(20)), "not found in 20 s");
        AssertStopped(volume, root, file);
        Assert.Equal(theirs, Hash(image));
    }

    [Fact]
    public void A_sleep_without_a_change_changes_nothing()
    {
        using TestImage image = TestImage.Make(16);
        var sleep = new FakeSleep();
        using (Ext4Volume volume = image.Mount(new Ext4MountOptions { Hooks = new TestHooks { SleepClock = sleep } }))
        {
            (Inode root, Inode file) = Use(volume);
            for (int i = 0; i < 20; i++)
            {
                sleep.Sleep(TimeSpan.FromMinutes(i));
                volume.Write(file, new byte[4096], i * 4096, Caller.Root);
                volume.Synchronize(file, dataOnly: false);
            }
            Assert.False(volume.IsReadOnly);
            volume.Release(file);
            volume.Release(root);
        }
        image.AssertClean();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_read_only_mount_does_not_mix_two_states(bool isDirty)
    {
        using TestImage image = TestImage.Make(16);
        if (isDirty)
        {
            // Mounted from a copy of a volume in use: the journal is replayed into memory.
            using TestImage used = image.Copy();
            using Ext4Volume writer = used.Mount();
            (Inode top, Inode inside) = Use(writer);
            Shell.Script($"cp {used.Path} {image.Path}");
            writer.Release(inside);
            writer.Release(top);
        }
        else
        {
            using Ext4Volume writer = image.Mount();
            (Inode top, Inode inside) = Use(writer);
            writer.Release(inside);
            writer.Release(top);
        }
        var sleep = new FakeSleep();
        using Ext4Volume volume = image.Mount(new Ext4MountOptions { IsReadOnly = true, Hooks = new TestHooks { SleepClock = sleep } });
        Inode root = volume.GetInode(Ext4Volume.RootInode);
        Inode file = volume.Lookup(root, "ours"u8)!;
        Assert.Equal(4096, volume.Read(file, new byte[4096], 0));
        Do("e2fsck -fy $I || [ $? -lt 4 ]", image);
        sleep.Sleep(TimeSpan.FromMinutes(1));
        Assert.Equal(BlockDeviceError.Io, Assert.Throws<BlockDeviceException>(() => volume.Read(file, new byte[4096], 0)).Error);
        Assert.Contains("changed by somebody else", volume.ReadOnlyReason, StringComparison.Ordinal);
        volume.Release(file);
        volume.Release(root);
    }

    [Fact]
    public void A_device_that_is_not_back_yet_is_asked_again()
    {
        using TestImage image = TestImage.Make(16);
        var device = new FaultDevice(image.OpenDevice());
        using (Ext4Volume volume = Ext4Volume.Mount(device, new Ext4MountOptions { UseBackgroundCommit = false }))
        {
            (Inode root, Inode file) = Use(volume);
            volume.Suspend();
            device.IsGone = true;
            Assert.False(volume.Resume());
            Assert.False(volume.IsReadOnly);
            device.IsGone = false;
            Assert.True(volume.Resume());
            volume.Write(file, new byte[4096], 0, Caller.Root);
            volume.Release(file);
            volume.Release(root);
        }
        image.AssertClean();
    }

    private static (Inode Root, Inode File) Use(Ext4Volume volume)
    {
        Inode root = volume.GetInode(Ext4Volume.RootInode);
        Inode file = volume.Create(root, "ours"u8, File, 0, Caller.Root);
        volume.Write(file, Enumerable.Repeat((byte)'o', 100_000).ToArray(), 0, Caller.Root);
        volume.Synchronize();
        return (root, file);
    }

    // Releases both.
    private static void AssertStopped(Ext4Volume volume, Inode root, Inode file)
    {
        Assert.True(volume.IsReadOnly);
        Assert.Matches("changed by somebody else|another volume is in the place", volume.ReadOnlyReason);
        Assert.Equal(Errno.EROFS, Assert.Throws<Ext4Exception>(() => volume.Create(root, "more"u8, File, 0, Caller.Root)).Errno);
        Assert.Equal(Errno.EROFS, Assert.Throws<Ext4Exception>(() => volume.Write(file, new byte[10], 0, Caller.Root)).Errno);
        Assert.Equal(Errno.EIO, Assert.Throws<Ext4Exception>(() => volume.Synchronize(file, false)).Errno);
        Assert.Equal(Errno.EIO, Assert.Throws<Ext4Exception>(volume.Synchronize).Errno);
        Assert.Equal(BlockDeviceError.Io, Assert.Throws<BlockDeviceException>(() => volume.Read(file, new byte[4096], 0)).Error);
        // What is in memory can still be looked at.
        Assert.Equal(100_000, volume.GetAttributes(file).Size);
        Assert.False(volume.Resume());
        volume.Release(file);
        volume.Release(root);
    }
}
