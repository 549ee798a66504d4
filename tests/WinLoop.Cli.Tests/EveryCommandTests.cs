using System.Text.Json;
using WinLoop.Cli.Commands;

namespace WinLoop.Cli.Tests;

/// <summary>Every command against the same troubles: each ends with the documented code, one line that says why, and JSON that parses.</summary>
public sealed class EveryCommandTests : IDisposable
{
    private readonly Workspace _work = new();

    public EveryCommandTests() => Shell.Require("mkfs.ext4");

    public void Dispose() => _work.Dispose();

    /// <summary>Words in braces are files of the workspace; a line is separated by blanks.</summary>
    public static TheoryData<int, string> Lines => new()
    {
        // The command line is wrong.
        { 2, "mount" }, { 2, "mount a b c" }, { 2, "mount {image} {file}" }, { 2, "mount {d}" }, { 2, "mount {image} -o nonsense" }, { 2, "mount {image} --offset x" },
        { 2, "mount {image} --log-level loud" }, { 2, "unmount" }, { 2, "unmount a --all" }, { 2, "unmount a b" }, { 2, "list x" }, { 2, "list --nonsense" },
        { 2, "info" }, { 2, "info a b" }, { 2, "info {d}" }, { 2, "create" }, { 2, "create {new} nonsense" }, { 2, "create {new} 10M --block-size 3" },
        { 2, "check" }, { 2, "check a b" }, { 2, "check {d}" }, { 2, "ls" }, { 2, "ls a b" }, { 2, "ls {image} -p x" }, { 2, "ls {d}:/" }, { 2, "cat" }, { 2, "cat {image}" },
        { 2, "cat {image}:/" }, { 2, "cp" }, { 2, "cp {file}" }, { 2, "cp {file} {new}" }, { 2, "cp {d} {image}:/" }, { 2, "cp {image}:/ {d}" }, { 2, "cp - {image}:/" },
        { 2, "cp --owner x {file} {image}:/" }, { 2, "stat" }, { 2, "stat a b" }, { 2, "doctor x" }, { 2, "completion" }, { 2, "completion fish" }, { 2, "complete" },
        { 2, "service nonsense" }, { 2, "service run x" }, { 2, "unmount a --no-service" }, { 2, "mount {image} --service --log {new}" }, { 2, "mount {image} -f --keep" },
        // What is named is not there.
        { 3, "mount {missing}" }, { 3, "mount {image} {missing}" }, { 3, "mount {image} -p 1" }, { 3, "unmount {missing}" }, { 3, "unmount {image}" }, { 3, "info {missing}" },
        { 3, "create {missing}/x 10M" }, { 3, "check {missing}" }, { 3, "ls {missing}:/" }, { 3, "ls {image}:/none" }, { 3, "cat {missing}:/f" }, { 3, "cat {image}:/none" },
        { 3, "cp {missing} {image}:/" }, { 3, "cp {missing}:/f {d}" }, { 3, "cp {file} {missing}:/" }, { 3, "cp {image}:/none {d}" }, { 3, "cp {file} {image}:/no/such" },
        { 3, "stat {missing}" }, { 3, "stat {image}" },
        { 2, "overlay" }, { 2, "overlay nonsense" }, { 2, "overlay commit {file}" }, { 2, "overlay info {d}" }, { 2, "scan x" }, { 2, "mount {image} --overlay" },
        { 3, "overlay info {missing}" }, { 3, "overlay discard {missing}" }, { 3, "overlay commit {missing} {image}" },
        { 2, "resize" }, { 2, "resize {image} nonsense" }, { 2, "resize {image} 0" }, { 2, "resize a b c" }, { 2, "trim" }, { 2, "trim a b" }, { 2, "trim {image} -p x" },
        { 3, "resize {missing} 1G" }, { 3, "trim {missing}" }, { 4, "resize {damaged} 1G" }, { 4, "trim {damaged}" }, { 5, "resize {noise} 1G" }, { 5, "trim {noise}" },
        { 5, "resize {encrypted} 1G" },
        { 2, "convert" }, { 2, "convert {image}" }, { 2, "convert {image} {new}" }, { 2, "convert {image} {new} -O nonsense" }, { 2, "convert {image} {d} -O vhd -F" },
        { 3, "convert {missing} {new} -O vhd" }, { 3, "convert {image} {missing}/x -O vhd" },
        // Nobody serves.
        { 8, "service stop" }, { 8, "service resume" }, { 8, "mount {image} --service" }, { 8, "mount {image} --keep" },
        { 5, "service install" }, { 5, "service uninstall" }, { 5, "service uninstall --purge" }, { 5, "service start" },
        // No file system that we read.
        { 5, "mount {noise} {d}" }, { 5, "check {noise}" }, { 5, "ls {noise}:/" }, { 5, "cat {noise}:/f" }, { 5, "cp {noise}:/f {d}" }, { 5, "cp {file} {noise}:/" }, { 5, "info {noise}" },
        { 5, "mount {encrypted} {d}" }, { 5, "ls {encrypted}:/" }, { 5, "cp {file} {encrypted}:/" },
        // The superblock is a lie.
        { 4, "mount {damaged} {d}" }, { 4, "ls {damaged}:/" }, { 4, "cp {file} {damaged}:/" }, { 4, "info {damaged}" },
    };

    [Theory]
    [MemberData(nameof(Lines))]
    public void Ends_with_the_documented_code(int code, string line)
    {
        MakeFiles();
        WinLoopProgram.Fail(code, "", Words(line));
        Assert.False(File.Exists(_work["new"]));
    }

    [Theory]
    [InlineData("mount {image} {e}")]
    [InlineData("check {image}")]
    [InlineData("check --repair {image}")]
    [InlineData("ls {image}:/")]
    [InlineData("cat {image}:/f")]
    [InlineData("cp {image}:/f {e}")]
    [InlineData("cp {file} {image}:/")]
    [InlineData("create --force {image} 10M")]
    public void A_mounted_image_is_busy_and_its_mount_is_named(string line)
    {
        WinLoopProgram.RequireMounts();
        MakeFiles();
        _work.MakeDirectory("e");
        string directory = _work.Mount(_work["image"]);
        WinLoopProgram.Fail(6, directory, Words(line));
        WinLoopProgram.Succeed("unmount", directory);
        Workspace.AssertClean(_work["image"]);
    }

    [Theory]
    [InlineData("mount {image}")]
    [InlineData("info {image}")]
    [InlineData("check {image}")]
    [InlineData("ls {image}:/")]
    [InlineData("cat {image}:/f")]
    [InlineData("cp {image}:/f {d}")]
    [InlineData("cp {file} {image}:/")]
    [InlineData("resize {image} 100M")]
    [InlineData("convert {image} {d}/x.vhd")]
    [InlineData("trim {image}")]
    [InlineData("create {locked}/x 10M")]
    [InlineData("create --force {image} 10M")]
    public void What_a_user_may_not_touch_is_denied(string line)
    {
        WinLoopProgram.RequireMounts();
        Shell.Require("setpriv");
        MakeFiles();
        Shell.Script($"cp -r '{Path.GetDirectoryName(WinLoopProgram.Path)}' {_work["bin"]}; chmod 755 {_work.Folder}; chmod -R a+rX {_work["bin"]}; chmod 600 {_work["image"]}; mkdir -m 700 {_work["locked"]} {_work["run"]}; chown 65534 {_work["run"]}");
        string hash = Workspace.HashOf(_work["image"]);
        string[] user = ["--reuid=65534", "--regid=65534", "--clear-groups", "env", $"XDG_RUNTIME_DIR={_work["run"]}", Path.Combine(_work["bin"], Path.GetFileName(WinLoopProgram.Path))];
        Shell.Result result = Shell.Run("setpriv", [.. user, .. Words(line)]);
        Assert.True(result.ExitCode == 7, $"{result.ExitCode}: {result.All}");
        JsonElement error = JsonDocument.Parse(Shell.Run("setpriv", [.. user, .. Words(line), "--json"]).Output).RootElement.GetProperty("error");
        Assert.Equal("denied", error.GetProperty("code").GetString());
        Assert.Equal(hash, Workspace.HashOf(_work["image"]));
    }

    // An answer, not a failure; the exit code is for scripts.
    [Theory]
    [InlineData("service")]
    [InlineData("service status")]
    public void A_service_that_does_not_run_is_said(string line)
    {
        Assert.Equal((8, "stopped\n"), (WinLoopProgram.Run(Words(line)).ExitCode, WinLoopProgram.Run(Words(line)).Output));
        using JsonDocument answer = JsonDocument.Parse(WinLoopProgram.Run(Words(line + " --json")).Output);
        Assert.Equal("stopped", answer.RootElement.GetProperty("state").GetString());
    }

    [Fact]
    public void Every_command_is_tested_here_and_described_in_the_manual()
    {
        string? root = AppContext.BaseDirectory;
        while (root is not null && !File.Exists(Path.Combine(root, "WinLoop.sln")))
        {
            root = Path.GetDirectoryName(root);
        }
        Assert.SkipWhen(root is null, "needs the repository");
        string manual = Path.Combine(root, "docs", "manual"), scripting = File.ReadAllText(Path.Combine(manual, "scripting.md"));
        var missing = new List<string>();
        foreach (System.CommandLine.Command command in CommandTree.Build(CommandTree.Everything).Subcommands)
        {
            Assert.Contains(Lines, row => row.Data.Item2.Split(' ')[0] == command.Name);
            if (!command.Hidden)
            {
                string page = command.Name is "ls" or "cat" or "cp" ? "files.md" : command.Name + ".md";
                string text = File.ReadAllText(Path.Combine(manual, page));
                Assert.Contains($"`{command.Name}`", scripting, StringComparison.Ordinal);
                // Each option of its own is described where its command is.
                foreach (System.CommandLine.Option option in command.Options.Where(o => !o.Hidden))
                {
                    if (!text.Contains(option.Name, StringComparison.Ordinal))
                    {
                        missing.Add($"{page} says nothing of {option.Name}");
                    }
                }
            }
        }
        Assert.Empty(missing);
    }

    private void MakeFiles()
    {
        _work.MakeImage("image");
        _work.MakeDirectory();
        File.WriteAllText(_work["file"], "x");
        File.WriteAllBytes(_work["noise"], new byte[1 << 20]);
        _work.MakeImage("encrypted", options: "-O encrypt");
        byte[] bytes = File.ReadAllBytes(_work["image"]);
        // s_blocks_per_group is no number that can be; the checksum is right no more either.
        bytes.AsSpan(1024 + 32, 4).Fill(0xFF);
        File.WriteAllBytes(_work["damaged"], bytes);
    }

    private string[] Words(string line) =>
        [.. line.Split(' ').Select(w => System.Text.RegularExpressions.Regex.Replace(w, @"\{(\w+)\}", m => _work[m.Groups[1].Value]))];
}
