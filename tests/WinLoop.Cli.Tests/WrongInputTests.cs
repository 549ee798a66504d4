namespace WinLoop.Cli.Tests;

/// <summary>Wrong input of every kind: one clear line, the right exit code, nothing changed, nothing mounted.</summary>
public sealed class WrongInputTests : IDisposable
{
    private readonly Workspace _work = new();

    public WrongInputTests()
    {
        WinLoopProgram.RequireMounts();
        _work.MakeDirectory();
    }

    public void Dispose() => _work.Dispose();

    private void Refuse(int code, string says, string image, params string[] more)
    {
        string? hash = File.Exists(image) && !image.StartsWith("/dev/", StringComparison.Ordinal) ? Workspace.HashOf(image) : null;
        WinLoopProgram.Fail(code, says, ["mount", image, _work["d"], .. more]);
        WinLoopProgram.Fail(code, says, ["mount", "-r", image, _work["d"], .. more]);
        WinLoopProgram.Fail(code, says, ["mount", "-f", image, _work["d"], .. more]);
        Assert.False(Workspace.IsMounted(_work["d"]));
        if (hash != null)
        {
            Assert.Equal(hash, Workspace.HashOf(image));
        }
    }

    [Fact]
    public void No_such_file() => Refuse(3, "no such file", _work["missing"]);

    [Fact]
    public void A_directory() => Refuse(2, "directory", _work["d"]);

    [Fact]
    public void A_character_device() => Refuse(2, "neither a file nor a block device", "/dev/null");

    [Fact]
    public void No_such_mount_point()
    {
        string image = _work.MakeImage();
        WinLoopProgram.Fail(3, "no such directory", "mount", image, _work["missing"]);
        WinLoopProgram.Fail(2, "not a directory", "mount", image, image);
    }

    [Fact]
    public void An_empty_file()
    {
        File.WriteAllBytes(_work["empty"], []);
        Refuse(5, "not an ext", _work["empty"]);
    }

    [Fact]
    public void Something_else()
    {
        byte[] noise = new byte[1 << 20];
        new Random(1).NextBytes(noise);
        File.WriteAllBytes(_work["noise"], noise);
        Refuse(5, "not an ext", _work["noise"]);
        Shell.Script($"truncate -s 1M {_work["zero"]}");
        Refuse(5, "not an ext", _work["zero"]);
    }

    [Fact]
    public void A_truncated_image()
    {
        string image = _work.MakeImage(size: "64M");
        Shell.Script($"truncate -s 20M {image}");
        Refuse(4, "", image);
    }

    [Fact]
    public void A_damaged_superblock()
    {
        string image = _work.MakeImage(size: "64M");
        Shell.Script($"printf '\\377' | dd of={image} bs=1 seek=1100 conv=notrunc status=none");
        Refuse(4, "checksum", image);
    }

    [Theory]
    [InlineData("inline_data")]
    [InlineData("bigalloc")]
    [InlineData("ea_inode")]
    public void A_feature_that_is_not_there(string feature) => Refuse(5, feature, _work.MakeImage(options: $"-O {feature}"));

    [Fact]
    public void A_read_only_feature_is_named_and_the_mount_is_read_only()
    {
        string image = _work.MakeImage(options: "-O quota");
        string hash = Workspace.HashOf(image);
        Shell.Result result = WinLoopProgram.Run("mount", image, _work["d"]);
        Assert.Equal(0, result.ExitCode);
        Assert.Contains("read-only", result.Error, StringComparison.Ordinal);
        Assert.Contains("quota", result.Error, StringComparison.Ordinal);
        Assert.True(Directory.Exists(_work["d/lost+found"]));
        WinLoopProgram.Succeed("unmount", _work["d"]);
        Assert.Equal(hash, Workspace.HashOf(image));
    }

    [Fact]
    public void Read_only_media()
    {
        string media = _work.MakeDirectory("media");
        Shell.Script($"mount -t tmpfs none {media}; truncate -s 16M {media}/x.ext4; mkfs.ext4 -q -F {media}/x.ext4; mount -o remount,ro {media}");
        try
        {
            Shell.Result result = WinLoopProgram.Run("mount", media + "/x.ext4", _work["d"]);
            Assert.True(result.ExitCode == 0, result.All);
            Assert.Contains("read-only", result.Error, StringComparison.Ordinal);
            Assert.True(Directory.Exists(_work["d/lost+found"]));
            WinLoopProgram.Succeed("unmount", _work["d"]);
        }
        finally
        {
            Shell.Run("umount", [_work["d"]]);
            Shell.Script($"umount {media}");
        }
    }

    [Fact]
    public void No_permission()
    {
        Shell.Require("setpriv");
        string image = _work.MakeImage();
        Shell.Script($"chmod 600 {image}; chmod 755 {_work.Folder}");
        string program = OpenToAll();
        // Not readable; then readable, but the mount point is another user's.
        AssertDenied(program, image, "permission denied");
        Shell.Script($"chmod 644 {image}");
        AssertDenied(program, image, "belongs to another user");
    }

    // The build's folder may not be open to other users: they get a copy.
    private string OpenToAll()
    {
        string copy = _work["program"];
        Shell.Script($"cp -r '{Path.GetDirectoryName(WinLoopProgram.Path)}' {copy}; chmod -R a+rX {copy}");
        return Path.Combine(copy, Path.GetFileName(WinLoopProgram.Path));
    }

    private void AssertDenied(string program, string image, string says)
    {
        Shell.Result result = Shell.Run("setpriv",
            ["--reuid=65534", "--regid=65534", "--clear-groups", "env", "-u", "XDG_RUNTIME_DIR", $"HOME={_work.Folder}", program, "mount", image, _work["d"]]);
        Assert.True(result.ExitCode == 7, result.All);
        Assert.Contains(says, result.Error, StringComparison.Ordinal);
        Assert.Equal("", result.Output);
    }
}
