using System.Globalization;

namespace WinLoop.Cli.Tests;

/// <summary>What happens below a mounted image: its disk is full, it is truncated, replaced, deleted, its device is pulled,
/// or somebody tries to mount it by another path. The promises are those of docs/crash-safety.md.</summary>
public sealed class BackingFileTests : IDisposable
{
    // Prints what each fsync answered; a name that was acknowledged has to be there for good.
    private const string Writer = """
        import os, sys, errno
        def put(path, size):
            try:
                f = os.open(path, os.O_CREAT | os.O_WRONLY, 0o644)
                data = os.path.basename(path).encode() * (size // len(os.path.basename(path)) + 1)
                done = 0
                while done < size:
                    done += os.write(f, data[done:size])
                os.fsync(f)
                os.close(f)
                print("kept", path, size)
            except OSError as e:
                print("failed", path, errno.errorcode[e.errno])
        for i in range(int(sys.argv[2]), int(sys.argv[3])):
            put("%s/file%d" % (sys.argv[1], i), int(sys.argv[4]))
        """;

    private readonly Workspace _work = new();
    private readonly List<string> _cleanup = [];

    public BackingFileTests()
    {
        WinLoopProgram.RequireMounts();
        Shell.Require("python3", "losetup");
        File.WriteAllText(_work["writer.py"], Writer);
    }

    public void Dispose()
    {
        if (Workspace.IsMounted(_work["d"]))
        {
            WinLoopProgram.Run("unmount", "--force", _work["d"]);
        }
        foreach (string command in Enumerable.Reverse(_cleanup))
        {
            Shell.Run("bash", ["-c", command]);
        }
        _work.Dispose();
    }

    [Theory]
    [InlineData("mount -t tmpfs -o size=8M none $D", "mount -o remount,size=64M $D")]
    [InlineData("truncate -s 12M $D.img; mkfs.ext4 -q -F -m 0 -O ^has_journal $D.img; mount -o loop $D.img $D", "rm $D/filler")]
    public void The_disk_below_is_full(string mount, string makeRoom)
    {
        string below = _work.MakeDirectory("below");
        Shell.Script($"D={below}; {mount}; fallocate -l 2M $D/filler");
        _cleanup.Add($"umount {below}");
        string image = _work.MakeImage("below/x.ext4", "24M", "-b 4096 -J size=4");
        string directory = _work.Mount(image);
        string early = Write(directory, 0, 3, 100_000);
        Assert.Equal(3, Count(early, "kept"));
        string late = Write(directory, 3, 60, 300_000);
        Assert.True(Count(late, "failed") > 10, late);
        Assert.DoesNotContain("ENODEV", late, StringComparison.Ordinal);
        Assert.Matches("failed .* (ENOSPC|EIO)", late); // the first to be told is the one whose data it was
        AssertReads(directory, early);
        Shell.Result unmounted = WinLoopProgram.Run("unmount", directory);
        Assert.False(Workspace.IsMounted(directory));
        Shell.Script($"D={below}; rm -f $D/filler; {makeRoom.Replace("rm $D/filler", "true", StringComparison.Ordinal)}");
        JudgeAfterwards(image, early + late, unmounted);
    }

    [Fact]
    public void The_file_is_truncated()
    {
        string image = _work.MakeImage(size: "24M");
        string directory = _work.Mount(image);
        string early = Write(directory, 0, 3, 100_000);
        Shell.Script($"truncate -s 1M {image}");
        string late = Write(directory, 3, 12, 100_000);
        Assert.Equal(9, Count(late, "failed"));
        Assert.NotEqual(24 << 20, new FileInfo(image).Length); // and it was not made to look whole again
        Shell.Script($"truncate -s 24M {image}");
        Assert.Equal(1, Count(Write(directory, 12, 13, 1000), "failed")); // what is lost stays lost
        Assert.Equal(3, Count(early, "kept"));
        Shell.Result unmounted = WinLoopProgram.Run("unmount", directory);
        Assert.Equal(1, unmounted.ExitCode);
        Assert.Contains("shrunk", unmounted.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void The_file_is_replaced_or_deleted(bool isReplaced)
    {
        string image = _work.MakeImage(size: "24M");
        string directory = _work.Mount(image);
        string early = Write(directory, 0, 3, 100_000);
        string? hash = null;
        if (isReplaced)
        {
            string other = _work.MakeImage("other.ext4", "16M");
            hash = Workspace.HashOf(other);
            File.Move(other, image, overwrite: true);
        }
        else
        {
            File.Delete(image);
        }
        // The mount goes on with the file that it opened.
        string late = Write(directory, 3, 6, 100_000);
        Assert.Equal(3, Count(late, "kept"));
        AssertReads(directory, early + late);
        Shell.Result unmounted = WinLoopProgram.Run("unmount", directory);
        Assert.False(Workspace.IsMounted(directory));
        Assert.Equal(1, unmounted.ExitCode);
        Assert.Contains("deleted or replaced", unmounted.Error, StringComparison.Ordinal);
        Assert.Equal(hash, File.Exists(image) ? Workspace.HashOf(image) : null); // the new file has nothing of it
    }

    [Fact]
    public void A_deleted_file_that_was_only_read_is_no_loss()
    {
        string image = _work.MakeImage(size: "24M");
        string directory = _work.Mount(image);
        Assert.Equal("lost+found\n", Shell.Script($"ls {directory}"));
        File.Delete(image);
        WinLoopProgram.Succeed("unmount", directory);
    }

    // A block device without its medium: a loop device whose file is gone and which has been told so.
    [Fact]
    public void The_device_is_pulled_and_put_back()
    {
        Shell.RequireLoopMounts();
        string stick = _work.MakeImage("stick", "24M");
        string loop = Attach(stick);
        string directory = _work.Mount(loop);
        string early = Write(directory, 0, 3, 100_000);
        Shell.Script($"sync -f {directory}; cp --sparse=always {stick} {stick}.kept; truncate -s 0 {stick}");
        Assert.SkipUnless(Shell.Run("losetup", ["-c", loop]).ExitCode == 0, "the kernel cannot change the size of a loop device");
        string late = Write(directory, 3, 8, 100_000);
        Assert.Equal(5, Count(late, "failed"));
        Shell.Script($"cat {stick}.kept > {stick}; losetup -c {loop}");
        Assert.Equal(2, Count(Write(directory, 8, 10, 1000), "failed")); // not onto what may be another stick
        Shell.Result unmounted = WinLoopProgram.Run("unmount", directory);
        Assert.Equal(1, unmounted.ExitCode);
        JudgeAfterwards(loop, early + late, unmounted);
    }

    [Fact]
    public void The_same_image_by_another_path_is_refused()
    {
        Shell.RequireLoopMounts();
        string image = _work.MakeImage(size: "24M"), elsewhere = _work.MakeDirectory("elsewhere"), other = _work.MakeDirectory("other");
        string directory = _work.Mount(image);
        Shell.Script($"ln {image} {_work["hard"]}; ln -s {image} {_work["soft"]}; mount --bind {_work.Folder} {elsewhere}");
        _cleanup.Add($"umount {elsewhere}");
        string loop = Attach(image);
        foreach (string path in (string[])[image, _work["hard"], _work["soft"], Path.Combine(elsewhere, "x.ext4"), loop])
        {
            WinLoopProgram.Fail(6, "", "mount", path, other);
            WinLoopProgram.Fail(6, "", "mount", "-r", path, other);
        }
        WinLoopProgram.Succeed("unmount", directory);
        Workspace.AssertClean(image);
    }

    [Fact]
    public void A_file_whose_loop_device_is_mounted_is_refused_and_two_loop_devices_of_one_file_too()
    {
        Shell.RequireLoopMounts();
        string image = _work.MakeImage(size: "24M"), other = _work.MakeDirectory("other");
        string first = Attach(image);
        string directory = _work.Mount(first);
        string second = Attach(image);
        WinLoopProgram.Fail(6, first, "mount", second, other);
        WinLoopProgram.Fail(6, "", "mount", first, other);
        WinLoopProgram.Fail(6, "in use", "mount", image, other);
        WinLoopProgram.Fail(6, "", "mount", "-r", image, other);
        Assert.NotEqual(0, Shell.Run("mount", [first, other]).ExitCode); // the kernel's ext4 is kept out too
        WinLoopProgram.Succeed("unmount", directory);
        Workspace.AssertClean(image);
    }

    [Fact]
    public void A_device_with_a_partition_that_is_mounted_is_kept_from_others()
    {
        Shell.RequireLoopMounts();
        Shell.Require("sfdisk");
        string image = _work.MakeImage("part", "24M"), other = _work.MakeDirectory("other");
        Shell.Script($"cd {_work.Folder}; truncate -s 26M disk; echo 2048,,83 | sfdisk -q disk; dd if=part of=disk bs=1M seek=1 conv=notrunc status=none");
        string loop = Attach(_work["disk"]);
        string directory = _work.Mount(loop);
        WinLoopProgram.Fail(6, "", "mount", loop, other);
        Assert.NotEqual(0, Shell.Run("mount", ["-o", "offset=1048576", loop, other]).ExitCode);
        WinLoopProgram.Succeed("unmount", directory);
        WinLoopProgram.Succeed("check", loop);
    }

    private string Attach(string file)
    {
        string loop = Shell.Script($"losetup -f --show {file}").Trim();
        _cleanup.Add($"losetup -d {loop}");
        return loop;
    }

    private string Write(string directory, int first, int behind, int size) =>
        Shell.Run("python3", [_work["writer.py"], directory, .. ((int[])[first, behind, size]).Select(n => n.ToString(CultureInfo.InvariantCulture))]).Output;

    private static int Count(string answers, string word) => Acknowledged(answers, word).Count();

    private static IEnumerable<string[]> Acknowledged(string answers, string word) =>
        answers.Split('\n').Select(line => line.Split(' ')).Where(words => words[0] == word);

    private static void AssertReads(string directory, string answers)
    {
        foreach (string[] words in Acknowledged(answers, "kept"))
        {
            string name = Path.GetFileName(words[1]);
            string expected = string.Concat(Enumerable.Repeat(name, (int.Parse(words[2], CultureInfo.InvariantCulture) / name.Length) + 1))[..int.Parse(words[2], CultureInfo.InvariantCulture)];
            Assert.True(Shell.Run("cat", [Path.Combine(directory, name)]).Output == expected, $"{name} was acknowledged and is not there");
        }
    }

    // The next mount, or the repair that it asks for, has everything that was acknowledged.
    private void JudgeAfterwards(string image, string answers, Shell.Result unmounted)
    {
        Assert.True(unmounted.ExitCode is 0 or 1, unmounted.All);
        Shell.Result repaired = WinLoopProgram.Run("check", "--repair", image);
        Assert.True(repaired.ExitCode is 0 or 1, repaired.All);
        string directory = _work.Mount(image);
        AssertReads(directory, answers);
        Assert.Equal(1, Count(Write(directory, 900, 901, 1000), "kept"));
        WinLoopProgram.Succeed("unmount", directory);
        Workspace.AssertClean(image);
    }
}
