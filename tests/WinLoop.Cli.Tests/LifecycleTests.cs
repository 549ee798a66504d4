using System.Diagnostics;
using System.Globalization;
using System.Text.Json;

namespace WinLoop.Cli.Tests;

/// <summary>How mounts end: unmount, umount(8), signals, and a killed server.</summary>
public sealed class LifecycleTests : IDisposable
{
    private readonly Workspace _work = new();

    public LifecycleTests() => WinLoopProgram.RequireMounts();

    public void Dispose() => _work.Dispose();

    private Process StartForeground(string image, string directory)
    {
        Process server = WinLoopProgram.Start("mount", "-f", image, directory);
        Assert.Equal(directory, server.StandardOutput.ReadLine());
        Assert.True(Workspace.IsMounted(directory));
        return server;
    }

    private static void AssertEnded(Process server, int code = 0)
    {
        Assert.True(server.WaitForExit(20000), "the server did not end");
        string error = server.StandardError.ReadToEnd();
        Assert.True(server.ExitCode == code, $"exit {server.ExitCode}\n{error}");
    }

    // A process that has ended may be there as a zombie for a while.
    private static bool IsRunning(int pid)
    {
        try
        {
            return !File.ReadAllText(string.Create(CultureInfo.InvariantCulture, $"/proc/{pid}/stat")).Contains(") Z ", StringComparison.Ordinal);
        }
        catch (IOException)
        {
            return false;
        }
    }

    private static JsonElement? Listed(string directory)
    {
        foreach (JsonElement mount in WinLoopProgram.Json("list").GetProperty("mounts").EnumerateArray())
        {
            if (mount.GetProperty("directory").GetString() == directory)
            {
                return mount;
            }
        }
        return null;
    }

    [Fact]
    public void In_front_it_ends_with_umount()
    {
        string image = _work.MakeImage();
        using Process server = StartForeground(image, _work.MakeDirectory());
        File.WriteAllText(_work["d/file"], "content");
        Shell.Script($"umount {_work["d"]}");
        AssertEnded(server);
        Workspace.AssertClean(image);
        Assert.Null(Listed(_work["d"]));
    }

    [Theory]
    [InlineData("INT")]
    [InlineData("TERM")]
    [InlineData("HUP")]
    public void In_front_it_unmounts_on_a_signal(string signal)
    {
        string image = _work.MakeImage();
        using Process server = StartForeground(image, _work.MakeDirectory());
        File.WriteAllText(_work["d/file"], "content");
        Shell.Script($"kill -{signal} {server.Id}");
        AssertEnded(server);
        Assert.False(Workspace.IsMounted(_work["d"]));
        Workspace.AssertClean(image);
    }

    [Fact]
    public void A_busy_mount_stays_at_the_first_CtrlC_and_is_cut_off_at_the_second()
    {
        string image = _work.MakeImage();
        string directory = _work.MakeDirectory();
        using Process server = StartForeground(image, directory);
        using (FileStream open = File.Create(Path.Combine(directory, "file")))
        {
            open.Write("all of this is kept"u8);
            open.Flush();
            Shell.Script($"kill -INT {server.Id}");
            Assert.Contains($"pid {Environment.ProcessId}", server.StandardError.ReadLine() + server.StandardError.ReadLine(), StringComparison.Ordinal);
            Assert.True(Workspace.IsMounted(directory));
            Assert.False(server.HasExited);
            Shell.Script($"kill -INT {server.Id}");
            AssertEnded(server);
        }
        Assert.False(Workspace.IsMounted(directory));
        Workspace.AssertClean(image);
        _work.Mount(image);
        Assert.Equal("all of this is kept", File.ReadAllText(Path.Combine(directory, "file")));
    }

    [Fact]
    public void SIGTERM_ends_a_busy_mount_with_a_clean_image()
    {
        string image = _work.MakeImage();
        string directory = _work.MakeDirectory();
        using Process server = StartForeground(image, directory);
        using Process user = Process.Start(new ProcessStartInfo("sleep", "60") { WorkingDirectory = directory })!;
        try
        {
            File.WriteAllText(Path.Combine(directory, "file"), "kept");
            Shell.Script($"kill -TERM {server.Id}");
            AssertEnded(server);
            Assert.False(Workspace.IsMounted(directory));
            Workspace.AssertClean(image);
        }
        finally
        {
            user.Kill();
            user.WaitForExit();
        }
    }

    [Fact]
    public void Unmount_names_who_keeps_the_mount_busy()
    {
        string image = _work.MakeImage();
        string directory = _work.Mount(image);
        using Process user = Process.Start(new ProcessStartInfo("sleep", "60") { WorkingDirectory = directory })!;
        try
        {
            WinLoopProgram.Fail(6, $"sleep (pid {user.Id}, working directory)", "unmount", directory);
            Assert.True(Directory.Exists(Path.Combine(directory, "lost+found")));
        }
        finally
        {
            user.Kill();
            user.WaitForExit();
        }
        WinLoopProgram.Succeed("unmount", image);
        Workspace.AssertClean(image);
    }

    [Fact]
    public void Unmount_returns_when_the_image_is_closed()
    {
        string image = _work.MakeImage(size: "128M");
        for (int i = 0; i < 3; i++)
        {
            string directory = _work.Mount(image);
            int pid = Listed(directory)!.Value.GetProperty("pid").GetInt32();
            Shell.Script($"head -c 30M /dev/urandom > {directory}/big{i}; for n in $(seq 200); do echo $n > {directory}/f{i}-$n; done");
            WinLoopProgram.Succeed("unmount", directory);
            Assert.False(IsRunning(pid));
            Workspace.AssertClean(image);
        }
    }

    [Fact]
    public void What_is_not_mounted_is_not_found()
    {
        WinLoopProgram.Fail(3, "not mounted", "unmount", _work.MakeDirectory());
        WinLoopProgram.Fail(3, "not mounted", "unmount", _work.MakeImage());
        WinLoopProgram.Fail(3, "not mounted", "unmount", _work["missing"]);
        WinLoopProgram.Fail(3, "not mounted", "stat", _work["d"]);
    }

    [Fact]
    public void A_killed_server_is_found_dead_and_the_next_mount_recovers()
    {
        string image = _work.MakeImage();
        string directory = _work.Mount(image);
        int pid = Listed(directory)!.Value.GetProperty("pid").GetInt32();
        Shell.Script($"echo one > {directory}/one; sync {directory}/one; kill -9 {pid}");
        Workspace.WaitUntil(() => Listed(directory)!.Value.GetProperty("state").GetString() == "dead", "the state 'dead'");
        WinLoopProgram.Fail(1, "died", "stat", directory);
        WinLoopProgram.Fail(6, "died", "mount", image, directory);
        Shell.Result result = WinLoopProgram.Run("unmount", directory);
        Assert.Equal(1, result.ExitCode);
        Assert.Contains("died", result.Error, StringComparison.Ordinal);
        Assert.False(Workspace.IsMounted(directory));
        Assert.Null(Listed(directory));
        _work.Mount(image);
        Assert.Equal("one\n", File.ReadAllText(Path.Combine(directory, "one")));
        WinLoopProgram.Succeed("unmount", directory);
        Workspace.AssertClean(image);
    }

    [Fact]
    public void List_shows_the_mount()
    {
        string image = _work.MakeImage(options: "-L shown");
        string directory = _work.Mount(image, "-r");
        JsonElement mount = Listed(directory)!.Value;
        Assert.Equal(image, mount.GetProperty("image").GetString());
        Assert.Equal("shown", mount.GetProperty("label").GetString());
        Assert.Equal("mounted", mount.GetProperty("state").GetString());
        Assert.True(mount.GetProperty("readOnly").GetBoolean());
        Assert.Equal(32 << 20, mount.GetProperty("size").GetInt64());
        Assert.InRange(mount.GetProperty("free").GetInt64(), 1, 32 << 20);
        Assert.InRange(mount.GetProperty("since").GetDateTimeOffset(), DateTimeOffset.UtcNow.AddMinutes(-5), DateTimeOffset.UtcNow.AddMinutes(1));
        string text = WinLoopProgram.Succeed("list");
        Assert.StartsWith("DIRECTORY", text, StringComparison.Ordinal);
        Assert.Contains(text.Split('\n'), line => line.Contains(directory, StringComparison.Ordinal) && line.Contains(" ro ", StringComparison.Ordinal));
        Assert.DoesNotContain("DIRECTORY", WinLoopProgram.Succeed("list", "-n"), StringComparison.Ordinal);
    }

    [Fact]
    public void Stat_shows_what_was_done()
    {
        string directory = _work.Mount(_work.MakeImage());
        Shell.Script($"for n in $(seq 50); do echo $n > {directory}/f$n; done; cat {directory}/f* > /dev/null; ls -l {directory} > /dev/null");
        JsonElement answer = WinLoopProgram.Json("stat", directory);
        Assert.Equal(directory, answer.GetProperty("directory").GetString());
        Assert.True(answer.GetProperty("peakMemory").GetInt64() > 1 << 20);
        JsonElement queue = answer.GetProperty("queues").EnumerateArray().First(q => q.GetProperty("name").GetString() == "host");
        Assert.True(queue.GetProperty("depth").GetInt32() > 0);
        JsonElement create = queue.GetProperty("operations").EnumerateArray().Single(o => o.GetProperty("name").GetString() == "create");
        Assert.Equal(50, create.GetProperty("count").GetInt64());
        Assert.Equal(0, create.GetProperty("errors").GetInt64());
        Assert.InRange(create.GetProperty("p50").GetDouble(), 0.1, 1e7);
        Assert.True(create.GetProperty("p50").GetDouble() <= create.GetProperty("p99").GetDouble());
        Assert.True(create.GetProperty("p99").GetDouble() <= create.GetProperty("max").GetDouble());
        Assert.Contains("create", WinLoopProgram.Succeed("stat", directory), StringComparison.Ordinal);
    }
}
