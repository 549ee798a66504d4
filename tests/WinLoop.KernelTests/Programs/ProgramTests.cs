using System.Diagnostics;
using WinLoop.TestKit;

namespace WinLoop.KernelTests.Programs;

/// <summary>
/// What people run in a file system, run in a mounted image; then e2fsck finds nothing and the kernel sees the
/// same tree. The work itself is in Scripts/NAME.sh.
/// </summary>
public sealed class ProgramTests(ITestOutputHelper output)
{
    /// <summary>The script, the programs it needs, and the image's size in MiB and options.</summary>
    public static TheoryData<string, string, int, string> Programs => new()
    {
        { "git", "git", 256, "-b 4096" },
        { "sqlite", "sqlite3", 128, "-b 1024" },
        { "fio", "fio", 256, "-b 4096" },
        { "mmap", "cmp", 128, "-b 1024" },
        { "build", "dotnet", 256, "-b 4096" },
    };

    [Theory]
    [MemberData(nameof(Programs))]
    public void Works_in_a_mounted_image(string name, string programs, int megabytes, string options)
    {
        Shell.Require(programs.Split(' '));
        using TestImage image = TestImage.Make(megabytes, options);
        using WinLoopMount mount = WinLoopMount.Open(image);
        Run(name, mount, "");
        mount.UnmountAndCompareWithKernel();
    }

    [Fact]
    public void Copies_carry_everything_in_and_out()
    {
        Shell.Require("rsync", "tar", "cp", "setfacl", "setcap", "setfattr");
        using TestImage other = TestImage.Make(512, "-b 4096 -N 40000");
        using TestImage image = TestImage.Make(512, "-b 4096 -N 40000");
        using KernelMount source = KernelMount.Open(other, "loop,noatime");
        Shell.Script($"mkdir {source["tree"]}; python3 {WinLoopMount.Scripts}/tree.py {source["tree"]} 300 10");
        using WinLoopMount mount = WinLoopMount.Open(image);
        Run("copies", mount, $"export S={source["tree"]}");
        mount.UnmountAndCompareWithKernel();
    }

    private void Run(string name, WinLoopMount mount, string exports)
    {
        string scratch = Directory.CreateTempSubdirectory("winloop-program-").FullName;
        var watch = Stopwatch.StartNew();
        try
        {
            Shell.Script($"export M={mount.Path} T={scratch} SCRIPTS={WinLoopMount.Scripts}\n{exports}\n. {WinLoopMount.Scripts}/{name}.sh", 600);
        }
        finally
        {
            Directory.Delete(scratch, recursive: true);
        }
        output.WriteLine($"{name}: {watch.Elapsed.TotalSeconds:F1} s");
    }
}
