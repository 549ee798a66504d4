using WinLoop.Images.Tests.Vhdx;
using WinLoop.Storage;
using WinLoop.TestKit;

namespace WinLoop.Images.Tests;

/// <summary>A container that somebody else has written to meanwhile is closed without a write.</summary>
public sealed class AbandonTests
{
    [Theory]
    [InlineData("vhdx")]
    [InlineData("vpc")]
    [InlineData("qcow2")]
    public void Nothing_is_written_at_the_end(string format)
    {
        Shell.Require("qemu-img");
        using var folder = new TemporaryFolder();
        string path = Path.Combine(folder.Path, "disk");
        Shell.Script($"qemu-img create -q -f {format} {path} 32M");
        string abandoned;
        using (IBlockDevice disk = DiskFiles.Open(path))
        {
            disk.Write(new byte[100_000].Select(_ => (byte)7).ToArray(), 3 << 20);
            disk.Flush();
            disk.Write(new byte[100_000].Select(_ => (byte)8).ToArray(), 20 << 20);
            abandoned = Shell.Script($"sha256sum <{path}");
            // Through a partition, as a volume does.
            using var partition = new SliceDevice(disk, 1 << 20, 16 << 20);
            partition.Abandon();
        }
        Assert.Equal(abandoned, Shell.Script($"sha256sum <{path}"));
        // And it is whole: what was flushed is there.
        using IBlockDevice again = DiskFiles.Open(path);
        byte[] content = new byte[100_000];
        again.Read(content, 3 << 20);
        Assert.Equal(-1, content.AsSpan().IndexOfAnyExcept((byte)7));
    }
}
