using System.Diagnostics;
using System.Security.Cryptography;

namespace WinLoop.Cli.Tests;

/// <summary>A folder for one test; what is still mounted in it at the end is unmounted.</summary>
internal sealed class Workspace : IDisposable
{
    internal string Folder { get; } = Directory.CreateTempSubdirectory("winloop-cli-").FullName;

    /// <summary>A path in the folder.</summary>
    internal string this[string name] => Path.Combine(Folder, name);

    /// <summary>Makes an image with mkfs.ext4.</summary>
    internal string MakeImage(string name = "x.ext4", string size = "32M", string options = "")
    {
        Shell.Script($"truncate -s {size} {this[name]}; mkfs.ext4 -q -F {options} {this[name]}");
        return this[name];
    }

    /// <summary>Makes a directory.</summary>
    internal string MakeDirectory(string name = "d") => Directory.CreateDirectory(this[name]).FullName;

    /// <summary>Mounts with the program; demands success and that only the directory is printed.</summary>
    internal string Mount(string image, params string[] more)
    {
        string directory = this["d"];
        Directory.CreateDirectory(directory);
        Assert.Equal(directory + "\n", WinLoopProgram.Succeed(["mount", image, directory, .. more]));
        return directory;
    }

    internal static string HashOf(string path) => Convert.ToHexString(SHA256.HashData(File.ReadAllBytes(path)));

    /// <summary>Demands that e2fsck finds nothing and no recovery is needed.</summary>
    internal static void AssertClean(string image)
    {
        Shell.Result result = Shell.Run("e2fsck", ["-fn", image]);
        Assert.True(result.ExitCode == 0 && !result.All.Contains('?', StringComparison.Ordinal), $"e2fsck -fn: exit {result.ExitCode}\n{result.All}");
        Assert.DoesNotContain("needs_recovery", Shell.Run("dumpe2fs", ["-h", image]).Output, StringComparison.Ordinal);
    }

    /// <summary>True if something is mounted on the directory.</summary>
    internal static bool IsMounted(string directory) =>
        File.ReadLines("/proc/self/mounts").Any(line => line.Split(' ')[1] == directory);

    /// <summary>Waits until a condition holds.</summary>
    internal static void WaitUntil(Func<bool> condition, string what, int seconds = 20)
    {
        var watch = Stopwatch.StartNew();
        while (!condition())
        {
            Assert.True(watch.Elapsed.TotalSeconds < seconds, $"{what} did not come about in {seconds} s");
            Thread.Sleep(10);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (OperatingSystem.IsLinux())
        {
            foreach (string directory in File.ReadAllLines("/proc/self/mounts").Select(line => line.Split(' ')[1])
                .Where(d => d.StartsWith(Folder + "/", StringComparison.Ordinal)).Reverse())
            {
                if (Shell.Run(WinLoopProgram.Path, ["unmount", directory]).ExitCode != 0)
                {
                    Shell.Run("umount", ["-l", directory]);
                }
            }
        }
        try
        {
            Directory.Delete(Folder, recursive: true);
        }
        catch (IOException)
        {
            // A failed test may leave something behind.
        }
    }
}
