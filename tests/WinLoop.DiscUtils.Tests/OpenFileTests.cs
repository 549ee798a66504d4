using WinLoop.Ext4;
using WinLoop.TestKit;

namespace WinLoop.DiscUtils.Tests;

/// <summary>Modes and access of OpenFile, and streams whose file or file system goes away.</summary>
public sealed class OpenFileTests
{
    [Fact]
    public void EveryModeDoesWhatItDoesElsewhere()
    {
        using TestImage image = TestImage.Make(20);
        using (Ext4FileSystem fs = Opened.Open(image))
        {
            Assert.Throws<FileNotFoundException>(() => fs.OpenFile("f", FileMode.Open));
            Assert.Throws<FileNotFoundException>(() => fs.OpenFile("f", FileMode.Truncate));
            fs.OpenFile("f", FileMode.OpenOrCreate).Dispose();
            Assert.Throws<IOException>(() => fs.OpenFile("f", FileMode.CreateNew));
            fs.Put("f", "12345");
            using (Stream s = fs.OpenFile("f", FileMode.Append, FileAccess.ReadWrite))
            {
                Assert.Equal(5, s.Position);
                s.Write("67"u8);
            }
            Assert.Equal("1234567", fs.Text("f"));
            fs.OpenFile("f", FileMode.OpenOrCreate).Dispose();
            Assert.Equal("1234567", fs.Text("f"));
            fs.OpenFile("f", FileMode.Truncate).Dispose();
            Assert.Equal(0, fs.GetFileLength("f"));
            fs.OpenFile("new", FileMode.Append, FileAccess.Write).Dispose();
            Assert.True(fs.FileExists("new"));
            Assert.Throws<UnauthorizedAccessException>(() => fs.OpenFile("lost+found", FileMode.Open));
            Assert.Throws<UnauthorizedAccessException>(() => fs.OpenFile("", FileMode.Open));
            Assert.Throws<DirectoryNotFoundException>(() => fs.OpenFile(@"none\f", FileMode.Create));
            Assert.Throws<DirectoryNotFoundException>(() => fs.OpenFile(@"f\g", FileMode.Create));
            Assert.Throws<ArgumentException>(() => fs.OpenFile("f", FileMode.Create, FileAccess.Read));
            Assert.Throws<ArgumentOutOfRangeException>(() => fs.OpenFile("f", (FileMode)0));
            fs.WithRoot((volume, root) => volume.Release(volume.Create(root, "fifo"u8, 0x11A4, 0, Caller.Root)));
            Assert.Throws<IOException>(() => fs.OpenFile("fifo", FileMode.Open));
            Assert.Equal(global::DiscUtils.UnixFileType.Fifo, fs.GetUnixFileInfo("fifo").FileType);
        }
        image.AssertClean();
    }

    [Fact]
    public void AccessIsKept()
    {
        using TestImage image = TestImage.Make(20);
        using (Ext4FileSystem fs = Opened.Open(image))
        {
            fs.Put("f", "abc");
            using (Stream read = fs.OpenFile("f", FileMode.Open, FileAccess.Read))
            {
                Assert.True(read is { CanRead: true, CanWrite: false, CanSeek: true });
                Assert.Throws<NotSupportedException>(() => read.Write([1]));
                Assert.Throws<NotSupportedException>(() => read.SetLength(0));
            }
            using Stream write = fs.OpenFile("f", FileMode.Open, FileAccess.Write);
            Assert.Throws<NotSupportedException>(() => write.ReadByte());
            Assert.Throws<ArgumentOutOfRangeException>(() => write.Position = -1);
            Assert.Throws<IOException>(() => write.Seek(-1, SeekOrigin.Begin));
            write.Seek(long.MaxValue, SeekOrigin.Begin);
            Assert.Throws<IOException>(() => write.Write([1]));
            write.Position = 1L << 50;
            Assert.Throws<IOException>(() => write.Write([1]));
        }
        image.AssertClean();
    }

    [Fact]
    public void ADeletedFileLivesUntilItsStreamIsClosed()
    {
        using TestImage image = TestImage.Make(20);
        using (Ext4FileSystem fs = Opened.Open(image))
        {
            long free = fs.AvailableSpace;
            using (Stream s = fs.OpenFile("f", FileMode.Create))
            {
                s.Write(new byte[1 << 20]);
                fs.DeleteFile("f");
                s.Position = 0;
                Assert.Equal(1 << 20, s.Length);
                Assert.Equal(0, s.ReadByte());
            }
            fs.Flush();
            Assert.Equal(free, fs.AvailableSpace);
        }
        image.AssertClean();
    }

    [Fact]
    public void DisposeClosesWhatIsOpenAndUnmounts()
    {
        using TestImage image = TestImage.Make(20);
        Ext4FileSystem fs = Opened.Open(image);
        Stream kept = fs.OpenFile("kept", FileMode.Create);
        kept.Write("kept"u8);
        Stream deleted = fs.OpenFile("deleted", FileMode.Create);
        deleted.Write(new byte[100_000]);
        fs.DeleteFile("deleted");
        fs.Dispose();
        fs.Dispose();
        image.AssertClean();
        Assert.False(kept.CanRead);
        Assert.Throws<ObjectDisposedException>(() => kept.Flush());
        Assert.Throws<ObjectDisposedException>(() => fs.FileExists("kept"));
        Assert.Throws<ObjectDisposedException>(() => fs.CreateDirectory("d"));
        Assert.Throws<ObjectDisposedException>(() => fs.Flush());
        Assert.Throws<ObjectDisposedException>(() => fs.Size);
        kept.Dispose();
        using Ext4FileSystem again = Opened.Open(image);
        Assert.Equal("kept", again.Text("kept"));
        Assert.Equal(["kept"], again.GetFiles(""));
    }

    [Fact]
    public void AReadOnlyVolumeIsReadAsUsualAndChangedNever()
    {
        using TestImage image = TestImage.Make(20);
        using (Ext4FileSystem fs = Opened.Open(image))
        {
            fs.Put("f", "text");
            fs.CreateDirectory("d");
        }
        byte[] before = File.ReadAllBytes(image.Path);
        using (Ext4FileSystem fs = Opened.Open(image, isReadOnly: true))
        {
            Assert.False(fs.CanWrite);
            using (Stream s = fs.OpenFile("f", FileMode.Open))
            {
                Assert.False(s.CanWrite);
                Assert.Equal('t', s.ReadByte());
            }
            Assert.Throws<UnauthorizedAccessException>(() => fs.OpenFile("f", FileMode.Open, FileAccess.ReadWrite));
            Assert.Throws<UnauthorizedAccessException>(() => fs.OpenFile("g", FileMode.Create));
            Assert.Throws<UnauthorizedAccessException>(() => fs.DeleteFile("f"));
            Assert.Throws<UnauthorizedAccessException>(() => fs.DeleteDirectory("d"));
            Assert.Throws<UnauthorizedAccessException>(() => fs.CreateDirectory("e"));
            Assert.Throws<UnauthorizedAccessException>(() => fs.MoveFile("f", "g"));
            Assert.Throws<UnauthorizedAccessException>(() => fs.MoveDirectory("d", "g"));
            Assert.Throws<UnauthorizedAccessException>(() => fs.CopyFile("f", "g"));
            Assert.Throws<UnauthorizedAccessException>(() => fs.SetAttributes("f", System.IO.FileAttributes.Hidden));
            Assert.Throws<UnauthorizedAccessException>(() => fs.SetLastWriteTimeUtc("f", DateTime.UtcNow));
            fs.CreateDirectory("d");
        }
        Assert.Equal(before, File.ReadAllBytes(image.Path));
    }
}
