using System.Diagnostics;

namespace WinLoop.Cli.Tests;

/// <summary>The log of a mount.</summary>
public sealed class LogTests : IDisposable
{
    private const string Line = @"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (error|warning|information|debug|trace) +\[\d+\] .+$";

    private readonly Workspace _work = new();

    public LogTests() => WinLoopProgram.RequireMounts();

    public void Dispose() => _work.Dispose();

    [Fact]
    public void A_mount_is_one_line_with_features_mode_and_reason()
    {
        string image = _work.MakeImage(options: "-L data"), log = _work["w.log"];
        _work.Mount(image, "--log", log);
        WinLoopProgram.Succeed("unmount", _work["d"]);
        Shell.Script($"tune2fs -O quota {image} >/dev/null");
        _work.Mount(image, "--log", log);
        WinLoopProgram.Succeed("unmount", _work["d"]);
        string[] lines = File.ReadAllLines(log);
        Assert.Equal(4, lines.Length);
        Assert.All(lines, l => Assert.Matches(Line, l));
        Assert.Matches($" mounted {image} on {_work["d"]} read-write; label 'data' uuid [0-9a-f-]{{36}} features has_journal .*extent.*metadata_csum.*; recovery: none$", lines[0]);
        Assert.EndsWith($" unmounted {image} from {_work["d"]}; clean", lines[1], StringComparison.Ordinal);
        Assert.Matches(" read-only because the volume uses quota, which WinLoop can only read; .*features .*quota", lines[2]);
    }

    [Fact]
    public void A_mount_that_fails_is_a_line_too()
    {
        File.WriteAllBytes(_work["noise"], new byte[1 << 20]);
        WinLoopProgram.Run("mount", _work["noise"], _work.MakeDirectory(), "--log", _work["w.log"]);
        Assert.Matches(" error .*cannot mount ", Assert.Single(File.ReadAllLines(_work["w.log"])));
    }

    [Fact]
    public void With_verbose_every_request_is_a_line_and_two_mounts_share_a_file()
    {
        string log = _work["w.log"], first = _work.MakeImage("a.ext4"), second = _work.MakeImage("b.ext4");
        string a = _work.MakeDirectory("a"), b = _work.MakeDirectory("b");
        WinLoopProgram.Succeed("mount", first, a, "--log", log, "--verbose");
        WinLoopProgram.Succeed("mount", second, b, "--log", log, "--verbose");
        Shell.Script($"for d in {a} {b}; do (for i in $(seq 60); do echo x > $d/f$i; done; sync -f $d) & done; wait");
        WinLoopProgram.Succeed("unmount", a);
        WinLoopProgram.Succeed("unmount", b);
        string[] lines = File.ReadAllLines(log);
        Assert.All(lines, l => Assert.Matches(Line, l));
        Assert.True(120 <= lines.Count(l => l.Contains(" host create node ", StringComparison.Ordinal)));
        Assert.Contains(lines, l => System.Text.RegularExpressions.Regex.IsMatch(l, @" trace .* device write offset \d+ length \d+ bytes \d+ us \d+ Ok$"));
        Assert.Equal(2, lines.Count(l => l.EndsWith("; clean", StringComparison.Ordinal)));
        Workspace.AssertClean(first);
        Workspace.AssertClean(second);
    }

    [Fact]
    public void In_the_foreground_verbose_shows_the_requests()
    {
        string image = _work.MakeImage(), directory = _work.MakeDirectory();
        string said = _work["said"];
        using Process mount = Process.Start("bash", ["-c", $"exec {WinLoopProgram.Path} mount -f -v {image} {directory} >/dev/null 2>{said}"]);
        Workspace.WaitUntil(() => File.Exists(said) && File.ReadAllText(said).Contains("Mounted", StringComparison.Ordinal), "the mount");
        File.WriteAllText(Path.Combine(directory, "file"), "x");
        WinLoopProgram.Succeed("unmount", directory);
        Assert.True(mount.WaitForExit(20_000));
        Assert.Contains("host create node 1 ", File.ReadAllText(said), StringComparison.Ordinal);
    }

    [Fact]
    public void A_log_grows_to_its_limit_and_is_put_away()
    {
        string image = _work.MakeImage(), directory = _work.MakeDirectory(), log = _work["w.log"];
        Shell.Script($"WINLOOP_LOG__MAXSIZE=16K WINLOOP_LOG__FILES=2 WINLOOP_LOG__LEVEL=trace {WinLoopProgram.Path} mount {image} {directory} --log {log}");
        Shell.Script($"for i in $(seq 200); do echo x > {directory}/f$i; sleep 0.002; done");
        WinLoopProgram.Succeed("unmount", directory);
        Assert.True(File.Exists(log + ".1") && !File.Exists(log + ".2"));
        // One batch may be larger than the limit.
        Assert.InRange(new FileInfo(log).Length, 1, 90_000);
    }

    [Fact]
    public void What_cannot_be_a_log_is_refused_before_anything_happens()
    {
        string image = _work.MakeImage(), directory = _work.MakeDirectory(), hash = Workspace.HashOf(image);
        WinLoopProgram.Fail(2, "the log file is the image", "mount", image, directory, "--log", image);
        Shell.Script($"ln {image} {_work["hard"]}");
        WinLoopProgram.Fail(2, "the log file is the image", "mount", image, directory, "--log", _work["hard"]);
        WinLoopProgram.Fail(2, "in the mount itself", "mount", image, directory, "--log", directory + "/w.log");
        WinLoopProgram.Fail(3, "cannot write the log", "mount", image, directory, "--log", _work["none/w.log"]);
        WinLoopProgram.Fail(2, "--log-level", "mount", image, directory, "--log-level", "loud");
        Assert.Equal(hash, Workspace.HashOf(image));
    }
}
