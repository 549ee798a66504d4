using System.Text.Json;

namespace WinLoop.Cli.Tests;

/// <summary><c>winloop check</c> on images made and damaged by e2fsprogs, which judge it.</summary>
public sealed class CheckTests : IDisposable
{
    private readonly Workspace _work = new();

    public CheckTests() => Shell.Require("mkfs.ext4", "e2fsck", "debugfs");

    public void Dispose() => _work.Dispose();

    // A file and a directory, made by debugfs; debugfs -w leaves checksums right.
    private string MakeFilled()
    {
        string image = _work.MakeImage();
        File.WriteAllText(_work["content"], new string('x', 100_000));
        DebugFs(image, "mkdir dir", $"write {_work["content"]} dir/file", $"write {_work["content"]} other");
        Workspace.AssertClean(image);
        return image;
    }

    private static void DebugFs(string image, params string[] commands)
    {
        foreach (string command in commands)
        {
            Shell.Result result = Shell.Run("debugfs", ["-w", "-R", command, image]);
            Assert.True(result.ExitCode == 0, result.All);
        }
    }

    [Fact]
    public void A_clean_image_is_clean_and_stays_as_it_is()
    {
        string image = MakeFilled(), hash = Workspace.HashOf(image);
        JsonElement answer = WinLoopProgram.Json("check", image);
        Assert.True(answer.GetProperty("clean").GetBoolean());
        Assert.Equal(0, answer.GetProperty("errors").GetInt32());
        Assert.Equal(0, answer.GetProperty("findings").GetArrayLength());
        Assert.Equal(JsonValueKind.Null, answer.GetProperty("repair").ValueKind);
        Assert.Contains("clean", WinLoopProgram.Succeed("check", image), StringComparison.Ordinal);
        Assert.Equal(hash, Workspace.HashOf(image));
    }

    [Fact]
    public void A_wrong_link_count_is_found_and_repaired()
    {
        string image = MakeFilled();
        DebugFs(image, "sif dir/file links_count 7");
        string hash = Workspace.HashOf(image);
        Shell.Result found = WinLoopProgram.Run("check", "--json", image);
        Assert.Equal(4, found.ExitCode);
        JsonElement answer = JsonDocument.Parse(found.Output).RootElement;
        Assert.False(answer.GetProperty("clean").GetBoolean());
        Assert.Equal("LinkCount", answer.GetProperty("findings")[0].GetProperty("class").GetString());
        Assert.Equal(4, answer.GetProperty("findings")[0].GetProperty("pass").GetInt32());
        Assert.Equal(hash, Workspace.HashOf(image));
        JsonElement repaired = WinLoopProgram.Json("check", "--repair", image);
        Assert.True(repaired.GetProperty("clean").GetBoolean());
        Assert.True(repaired.GetProperty("repair").GetProperty("done").GetBoolean());
        Workspace.AssertClean(image);
    }

    [Fact]
    public void What_lost_its_name_is_moved_only_with_yes()
    {
        string image = MakeFilled();
        DebugFs(image, "unlink dir/file");
        string hash = Workspace.HashOf(image);
        Assert.Equal(4, WinLoopProgram.Run("check", image).ExitCode);
        Assert.Equal(4, WinLoopProgram.Run("check", "--repair", image).ExitCode);
        Assert.Equal(hash, Workspace.HashOf(image));
        WinLoopProgram.Succeed("check", "--repair", "--yes", image);
        Workspace.AssertClean(image);
        string[] lost = Shell.Run("debugfs", ["-R", "ls -p lost+found", image]).Output.Split('\n').Where(l => l.Contains("/#", StringComparison.Ordinal)).ToArray();
        string name = Assert.Single(lost).Split('/').Single(p => p.StartsWith('#'));
        Assert.Equal(100_000, Shell.Run("debugfs", ["-R", $"cat lost+found/{name}", image]).Output.Length);
    }

    [Fact]
    public void A_volume_inside_an_image_is_checked_at_its_offset()
    {
        string image = MakeFilled(), disk = _work["disk"];
        Shell.Script($"truncate -s 40M {disk}; dd if={image} of={disk} bs=1M seek=3 conv=notrunc status=none");
        JsonElement answer = WinLoopProgram.Json("check", disk, "--offset", "3M", "--sizelimit", "32M", "--threads", "2");
        Assert.Equal(3 << 20, answer.GetProperty("offset").GetInt64());
        Assert.True(answer.GetProperty("clean").GetBoolean());
    }

    [Fact]
    public void Wrong_use_says_so()
    {
        string image = MakeFilled(), hash = Workspace.HashOf(image);
        WinLoopProgram.Fail(2, "--yes is for --repair", "check", image, "--yes");
        WinLoopProgram.Fail(3, "no such file", "check", _work["missing"]);
        WinLoopProgram.Fail(2, "directory", "check", _work.MakeDirectory());
        WinLoopProgram.Fail(2, "IMAGE", "check");
        File.WriteAllBytes(_work["noise"], new byte[1 << 20]);
        WinLoopProgram.Fail(5, "ext", "check", _work["noise"]);
        WinLoopProgram.Fail(2, "threads", "check", image, "--threads", "-1");
        Assert.Equal(hash, Workspace.HashOf(image));
    }

    [Fact]
    public void A_mounted_image_is_refused()
    {
        WinLoopProgram.RequireMounts();
        string image = MakeFilled();
        _work.Mount(image);
        WinLoopProgram.Fail(6, "mounted", "check", image);
        WinLoopProgram.Fail(6, "mounted", "check", "--repair", image);
        WinLoopProgram.Succeed("unmount", _work["d"]);
        Workspace.AssertClean(image);
    }
}
