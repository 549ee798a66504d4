using WinLoop.TestKit;

namespace WinLoop.KernelTests.Programs;

/// <summary>
/// The same system calls on the kernel's ext4 and on WinLoop over equal images give the same answers: limits,
/// errors, owners, ACLs, flags, times, renames, locks, space. The calls are in Scripts/semantics.py.
/// </summary>
public sealed class SemanticsTests
{
    private const string Most = "names_and_limits times owners_and_modes acls flags files renames space_in_files locks";

    /// <summary>Parts of the script, what prepares the image, and the image's size in MiB and options.</summary>
    public static TheoryData<string, string, int, string> Parts => new()
    {
        { Most, "", 64, "-b 4096" },
        { Most, "", 64, "-b 1024" },
        { "links", "prepare_links", 250, "-b 1024 -N 70000" },
        { "full", "", 64, "-b 4096 -N 1000" },
        { "full", "", 32, "-b 1024 -N 1000" },
    };

    [Theory]
    [MemberData(nameof(Parts))]
    public void System_calls_answer_as_on_the_kernel(string parts, string preparation, int megabytes, string options)
    {
        Shell.RequireLoopMounts();
        Shell.Require("python3", "setfacl", "getfacl", "chattr", "lsattr");
        string script = $"python3 {WinLoopMount.Scripts}/semantics.py";
        using TestImage kernels = TestImage.Make(megabytes, options);
        if (preparation.Length > 0)
        {
            kernels.WithKernel($"{script} $M {preparation}");
        }
        using TestImage ours = kernels.Copy();
        string expected;
        using (KernelMount kernel = KernelMount.Open(kernels, "loop,noatime"))
        {
            expected = Shell.Script($"{script} {kernel.Path} {parts}");
        }
        using (WinLoopMount mount = WinLoopMount.Open(ours))
        {
            WinLoopMount.AssertEqual(expected, Shell.Script($"{script} {mount.Path} {parts}"), "WinLoop answers otherwise");
            mount.Unmount();
        }
        if (preparation.Length == 0)
        {
            using WinLoopMount mount = WinLoopMount.Open(ours);
            mount.UnmountAndCompareWithKernel();
        }
    }
}
