using WinLoop.Ext4;
using WinLoop.TestKit;

namespace WinLoop.DiscUtils.Tests;

/// <summary>Making, finding, moving and deleting names.</summary>
public sealed class NamespaceTests
{
    [Fact]
    public void DirectoriesComeWithTheirParentsAndGoWhenEmpty()
    {
        using TestImage image = TestImage.Make(20);
        using (Ext4FileSystem fs = Opened.Open(image))
        {
            fs.CreateDirectory(@"\a\b/c");
            fs.CreateDirectory(@"a\b\c");
            Assert.True(fs.DirectoryExists("a/b"));
            Assert.True(fs.DirectoryExists(@"a\x\..\b\."));
            Assert.False(fs.FileExists(@"a\b"));
            Assert.True(fs.Exists(@"a\b"));
            Assert.False(fs.DirectoryExists("A"));
            Assert.True(fs.DirectoryExists(""));
            Assert.True(fs.Root.Exists);
            fs.Put(@"a\f", "1");
            Assert.Throws<IOException>(() => fs.CreateDirectory(@"a\f"));
            Assert.Throws<IOException>(() => fs.CreateDirectory(@"a\f\g"));
            Assert.Throws<IOException>(() => fs.DeleteDirectory("a"));
            Assert.Throws<IOException>(() => fs.DeleteDirectory("\\"));
            Assert.Throws<DirectoryNotFoundException>(() => fs.DeleteDirectory("nothing"));
            Assert.Throws<DirectoryNotFoundException>(() => fs.DeleteDirectory(@"a\f"));
            Assert.Throws<UnauthorizedAccessException>(() => fs.DeleteFile("a"));
            Assert.Throws<FileNotFoundException>(() => fs.DeleteFile(@"a\none"));
            Assert.Throws<DirectoryNotFoundException>(() => fs.DeleteFile(@"none\f"));
            Assert.Throws<DirectoryNotFoundException>(() => fs.GetFiles("none"));
            Assert.Throws<ArgumentNullException>(() => fs.DirectoryExists(null!));
            fs.DeleteDirectory("a", recursive: true);
            Assert.False(fs.Exists("a"));
        }
        image.AssertClean();
    }

    [Fact]
    public void ListingsHaveThePathThatWasAskedFor()
    {
        using TestImage image = TestImage.Make(20);
        using (Ext4FileSystem fs = Opened.Open(image))
        {
            fs.CreateDirectory(@"d\e");
            fs.Put(@"d\One.TXT", "");
            fs.Put(@"d\two", "");
            fs.Put(@"d\e\three.txt", "");
            Assert.Equal([@"d\One.TXT", @"d\two"], fs.GetFiles("d").Order(StringComparer.Ordinal));
            Assert.Equal([@"\d\One.TXT"], fs.GetFiles(@"\d", "*.txt"));
            Assert.Equal([@"d/One.TXT", @"d/e\three.txt"], fs.GetFiles("d/", "*.txt", SearchOption.AllDirectories).Order(StringComparer.Ordinal));
            Assert.Equal([@"d\e"], fs.GetDirectories("d"));
            Assert.Equal([@"d\One.TXT", @"d\e", @"d\e\three.txt", @"d\two"],
                fs.GetFileSystemEntries("d", "*.*", SearchOption.AllDirectories).Order(StringComparer.Ordinal));
            Assert.Equal([@"d\two"], fs.GetFileSystemEntries("d", "?w*"));
            Assert.Equal(3, fs.GetFileSystemEntries("d").Count());
            foreach (string path in fs.GetFileSystemEntries("", "*", SearchOption.AllDirectories))
            {
                Assert.True(fs.Exists(path), path);
            }
        }
        image.AssertClean();
    }

    [Fact]
    public void NamesThatWindowsForbidsHaveAPathAndOthersHaveNone()
    {
        using TestImage image = TestImage.Make(20);
        byte[][] names = ["a\\b"u8.ToArray(), "c:d"u8.ToArray(), [0xFF, 0x41], "dot."u8.ToArray(), "sp "u8.ToArray(), "*?<>|\""u8.ToArray(), [0xEF, 0x80, 0x81], [1]];
        using (Ext4FileSystem fs = Opened.Open(image))
        {
            fs.WithRoot((volume, root) =>
            {
                for (int i = 0; i < names.Length; i++)
                {
                    Inode inode = volume.Create(root, names[i], 0x1A4, 0, Caller.Root);
                    volume.Write(inode, [(byte)i], 0, Caller.Root);
                    volume.Release(inode);
                }
            });
            string[] listed = [.. fs.GetFiles("")];
            Assert.Equal(names.Length, listed.Distinct().Count());
            Assert.Equal(Enumerable.Range(0, names.Length), listed.Select(p => (int)fs.Bytes(p).Single()).Order());
            foreach (string path in listed)
            {
                fs.MoveFile(path, @"lost+found\" + path);
                fs.DeleteFile(@"lost+found\" + path);
            }
            foreach (string bad in new[] { "a:b", "x*", "end.", "end ", "nul\0", new string('n', 256), new string('ü', 128) })
            {
                Assert.False(fs.Exists(bad), bad);
                Assert.Throws<IOException>(() => fs.OpenFile(bad, FileMode.Create));
                Assert.Throws<IOException>(() => fs.CreateDirectory(bad));
            }
            fs.Put(new string('n', 255), "long");
            Assert.Equal("long", fs.Text(new string('n', 255)));
        }
        image.AssertClean();
    }

    [Fact]
    public void LinksAreFollowedToOpenAndNeverToDelete()
    {
        using TestImage image = TestImage.Make(20);
        using (Ext4FileSystem fs = Opened.Open(image))
        {
            fs.CreateDirectory("real");
            fs.Put(@"real\file", "content");
            fs.WithRoot((volume, root) =>
            {
                foreach ((string name, string target) in new[] { ("dir", "real"), ("file", "real/file"), ("loop", "loop"), ("gone", "real/new"), ("up", "real/../real/./file") })
                {
                    volume.Release(volume.CreateSymlink(root, System.Text.Encoding.UTF8.GetBytes(name), System.Text.Encoding.UTF8.GetBytes(target), Caller.Root));
                }
            });
            Assert.Equal("content", fs.Text(@"dir\file"));
            Assert.Equal("content", fs.Text("up"));
            Assert.Equal(7, fs.GetFileLength("file"));
            Assert.True(fs.DirectoryExists("dir"));
            Assert.Throws<IOException>(() => fs.OpenFile("loop", FileMode.Open));
            Assert.False(fs.DirectoryExists("loop"));
            Assert.Throws<FileNotFoundException>(() => fs.OpenFile("gone", FileMode.Open));
            fs.Put("gone", "made where the link leads");
            Assert.Equal("made where the link leads", fs.Text(@"real\new"));
            Assert.Equal(["real"], fs.GetDirectories("").Where(d => d != "lost+found"));
            Assert.Throws<IOException>(() => fs.DeleteDirectory("dir"));
            Assert.Equal(global::DiscUtils.UnixFileType.Link, fs.GetUnixFileInfo("dir").FileType);
            fs.MoveFile("file", @"real\moved");
            Assert.Equal(global::DiscUtils.UnixFileType.Link, fs.GetUnixFileInfo(@"real\moved").FileType);
            fs.DeleteFile("dir");
            fs.DeleteFile("loop");
            Assert.Equal("content", fs.Text(@"real\file"));
        }
        image.AssertClean();
    }

    [Fact]
    public void MovingReplacesOnlyWhatItMay()
    {
        using TestImage image = TestImage.Make(20);
        using (Ext4FileSystem fs = Opened.Open(image))
        {
            fs.CreateDirectory(@"a\sub");
            fs.CreateDirectory("b");
            fs.Put(@"a\f", "f");
            fs.Put("g", "g");
            Assert.Throws<IOException>(() => fs.MoveFile(@"a\f", "g"));
            Assert.Throws<UnauthorizedAccessException>(() => fs.MoveFile(@"a\f", "b", overwrite: true));
            Assert.Throws<UnauthorizedAccessException>(() => fs.MoveFile("a", "c"));
            Assert.Throws<FileNotFoundException>(() => fs.MoveFile("none", "c"));
            Assert.Throws<DirectoryNotFoundException>(() => fs.MoveFile("g", @"none\g"));
            fs.MoveFile("g", "g");
            fs.MoveFile(@"a\f", "g", overwrite: true);
            Assert.Equal("f", fs.Text("g"));
            Assert.False(fs.Exists(@"a\f"));
            fs.WithRoot((volume, root) =>
            {
                Inode g = volume.Lookup(root, "g"u8)!;
                volume.Link(g, root, "second"u8);
                volume.Release(g);
            });
            Assert.Throws<IOException>(() => fs.MoveFile("g", "second"));
            Assert.Throws<IOException>(() => fs.CopyFile("g", "second", overwrite: true));
            fs.MoveFile("g", "second", overwrite: true);
            Assert.False(fs.Exists("g"));
            fs.MoveFile("second", "g");
            Assert.Equal(1, fs.GetUnixFileInfo("g").LinkCount);
            Assert.Throws<IOException>(() => fs.MoveDirectory("a", "b"));
            Assert.Throws<IOException>(() => fs.MoveDirectory("a", @"a\sub\a"));
            Assert.Throws<DirectoryNotFoundException>(() => fs.MoveDirectory("g", "h"));
            Assert.Throws<DirectoryNotFoundException>(() => fs.MoveDirectory("none", "h"));
            Assert.Throws<IOException>(() => fs.MoveDirectory("", "h"));
            fs.MoveDirectory("a", @"b\A");
            Assert.True(fs.DirectoryExists(@"b\A\sub"));
        }
        image.AssertClean();
    }

    [Fact]
    public void CopiesKeepHolesModeTimesAndUserAttributes()
    {
        using TestImage image = TestImage.Make(40, "-b 4096");
        var time = new DateTime(2031, 2, 3, 4, 5, 6, 789, DateTimeKind.Utc);
        using (Ext4FileSystem fs = Opened.Open(image))
        {
            using (Stream s = fs.OpenFile("src", FileMode.CreateNew))
            {
                s.Position = 3 << 20;
                s.Write([1, 2, 3]);
                s.SetLength(9 << 20);
            }
            fs.SetLastWriteTimeUtc("src", time);
            fs.SetAttributes("src", System.IO.FileAttributes.ReadOnly | System.IO.FileAttributes.Hidden);
            fs.CopyFile("src", "dst");
            Assert.Equal(fs.Bytes("src"), fs.Bytes("dst"));
            Assert.Equal(time, fs.GetLastWriteTimeUtc("dst"));
            Assert.Equal(System.IO.FileAttributes.ReadOnly | System.IO.FileAttributes.Hidden, fs.GetAttributes("dst"));
            using (var s = fs.OpenFile("dst", FileMode.Open, FileAccess.Read))
            {
                Assert.Equal([new global::DiscUtils.Streams.StreamExtent(3 << 20, 4096)], s.Extents);
            }
            Assert.Throws<IOException>(() => fs.CopyFile("src", "dst"));
            Assert.Throws<IOException>(() => fs.CopyFile("src", "src", overwrite: true));
            Assert.Throws<UnauthorizedAccessException>(() => fs.CopyFile("lost+found", "x"));
            Assert.Throws<UnauthorizedAccessException>(() => fs.CopyFile("src", "lost+found", overwrite: true));
            Assert.Throws<FileNotFoundException>(() => fs.CopyFile("none", "x"));
            fs.Put("small", "small");
            fs.CopyFile("small", "dst", overwrite: true);
            Assert.Equal("small", fs.Text("dst"));

            // A copy that does not fit leaves nothing behind.
            using (Stream s = fs.OpenFile("large", FileMode.Create))
            {
                s.Write(new byte[18 << 20]);
            }
            Assert.Throws<IOException>(() => fs.CopyFile("large", "dst", overwrite: true));
            Assert.Equal("small", fs.Text("dst"));
            Assert.Equal(["dst", "large", "lost+found", "small", "src"], fs.GetFileSystemEntries("").Order(StringComparer.Ordinal));
        }
        image.AssertClean();
    }
}
