using System.Text.Json;

namespace WinLoop.Cli.Tests;

/// <summary><c>winloop resize</c> to a smaller size.</summary>
public sealed class ShrinkTests : IDisposable
{
    private const long MiB = 1 << 20;

    private readonly Workspace _work = new();

    public ShrinkTests() => Shell.Require("mkfs.ext4", "e2fsck", "dumpe2fs", "debugfs");

    public void Dispose() => _work.Dispose();

    private string MakeFilled(string options = "", string size = "100M")
    {
        string image = _work.MakeImage(size: size, options: options), file = _work["content"];
        byte[] content = new byte[5 * MiB];
        Random.Shared.NextBytes(content);
        File.WriteAllBytes(file, content);
        WinLoopProgram.Succeed("cp", file, image + ":/content");
        return image;
    }

    private void AssertContent(string image)
    {
        Workspace.AssertClean(image);
        WinLoopProgram.Succeed("cp", image + ":/content", _work["back"]);
        Assert.Equal(Workspace.HashOf(_work["content"]), Workspace.HashOf(_work["back"]));
        File.Delete(_work["back"]);
    }

    [Fact]
    public void Image_and_volume_shrink()
    {
        string image = MakeFilled();
        JsonElement answer = WinLoopProgram.Json("resize", image, "50M");
        Assert.Equal(100 * MiB, answer.GetProperty("sizeBefore").GetInt64());
        Assert.Equal(50 * MiB, answer.GetProperty("size").GetInt64());
        Assert.Equal(50 * MiB, answer.GetProperty("fileSize").GetInt64());
        Assert.Equal(50 * MiB, new FileInfo(image).Length);
        AssertContent(image);
        // And back: what was cut off is free again.
        WinLoopProgram.Succeed("resize", image, "100M");
        AssertContent(image);
    }

    [Theory]
    [InlineData("min"), InlineData("--minimum")]
    public void As_small_as_can_be(string minimum)
    {
        string image = MakeFilled();
        JsonElement answer = WinLoopProgram.Json("resize", image, minimum);
        long size = answer.GetProperty("size").GetInt64();
        Assert.InRange(size, 5 * MiB, 30 * MiB);
        Assert.Equal(size, new FileInfo(image).Length);
        AssertContent(image);
        // Once more changes nothing.
        Assert.Equal(size, WinLoopProgram.Json("resize", image, minimum).GetProperty("size").GetInt64());
        string hash = Workspace.HashOf(image);
        WinLoopProgram.Fail(5, $"can be made as small as {size} bytes", "resize", image, (size - MiB).ToString(System.Globalization.CultureInfo.InvariantCulture));
        Assert.Equal(hash, Workspace.HashOf(image));
        AssertContent(image);
    }

    [Fact]
    public void What_cannot_be_is_refused_and_changes_nothing()
    {
        string image = MakeFilled(), hash = Workspace.HashOf(image);
        WinLoopProgram.Fail(2, "is not a size", "resize", image, "0");
        WinLoopProgram.Fail(2, "is not a size", "resize", image, "minimum");
        WinLoopProgram.Fail(2, "contradict", "resize", "--minimum", image, "10M");
        WinLoopProgram.Fail(5, "can be made as small as", "resize", image, "1");
        WinLoopProgram.Fail(5, "can be made as small as", "resize", image, "4096");
        WinLoopProgram.Fail(5, "can be made as small as", "resize", image, "6M");
        Assert.Equal(hash, Workspace.HashOf(image));
    }

    [Theory]
    [InlineData("-O meta_bg,^resize_inode", "meta_bg"), InlineData("-O bigalloc", "bigalloc"), InlineData("-O ^extents,^64bit", "extent")]
    [InlineData("-O quota", "quota"), InlineData("-O inline_data", "inline_data"), InlineData("-O mmp", "mmp"), InlineData("-O ea_inode", "ea_inode")]
    public void What_is_not_supported_is_named(string options, string feature)
    {
        string image = _work.MakeImage(options: options), hash = Workspace.HashOf(image);
        WinLoopProgram.Fail(5, feature, "resize", image, "16M");
        WinLoopProgram.Fail(5, feature, "resize", image, "min");
        Assert.Equal(hash, Workspace.HashOf(image));
    }

    [Fact]
    public void Damaged_volume_is_refused()
    {
        string image = MakeFilled();
        Shell.Script($"debugfs -w -R 'clri /content' {image} 2>/dev/null");
        string hash = Workspace.HashOf(image);
        WinLoopProgram.Fail(4, "the file system is damaged", "resize", image, "50M");
        WinLoopProgram.Fail(4, "the file system is damaged", "resize", image, "min");
        Assert.Equal(hash, Workspace.HashOf(image));
    }

    [Fact]
    public void What_is_mounted_is_refused()
    {
        WinLoopProgram.RequireMounts();
        string image = MakeFilled(), directory = _work.Mount(image);
        WinLoopProgram.Fail(5, "only what is not mounted is made smaller", "resize", directory, "50M");
        WinLoopProgram.Fail(5, "only what is not mounted is made smaller", "resize", image, "50M");
        WinLoopProgram.Fail(5, "only what is not mounted is made smaller", "resize", image, "min");
        WinLoopProgram.Succeed("unmount", directory);
        WinLoopProgram.Succeed("resize", image, "50M");
        AssertContent(image);
    }
}
