using System.Diagnostics;
using WinLoop.Ext4;
using WinLoop.Storage;

namespace WinLoop.Cli.Tests;

/// <summary><c>cp</c> where something stands against it: rights, full disks, signals, hostile images.</summary>
public sealed class CopySafetyTests : IDisposable
{
    private const string AsUser = "setpriv --reuid=65534 --regid=65534 --clear-groups";

    private readonly Workspace _work = new();

    public CopySafetyTests() => Shell.Require("mkfs.ext4", "e2fsck", "debugfs");

    public void Dispose() => _work.Dispose();

    [Fact]
    public void Capabilities_and_acls_survive_a_change_of_the_owner()
    {
        Shell.RequireLoopMounts();
        Shell.Require("setcap", "getcap", "setfacl", "getfacl");
        string source = _work.MakeDirectory("source"), back = _work.MakeDirectory("back"), image = _work.MakeImage();
        Shell.Script($"cd {source}; cp /bin/true tool; chown 7:8 tool; setcap cap_net_raw+ep tool; echo x > shared; setfacl -m u:9:rw shared; chmod o-r shared; chown 5:5 shared");
        WinLoopProgram.Succeed("cp", "-a", source, image + ":/tree");
        WinLoopProgram.Succeed("cp", "-a", image + ":/tree", back);
        const string Look = "getcap tool; getfacl -n shared; stat -c '%a %u:%g' tool shared";
        Assert.Equal(Shell.Script($"cd {source}; {Look}"), Shell.Script($"cd {back}/tree; {Look}"));
        Workspace.AssertClean(image);
    }

    [Fact]
    public void A_user_gets_the_files_but_not_their_owners_and_no_set_id_bit()
    {
        WinLoopProgram.RequireMounts();
        Shell.Require("setpriv");
        string image = _work.MakeImage(), source = _work.MakeDirectory("source");
        Shell.Script($"cd {source}; echo content > file; chmod 4755 file; mkdir -p sub; echo x > sub/other; touch -d '2002-02-02 02:02:02' file");
        WinLoopProgram.Succeed("cp", "-a", source, image + ":/tree");
        Shell.Script($"cp -r '{Path.GetDirectoryName(WinLoopProgram.Path)}' {_work["bin"]}; chmod -R a+rX {_work.Folder}; mkdir {_work["out"]}; chown 65534 {_work["out"]}");
        string program = Path.Combine(_work["bin"], Path.GetFileName(WinLoopProgram.Path));
        string said = Shell.Script($"{AsUser} {program} cp -a {image}:/tree {_work["out"]} 2>&1");
        Assert.Equal("Left out: the owners of 4 files, which this user or system cannot set\n", said);
        Assert.Equal("content\n755 65534 2002-02-02 02:02:02\n", Shell.Script($"cd {_work["out"]}/tree; cat file; stat -c '%a %u' file | tr '\\n' ' '; date -d @$(stat -c %Y file) '+%F %T'"));
        // Into an image that is not his he gets nothing, and nothing of it changes.
        string hash = Workspace.HashOf(image);
        Shell.Result denied = Shell.Run("bash", ["-c", $"{AsUser} {program} cp {program} {image}:/"]);
        Assert.Equal(7, denied.ExitCode);
        Assert.Equal(hash, Workspace.HashOf(image));
    }

    [Fact]
    public void What_cannot_be_read_does_not_cost_the_file_that_is_there()
    {
        WinLoopProgram.RequireMounts();
        Shell.Require("setpriv");
        string image = _work.MakeImage();
        Shell.Script($"echo old | {WinLoopProgram.Path} cp - {image}:/file; echo secret > {_work["secret"]}; chmod 600 {_work["secret"]}");
        Shell.Script($"cp -r '{Path.GetDirectoryName(WinLoopProgram.Path)}' {_work["bin"]}; chmod 755 {_work.Folder}; chmod -R a+rX {_work["bin"]}; chown 65534 {image}");
        string program = Path.Combine(_work["bin"], Path.GetFileName(WinLoopProgram.Path));
        Assert.Equal(7, Shell.Run("bash", ["-c", $"{AsUser} {program} cp {_work["secret"]} {image}:/file"]).ExitCode);
        Assert.Equal("old\n", WinLoopProgram.Succeed("cat", image + ":/file"));
        Workspace.AssertClean(image);
    }

    [Fact]
    public void A_disk_that_is_full_below_the_image_is_an_error_of_the_copy()
    {
        Shell.RequireLoopMounts();
        string disk = _work.MakeDirectory("disk");
        Shell.Script($"mount -t tmpfs -o size=8m none {disk}; truncate -s 64M {disk}/x.ext4; mkfs.ext4 -q -F -E lazy_itable_init=1,nodiscard {disk}/x.ext4; head -c 20000000 /dev/urandom > {_work["large"]}");
        try
        {
            Shell.Result result = WinLoopProgram.Run("cp", _work["large"], disk + "/x.ext4:/");
            Assert.Equal(1, result.ExitCode);
            Assert.NotEmpty(result.Error);
        }
        finally
        {
            Shell.Script($"umount {disk}");
        }
    }

    [Theory]
    [InlineData("INT")]
    [InlineData("TERM")]
    [InlineData("HUP")]
    public void A_signal_ends_a_copy_from_a_pipe_that_says_nothing(string signal)
    {
        string image = _work.MakeImage();
        using Process copy = WinLoopProgram.Start("cp", "-", image + ":/file");
        Workspace.WaitUntil(() => Directory.GetFiles($"/proc/{copy.Id}/fd").Any(f => new FileInfo(f).LinkTarget == image), "the copy");
        Thread.Sleep(300);
        Shell.Script($"kill -{signal} {copy.Id}");
        Assert.True(copy.WaitForExit(20_000), "the copy goes on after the signal");
        Assert.Equal(130, copy.ExitCode);
        Workspace.AssertClean(image);
    }

    [Theory]
    [InlineData("../../p")]
    [InlineData("/tmp/pw")]
    [InlineData("x/../yy")]
    public void A_name_that_is_a_path_is_not_followed(string hostile)
    {
        // Without checksums the name can be written over in place.
        string image = _work.MakeImage(options: "-O ^metadata_csum,^dir_index"), target = _work.MakeDirectory("a/b/target");
        Shell.Script($"echo pwned > {_work["evil"]}; debugfs -w -R 'mkdir tree' {image} 2>/dev/null; debugfs -w -R 'write {_work["evil"]} tree/evilxxx' {image} 2>/dev/null");
        byte[] bytes = File.ReadAllBytes(image);
        int at = bytes.AsSpan().IndexOf("evilxxx"u8);
        System.Text.Encoding.ASCII.GetBytes(hostile).CopyTo(bytes, at);
        File.WriteAllBytes(image, bytes);
        string before = Shell.Script($"cd {_work.Folder}; find . | sort; ls /tmp/pw 2>/dev/null || true");
        Shell.Result result = WinLoopProgram.Run("cp", "-r", image + ":/tree", target);
        Assert.Equal(4, result.ExitCode);
        Assert.Equal(before, Shell.Script($"cd {_work.Folder}; find . | grep -v target/tree | sort; ls /tmp/pw 2>/dev/null || true"));
        Assert.Equal(4, WinLoopProgram.Run("ls", "-R", image + ":/").ExitCode);
    }

    [Fact]
    public void A_tree_that_is_too_deep_to_walk_is_refused_and_not_cut_off()
    {
        string image = _work.MakeImage(size: "64M"), target = _work.MakeDirectory("target");
        using (Ext4Volume volume = Ext4Volume.Mount(LoopDevice.Open(image), new Ext4MountOptions()))
        {
            Inode current = volume.GetInode(Ext4Volume.RootInode);
            for (int i = 0; i < 1100; i++)
            {
                Inode next = volume.CreateDirectory(current, "d"u8, 0x1ED, Caller.Root);
                volume.Release(current);
                current = next;
            }
            volume.Release(current);
        }
        WinLoopProgram.Fail(5, "nested more than 1024 deep", "ls", "-R", image + ":/");
        WinLoopProgram.Fail(5, "nested more than 1024 deep", "cp", "-r", image + ":/d", target);
        Assert.Equal("d\n", WinLoopProgram.Succeed("ls", image + ":/d/d/d"));
        Workspace.AssertClean(image);
        // rm and the like follow no path of that length.
        Shell.Script($"rm -rf {target}/d");
    }

    [Fact]
    public void Forty_links_are_followed_and_no_more()
    {
        string image = _work.MakeImage();
        string commands = string.Join("\n", Enumerable.Range(1, 41).Select(i => $"symlink l{i} {(i == 1 ? "file" : $"l{i - 1}")}").Append("symlink ring ring"));
        File.WriteAllText(_work["commands"], commands + "\n");
        File.WriteAllText(_work["content"], "x\n");
        Shell.Script($"debugfs -w -R 'write {_work["content"]} file' {image} 2>/dev/null; debugfs -w -f {_work["commands"]} {image} >/dev/null 2>&1");
        Assert.Equal("x\n", WinLoopProgram.Succeed("cat", image + ":/l40"));
        Assert.NotEqual(0, WinLoopProgram.Run("cat", image + ":/l41").ExitCode);
        Assert.NotEqual(0, WinLoopProgram.Run("cat", image + ":/ring").ExitCode);
    }

    [Fact]
    public void Dots_in_a_target_stay_in_the_image()
    {
        string image = _work.MakeImage();
        Shell.Script($"echo x | {WinLoopProgram.Path} cp - {image}:/../../file");
        Assert.Equal("file\nlost+found\n", WinLoopProgram.Succeed("ls", image));
        Assert.Equal("x\n", WinLoopProgram.Succeed("cat", image + ":/lost+found/../../../file"));
        Workspace.AssertClean(image);
    }
}
