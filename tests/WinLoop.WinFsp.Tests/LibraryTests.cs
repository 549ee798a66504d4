using WinLoop.WinFsp.Binding;
using WinLoop.WinFsp.Tests.Doubles;

namespace WinLoop.WinFsp.Tests;

/// <summary>What users are told when WinFsp cannot be used, and which DLL is taken.</summary>
public sealed class LibraryTests
{
    private static string AbsolutePath => Path.Combine(Path.GetTempPath(), "winloop-no-such.dll");

    [Fact]
    public void A_dll_that_is_not_there_is_named()
    {
        WinFspMissingException e = Assert.Throws<WinFspMissingException>(() => WinFspLibrary.Load(AbsolutePath));
        Assert.Contains(AbsolutePath, e.Message, StringComparison.Ordinal);
        Assert.Contains("https://winfsp.dev", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_file_that_is_no_library_is_named()
    {
        string path = Path.GetTempFileName();
        try
        {
            WinFspMissingException e = Assert.Throws<WinFspMissingException>(() => WinFspLibrary.Load(path));
            Assert.Contains("cannot be loaded", e.Message, StringComparison.Ordinal);
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Fact]
    public void Only_an_absolute_path_is_loaded()
    {
        Assert.Contains("absolute", Assert.Throws<WinFspMissingException>(() => WinFspLibrary.Load("winfsp-x64.dll")).Message, StringComparison.Ordinal);
        Assert.Null(WinFspLibrary.FromEnvironment("winfsp-x64.dll", isElevated: false));
        Assert.Null(WinFspLibrary.FromEnvironment("", isElevated: false));
        Assert.Null(WinFspLibrary.FromEnvironment(null, isElevated: false));
        Assert.Equal(AbsolutePath, WinFspLibrary.FromEnvironment(AbsolutePath, isElevated: false));
        Assert.Null(WinFspLibrary.FromEnvironment(AbsolutePath, isElevated: true));
    }

    [Fact]
    public void Where_nothing_is_installed_it_says_what_to_install()
    {
        if (OperatingSystem.IsWindows())
        {
            Assert.Skip("WinFsp may be installed");
        }
        Assert.Contains("WinFsp is not installed", Assert.Throws<WinFspMissingException>(() => WinFspLibrary.Resolve(null)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_function_that_is_missing_is_named()
    {
        foreach (string missing in LibraryDouble.Functions.Keys)
        {
            WinFspMissingException e = Assert.Throws<WinFspMissingException>(
                () => new WinFspExports(name => name == missing ? 0 : LibraryDouble.Functions.GetValueOrDefault(name), "test.dll"));
            Assert.Contains(missing, e.Message, StringComparison.Ordinal);
            Assert.Contains("test.dll", e.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public unsafe void A_version_that_is_too_old_is_refused()
    {
        nint old = (nint)(delegate* unmanaged[Cdecl]<uint*, int>)&LibraryDouble.OldVersion;
        WinFspMissingException e = Assert.Throws<WinFspMissingException>(
            () => new WinFspExports(name => name == "FspVersion" ? old : LibraryDouble.Functions.GetValueOrDefault(name), "old.dll"));
        Assert.Contains("1.12", e.Message, StringComparison.Ordinal);
        Assert.Contains("2.0 or later", e.Message, StringComparison.Ordinal);
    }
}
