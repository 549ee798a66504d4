using WinLoop.Mounting;

namespace WinLoop.Service.Frontends;

/// <summary>What mounts depend on that is each system's own: FUSE on Linux, WinFsp on Windows.</summary>
internal abstract class Frontend
{
    /// <summary>This system's.</summary>
    internal static Frontend Current { get; } = OperatingSystem.IsWindows() ? new WinFspFrontend() : new FuseFrontend();

    /// <summary>Checks that mounts are possible at all.</summary>
    /// <exception cref="MountException">What is missing.</exception>
    internal abstract void Require(string what);

    /// <summary>Checks where the user wants the volume, or chooses.</summary>
    /// <param name="directory">As the user gave it; null = choose.</param>
    /// <param name="image">Absolute path of the image.</param>
    internal abstract MountPoint Prepare(string? directory, string image);

    /// <summary>Mounts; when it returns the volume can be used, and the host owns it.</summary>
    /// <param name="request">What was asked for.</param>
    /// <param name="image">The mounted volume.</param>
    /// <param name="mountPoint">Where.</param>
    /// <param name="log">Takes notes.</param>
    /// <param name="user">For whom a service mounts; null = for this process's user.</param>
    /// <param name="kernelTarget">The mount point as the kernel is told of it, where that differs.</param>
    internal abstract IMountHost Mount(MountRequest request, MountedImage image, MountPoint mountPoint, Action<string> log,
        ServiceUser? user = null, string? kernelTarget = null);

    /// <summary>What programs have written so far reaches the volume, as far as the system holds it back.</summary>
    internal virtual void FlushSystem(IMountHost host)
    {
    }

    /// <summary>What the mount left with the system beside itself is taken away; called when it has ended.</summary>
    /// <param name="host">The mount.</param>
    /// <param name="isOfService">A service has made it.</param>
    internal virtual void CleanUp(IMountHost host, bool isOfService)
    {
    }

    /// <summary>Undoes the mount unless files are open.</summary>
    /// <returns>False if files are open.</returns>
    internal abstract bool TryUnmount(IMountHost host);

    /// <summary>Undoes the mount although files are open; what was written so far is kept.</summary>
    internal abstract void CutOff(IMountHost host);

    /// <summary>The programs that have files open, as far as that can be known.</summary>
    internal abstract IReadOnlyList<string> FindUsers(IMountHost host);

    /// <summary>Explains what mounting threw.</summary>
    internal abstract MountException Explain(Exception exception, string what);
}
