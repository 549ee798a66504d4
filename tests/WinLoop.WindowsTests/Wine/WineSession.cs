using System.Diagnostics;
using System.Text;
using WinLoop.TestKit;
using WinLoop.WindowsTests.StandIn;

namespace WinLoop.WindowsTests.Wine;

/// <summary>The published program for Windows in a Wine prefix of its own, with the stand-in where an installed WinFsp
/// would be. One for all tests of a class; what it started is gone when it is disposed.</summary>
public sealed class WineSession : IDisposable
{
    private const string Wine = "/usr/lib/wine/wine64", WineServer = "/usr/lib/wine/wineserver64";

    private static readonly Lazy<string> s_program = new(Publish);

    private readonly string _prefix = Directory.CreateTempSubdirectory("winloop-wine-").FullName;
    private bool _isReady;

    /// <summary>Makes the prefix; skips the test where Wine or a compiler is missing.</summary>
    internal void Start()
    {
        if (!File.Exists(Wine))
        {
            Assert.Skip("Wine is not installed (wine64).");
        }
        if (_isReady)
        {
            return;
        }
        Shell.Result boot = RunWine("wineboot", ["-i"]);
        Assert.True(boot.ExitCode == 0, boot.All);
        string folder = Path.Combine(_prefix, "drive_c", "WinFsp", "bin");
        Directory.CreateDirectory(folder);
        File.Copy(StandInLibrary.Windows, Path.Combine(folder, "winfsp-x64.dll"));
        RegisterWinFsp(isThere: true);
        _isReady = true;
    }

    /// <summary>What an installed WinFsp writes down about itself, or takes away.</summary>
    internal void RegisterWinFsp(bool isThere)
    {
        const string Key = @"HKLM\SOFTWARE\WOW6432Node\WinFsp";
        Shell.Result result = RunWine("reg", isThere ? ["add", Key, "/v", "InstallDir", "/d", @"C:\WinFsp\", "/f"] : ["delete", Key, "/f"]);
        Assert.True(result.ExitCode == 0, result.All);
    }

    /// <summary>What services mount tells its port in a file: they get the environment of the machine.</summary>
    internal void TellPortOfServices(string portFile)
    {
        Shell.Result result = RunWine("reg", ["add", @"HKLM\SYSTEM\CurrentControlSet\Control\Session Manager\Environment", "/v", "WINLOOP_STANDIN_PORT_FILE",
            "/d", Windows(portFile), "/f"]);
        Assert.True(result.ExitCode == 0, result.All);
    }

    /// <summary>A path as programs under Wine see it.</summary>
    internal static string Windows(string path) => "Z:" + path.Replace('/', '\\');

    /// <summary>Runs winloop.exe to its end.</summary>
    internal Shell.Result Run(params string[] arguments) => RunWine(s_program.Value, arguments);

    /// <summary>Runs winloopw.exe, as the Explorer does.</summary>
    internal Shell.Result Click(string portFile, params string[] arguments) =>
        RunWine(Path.Combine(Path.GetDirectoryName(s_program.Value)!, "winloopw.exe"), arguments, portFile);

    /// <summary>The same, and what it starts tells its port in a file.</summary>
    internal Shell.Result RunWithPort(string portFile, params string[] arguments) => RunWine(s_program.Value, arguments, portFile);

    /// <summary>Starts winloop.exe; the caller ends it.</summary>
    internal Process Spawn(string portFile, params string[] arguments)
    {
        ProcessStartInfo start = Prepare(s_program.Value, arguments);
        start.Environment["WINLOOP_STANDIN_PORT_FILE"] = Windows(portFile);
        return Process.Start(start)!;
    }

    /// <summary>Keeps the session of Wine running between programs, which ends it, services and all, when none is left.</summary>
    internal Process Hold()
    {
        // The session that made the prefix may be just ending; what is told to its service manager is lost with it.
        Shell.Run("env", [$"WINEPREFIX={_prefix}", WineServer, "-k"]);
        return Process.Start(Prepare("cmd", []))!;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_isReady)
        {
            Shell.Run("env", [$"WINEPREFIX={_prefix}", WineServer, "-k"]);
        }
        try
        {
            Directory.Delete(_prefix, recursive: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // A process of the prefix is just ending.
        }
    }

    /// <summary>Folder of the published program.</summary>
    internal static string Program => Path.GetDirectoryName(s_program.Value)!;

    /// <summary>The repository.</summary>
    internal static string Root => Path.GetFullPath(Path.Combine(Program, "..", ".."));

    /// <summary>A file on the prefix' drive C: as Linux sees it.</summary>
    internal string OnDriveC(string path) => Path.Combine(_prefix, "drive_c", path);

    internal Shell.Result RunWine(string program, IEnumerable<string> arguments, string? portFile = null)
    {
        ProcessStartInfo start = Prepare(program, arguments);
        if (portFile is not null)
        {
            start.Environment["WINLOOP_STANDIN_PORT_FILE"] = Windows(portFile);
        }
        using Process process = Process.Start(start)!;
        StringBuilder output = new(), error = new();
        int ended = 0;
        process.OutputDataReceived += (_, line) => Add(output, line.Data);
        process.ErrorDataReceived += (_, line) => Add(error, line.Data);
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        if (!process.WaitForExit(120_000))
        {
            process.Kill(entireProcessTree: true);
            Assert.Fail($"{program} {string.Join(' ', arguments)} did not end.");
        }
        // What it started, or a service of Wine, may keep the pipes open for longer than the program lives: Wine hands
        // them on whatever the program says. Then what was said by a while after its end is all.
        long end = Environment.TickCount64;
        while (Volatile.Read(ref ended) < 2 && Environment.TickCount64 - end < (HasText() ? 2_000 : 10_000))
        {
            Thread.Sleep(20);
        }
        lock (output)
        {
            lock (error)
            {
                return new Shell.Result(process.ExitCode, output.ToString(), error.ToString());
            }
        }

        bool HasText()
        {
            lock (output)
            {
                lock (error)
                {
                    return output.Length + error.Length > 0;
                }
            }
        }

        void Add(StringBuilder text, string? line)
        {
            Interlocked.Add(ref ended, line is null ? 1 : 0);
            lock (text)
            {
                text.Append(line is null ? "" : line.TrimEnd('\r') + "\n");
            }
        }
    }

    private ProcessStartInfo Prepare(string program, IEnumerable<string> arguments)
    {
        var start = new ProcessStartInfo(Wine)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
        };
        start.ArgumentList.Add(program);
        foreach (string argument in arguments)
        {
            start.ArgumentList.Add(argument);
        }
        start.Environment["WINEPREFIX"] = _prefix;
        start.Environment["WINEDEBUG"] = "-all";
        start.Environment["WINEDLLOVERRIDES"] = "winemenubuilder.exe,mscoree,mshtml=d";
        // Of the process that runs the tests; the published program brings its own runtime.
        start.Environment.Remove("DOTNET_ROOT");
        return start;
    }

    private static string Publish()
    {
        DirectoryInfo? root = new(AppContext.BaseDirectory);
        while (root is not null && !File.Exists(Path.Combine(root.FullName, "WinLoop.sln")))
        {
            root = root.Parent;
        }
        Assert.True(root is not null, "The tests do not run inside the repository.");
        string output = Path.Combine(root.FullName, "artifacts", "win-x64");
        Shell.Result result = Shell.Run("dotnet", ["publish", Path.Combine(root.FullName, "src/WinLoop.Cli"), "-c", "Release", "-r", "win-x64",
            "--self-contained", "-o", output, "-v", "quiet"], timeoutSeconds: 600);
        Assert.True(result.ExitCode == 0, result.All);
        return Path.Combine(output, "winloop.exe");
    }
}
