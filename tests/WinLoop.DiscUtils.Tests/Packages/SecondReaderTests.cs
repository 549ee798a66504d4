using DiscUtils;
using DiscUtils.Ext;
using WinLoop.TestKit;

namespace WinLoop.DiscUtils.Tests.Packages;

/// <summary>DiscUtils' own ext reader beside ours, where it is known to be right.</summary>
public sealed class SecondReaderTests
{
    /// <summary>What the other reader does not do, or did wrongly in a version that was looked at (1.0.47), and what
    /// therefore is not in the tree that is compared. Our reading of all of it is compared with the tree itself in
    /// <see cref="FeatureSetTests"/>.</summary>
    private static readonly string[] s_knownDifferences =
    [
        "the journal is not replayed: only clean volumes are compared",
        "holes of two and more blocks, and preallocated blocks, read as what is on the disk there",
        "sizes are taken modulo 4 GiB",
        "times have no nanoseconds, and none before 1970: compared in whole seconds",
        "names with a backslash or a colon cannot be reached; bytes that are no UTF-8 become U+FFFD",
        "links with '..' are not resolved: not compared",
        "device numbers are not decoded: not compared",
        "without the feature filetype no directory is one; metadata_csum_seed, inline_data and meta_bg are refused",
    ];

    [Theory]
    [InlineData("")]
    [InlineData("-O ^metadata_csum,^64bit")]
    [InlineData("-b 1024 -I 128")]
    [InlineData("-b 2048 -O ^flex_bg,^has_journal")]
    [InlineData("-t ext3")]
    public void BothReadTheSame(string options)
    {
        foreach (string difference in s_knownDifferences)
        {
            TestContext.Current.TestOutputHelper!.WriteLine($"not compared: {difference}");
        }
        Shell.Require("mkfs.ext4", "bash");
        using var folder = new TemporaryFolder();
        string tree = Path.Combine(folder.Path, "tree");
        Shell.Script($"""
            T={tree}; mkdir -p $T/etc/deep/er $T/many; cd $T
            echo hello > hello.txt; : > nothing; head -c 3000000 /dev/urandom > big; printf ü > 'Grüße.txt'; printf c > etc/deep/er/conf
            for i in $(seq 200); do echo $i > many/file-with-a-long-name-$i; done; chmod 4755 hello.txt; chmod 400 nothing
            """);
        using TestImage image = TestImage.Make(40, $"{options} -d {tree}");
        using Ext4FileSystem ours = Opened.Open(image, isReadOnly: true);
        using var stream = new FileStream(image.Path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        using var theirs = new ExtFileSystem(stream);
        string[] files = Listed(ours, files: true);
        Assert.Equal(205, files.Length);
        Assert.Equal(files, Listed(theirs, files: true));
        Assert.Equal(Listed(ours, files: false), Listed(theirs, files: false));
        foreach (string path in files)
        {
            Assert.Equal(ours.Bytes(path), theirs.Bytes(path));
            UnixFileSystemInfo a = ours.GetUnixFileInfo(path), b = theirs.GetUnixFileInfo(path);
            Assert.Equal((a.FileType, a.Permissions, a.UserId, a.GroupId, a.LinkCount, a.Inode), (b.FileType, b.Permissions, b.UserId, b.GroupId, b.LinkCount, b.Inode));
            Assert.Equal(ToSeconds(ours.GetLastWriteTimeUtc(path)), ToSeconds(theirs.GetLastWriteTimeUtc(path)));
        }
    }

    /// <summary>What we write, the other reader reads.</summary>
    [Fact]
    public void WhatWeWriteTheOtherReads()
    {
        using TestImage image = TestImage.Make(40);
        byte[] content = new byte[2_000_000];
        new Random(5).NextBytes(content);
        using (Ext4FileSystem ours = Opened.Open(image))
        {
            ours.CreateDirectory(@"a\b");
            ours.Put(@"a\b\c", content);
        }
        image.AssertClean();
        using var stream = new FileStream(image.Path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        using var theirs = new ExtFileSystem(stream);
        Assert.Equal(content, theirs.Bytes(@"a\b\c"));
    }

    private static string[] Listed(DiscFileSystem fileSystem, bool files) =>
        [.. (files ? fileSystem.GetFiles("", "*", SearchOption.AllDirectories) : fileSystem.GetDirectories("", "*", SearchOption.AllDirectories))
            .Select(path => path.Replace('/', '\\').TrimStart('\\')).Order(StringComparer.Ordinal)];

    private static DateTime ToSeconds(DateTime time) => new(time.Ticks - (time.Ticks % TimeSpan.TicksPerSecond), DateTimeKind.Utc);
}
