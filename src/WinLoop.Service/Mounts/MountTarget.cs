using WinLoop.Mounting;

namespace WinLoop.Service.Mounts;

/// <summary>Where a volume is to appear.</summary>
/// <param name="Point">As people know it.</param>
/// <param name="Kernel">As the kernel is told of it, where that differs (<see cref="Linux.PinnedDirectory"/>).</param>
/// <param name="Pin">Keeps <paramref name="Kernel"/> valid; disposed when the mount has ended.</param>
internal sealed record MountTarget(MountPoint Point, string? Kernel, IDisposable? Pin)
{
    /// <summary>Gives it up.</summary>
    internal void Release()
    {
        Pin?.Dispose();
        Point.Release();
    }
}
