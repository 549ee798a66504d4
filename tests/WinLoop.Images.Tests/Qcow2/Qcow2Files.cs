using WinLoop.Images.Qcow2;
using WinLoop.Images.Tests.Vhdx;
using WinLoop.Storage;
using WinLoop.TestKit;

namespace WinLoop.Images.Tests.Qcow2;

/// <summary>qcow2 files, and what the tests ask of all of them.</summary>
internal static class Qcow2Files
{
    /// <summary>qemu-img check's exit code for clusters that are lost but harm nobody.</summary>
    private const int Leaks = 3;

    /// <summary>Opens a qcow2 in memory.</summary>
    public static IBlockDevice Open(IGrowableDevice file, bool isReadOnly = false, IGrowableDevice? backing = null) =>
        new Qcow2Format().Open(file, new ImageFormatOptions { IsReadOnly = isReadOnly, OpenRelated = backing is null ? null : (_, _) => backing });

    /// <summary>Asserts that qemu finds nothing wrong in a file.</summary>
    public static void AssertSound(string path, string name = "", bool mayLeak = false)
    {
        Shell.Result check = Shell.Run("qemu-img", ["check", "-f", "qcow2", path]);
        Assert.True(check.ExitCode == 0 || (mayLeak && check.ExitCode == Leaks), $"{name}: qemu-img check: {check.ExitCode}\n{check.All}");
    }

    /// <summary>Asserts that qemu finds nothing wrong and reads what it should.</summary>
    public static void AssertQemuAgrees(string path, byte[] model, bool mayLeak = false)
    {
        AssertSound(path, mayLeak: mayLeak);
        string raw = path + ".model";
        DiskFiles.WriteSparse(raw, model);
        Shell.Result compare = Shell.Run("qemu-img", ["compare", "-f", "qcow2", "-F", "raw", path, raw]);
        Assert.True(compare.ExitCode == 0, $"qemu-img compare: {compare.ExitCode}\n{compare.All}");
    }

    /// <summary>Writes a file in memory to the host.</summary>
    public static void Save(IBlockDevice file, string path) => DiskFiles.WriteSparse(path, DiskFiles.ReadAll(file));
}
