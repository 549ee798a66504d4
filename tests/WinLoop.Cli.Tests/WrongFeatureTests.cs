namespace WinLoop.Cli.Tests;

/// <summary>Volumes that WinLoop cannot mount, or can only read: the reason is named, and not a byte is changed.</summary>
public sealed class WrongFeatureTests : IDisposable
{
    private readonly Workspace _work = new();

    public WrongFeatureTests()
    {
        WinLoopProgram.RequireMounts();
        Shell.Require("debugfs", "dumpe2fs", "tune2fs");
        _work.MakeDirectory();
    }

    public void Dispose() => _work.Dispose();

    private void Refuse(int code, string says, string image)
    {
        string hash = Workspace.HashOf(image);
        WinLoopProgram.Fail(code, says, "mount", image, _work["d"]);
        WinLoopProgram.Fail(code, says, "mount", "-r", image, _work["d"]);
        Assert.False(Workspace.IsMounted(_work["d"]));
        Assert.Equal(hash, Workspace.HashOf(image));
    }

    private void MountReadOnly(string says, string image, params string[] options)
    {
        string hash = Workspace.HashOf(image);
        Shell.Result result = WinLoopProgram.Run(["mount", image, _work["d"], .. options]);
        Assert.True(result.ExitCode == 0, result.All);
        Assert.Contains(says, result.Error, StringComparison.Ordinal);
        Assert.True(Directory.Exists(_work["d/lost+found"]));
        Assert.Throws<IOException>(() => File.WriteAllText(_work["d/new"], "x"));
        WinLoopProgram.Succeed("unmount", _work["d"]);
        Assert.Equal(hash, Workspace.HashOf(image));
    }

    [Theory]
    [InlineData("encrypt", "encrypt")]
    [InlineData("casefold", "casefold")]
    [InlineData("meta_bg,^resize_inode", "meta_bg")]
    [InlineData("mmp", "mmp")]
    [InlineData("large_dir", "large_dir")]
    [InlineData("journal_dev", "external journal of another volume")]
    public void A_feature_that_is_not_there_is_named(string options, string says) =>
        Refuse(5, says, _work.MakeImage(size: "16M", options: "-O " + options));

    [Theory]
    [InlineData("project")]
    [InlineData("verity")]
    public void A_feature_that_allows_reading_is_named(string feature) =>
        MountReadOnly(feature, _work.MakeImage(size: "16M", options: "-O " + feature));

    [Fact]
    public void A_journal_on_another_device_is_never_looked_for()
    {
        string image = _work.MakeImage(size: "16M", options: "-O ^has_journal");
        Shell.Script($"for c in 'feature has_journal' 'ssv journal_inum 0' 'ssv journal_dev 0x0801'; do debugfs -w -R \"$c\" {image} 2> /dev/null; done");
        Refuse(5, "another device", image);
    }

    [Fact]
    public void A_volume_marked_as_damaged_is_mounted_read_only()
    {
        string image = _work.MakeImage(size: "16M");
        Shell.Script($"debugfs -w -R 'ssv state 3' {image} 2> /dev/null");
        MountReadOnly("marked as damaged", image);
    }

    private string MakeDirty()
    {
        string image = _work.MakeImage(size: "16M", options: "-b 1024");
        Shell.Script($"head -c 1024 /dev/zero > {_work["z"]}; printf 'jo\\njw -b 3000 {_work["z"]}\\njc\\n' > {_work["commands"]}; " +
            $"debugfs -w -f {_work["commands"]} {image} > /dev/null 2>&1");
        Assert.Contains("needs_recovery", Shell.Run("dumpe2fs", ["-h", image]).Output, StringComparison.Ordinal);
        return image;
    }

    [Fact]
    public void A_dirty_journal_is_not_written_back_by_a_read_only_mount() => MountReadOnly("read-only", MakeDirty(), "-r");

    [Fact]
    public void A_damaged_journal_is_refused()
    {
        string image = MakeDirty();
        Shell.Script($"block=$(debugfs -R 'bmap <8> 0' {image} 2> /dev/null); " +
            $"printf '\\377' | dd of={image} bs=1 seek=$((block * 1024 + 16)) conv=notrunc status=none");
        Refuse(4, "journal", image);
    }

    [Fact]
    public void A_damaged_root_directory_is_an_error_and_no_more()
    {
        string image = _work.MakeImage(size: "16M", options: "-b 1024 -O ^metadata_csum");
        Shell.Script($"block=$(debugfs -R 'bmap <2> 0' {image} 2> /dev/null); " +
            $"head -c 1024 /dev/urandom | dd of={image} bs=1024 seek=$block conv=notrunc status=none");
        string hash = Workspace.HashOf(image);
        Shell.Result result = WinLoopProgram.Run("mount", image, _work["d"]);
        if (result.ExitCode == 0)
        {
            Assert.ThrowsAny<IOException>(() => Directory.GetFileSystemEntries(_work["d"]));
            WinLoopProgram.Run("unmount", _work["d"]);
        }
        else
        {
            Assert.True(result.ExitCode == 4, result.All);
        }
        Assert.False(Workspace.IsMounted(_work["d"]));
        Assert.Equal(hash, Workspace.HashOf(image));
    }
}
