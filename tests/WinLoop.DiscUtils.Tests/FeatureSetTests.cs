using WinLoop.Ext4;
using WinLoop.TestKit;

namespace WinLoop.DiscUtils.Tests;

/// <summary>Volumes that mke2fs fills from a directory, read back: the directory is the oracle.</summary>
public sealed class FeatureSetTests
{
    private const string MakeTree = """
        mkdir -p $T/etc/deep/er $T/empty; cd $T
        echo hello > hello.txt; : > nothing
        head -c 3000000 /dev/urandom > big
        truncate -s 5M holes; printf data | dd of=holes bs=1 seek=2000000 conv=notrunc status=none
        printf x > 'back\slash'; printf y > 'col:on'; printf z > 'trailing.'; printf ü > 'Grüße 日本.txt'; printf i > $'bad\xff\xfename'
        printf conf > etc/deep/er/conf; ln -s deep/er/conf etc/link; ln -s /etc/deep etc/dirlink; ln -s nowhere dangling
        ln -s ../etc/deep/er/conf etc/up
        ln -s $(printf 'x/../%.0s' $(seq 20))hello.txt slowlink; mkdir x
        for i in $(seq 300); do echo $i > empty/file-with-a-long-name-$i; done
        chmod 4755 hello.txt; chmod 400 nothing
        """;

    [Theory]
    [InlineData("")]
    [InlineData("-O ^metadata_csum,^64bit,^flex_bg")]
    [InlineData("-b 1024 -I 128 -O ^metadata_csum")]
    [InlineData("-b 2048 -O metadata_csum_seed,orphan_file")]
    [InlineData("-O ^has_journal,^resize_inode")]
    [InlineData("-O ^dir_index,^filetype,^metadata_csum")]
    [InlineData("-t ext3 -O ^extent")]
    [InlineData("-t ext2")]
    public void TheTreeIsReadAsItWasPut(string options)
    {
        Shell.Require("mkfs.ext4", "bash");
        using var folder = new TemporaryFolder();
        string tree = Path.Combine(folder.Path, "tree");
        Shell.Script($"T={tree}\n{MakeTree}");
        using TestImage image = TestImage.Make(40, $"{options} -d {tree}");
        string expected = Shell.Script($"cd {tree}; LC_ALL=C find . -type f -size +0 -not -name '*[^ -~]*' -not -name '*:*' -not -name '*\\\\*' -not -name '*.' | sort");
        using Ext4FileSystem fileSystem = Opened.Open(image, isReadOnly: true);

        Assert.Equal(["empty", "etc", @"etc\deep", @"etc\deep\er", "lost+found", "x"],
            fileSystem.GetDirectories("", "*", SearchOption.AllDirectories).Order(StringComparer.Ordinal));
        int compared = 0;
        foreach (string line in expected.Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            Assert.Equal(File.ReadAllBytes(Path.Combine(tree, line)), fileSystem.Bytes(line[1..].Replace('/', '\\')));
            compared++;
        }
        Assert.True(compared > 303, $"{compared} files");
        Assert.Equal("x", fileSystem.Text("back\uF05Cslash"));
        Assert.Equal("y", fileSystem.Text(@"\col" + "\uF03Aon"));
        Assert.Equal("z", fileSystem.Text("/trailing\uF02E"));
        Assert.Equal("ü", fileSystem.Text("Grüße 日本.txt"));
        Assert.Equal("i", fileSystem.Text("bad\uF0FF\uF0FEname"));
        Assert.Equal("conf", fileSystem.Text(@"etc\link"));
        Assert.Equal("conf", fileSystem.Text(@"etc\dirlink\er\conf"));
        Assert.Equal("conf", fileSystem.Text(@"etc\up"));
        Assert.Equal("hello\n", fileSystem.Text("slowlink"));
        Assert.Equal(300, fileSystem.GetFiles("", "file-with*", SearchOption.AllDirectories).Count());
        Assert.Equal(0x9ED, (int)fileSystem.GetUnixFileInfo("hello.txt").Permissions);
        Assert.True((fileSystem.GetAttributes("dangling") & System.IO.FileAttributes.ReparsePoint) != 0);
        Assert.True(fileSystem.FileExists("dangling"));
        Assert.False(fileSystem.CanWrite);

        // The library cannot delete a name that is no UTF-8.
        Shell.Script($"rm -rf {tree}");
    }

    [Theory]
    [InlineData("-t ext3 -O ^extent", "extent")]
    [InlineData("-O verity", "verity")]
    public void VolumesThatCannotBeWrittenSayWhy(string options, string feature)
    {
        using TestImage image = TestImage.Make(20, options);
        using Ext4FileSystem fileSystem = Opened.Open(image);
        Assert.False(fileSystem.CanWrite);
        Assert.Contains(feature, fileSystem.ReadOnlyReason, StringComparison.Ordinal);
        var error = Assert.Throws<UnauthorizedAccessException>(() => fileSystem.CreateDirectory("new"));
        Assert.Contains(feature, error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("-O inline_data", "inline_data")]
    [InlineData("-O encrypt", "encrypt")]
    [InlineData("-O casefold", "casefold")]
    [InlineData("-O bigalloc", "bigalloc")]
    public void UnsupportedFeaturesAreRefusedByName(string options, string feature)
    {
        using TestImage image = TestImage.Make(40, options);
        byte[] before = File.ReadAllBytes(image.Path);
        var error = Assert.Throws<Ext4NotSupportedException>(() => Opened.Open(image).Dispose());
        Assert.Equal(feature, error.Feature);
        Assert.Equal(before, File.ReadAllBytes(image.Path));
    }

    [Fact]
    public void ReadingAWritableVolumeWritesNothing()
    {
        using TestImage image = TestImage.Make(20);
        byte[] before = File.ReadAllBytes(image.Path);
        using (Ext4FileSystem fileSystem = Opened.Open(image))
        {
            Assert.True(fileSystem.CanWrite);
            Assert.Null(fileSystem.ReadOnlyReason);
            Assert.Equal(["lost+found"], fileSystem.GetFileSystemEntries(""));
        }
        Assert.Equal(before, File.ReadAllBytes(image.Path));
    }

    [Fact]
    public void NoExtIsRefused() =>
        Assert.Throws<Ext4CorruptException>(() => new Ext4FileSystem(new MemoryStream(new byte[1 << 20])));
}
