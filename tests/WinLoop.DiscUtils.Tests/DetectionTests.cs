using DiscUtils;
using WinLoop.Ext4.Create;
using WinLoop.Images;
using WinLoop.Images.Vhdx;
using WinLoop.Storage;
using WinLoop.TestKit;

namespace WinLoop.DiscUtils.Tests;

/// <summary>The factory, and volumes in containers.</summary>
public sealed class DetectionTests
{
    [Theory]
    [InlineData("-t ext2", true)]
    [InlineData("-t ext3", true)]
    [InlineData("", true)]
    [InlineData(null, false)]
    public void ExtIsFoundByItsContent(string? mkfs, bool isExt)
    {
        using TestImage image = TestImage.Make(8, mkfs ?? "");
        if (mkfs is null)
        {
            File.WriteAllBytes(image.Path, new byte[1 << 20]);
        }
        using var file = new FileStream(image.Path, FileMode.Open, FileAccess.ReadWrite);
        file.Position = 77;
        var found = new Ext4FileSystemFactory().Detect(file).ToArray();
        Assert.Equal(77, file.Position);
        Assert.Equal(isExt ? 1 : 0, found.Length);
        if (isExt)
        {
            using DiscFileSystem fs = found[0].Open(file);
            Assert.IsType<Ext4FileSystem>(fs);
            Assert.True(fs.DirectoryExists("lost+found"));
            Assert.Equal(mkfs!.Length == 0, fs.CanWrite);
        }
        Assert.True(file.CanRead);
    }

    [Fact]
    public void TooShortIsNoExt() => Assert.Empty(new Ext4FileSystemFactory().Detect(new MemoryStream(new byte[1500])));

    [Fact]
    public void RegisteringTwiceFindsOnce()
    {
        Ext4FileSystemFactory.Register();
        Ext4FileSystemFactory.Register();
        using TestImage image = TestImage.Make(8);
        using var file = new FileStream(image.Path, FileMode.Open, FileAccess.Read);
        var found = FileSystemManager.DetectFileSystems(file);
        Assert.Equal(["ext4 (WinLoop)"], found.Select(f => f.Name));
        using DiscFileSystem fs = found[0].Open(file);
        Assert.False(fs.CanWrite);
    }

    [Fact]
    public void ItsOptionsAreTheFactorys()
    {
        using TestImage image = TestImage.Make(8);
        using var file = new FileStream(image.Path, FileMode.Open, FileAccess.ReadWrite);
        using DiscFileSystem fs = new Ext4FileSystemFactory(new Ext4FileSystemOptions { IsReadOnly = true }).Detect(file).Single().Open(file);
        Assert.False(fs.CanWrite);
    }

    [Fact]
    public void AStreamThatNobodyKnowsIsReadOnlyWithTheReason()
    {
        using TestImage image = TestImage.Make(20);
        using var file = new FileStream(image.Path, FileMode.Open, FileAccess.ReadWrite);
        using (var fs = new Ext4FileSystem(new BufferedStream(file)))
        {
            Assert.False(fs.CanWrite);
            Assert.Contains("Barrier", fs.ReadOnlyReason, StringComparison.Ordinal);
            Assert.Contains("Barrier", Assert.Throws<UnauthorizedAccessException>(() => fs.CreateDirectory("d")).Message, StringComparison.Ordinal);
        }
        var buffered = new BufferedStream(file);
        using (var fs = new Ext4FileSystem(buffered, new Ext4FileSystemOptions { Barrier = StreamBarrier.Of(buffered, file) }))
        {
            fs.Put("f", "through two buffers");
        }
        buffered.Flush();
        image.AssertClean();
        using var again = new Ext4FileSystem(file);
        Assert.Equal("through two buffers", again.Text("f"));
    }

    /// <summary>WinLoop's VHDX as a stream, DiscUtils' idea of a volume in it, and files in that; then an image in a file
    /// of the volume, opened once more.</summary>
    [Fact]
    public void AVolumeInAContainerInAFileOfAVolume()
    {
        using var backing = new MemoryFile();
        VhdxImage.Create(backing, 64 << 20);
        IImageFormat format = ImageFormats.Find(backing)!;
        using (var disk = new BlockDeviceStream(format.Open(backing, new ImageFormatOptions()), global::DiscUtils.Streams.Ownership.Dispose))
        {
            Ext4Creator.Create(new StreamDevice(disk, barrier: disk.Flush), new Ext4CreateOptions { Label = "outer" });
            using var outer = (Ext4FileSystem)new Ext4FileSystemFactory().Detect(disk).Single().Open(disk);
            using Stream file = outer.OpenFile("image.ext4", FileMode.Create);
            file.SetLength(16 << 20);
            Ext4Creator.Create(new StreamDevice(file, barrier: file.Flush), new Ext4CreateOptions { Label = "inner" });
            using var inner = new Ext4FileSystem(file);
            Assert.True(inner.CanWrite);
            inner.CreateDirectory(@"a\b");
            inner.Put(@"a\b\c", "deep");
        }
        backing.Flush();
        using TestImage image = TestImage.Make(16);
        using (IBlockDevice disk = format.Open(backing, new ImageFormatOptions { IsReadOnly = true }))
        using (var outer = new Ext4FileSystem(disk))
        {
            Assert.Equal("outer", outer.VolumeLabel);
            File.WriteAllBytes(image.Path, outer.Bytes("image.ext4"));
        }
        image.AssertClean();
        using Ext4FileSystem inside = Opened.Open(image);
        Assert.Equal("deep", inside.Text(@"a\b\c"));
    }
}
