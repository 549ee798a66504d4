using System.Diagnostics;
using WinLoop.TestKit;

namespace WinLoop.KernelTests.Programs;

/// <summary>
/// A system's tree goes in through one side and comes out of the other the same: content, modes, owners, times,
/// links, attributes, ACLs, devices. 3,000 files and 100 MB; with WINLOOP_FULL=1 32,000 and 1.1 GB.
/// </summary>
public sealed class TreeTests(ITestOutputHelper output)
{
    [Fact]
    public void System_tree_goes_in_and_comes_out_the_same_both_ways()
    {
        Shell.Require("python3", "cp", "setfacl", "setcap");
        bool isFull = Environment.GetEnvironmentVariable("WINLOOP_FULL") == "1";
        int megabytes = isFull ? 3000 : 400;
        using TestImage kernels = TestImage.Make(megabytes, "-b 4096 -N 60000");
        using TestImage ours = TestImage.Make(megabytes, "-b 4096 -N 60000");
        var watch = Stopwatch.StartNew();
        string expected, copied;
        using (KernelMount kernel = KernelMount.Open(kernels, "loop,noatime"))
        {
            Directory.CreateDirectory(kernel["tree"]);
            output.WriteLine(Shell.Script($"python3 {WinLoopMount.Scripts}/tree.py {kernel["tree"]} {(isFull ? "32000 1100" : "2600 95")}", 900));
            // Until then the kernel counts blocks that it has not given to files yet.
            Shell.Script($"sync -f {kernel.Path}");
            Lap("made on the kernel");
            expected = WinLoopMount.Manifest(kernel.Path, isImage: true);
            copied = WinLoopMount.Manifest(kernel["tree"]);
            Lap("read");
            using WinLoopMount mount = WinLoopMount.Open(ours);
            Shell.Script($"cp -a {kernel["tree"]} {mount.Path}/", 900);
            Lap("copied into WinLoop");
            WinLoopMount.AssertEqual(copied, WinLoopMount.Manifest(Path.Combine(mount.Path, "tree")), "the copy differs");
            mount.UnmountAndCompareWithKernel();
            Lap("compared, checked, read by the kernel and compared");
        }
        using (KernelMount kernel = KernelMount.Open(ours))
        {
            WinLoopMount.AssertEqual(copied, WinLoopMount.Manifest(kernel["tree"]), "the kernel sees another copy");
        }
        kernels.AssertClean();
        using (WinLoopMount mount = WinLoopMount.Open(kernels))
        {
            WinLoopMount.AssertEqual(expected, WinLoopMount.Manifest(mount.Path, isImage: true), "WinLoop sees another tree");
            Lap("the kernel's image read through WinLoop");
            Shell.Script($"rm -rf {mount.Path}/tree", 900);
            Lap("removed");
            mount.Unmount();
        }

        void Lap(string what)
        {
            output.WriteLine($"{what}: {watch.Elapsed.TotalSeconds:F1} s");
            watch.Restart();
        }
    }
}
