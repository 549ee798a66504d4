using WinLoop.TestKit;

namespace WinLoop.WindowsTests.StandIn;

/// <summary>The stand-in for WinFsp's driver and DLL, compiled when it is first needed.</summary>
internal static class StandInLibrary
{
    private static readonly string s_sources = Path.Combine(AppContext.BaseDirectory, "StandIn");
    private static readonly Lazy<string> s_linux = new(() => Build("linux", "libwinfsp-standin.so"));
    private static readonly Lazy<string> s_windows = new(() => Build("windows", "winfsp-x64.dll"));

    /// <summary>For this process; skips the test where there is no compiler.</summary>
    internal static string Linux
    {
        get
        {
            Shell.Require("gcc");
            return s_linux.Value;
        }
    }

    /// <summary>For Wine; skips the test where there is no compiler.</summary>
    internal static string Windows
    {
        get
        {
            Shell.Require("x86_64-w64-mingw32-gcc");
            return s_windows.Value;
        }
    }

    private static string Build(string target, string file)
    {
        string output = Path.Combine(s_sources, "out");
        Shell.Script($"sh {s_sources}/build.sh {output} {target}");
        return Path.Combine(output, file);
    }
}
