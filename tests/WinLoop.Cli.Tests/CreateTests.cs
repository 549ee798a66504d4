using System.Diagnostics;
using System.Globalization;
using System.Text.Json;

namespace WinLoop.Cli.Tests;

[Collection(MountNamespaces.Name)]
public sealed class CreateTests : IDisposable
{
    private readonly Workspace _work = new();

    public void Dispose() => _work.Dispose();

    private string Only => Assert.Single(Directory.GetFileSystemEntries(_work.Folder));

    private long Allocated(string name) =>
        long.Parse(Shell.Script($"stat -c %b {_work[name]}"), CultureInfo.InvariantCulture) * 512;

    [Theory]
    [InlineData("100M")]
    [InlineData("8M", "--no-journal")]
    [InlineData("64M", "--block-size", "1024", "--inode-size", "128", "--label", "small")]
    [InlineData("3G", "--label", "Grüße", "--uuid", "6f1d2b9c-0a3e-4c57-9d6b-1f2e3d4c5b6a", "--owner", "1000:100")]
    [InlineData("1000001")]
    public void What_is_made_is_clean(string size, params string[] options)
    {
        Shell.Require("e2fsck", "dumpe2fs");
        Assert.Equal("", WinLoopProgram.Succeed(["create", _work["x.ext4"], size, .. options]));
        Assert.Equal(_work["x.ext4"], Only);
        Workspace.AssertClean(_work["x.ext4"]);
    }

    [Fact]
    public void The_answer_in_JSON_tells_what_was_made()
    {
        JsonElement answer = WinLoopProgram.Json("create", _work["x.ext4"], "100M", "--label", "data");
        Assert.Equal(_work["x.ext4"], answer.GetProperty("image").GetString());
        Assert.Equal(100 << 20, answer.GetProperty("size").GetInt64());
        Assert.Equal(100 << 20, new FileInfo(_work["x.ext4"]).Length);
        Assert.Equal(100 << 20, answer.GetProperty("blockSize").GetInt64() * answer.GetProperty("blocks").GetInt64());
        Assert.True(answer.GetProperty("inodes").GetInt64() > 1000);
        Assert.True(answer.GetProperty("journal").GetInt64() >= 1 << 20);
        Assert.Equal("data", answer.GetProperty("label").GetString());
        Assert.True(Guid.TryParse(answer.GetProperty("uuid").GetString(), out _));
    }

    [Fact]
    public void A_large_image_is_sparse_and_quick()
    {
        Shell.Require("e2fsck", "dumpe2fs");
        var watch = Stopwatch.StartNew();
        WinLoopProgram.Succeed("create", _work["x.ext4"], "100G");
        // Well under a second on an idle machine; tests share theirs.
        Assert.True(watch.Elapsed.TotalSeconds < 10, $"{watch.Elapsed.TotalSeconds} s");
        Assert.True(Allocated("x.ext4") < 100 << 20, $"{Allocated("x.ext4")} bytes allocated");
        Workspace.AssertClean(_work["x.ext4"]);
    }

    [Fact]
    public void A_file_that_exists_is_replaced_with_force_only()
    {
        File.WriteAllText(_work["x.ext4"], "precious");
        WinLoopProgram.Fail(1, "exists", "create", _work["x.ext4"], "16M");
        Assert.Equal("precious", File.ReadAllText(_work["x.ext4"]));
        WinLoopProgram.Succeed("create", _work["x.ext4"], "16M", "--force");
        Assert.Equal(16 << 20, new FileInfo(_work["x.ext4"]).Length);
        Assert.Equal(_work["x.ext4"], Only);
    }

    [Theory]
    [InlineData("10K", "")]
    [InlineData("16M", "--inode-size 100")]
    [InlineData("16M", "--label more-than-sixteen-bytes")]
    [InlineData("16M", "--reserved 80")]
    public void What_cannot_be_made_leaves_nothing(string size, string options)
    {
        WinLoopProgram.Fail(2, "", ["create", _work["x.ext4"], size, .. options.Split(' ', StringSplitOptions.RemoveEmptyEntries)]);
        Assert.Empty(Directory.GetFileSystemEntries(_work.Folder));
        File.WriteAllText(_work["y.ext4"], "precious");
        WinLoopProgram.Fail(2, "", ["create", _work["y.ext4"], size, "-F", .. options.Split(' ', StringSplitOptions.RemoveEmptyEntries)]);
        Assert.Equal("precious", File.ReadAllText(_work["y.ext4"]));
        Assert.Equal(_work["y.ext4"], Only);
    }

    [Fact]
    public void Wrong_targets_are_refused()
    {
        WinLoopProgram.Fail(3, "no directory", "create", _work["missing/x.ext4"], "16M");
        WinLoopProgram.Fail(2, "it is a directory", "create", _work.Folder, "16M", "--force");
    }

    [Fact]
    public void A_mounted_image_is_not_replaced()
    {
        WinLoopProgram.RequireMounts();
        WinLoopProgram.Succeed("create", _work["x.ext4"], "16M");
        string directory = _work.Mount(_work["x.ext4"]);
        File.WriteAllText(Path.Combine(directory, "file"), "kept");
        WinLoopProgram.Fail(6, "", "create", _work["x.ext4"], "16M", "--force");
        WinLoopProgram.Succeed("unmount", directory);
        Workspace.AssertClean(_work["x.ext4"]);
    }

    [Fact]
    public void The_kernel_mounts_what_was_made()
    {
        Shell.RequireLoopMounts();
        WinLoopProgram.Succeed("create", _work["x.ext4"], "100M", "--owner", "1000:100");
        string kernel = _work.MakeDirectory("k");
        Assert.Equal("1000 100\n", Shell.Script($"mount -o loop {_work["x.ext4"]} {kernel}; stat -c '%u %g' {kernel}; cp -r /etc/default {kernel}; umount {kernel}"));
        Workspace.AssertClean(_work["x.ext4"]);
    }
}
