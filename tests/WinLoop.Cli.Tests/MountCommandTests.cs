using System.Diagnostics;
using System.Text.Json;

namespace WinLoop.Cli.Tests;

[Collection(MountNamespaces.Name)]
public sealed class MountCommandTests : IDisposable
{
    private readonly Workspace _work = new();

    public MountCommandTests() => WinLoopProgram.RequireMounts();

    public void Dispose() => _work.Dispose();

    [Fact]
    public void What_is_written_is_read_by_the_kernel()
    {
        Shell.RequireLoopMounts();
        string image = _work.MakeImage(options: "-L data");
        string directory = _work.Mount(image);
        File.WriteAllText(Path.Combine(directory, "note"), "hello");
        Directory.CreateDirectory(Path.Combine(directory, "a/b"));
        Assert.Equal("", WinLoopProgram.Succeed("unmount", directory));
        Assert.False(Workspace.IsMounted(directory));
        Workspace.AssertClean(image);
        string kernel = _work.MakeDirectory("k");
        Shell.Script($"mount -o loop {image} {kernel}; cp {kernel}/note {_work["note"]}; test -d {kernel}/a/b; echo there > {kernel}/back; umount {kernel}");
        Assert.Equal("hello", File.ReadAllText(_work["note"]));
        _work.Mount(image);
        Assert.Equal("there\n", File.ReadAllText(Path.Combine(directory, "back")));
    }

    [Fact]
    public void The_answer_in_JSON_tells_all_of_the_mount()
    {
        string image = _work.MakeImage(options: "-L data -U 6f1d2b9c-0a3e-4c57-9d6b-1f2e3d4c5b6a");
        JsonElement answer = WinLoopProgram.Json("mount", image, _work.MakeDirectory());
        Assert.Equal(_work["d"], answer.GetProperty("directory").GetString());
        Assert.Equal(image, answer.GetProperty("image").GetString());
        Assert.Equal(JsonValueKind.Null, answer.GetProperty("partition").ValueKind);
        Assert.Equal(0, answer.GetProperty("offset").GetInt64());
        Assert.Equal(32 << 20, answer.GetProperty("size").GetInt64());
        Assert.Equal("data", answer.GetProperty("label").GetString());
        Assert.Equal("6f1d2b9c-0a3e-4c57-9d6b-1f2e3d4c5b6a", answer.GetProperty("uuid").GetString());
        Assert.False(answer.GetProperty("readOnly").GetBoolean());
        Assert.StartsWith("fuse", answer.GetProperty("fileSystem").GetString(), StringComparison.Ordinal);
        Assert.True(Directory.Exists($"/proc/{answer.GetProperty("pid").GetInt32()}"));
    }

    [Fact]
    public void Without_a_directory_one_is_made_and_goes_with_the_mount()
    {
        string image = _work.MakeImage($"own {Guid.NewGuid():N}.ext4".Replace(' ', '_'));
        string directory = WinLoopProgram.Succeed("mount", image).TrimEnd('\n');
        try
        {
            Assert.Contains(Path.GetFileNameWithoutExtension(image), directory, StringComparison.Ordinal);
            Assert.True(Directory.Exists(Path.Combine(directory, "lost+found")));
        }
        finally
        {
            WinLoopProgram.Succeed("unmount", image);
        }
        Assert.False(Directory.Exists(directory));
    }

    [Fact]
    public void The_mount_survives_the_shell_and_its_terminal()
    {
        string image = _work.MakeImage();
        string directory = _work.MakeDirectory();
        // The shell leads a process group that is ended after the mount, as a terminal does it.
        Shell.Run("setsid", ["--wait", "bash", "-c", $"'{WinLoopProgram.Path}' mount {image} {directory} && kill -HUP 0"]);
        Thread.Sleep(200);
        Assert.True(Directory.Exists(Path.Combine(directory, "lost+found")));
        // Nothing of the caller's is held open: a pipe on its stdout and stderr ends with the command.
        WinLoopProgram.Succeed("unmount", directory);
        var watch = Stopwatch.StartNew();
        Shell.Script($"exec 9>{_work["lock"]}; '{WinLoopProgram.Path}' mount {image} {directory} 2>&1 | cat > /dev/null");
        Assert.True(watch.Elapsed.TotalSeconds < 20);
        string server = WinLoopProgram.Json("list").GetProperty("mounts").EnumerateArray()
            .Single(m => m.GetProperty("directory").GetString() == directory).GetProperty("pid").GetInt32().ToString();
        Assert.DoesNotContain(Directory.GetFiles($"/proc/{server}/fd").Select(f => new FileInfo(f).LinkTarget), t => t == _work["lock"]);
        Assert.Equal("/", new FileInfo($"/proc/{server}/cwd").LinkTarget);
    }

    [Fact]
    public void A_second_mount_of_the_image_is_refused()
    {
        string image = _work.MakeImage();
        _work.Mount(image);
        string other = _work.MakeDirectory("other");
        WinLoopProgram.Fail(6, _work["d"], "mount", image, other);
        WinLoopProgram.Fail(6, "", "mount", image, "-r", other);
        File.CreateSymbolicLink(_work["link"], image);
        WinLoopProgram.Fail(6, "", "mount", _work["link"], other);
        WinLoopProgram.Fail(6, "", "mount", _work.MakeImage("y.ext4"), _work["d"]);
        Assert.True(File.Exists(Path.Combine(_work["d"], "lost+found")) || Directory.Exists(Path.Combine(_work["d"], "lost+found")));
    }

    [Fact]
    public void An_image_that_the_kernel_has_mounted_is_refused()
    {
        Shell.RequireLoopMounts();
        string image = _work.MakeImage();
        string kernel = _work.MakeDirectory("k");
        Shell.Script($"mount -o loop {image} {kernel}");
        try
        {
            WinLoopProgram.Fail(6, "/dev/loop", "mount", image, _work.MakeDirectory());
        }
        finally
        {
            Shell.Script($"umount {kernel}");
        }
        Workspace.AssertClean(image);
    }

    [Fact]
    public void Looking_at_an_image_changes_nothing()
    {
        string image = _work.MakeImage();
        string hash = Workspace.HashOf(image);
        foreach (string[] options in new string[][] { ["-r"], ["-o", "ro,noload"], [] })
        {
            string directory = _work.Mount(image, options);
            Shell.Script($"find {directory} -ls > /dev/null; stat -f {directory} > /dev/null");
            WinLoopProgram.Succeed("unmount", directory);
            Assert.Equal(hash, Workspace.HashOf(image));
        }
    }

    [Fact]
    public void A_read_only_mount_refuses_writing()
    {
        string image = _work.MakeImage();
        string directory = _work.Mount(image, "-r");
        Assert.ThrowsAny<IOException>(() => File.WriteAllText(Path.Combine(directory, "x"), "y"));
    }

    [Fact]
    public void Options_reach_the_mount_table()
    {
        string directory = _work.Mount(_work.MakeImage(), "-o", "nosuid,nodev", "-o", "noexec,sync,commit=1,x-gvfs-hide");
        string line = File.ReadLines("/proc/self/mounts").Single(l => l.Split(' ')[1] == directory);
        string[] options = line.Split(' ')[3].Split(',');
        foreach (string option in new[] { "rw", "nosuid", "nodev", "noexec", "sync", "noatime" })
        {
            Assert.Contains(option, options);
        }
    }

    [Theory]
    [InlineData("nonsense", 2)]
    [InlineData("commit=x", 2)]
    [InlineData("noload", 2)]
    [InlineData("data=journal", 5)]
    [InlineData("remount", 5)]
    public void Wrong_options_are_named(string option, int code)
    {
        string image = _work.MakeImage();
        WinLoopProgram.Fail(code, option, "mount", image, _work.MakeDirectory(), "-o", "rw," + option);
        Assert.False(Workspace.IsMounted(_work["d"]));
    }
}
