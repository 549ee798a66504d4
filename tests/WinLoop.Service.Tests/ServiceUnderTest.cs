using System.Diagnostics;

namespace WinLoop.Service.Tests;

/// <summary>The built program as a service of root, with a socket of its own, and users who ask it.</summary>
internal sealed class ServiceUnderTest : IDisposable
{
    internal const uint Alice = 54001, Bob = 54002;

    private Process? _process;
    private readonly List<string> _log = [];

    internal ServiceUnderTest()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "needs Linux");
        Assert.SkipUnless(File.Exists("/dev/fuse"), "needs /dev/fuse");
        Assert.SkipUnless(Environment.UserName == "root", "needs root");
        Shell.Require("mkfs.ext4", "e2fsck", "umount", "setpriv");
        Shell.Script($"""
            chmod 755 {Folder}
            mkdir {Folder}/run {Folder}/alice {Folder}/bob
            chown {Alice}:{Alice} {Folder}/alice
            chown {Bob}:{Bob} {Folder}/bob
            cp -r '{AppContext.BaseDirectory}' {Folder}/bin
            chmod -R a+rX {Folder}/bin
            """);
        Start();
    }

    internal string Folder { get; } = Directory.CreateTempSubdirectory("winloop-service-").FullName;

    internal string Socket => Folder + "/run/service.sock";

    internal string State => Folder + "/state";

    internal int Pid => _process!.Id;

    internal bool IsRunning => _process is { HasExited: false };

    /// <summary>What the service has said.</summary>
    internal string Log
    {
        get
        {
            lock (_log)
            {
                return string.Join('\n', _log);
            }
        }
    }

    private string Program => Folder + "/bin/winloop";

    internal void Start()
    {
        var start = new ProcessStartInfo(Program, ["service", "run", "--socket", Socket, "--state", State]) { RedirectStandardError = true };
        _process = Process.Start(start)!;
        _process.ErrorDataReceived += (_, line) =>
        {
            lock (_log)
            {
                _log.Add(line.Data ?? "");
            }
        };
        int said = Log.Length;
        _process.BeginErrorReadLine();
        WaitUntil(() => Log[said..].Contains("serving at", StringComparison.Ordinal), "the service");
    }

    /// <summary>SIGKILL.</summary>
    internal void Kill()
    {
        _process!.Kill();
        _process.WaitForExit();
    }

    /// <summary>SIGTERM, and waits for the end.</summary>
    internal int Stop()
    {
        Shell.Run("kill", ["-TERM", Pid.ToString()]);
        Assert.True(_process!.WaitForExit(60_000), "The service has not stopped.\n" + Log);
        return _process.ExitCode;
    }

    /// <summary>An image of a user, made by mkfs.ext4.</summary>
    internal string MakeImage(uint user, string name = "x.ext4", string mode = "600")
    {
        string path = Path.Combine(HomeOf(user), name);
        Shell.Script($"truncate -s 16M {path}; mkfs.ext4 -q -F -E root_owner={user}:{user} {path}; chown {user}:{user} {path}; chmod {mode} {path}");
        return path;
    }

    internal string MakeDirectory(uint user, string name = "d")
    {
        string path = Path.Combine(HomeOf(user), name);
        Shell.Script($"mkdir {path}; chown {user}:{user} {path}");
        return path;
    }

    internal string HomeOf(uint user) => Folder + (user == Alice ? "/alice" : user == Bob ? "/bob" : "");

    /// <summary>winloop as a user.</summary>
    internal Shell.Result Run(uint user, params string[] arguments) => RunAs(user, [Program, .. arguments]);

    /// <summary>Anything as a user.</summary>
    internal Shell.Result RunAs(uint user, params string[] command) => Shell.Run("setpriv",
        [$"--reuid={user}", $"--regid={user}", "--clear-groups", "env", "HOME=" + HomeOf(user), "WINLOOP_SOCKET=" + Socket, .. command]);

    /// <summary>winloop as a user, which must succeed.</summary>
    /// <returns>What it printed.</returns>
    internal string Succeed(uint user, params string[] arguments)
    {
        Shell.Result result = Run(user, arguments);
        Assert.True(result.ExitCode == 0, $"winloop {string.Join(' ', arguments)}: exit {result.ExitCode}\n{result.All}\n{Log}");
        return result.Output;
    }

    internal static bool IsMounted(string directory) => File.ReadLines("/proc/self/mounts").Any(line => line.Split(' ')[1] == directory);

    internal static void AssertClean(string image)
    {
        Shell.Result result = Shell.Run("e2fsck", ["-fn", image]);
        Assert.True(result.ExitCode == 0, result.All);
        Assert.DoesNotContain("needs_recovery", Shell.Run("dumpe2fs", ["-h", image]).Output, StringComparison.Ordinal);
    }

    internal static void WaitUntil(Func<bool> condition, string what)
    {
        var watch = Stopwatch.StartNew();
        while (!condition())
        {
            Assert.True(watch.Elapsed.TotalSeconds < 30, what + " did not come about in 30 s");
            Thread.Sleep(10);
        }
    }

    public void Dispose()
    {
        if (IsRunning)
        {
            Shell.Run("kill", ["-TERM", Pid.ToString()]);
            if (!_process!.WaitForExit(20_000))
            {
                _process.Kill();
            }
        }
        foreach (string directory in File.ReadAllLines("/proc/self/mounts").Select(l => l.Split(' ')[1]).Where(d => d.StartsWith(Folder + "/", StringComparison.Ordinal)))
        {
            Shell.Run("umount", ["-l", directory]);
        }
        Shell.Run("rm", ["-rf", Folder]);
    }
}
