using System.Diagnostics;
using WinLoop.TestKit;

namespace WinLoop.KernelTests.Programs;

/// <summary>An image mounted by the built program in a process of its own, for as long as the object lives.</summary>
internal sealed class WinLoopMount : IDisposable
{
    private static readonly string Program = System.IO.Path.Combine(AppContext.BaseDirectory, "winloop.dll");

    private readonly TestImage _image;
    private readonly Process _process;
    private readonly string _logPath;
    private bool _isOver;

    private WinLoopMount(TestImage image, string options)
    {
        _image = image;
        Path = Directory.CreateTempSubdirectory("winloop-mounted-").FullName;
        _logPath = Path + ".log";
        // A shell in between writes the log; exec makes the process the serving one, so that it can be killed.
        var start = new ProcessStartInfo("bash") { UseShellExecute = false, RedirectStandardInput = true };
        foreach (string argument in (string[])["-c", "log=$1; shift; exec \"$@\" >\"$log\" 2>&1", "bash", _logPath,
            "dotnet", Program, "mount", image.Path, Path, "--foreground", .. options.Length > 0 ? ["-o", options] : Array.Empty<string>()])
        {
            start.ArgumentList.Add(argument);
        }
        _process = Process.Start(start)!;
        _process.StandardInput.Close();
        var watch = Stopwatch.StartNew();
        while (!IsMounted)
        {
            if (_process.HasExited || watch.Elapsed.TotalSeconds > 60)
            {
                _process.Kill();
                Assert.Fail($"winloop mount of {image.Path} failed:\n{File.ReadAllText(_logPath)}");
            }
            Thread.Sleep(10);
        }
    }

    /// <summary>The mount point.</summary>
    public string Path { get; }

    /// <summary>The serving process.</summary>
    public int ProcessId => _process.Id;

    /// <summary>What <c>winloop stat --json</c> says.</summary>
    public System.Text.Json.JsonDocument Statistics()
    {
        Shell.Result result = Shell.Run("dotnet", [Program, "stat", "--json", Path]);
        Assert.True(result.ExitCode == 0, result.All);
        return System.Text.Json.JsonDocument.Parse(result.Output);
    }

    /// <summary>The folder of the scripts.</summary>
    public static string Scripts { get; } = System.IO.Path.Combine(AppContext.BaseDirectory, "Programs", "Scripts");

    private bool IsMounted => File.ReadLines("/proc/self/mounts").Any(line => line.Split(' ')[1] == Path);

    /// <summary>Mounts an image; skips the test where that is not possible.</summary>
    /// <param name="image">The image.</param>
    /// <param name="options">mount(8)'s comma list.</param>
    public static WinLoopMount Open(TestImage image, string options = "")
    {
        Shell.RequireLoopMounts();
        Assert.SkipUnless(File.Exists("/dev/fuse"), "needs /dev/fuse");
        Shell.Require("python3", "dotnet");
        return new WinLoopMount(image, options);
    }

    /// <summary>Unmounts; the serving process has to end well and the image has to be clean.</summary>
    public void Unmount()
    {
        Shell.Script($"umount {Path}");
        Assert.True(_process.WaitForExit(60_000), "the serving process did not end after umount");
        Assert.True(_process.ExitCode == 0, $"exit {_process.ExitCode}:\n{File.ReadAllText(_logPath)}");
        _isOver = true;
        _image.AssertClean();
    }

    /// <summary>The serving process has to end by itself and to fail; returns what it said.</summary>
    public string WaitForFailure()
    {
        Assert.True(_process.WaitForExit(60_000), "the serving process did not end");
        _isOver = true;
        Assert.NotEqual(0, _process.ExitCode);
        return File.ReadAllText(_logPath);
    }

    /// <summary>Kills the serving process in the midst of its work.</summary>
    public void Kill()
    {
        _process.Kill();
        _process.WaitForExit();
    }

    /// <summary>The lines of manifest.py for a tree.</summary>
    /// <param name="path">Its top.</param>
    /// <param name="isImage">Also what only mounts of one image share.</param>
    public static string Manifest(string path, bool isImage = false) =>
        Shell.Script($"python3 {Scripts}/manifest.py {(isImage ? "--image" : "")} {path}", 900);

    /// <summary>Unmounts, and demands that the kernel sees the same on the image in every detail.</summary>
    public void UnmountAndCompareWithKernel()
    {
        string ours = Manifest(Path, isImage: true);
        Unmount();
        using KernelMount kernel = KernelMount.Open(_image);
        AssertEqual(ours, Manifest(kernel.Path, isImage: true), "the kernel sees another tree");
    }

    /// <summary>Compares texts by lines and shows the first that differ.</summary>
    public static void AssertEqual(string expected, string actual, string what)
    {
        if (expected == actual)
        {
            return;
        }
        string[] left = expected.Split('\n'), right = actual.Split('\n');
        var inLeft = left.ToHashSet();
        var inRight = right.ToHashSet();
        Assert.Fail($"{what}:\n" + string.Join('\n', left.Where(l => !inRight.Contains(l)).Take(20).Select(l => "- " + l)
            .Concat(right.Where(l => !inLeft.Contains(l)).Take(20).Select(l => "+ " + l))));
    }

    public void Dispose()
    {
        if (!_isOver)
        {
            // A failed or killed one: nothing may stay mounted or run on.
            Shell.Run("umount", ["-l", Path]);
            if (!_process.WaitForExit(10_000))
            {
                _process.Kill();
                _process.WaitForExit();
            }
        }
        _process.Dispose();
        File.Delete(_logPath);
        try
        {
            Directory.Delete(Path);
        }
        catch (IOException)
        {
            // Still mounted somewhere below; it must not be emptied.
        }
    }
}
