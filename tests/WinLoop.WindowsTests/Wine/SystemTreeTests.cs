using System.Diagnostics;
using WinLoop.TestKit;

namespace WinLoop.WindowsTests.Wine;

/// <summary>
/// A system's tree goes in through the Windows side and comes out of the kernel, and the reverse: content, names,
/// times to 100 ns, targets, and by WSL's metadata owners, modes and devices. 2,600 files and 95 MB; with WINLOOP_FULL=1
/// 32,000 and 1.1 GB.
/// </summary>
public sealed class SystemTreeTests(WineSession session, ITestOutputHelper output) : IClassFixture<WineSession>
{
    [Fact]
    public void A_system_goes_in_and_comes_out_the_same_both_ways()
    {
        Shell.Require("python3", "setfacl", "setcap");
        session.Start();
        bool isFull = Environment.GetEnvironmentVariable("WINLOOP_FULL") == "1";
        int megabytes = isFull ? 3000 : 400;
        using TestImage kernels = TestImage.Make(megabytes, "-b 4096 -N 60000");
        using TestImage ours = TestImage.Make(megabytes, "-b 4096 -N 60000");
        var watch = Stopwatch.StartNew();
        List<TreeEntry> expected, copied;
        using (KernelMount kernel = KernelMount.Open(kernels, "loop,noatime"))
        {
            Directory.CreateDirectory(kernel["tree"]);
            output.WriteLine(LinuxTree.Fill(kernel["tree"], isFull ? 32000 : 2600, isFull ? 1100 : 95));
            expected = LinuxTree.Read(kernel["tree"]);
            Lap("made and read on the kernel");
            // Twins in case can only be made where case counts; they are read where it does not.
            using var mount = new WineMount(session, ours, "X:", "--case-sensitive");
            new WindowsTree(mount.Client, mount.Connect).Write(kernel["tree"], expected, @"\tree");
            Lap("copied in through Windows");
            copied = [.. expected.Select(e => e with { Attributes = WithoutEmpty(e.Attributes) })];
            Compare(copied, new WindowsTree(mount.Client, mount.Connect).Read(@"\tree"), "Windows sees another copy");
            Lap("read back through Windows");
            mount.Unmount();
        }
        using (KernelMount kernel = KernelMount.Open(ours))
        {
            Compare(copied, LinuxTree.Read(kernel["tree"]), "the kernel sees another copy");
            Lap("the copy read by the kernel");
        }
        using (var mount = new WineMount(session, kernels, "X:", "-r"))
        {
            Compare(expected, new WindowsTree(mount.Client, mount.Connect).Read(@"\tree"), "Windows sees another tree");
            Lap("the kernel's tree read through Windows");
            mount.Unmount();
        }

        void Lap(string what)
        {
            output.WriteLine($"{what}: {watch.Elapsed.TotalSeconds:F1} s");
            watch.Restart();
        }
    }

    // Setting an attribute without a value removes it on Windows.
    private static string WithoutEmpty(string attributes)
    {
        string[] kept = [.. attributes.Split(',').Where(a => !a.EndsWith('='))];
        return kept.Length == 0 ? "-" : string.Join(',', kept);
    }

    private static void Compare(List<TreeEntry> expected, List<TreeEntry> actual, string what)
    {
        string[] left = [.. expected.Select(e => e.ToString())], right = [.. actual.Select(e => e.ToString())];
        HashSet<string> inLeft = [.. left], inRight = [.. right];
        if (!inLeft.SetEquals(inRight))
        {
            Assert.Fail($"{what}:\n" + string.Join('\n', left.Where(l => !inRight.Contains(l)).Take(20).Select(l => "- " + l)
                .Concat(right.Where(l => !inLeft.Contains(l)).Take(20).Select(l => "+ " + l))));
        }
    }
}
