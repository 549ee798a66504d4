using DiscUtils.Streams;
using WinLoop.Ext4.Create;
using WinLoop.TestKit;

namespace WinLoop.DiscUtils.Tests.Packages;

/// <summary>ext4 in disks of DiscUtils' formats.</summary>
public sealed class DiskFormatTests
{
    private const long Size = 64 << 20;

    [Theory]
    [InlineData("vhdx")]
    [InlineData("vdi")]
    [InlineData("vmdk")]
    public void AVolumeIsMadeWrittenAndReadAgain(string format)
    {
        using var folder = new TemporaryFolder();
        string path = Path.Combine(folder.Path, "disk." + format);
        byte[] content = new byte[3_000_000];
        new Random(6).NextBytes(content);
        With(path, format, isNew: true, (disk, file) =>
        {
            Action barrier = StreamBarrier.Of(disk, file);
            Ext4Creator.Create(new StreamDevice(disk, barrier: barrier), new Ext4CreateOptions { Label = format });
            using var fs = new Ext4FileSystem(disk, new Ext4FileSystemOptions { Barrier = barrier });
            Assert.True(fs.CanWrite, fs.ReadOnlyReason);
            fs.CreateDirectory("d");
            using SparseStream stream = fs.OpenFile(@"d\f", FileMode.CreateNew);
            stream.Write(content);
            stream.Flush();
        });
        using TestImage image = TestImage.Make(64);
        With(path, format, isNew: false, (disk, _) =>
        {
            using (var fs = new Ext4FileSystem(disk))
            {
                Assert.False(fs.CanWrite);
                Assert.Equal(format, fs.VolumeLabel);
                Assert.Equal(content, fs.Bytes(@"d\f"));
            }
            disk.Position = 0;
            using FileStream raw = File.Create(image.Path);
            disk.CopyTo(raw);
        });
        image.AssertClean();
    }

    private static void With(string path, string format, bool isNew, Action<SparseStream, FileStream> action)
    {
        if (isNew && format == "vmdk")
        {
            global::DiscUtils.Vmdk.Disk.Initialize(path, Size, global::DiscUtils.Vmdk.DiskCreateType.MonolithicSparse).Dispose();
        }
        using var file = new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite);
        using global::DiscUtils.VirtualDisk disk = (format, isNew) switch
        {
            ("vhdx", true) => global::DiscUtils.Vhdx.Disk.InitializeDynamic(file, Ownership.None, Size),
            ("vhdx", false) => new global::DiscUtils.Vhdx.Disk(file, Ownership.None),
            ("vdi", true) => global::DiscUtils.Vdi.Disk.InitializeDynamic(file, Ownership.None, Size),
            ("vdi", false) => new global::DiscUtils.Vdi.Disk(file, Ownership.None),
            _ => new global::DiscUtils.Vmdk.Disk(file, Ownership.None),
        };
        action(disk.Content, file);
    }
}
