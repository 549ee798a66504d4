namespace WinLoop.TestKit;

/// <summary>An image mounted by the kernel for as long as the object lives.</summary>
public sealed class KernelMount : IDisposable
{
    private KernelMount(string path) => Path = path;

    /// <summary>The mount point.</summary>
    public string Path { get; }

    /// <summary>Mounts an image; skips the test where that is not possible.</summary>
    /// <param name="image">The image.</param>
    /// <param name="options">mount's options; they have to have "loop" among them.</param>
    public static KernelMount Open(TestImage image, string options = "loop,ro")
    {
        Shell.RequireLoopMounts();
        string path = Directory.CreateTempSubdirectory("winloop-kernel-").FullName;
        Shell.Script($"mount -o {options} {image.Path} {path}");
        return new KernelMount(path);
    }

    /// <summary>A file's path under the mount point.</summary>
    public string this[string name] => System.IO.Path.Combine(Path, name);

    public void Dispose() => Shell.Script($"umount {Path}; rmdir {Path}");
}
