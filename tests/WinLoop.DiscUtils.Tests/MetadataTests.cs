using DiscUtils;
using WinLoop.Ext4;
using WinLoop.TestKit;
using FileAttributes = System.IO.FileAttributes;

namespace WinLoop.DiscUtils.Tests;

/// <summary>Attributes, times, owners and the figures of the volume.</summary>
public sealed class MetadataTests
{
    [Fact]
    public void AttributesAreThoseOfAMountedDrive()
    {
        using TestImage image = TestImage.Make(20);
        using (Ext4FileSystem fs = Opened.Open(image))
        {
            fs.Put("f", "x");
            fs.CreateDirectory("d");
            Assert.Equal(FileAttributes.Archive, fs.GetAttributes("f"));
            Assert.Equal(FileAttributes.Directory, fs.GetAttributes("d"));
            fs.SetAttributes("f", FileAttributes.ReadOnly | FileAttributes.System);
            Assert.Equal(FileAttributes.ReadOnly | FileAttributes.System, fs.GetAttributes("f"));
            Assert.Equal(0x124, (int)fs.GetUnixFileInfo("f").Permissions);
            fs.SetAttributes("f", FileAttributes.Normal);
            Assert.Equal(FileAttributes.Normal, fs.GetAttributes("f"));
            Assert.Equal(0x1A4, (int)fs.GetUnixFileInfo("f").Permissions);
            fs.SetAttributes("f", FileAttributes.Archive);
            fs.SetAttributes("d", FileAttributes.Directory | FileAttributes.Hidden);
            Assert.Equal(FileAttributes.Directory | FileAttributes.Hidden, fs.GetAttributes("d"));
            Assert.Throws<NotSupportedException>(() => fs.SetAttributes("f", FileAttributes.Compressed));
            Assert.Throws<FileNotFoundException>(() => fs.GetAttributes("none"));
            Assert.Throws<FileNotFoundException>(() => fs.SetAttributes("none", FileAttributes.Normal));
            fs.WithRoot((volume, root) => volume.Release(volume.CreateSymlink(root, "l"u8, "f"u8, Caller.Root)));
            Assert.Equal(FileAttributes.ReparsePoint, fs.GetAttributes("l"));
            fs.SetAttributes("l", FileAttributes.Normal);
            Assert.Throws<NotSupportedException>(() => fs.SetAttributes("l", FileAttributes.Hidden));
        }
        Assert.Equal("", Shell.Script($"PATH=$PATH:/sbin:/usr/sbin; debugfs -R 'ea_list /f' {image.Path} 2>/dev/null | grep -v 'Extended' || true").Trim());
        image.AssertClean();
    }

    [Theory]
    [InlineData("")]
    [InlineData("-I 128")]
    public void TimesAreKeptAndThoseThatCannotBeAreRefused(string mkfs)
    {
        bool isSmall = mkfs.Length > 0;
        using TestImage image = TestImage.Make(20, mkfs);
        DateTime[] times =
        [
            new DateTime(1902, 1, 2, 3, 4, 5, DateTimeKind.Utc), DateTime.UnixEpoch, new DateTime(2037, 12, 31, 23, 59, 59, DateTimeKind.Utc),
            .. isSmall ? [] : new[] { new DateTime(2446, 1, 1, 0, 0, 0, DateTimeKind.Utc), new DateTime(2020, 1, 1, 0, 0, 0, DateTimeKind.Utc).AddTicks(1234567) },
        ];
        using (Ext4FileSystem fs = Opened.Open(image))
        {
            fs.Put("f", "x");
            foreach (DateTime time in times)
            {
                fs.SetLastWriteTimeUtc("f", time);
                fs.SetLastAccessTimeUtc("f", time.AddDays(-1));
                fs.SetCreationTimeUtc("f", time.AddDays(-2));
                fs.SetCreationTimeUtc("lost+found", time);
                Assert.Equal(time, fs.GetLastWriteTimeUtc("f"));
                Assert.Equal(time.AddDays(-1), fs.GetLastAccessTimeUtc("f"));
                Assert.Equal(time.AddDays(-2), fs.GetCreationTimeUtc("f"));
                Assert.Equal(time, fs.GetCreationTimeUtc("lost+found"));
            }
            Assert.Equal(FileAttributes.Archive, fs.GetAttributes("f"));
            Assert.Throws<ArgumentOutOfRangeException>(() => fs.SetLastWriteTimeUtc("f", new DateTime(1901, 1, 1, 0, 0, 0, DateTimeKind.Utc)));
            Assert.Throws<ArgumentOutOfRangeException>(() => fs.SetLastWriteTimeUtc("f", new DateTime(isSmall ? 2039 : 2447, 1, 1, 0, 0, 0, DateTimeKind.Utc)));
            Assert.Throws<ArgumentOutOfRangeException>(() => fs.SetCreationTimeUtc("f", DateTime.MaxValue));
            Assert.Throws<FileNotFoundException>(() => fs.GetLastWriteTimeUtc("none"));
            DateTime local = new DateTime(2024, 6, 1, 12, 0, 0, DateTimeKind.Local);
            fs.SetLastWriteTime("f", local);
            Assert.Equal(local, fs.GetLastWriteTime("f"));
        }
        image.AssertClean();
    }

    [Fact]
    public void StatTellsOwnersLinksAndDevices()
    {
        using TestImage image = TestImage.Make(20);
        using var file = new FileStream(image.Path, FileMode.Open, FileAccess.ReadWrite);
        using (var fs = new Ext4FileSystem(file, new Ext4FileSystemOptions { Caller = new Caller(1000, 3_000_000_000) }))
        {
            fs.Put("f", "x");
            fs.CreateDirectory("d");
            fs.WithRoot((volume, root) =>
            {
                Inode f = volume.Lookup(root, "f"u8)!;
                volume.Link(f, root, "g"u8);
                volume.Release(f);
                volume.Release(volume.Create(root, "null"u8, 0x2000 | 0x1B6, (1 << 8) | 3, Caller.Root));
            });
            UnixFileSystemInfo info = fs.GetUnixFileInfo("f");
            Assert.Equal((UnixFileType.Regular, 2, 1000, 3_000_000_000), (info.FileType, info.LinkCount, info.UserId, unchecked((uint)info.GroupId)));
            Assert.Equal(info.Inode, fs.GetUnixFileInfo("g").Inode);
            Assert.Equal((UnixFileType.Character, 0x103L), (fs.GetUnixFileInfo("null").FileType, fs.GetUnixFileInfo("null").DeviceId));
            Assert.Equal((UnixFileType.Directory, 0x1EDL), (fs.GetUnixFileInfo("d").FileType, (long)fs.GetUnixFileInfo("d").Permissions));
            Assert.Equal(2, fs.GetUnixFileInfo("").Inode);
            Assert.Throws<UnauthorizedAccessException>(() => fs.GetFileLength("d"));
            Assert.Throws<IOException>(() => fs.GetFileLength("null"));
        }
        image.AssertClean();
    }

    [Fact]
    public void ImmutableFilesAreNotTouched()
    {
        using TestImage image = TestImage.Make(20);
        using (Ext4FileSystem fs = Opened.Open(image))
        {
            fs.Put("f", "x");
            fs.WithRoot((volume, root) =>
            {
                Inode f = volume.Lookup(root, "f"u8)!;
                volume.SetFlags(f, f.Flags | Ext4.Format.InodeFlags.Immutable, Caller.Root);
                volume.Release(f);
            });
            Assert.Throws<UnauthorizedAccessException>(() => fs.DeleteFile("f"));
            Assert.Throws<UnauthorizedAccessException>(() => fs.MoveFile("f", "g"));
            Assert.Throws<UnauthorizedAccessException>(() => fs.OpenFile("f", FileMode.Create));
            Assert.Throws<UnauthorizedAccessException>(() => fs.SetAttributes("f", FileAttributes.Hidden));
            Assert.Equal("x", fs.Text("f"));
        }
        image.AssertClean();
    }

    [Fact]
    public void TheVolumeTellsLabelIdAndSpace()
    {
        using TestImage image = TestImage.Make(64, "-L Naïve -U 01234567-89ab-cdef-0123-456789abcdef");
        using (Ext4FileSystem fs = Opened.Open(image))
        {
            Assert.Equal("Naïve", fs.VolumeLabel);
            Assert.Equal(0x01234567u, fs.VolumeId);
            Assert.True(fs.IsThreadSafe);
            Assert.IsType<FileStream>(fs.RawStream);
            Assert.InRange(fs.Size, 40L << 20, 64L << 20);
            Assert.Equal(fs.Size, fs.UsedSpace + fs.AvailableSpace);
            long used = fs.UsedSpace;
            fs.Put("f", new byte[5 << 20]);
            Assert.InRange(fs.UsedSpace - used, 5 << 20, (5 << 20) + (64 << 10));
        }
        image.AssertClean();
    }
}
