using System.Text.Json;

namespace WinLoop.Cli.Tests;

/// <summary><c>ls</c>, <c>cat</c> and <c>cp</c>: the kernel made the images, or reads what came into them.</summary>
[Collection(MountNamespaces.Name)]
public sealed class FileCommandTests : IDisposable
{
    private readonly Workspace _work = new();

    public FileCommandTests() => Shell.Require("mkfs.ext4", "e2fsck");

    public void Dispose() => _work.Dispose();

    private string MakeFilled(string script)
    {
        Shell.RequireLoopMounts();
        string image = _work.MakeImage(size: "64M");
        WithKernel(image, script);
        return image;
    }

    private string WithKernel(string image, string script)
    {
        Shell.RequireLoopMounts();
        string directory = Directory.CreateDirectory(_work["kernel"]).FullName;
        return Shell.Script($"mount -o loop {image} {directory}; trap 'cd /; umount {directory}' EXIT; cd {directory}\n{script}");
    }

    [Fact]
    public void What_the_kernel_wrote_is_listed_and_nothing_changes()
    {
        string image = MakeFilled("mkdir -p a/b; echo content > a/b/file; chown 5:6 a/b/file; chmod 4751 a/b/file; ln -s b/file a/link; mknod a/null c 1 3; touch a/.hidden; touch -d '2001-02-03 04:05:06.5 UTC' a/b/file");
        string hash = Workspace.HashOf(image);
        Assert.Equal("b\nlink\nnull\n", WinLoopProgram.Succeed("ls", image + ":/a"));
        Assert.Equal(".hidden\nb\nlink\nnull\n", WinLoopProgram.Succeed("ls", "-a", image + ":/a/"));
        Assert.Contains("/a/b/file\n", WinLoopProgram.Succeed("ls", "-R", image), StringComparison.Ordinal);
        JsonElement file = WinLoopProgram.Json("ls", image + ":/a/link").GetProperty("entries")[0];
        Assert.Equal("-rwsr-x--x", file.GetProperty("mode").GetString());
        Assert.Equal((5, 6, 8), (file.GetProperty("uid").GetInt32(), file.GetProperty("gid").GetInt32(), file.GetProperty("size").GetInt32()));
        Assert.Equal(new DateTimeOffset(2001, 2, 3, 4, 5, 6, 500, TimeSpan.Zero), file.GetProperty("modified").GetDateTimeOffset());
        JsonElement[] all = [.. WinLoopProgram.Json("ls", image + ":/a").GetProperty("entries").EnumerateArray()];
        Assert.Equal(["directory", "symlink", "character-device"], all.Select(e => e.GetProperty("type").GetString()));
        Assert.Equal("b/file", all[1].GetProperty("target").GetString());
        Assert.Equal("1, 3", all[2].GetProperty("device").GetString());
        Assert.Equal("content\n", WinLoopProgram.Succeed("cat", image + ":/a/link"));
        Assert.Equal("content\n", WinLoopProgram.Succeed("cp", image + ":/a/b/file", "-"));
        Assert.Equal(hash, Workspace.HashOf(image));
    }

    [Fact]
    public void A_tree_goes_in_and_the_kernel_sees_it()
    {
        string image = _work.MakeImage(size: "64M"), source = _work.MakeDirectory("source");
        Shell.Script($"""
            cd {source}; mkdir -p deep/er; head -c 3000000 /dev/urandom > deep/random; echo one > deep/er/one; ln -s er/one deep/link
            ln deep/random deep/er/hard; mkfifo deep/fifo; truncate -s 20M deep/hole; echo end >> deep/hole; printf x > "$(printf 'deep/bad\377name')"
            chmod 750 deep/er; chmod 4711 deep/er/one; touch -d '1999-12-31 23:59:59.123456789' deep/random deep/er
            """);
        WinLoopProgram.Succeed("cp", "-a", source + "/deep", image + ":/");
        Workspace.AssertClean(image);
        const string Facts = "find . -printf '%P %y %m %U:%G %s %T@ %l %n\\n' | grep -v lost+found | sort; find . -type f ! -path './lost*' | sort | xargs -d '\\n' sha256sum";
        string expected = Shell.Script($"cd {source}; " + Facts);
        Assert.Equal(WithoutDirectories(expected), WithoutDirectories(WithKernel(image, Facts)));
        Assert.InRange(long.Parse(WithKernel(image, "stat -c %b deep/hole")), 0, 64);
        // And out again, by us.
        string back = _work.MakeDirectory("back");
        WinLoopProgram.Succeed("cp", "-a", image + ":/deep", back);
        Assert.Equal(WithoutDirectories(expected), WithoutDirectories(Shell.Script($"cd {back}; " + Facts)));
        // From one image into another.
        string second = _work.MakeImage("second.ext4", "64M");
        WinLoopProgram.Succeed("cp", "-a", image + ":/deep", second + ":/");
        Workspace.AssertClean(second);
        Assert.Equal(WithoutDirectories(expected), WithoutDirectories(WithKernel(second, Facts)));

        // The top is another directory each time, and sizes of directories differ between file systems.
        static string WithoutDirectories(string text) => string.Join('\n', text.Split('\n').Where(l => !l.StartsWith(' ')).Select(l => System.Text.RegularExpressions.Regex.Replace(l, @"( d \d+ \d+:\d+) \d+", "$1")));
    }

    [Fact]
    public void Files_are_replaced_as_new_ones_and_kept_if_asked()
    {
        string image = MakeFilled("echo old > file; ln file other; ln -s /etc/passwd link; mkdir -p dir full/new");
        File.WriteAllText(_work["new"], "new\n");
        WinLoopProgram.Succeed("cp", "-n", _work["new"], image + ":/file");
        Assert.Equal("old\n", WinLoopProgram.Succeed("cat", image + ":/file"));
        WinLoopProgram.Succeed("cp", _work["new"], image + ":/file");
        WinLoopProgram.Succeed("cp", _work["new"], image + ":/link");
        WinLoopProgram.Succeed("cp", "--owner", "12:34", _work["new"], _work["new"], image + ":/dir");
        WinLoopProgram.Fail(1, "is a directory", "cp", _work["new"], image + ":/full");
        Workspace.AssertClean(image);
        Assert.Equal("new\nold\nnew\n12:34\nregular file\n", WithKernel(image, "cat file other dir/new; stat -c %u:%g dir/new; stat -c %F link"));
    }

    [Fact]
    public void Nothing_is_written_outside_of_the_target()
    {
        // A link and a directory of one name, as a damaged or hostile image may have them, lead nowhere else.
        string image = MakeFilled("mkdir -p tree/evi1; echo pwned > tree/evi1/file; ln -s /tmp tree/evil");
        string place = Shell.Script($"debugfs -R 'blocks tree' {image} 2>/dev/null").Trim();
        byte[] bytes = File.ReadAllBytes(image);
        int block = int.Parse(Shell.Script($"dumpe2fs -h {image} 2>/dev/null | sed -n 's/^Block size: *//p'")), at = int.Parse(place) * block;
        int name = bytes.AsSpan(at, block).IndexOf("evi1"u8);
        bytes[at + name + 3] = (byte)'l';
        File.WriteAllBytes(image, bytes);
        string target = _work.MakeDirectory("target"), outside = _work.MakeDirectory("outside");
        Directory.CreateSymbolicLink(_work["target/tree"], outside);
        Shell.Result through = WinLoopProgram.Run("cp", "-r", image + ":/tree", target);
        Assert.NotEqual(0, through.ExitCode);
        Assert.Empty(Directory.GetFileSystemEntries(outside));
        File.Delete(_work["target/tree"]);
        WinLoopProgram.Run("cp", "-r", image + ":/tree", target);
        Assert.False(File.Exists("/tmp/file"));
    }

    [Fact]
    public void Nothing_is_copied_into_itself_and_images_keep_their_files_apart()
    {
        string image = MakeFilled("mkdir -p dir/sub; echo one > dir/one; ln dir/one dir/two");
        foreach (string target in (string[])[":/dir/inside", ":/dir/sub", ":/dir/", ":/dir/sub/deeper"])
        {
            Shell.Result result = WinLoopProgram.Run("cp", "-a", image + ":/dir", image + target);
            Assert.NotEqual(0, result.ExitCode);
            Assert.Contains("into itself", result.Error, StringComparison.Ordinal);
        }
        Workspace.AssertClean(image);
        Assert.DoesNotContain("inside/inside", WinLoopProgram.Succeed("ls", "-R", image), StringComparison.Ordinal);
        Assert.DoesNotContain("sub/dir/sub/dir", WinLoopProgram.Succeed("ls", "-R", image), StringComparison.Ordinal);

        // The same inode numbers in two images, each file with two names.
        string[] images = [.. new[] { "a", "b" }.Select(name =>
        {
            string made = _work.MakeImage(name, "16M");
            WithKernel(made, $"mkdir {name}; echo from {name} > {name}/one; ln {name}/one {name}/two");
            return made;
        })];
        WinLoopProgram.Succeed("cp", "-a", images[0] + ":/a", images[1] + ":/b", _work.MakeDirectory("out"));
        Assert.Equal("from a\nfrom b\n2\n2\n", Shell.Script($"cd {_work["out"]}; cat a/two b/two; stat -c %h a/one b/one"));
    }

    [Fact]
    public void From_stdin_and_with_colons()
    {
        string image = _work.MakeImage("odd:name.ext4");
        Shell.Script($"echo piped | {WinLoopProgram.Path} cp - {image}:/piped; {WinLoopProgram.Path} cp {_work["odd:name.ext4"]}:/piped {_work["back"]}");
        Assert.Equal("piped\n", File.ReadAllText(_work["back"]));
        File.WriteAllText(_work["with:colon"], "colon");
        WinLoopProgram.Succeed("cp", _work["with:colon"], image + ":/a:b");
        Assert.Equal("colon", WinLoopProgram.Succeed("cat", image + ":/a:b"));
        JsonElement answer = WinLoopProgram.Json("cp", image + ":/a:b", _work["out"]);
        Assert.Equal((1, 5), (answer.GetProperty("files").GetInt32(), answer.GetProperty("bytes").GetInt32()));
        Workspace.AssertClean(image);
    }

    [Fact]
    public void A_dirty_journal_is_read_in_memory()
    {
        WinLoopProgram.RequireMounts();
        string image = _work.MakeImage(size: "64M"), directory = _work.Mount(image), copy = _work["cut.ext4"];
        File.WriteAllText(Path.Combine(directory, "file"), "from the log");
        Shell.Script($"sync -f {directory}; cp {image} {copy}");
        WinLoopProgram.Succeed("unmount", directory);
        Assert.Contains("needs_recovery", Shell.Script($"dumpe2fs -h {copy} 2>/dev/null"), StringComparison.Ordinal);
        string hash = Workspace.HashOf(copy);
        Assert.Equal("from the log", WinLoopProgram.Succeed("cat", copy + ":/file"));
        Assert.Equal(hash, Workspace.HashOf(copy));
        WinLoopProgram.Succeed("cp", image, copy + ":/image");
        Workspace.AssertClean(copy);
    }

    [Fact]
    public void A_full_image_fails_and_stays_sound()
    {
        string image = _work.MakeImage(size: "8M"), large = _work["large"];
        Shell.Script($"head -c 20000000 /dev/urandom > {large}; echo small > {_work["small"]}");
        Shell.Result result = WinLoopProgram.Run("cp", large, _work["small"], image + ":/");
        Assert.Equal(1, result.ExitCode);
        Assert.Contains("no space", result.Error, StringComparison.Ordinal);
        Workspace.AssertClean(image);
    }

    [Fact]
    public void Wrong_use_says_what_to_do()
    {
        string image = _work.MakeImage(), hash = Workspace.HashOf(image);
        WinLoopProgram.Fail(3, "no such file or directory in the image", "ls", image + ":/none");
        WinLoopProgram.Fail(3, "no such file or directory in the image", "cat", image + ":/none");
        WinLoopProgram.Fail(2, "it is a directory", "cat", image + ":/");
        WinLoopProgram.Fail(3, "no such file", "ls", _work["missing"] + ":/");
        WinLoopProgram.Fail(2, "names no path in an image", "cat", image);
        WinLoopProgram.Fail(2, "none of the paths is in an image", "cp", _work["a"], _work["b"]);
        WinLoopProgram.Fail(3, "no such file or directory", "cp", _work["a"], image + ":/");
        WinLoopProgram.Fail(2, "it is a directory", "cp", _work.Folder, image + ":/");
        WinLoopProgram.Fail(2, "UID[:GID]", "cp", "--owner", "me", _work["a"], image + ":/");
        WinLoopProgram.Fail(3, "several files need a directory", "cp", image + ":/lost+found", image + ":/lost+found", _work["no"]);
        File.WriteAllBytes(_work["noise"], new byte[1 << 20]);
        WinLoopProgram.Fail(5, "ext", "ls", _work["noise"] + ":/");
        Assert.Equal(hash, Workspace.HashOf(image));
    }

    [Fact]
    public void A_mounted_image_is_named()
    {
        WinLoopProgram.RequireMounts();
        string image = _work.MakeImage();
        File.WriteAllText(_work["new"], "x");
        _work.Mount(image);
        WinLoopProgram.Fail(6, "mounted on", "cp", _work["new"], image + ":/");
        WinLoopProgram.Fail(6, "mounted on", "ls", image + ":/");
        WinLoopProgram.Succeed("unmount", _work["d"]);
    }
}
