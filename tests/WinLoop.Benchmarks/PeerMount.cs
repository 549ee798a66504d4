using System.Diagnostics;

namespace WinLoop.Benchmarks;

/// <summary>One image mounted by one peer; remounting makes it cold.</summary>
internal sealed class PeerMount : IDisposable
{
    private readonly string _peer;
    private readonly string _winloop;
    private Process? _server;
    private bool _isMounted;

    public PeerMount(string peer, string winloop, string work, string image)
    {
        _peer = peer;
        _winloop = winloop;
        Image = image;
        Path = System.IO.Path.Combine(work, "mnt");
        Directory.CreateDirectory(Path);
    }

    public string Image { get; }

    public string Path { get; }

    /// <summary>Largest resident set of the server processes, in MiB; 0 for the kernel.</summary>
    public double PeakMemory { get; private set; }

    /// <summary>Mounts and returns the seconds until a listing worked.</summary>
    public double Mount(string? image = null)
    {
        image ??= Image;
        long start = Stopwatch.GetTimestamp();
        string before = Native.DeviceOf(Path);
        switch (_peer)
        {
            case "kernel":
                Tool.Run($"mount -o loop,noinit_itable {image} {Path}");
                break;
            case "fuse2fs":
                _server = Start("fuse2fs", [image, Path, "-f", "-o", "fakeroot,rw"]);
                break;
            default:
                _server = Start(_winloop, ["mount", image, Path, "-f"]);
                break;
        }
        while (Native.DeviceOf(Path) == before)
        {
            if (_server is { HasExited: true } || Stopwatch.GetElapsedTime(start).TotalSeconds > 60)
            {
                throw new InvalidOperationException($"{_peer} did not mount {image}");
            }
            Thread.Sleep(TimeSpan.FromMicroseconds(200));
        }
        _isMounted = true;
        _ = Directory.EnumerateFileSystemEntries(Path).FirstOrDefault();
        return Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    /// <summary>Unmounts, waits for the server, and returns the seconds.</summary>
    public double Unmount()
    {
        Sample();
        long start = Stopwatch.GetTimestamp();
        for (int i = 0; Tool.TryRun($"umount {Path}") != 0; i++)
        {
            if (i == 50)
            {
                throw new InvalidOperationException($"cannot unmount {Path}");
            }
            Thread.Sleep(100);
        }
        _server?.WaitForExit();
        _server?.Dispose();
        _server = null;
        _isMounted = false;
        return Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    /// <summary>Unmounts, drops the image from the page cache and mounts again.</summary>
    public void Remount()
    {
        Unmount();
        Native.Evict(Image);
        Mount();
    }

    public void Dispose()
    {
        if (_isMounted)
        {
            Unmount();
        }
    }

    private void Sample()
    {
        if (_server is { HasExited: false } server)
        {
            foreach (string line in File.ReadLines($"/proc/{server.Id}/status"))
            {
                if (line.StartsWith("VmHWM:", StringComparison.Ordinal))
                {
                    PeakMemory = Math.Max(PeakMemory, double.Parse(line[6..].Replace("kB", "", StringComparison.Ordinal)) / 1024);
                }
            }
        }
    }

    private static Process Start(string program, string[] arguments) =>
        Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardInput = true })!;
}
