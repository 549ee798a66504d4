namespace WinLoop.Cli.Tests;

/// <summary>Settings as a user has them: a file, variables, and the command line over both.</summary>
public sealed class SettingsTests : IDisposable
{
    private readonly Workspace _work = new();

    public SettingsTests()
    {
        WinLoopProgram.RequireMounts();
        Directory.CreateDirectory(_work["config/winloop"]);
    }

    public void Dispose() => _work.Dispose();

    private string File_ => _work["config/winloop/winloop.json"];

    private Shell.Result Run(string environment, params string[] arguments) =>
        Shell.Run("env", [$"XDG_CONFIG_HOME={_work["config"]}", .. environment.Split(' ', StringSplitOptions.RemoveEmptyEntries), WinLoopProgram.Path, .. arguments]);

    private string ModeOf(string environment, params string[] options)
    {
        string image = _work["x.ext4"], directory = _work.MakeDirectory();
        if (!File.Exists(image))
        {
            _work.MakeImage();
        }
        Shell.Result result = Run(environment, ["mount", image, directory, .. options]);
        Assert.True(result.ExitCode == 0, result.All);
        string mode = File.ReadLines("/proc/self/mounts").Single(l => l.Split(' ')[1] == directory).Split(' ')[3];
        WinLoopProgram.Succeed("unmount", directory);
        return mode;
    }

    [Fact]
    public void The_command_line_overrides_the_environment_and_that_the_file()
    {
        Assert.StartsWith("rw,", ModeOf(""), StringComparison.Ordinal);
        File.WriteAllText(File_, """{ "mount": { "readOnly": true, "options": "noexec" } }""");
        Assert.Matches("^ro,.*noexec", ModeOf(""));
        Assert.Matches("^rw,.*noexec", ModeOf("WINLOOP_MOUNT__READONLY=false"));
        Assert.Matches("^rw,.*noexec", ModeOf("", "-o", "rw"));
        Assert.DoesNotContain("noexec", ModeOf("WINLOOP_MOUNT__READONLY=true", "-o", "rw,exec"), StringComparison.Ordinal);
    }

    [Fact]
    public void A_wrong_setting_ends_with_2_and_says_where_it_is()
    {
        string image = _work.MakeImage(), directory = _work.MakeDirectory();
        File.WriteAllText(File_, """{ "mount": { "acl": "nobody" } }""");
        Shell.Result result = Run("", "mount", image, directory);
        Assert.Equal(2, result.ExitCode);
        Assert.Equal($"winloop: wrong setting in {File_}: mount:acl is 'nobody': 'nobody' is not a value of --acl\n  It takes owner, posix or everyone.\n", result.Error);
        Assert.False(Workspace.IsMounted(directory));
        File.Delete(File_);
        result = Run("WINLOOP_LOG__LEVEL=loud", "mount", image, directory);
        Assert.Equal(2, result.ExitCode);
        Assert.StartsWith("winloop: wrong setting in the environment: WINLOOP_LOG__LEVEL is 'loud'\n", result.Error, StringComparison.Ordinal);
        result = Run("WINLOOP_MOUNT__NONSENSE=1", "mount", image, directory, "--json");
        Assert.Equal(2, result.ExitCode);
        Assert.Contains("WINLOOP_MOUNT__NONSENSE is no setting", result.Output, StringComparison.Ordinal);
        // Variables that are nobody's setting, and commands that have none, do not care.
        Assert.Equal(0, Run("WINLOOP_SEED=1", "list").ExitCode);
        File.WriteAllText(File_, "{");
        Assert.Equal(0, Run("", "list").ExitCode);
        result = Run("", "doctor");
        Assert.Equal(8, result.ExitCode);
        Assert.Contains("BROKEN   settings: cannot read the settings in " + File_, result.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void Another_users_file_does_not_count_for_root()
    {
        File.WriteAllText(File_, """{ "mount": { "readOnly": true } }""");
        Shell.Script($"chown 65534 {File_}");
        Assert.StartsWith("rw,", ModeOf(""), StringComparison.Ordinal);
        Assert.Contains("belongs to somebody else", Run("", "doctor").Output, StringComparison.Ordinal);
    }

    [Fact]
    public void Open_asks_the_desktop_if_there_is_one()
    {
        string image = _work.MakeImage(), directory = _work.MakeDirectory(), bin = _work.MakeDirectory("bin");
        Shell.Result none = Shell.Run("env", ["-u", "DISPLAY", "-u", "WAYLAND_DISPLAY", WinLoopProgram.Path, "mount", "--open", image, directory]);
        Assert.Equal((0, directory + "\n"), (none.ExitCode, none.Output));
        Assert.Contains("No window was opened: there is no desktop here.", none.Error, StringComparison.Ordinal);
        WinLoopProgram.Succeed("unmount", directory);
        Shell.Script($"printf '#!/bin/sh\\necho noise; echo \"$1\" > {_work["opened"]}.new; mv {_work["opened"]}.new {_work["opened"]}\\n' > {bin}/xdg-open; chmod +x {bin}/xdg-open");
        Shell.Result opened = Run($"DISPLAY=:0 PATH={bin}:/usr/bin:/bin WINLOOP_MOUNT__OPEN=true", "mount", image, directory);
        Assert.Equal((0, directory + "\n"), (opened.ExitCode, opened.Output));
        Workspace.WaitUntil(() => File.Exists(_work["opened"]), "the window");
        Assert.Equal(directory + "\n", File.ReadAllText(_work["opened"]));
        WinLoopProgram.Succeed("unmount", directory);
    }
}
