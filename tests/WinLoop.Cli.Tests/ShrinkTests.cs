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

    [Fact]
    public void The_same_again_shortens_what_was_not()
    {
        string image = MakeFilled();
        WinLoopProgram.Succeed("resize", image, "50M");
        foreach (string size in (string[])["50M", "min"])
        {
            // As if it had been stopped before the last step.
            Shell.Script($"truncate -s 90M {image}");
            Assert.InRange(WinLoopProgram.Json("resize", image, size).GetProperty("fileSize").GetInt64(), 5 * MiB, 50 * MiB);
            AssertContent(image);
        }
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

    private string MakeDisk(string script, int partition, int startMiB)
    {
        Shell.Require("sfdisk");
        string part = MakeFilled(size: "60M"), disk = _work["disk.img"];
        Shell.Script($"truncate -s 120M {disk}; printf '{script}' | sfdisk -q {disk}; dd if={part} of={disk} bs=1M seek={startMiB} conv=notrunc status=none");
        Assert.Contains($"disk.img{partition}", Shell.Run("sfdisk", ["-l", disk]).Output, StringComparison.Ordinal);
        return disk;
    }

    [Theory]
    [InlineData("label: dos\\n2048,20480,6\\n22528,122880,83\\n", 2, 11), InlineData("label: dos\\n,,83\\n", 1, 1)]
    [InlineData("label: gpt\\n2048,20480,U\\n22528,122880,L\\n", 2, 11), InlineData("label: gpt\\n2048,122880,L\\n", 1, 1)]
    public void Last_partition_shrinks_and_the_image_with_it(string script, int number, int startMiB)
    {
        string disk = MakeDisk(script, number, startMiB);
        JsonElement answer = WinLoopProgram.Json("resize", disk, "40M");
        long volume = answer.GetProperty("size").GetInt64();
        Assert.Equal(40 * MiB, new FileInfo(disk).Length);
        Assert.InRange(volume, ((39 - startMiB) * MiB) - 4096, (40 - startMiB) * MiB);
        AssertDisk(disk, startMiB, volume);

        answer = WinLoopProgram.Json("resize", disk, "min");
        volume = answer.GetProperty("size").GetInt64();
        long file = answer.GetProperty("fileSize").GetInt64();
        Assert.InRange(volume, 5 * MiB, 25 * MiB);
        Assert.InRange(file, volume + (startMiB * MiB), volume + ((startMiB + 2) * MiB));
        Assert.Equal(file, new FileInfo(disk).Length);
        AssertDisk(disk, startMiB, volume);
        string hash = Workspace.HashOf(disk);
        WinLoopProgram.Fail(5, "can be made as small as", "resize", disk, "6M");
        string error = WinLoopProgram.Run("resize", disk, "6M").Error;
        Assert.Equal(hash, Workspace.HashOf(disk));
        long least = long.Parse(error[error.IndexOf("at least ", StringComparison.Ordinal)..]["at least ".Length..].TrimEnd('.', '\n'), System.Globalization.CultureInfo.InvariantCulture);
        Assert.InRange(least, volume + (startMiB * MiB) - MiB, file);
        WinLoopProgram.Succeed("resize", disk, $"{least}");

        // And larger than it ever was.
        answer = WinLoopProgram.Json("resize", disk, "300M");
        Assert.Equal((300 * MiB, 300 * MiB), (answer.GetProperty("fileSize").GetInt64(), new FileInfo(disk).Length));
        volume = answer.GetProperty("size").GetInt64();
        Assert.InRange(volume, ((300 - startMiB) * MiB) - (64 << 10), (300 - startMiB) * MiB);
        AssertDisk(disk, startMiB, volume);
    }

    private void AssertDisk(string disk, int startMiB, long volume)
    {
        // Both readers of tables agree, without a warning.
        Shell.Result listed = Shell.Run("sfdisk", ["--verify", disk]);
        Assert.True(listed.ExitCode == 0 && !listed.All.Contains("corrupt", StringComparison.OrdinalIgnoreCase) && !listed.All.Contains("mismatch", StringComparison.OrdinalIgnoreCase), listed.All);
        Assert.DoesNotContain("past the end", WinLoopProgram.Run("info", disk).All, StringComparison.Ordinal);
        Shell.Script($"dd if={disk} of={_work["part"]} bs=1M skip={startMiB} count=$(({volume} / 1048576 + 1)) status=none; truncate -s {volume} {_work["part"]}");
        AssertContent(_work["part"]);
        WinLoopProgram.Succeed("cat", disk + ":/content");
    }

    [Theory]
    [InlineData("label: dos\\n2048,122880,83\\n125952,20480,6\\n", 1, 1, "not the last one")]
    [InlineData("label: gpt\\n2048,122880,L\\n125952,20480,U\\n", 1, 1, "not the last one")]
    [InlineData("label: dos\\n2048,20480,6\\n22528,,E\\n24576,122880,83\\n", 5, 12, "does not end before it")]
    public void Other_partitions_are_refused(string script, int number, int startMiB, string reason)
    {
        string disk = MakeDisk(script, number, startMiB), hash = Workspace.HashOf(disk);
        WinLoopProgram.Fail(5, reason, "resize", disk, "40M");
        WinLoopProgram.Fail(5, reason, "resize", disk, "min");
        Assert.Equal(hash, Workspace.HashOf(disk));
    }

    [Fact]
    public void Damaged_copy_of_a_gpt_is_refused()
    {
        string disk = MakeDisk("label: gpt\\n2048,122880,L\\n", 1, 1);
        Shell.Script($"dd if=/dev/zero of={disk} bs=512 seek=$((120 * 2048 - 1)) count=1 conv=notrunc status=none");
        string hash = Workspace.HashOf(disk);
        WinLoopProgram.Fail(5, "backup of the GPT", "resize", disk, "40M");
        Assert.Equal(hash, Workspace.HashOf(disk));
    }

    [Fact]
    public void Kernel_mount_is_refused_and_what_it_leaves_after_a_cut_is_recovered_first()
    {
        Assert.SkipUnless(Environment.UserName == "root" && File.Exists("/dev/loop-control"), "needs root and loop devices");
        string image = MakeFilled(), cut = _work["cut.ext4"], directory = _work.MakeDirectory("kernel");
        Shell.Script($"mount -o loop {image} {directory}");
        try
        {
            Shell.Script($"mkdir -p {directory}/a/b; echo here > {directory}/a/b/file; sync -f {directory}; cp {image} {cut}");
            WinLoopProgram.Fail(6, image, "resize", image, "50M");
            WinLoopProgram.Fail(6, image, "resize", image, "min");
        }
        finally
        {
            Shell.Script($"umount {directory}");
        }
        Assert.Contains("needs_recovery", Shell.Run("dumpe2fs", ["-h", cut]).Output, StringComparison.Ordinal);
        WinLoopProgram.Succeed("resize", cut, "50M");
        AssertContent(cut);
        Assert.Equal("here\n", WinLoopProgram.Succeed("cat", cut + ":/a/b/file"));
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
