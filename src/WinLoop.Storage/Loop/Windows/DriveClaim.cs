namespace WinLoop.Storage.Windows;

/// <summary>
/// What has to be done before a drive or volume is written to past Windows: it must not be one that Windows lives on, and
/// every volume on a disk that is written is locked and dismounted for as long as the disk is open. A volume that is written by
/// itself is locked by the handle that writes: a locked volume opens to nobody else.
/// </summary>
internal sealed class DriveClaim : IDisposable
{
    private const string DiskPrefix = @"\\.\PhysicalDrive";

    private readonly List<IDisposable> _locks = [];

    private DriveClaim()
    {
    }

    /// <summary>Whether a path names a whole disk.</summary>
    internal static bool IsDisk(string path) => path.StartsWith(DiskPrefix, StringComparison.OrdinalIgnoreCase);

    /// <summary>Claims a drive for writing.</summary>
    /// <param name="path"><c>\\.\PhysicalDriveN</c> or <c>\\.\X:</c>.</param>
    /// <param name="disks">The system.</param>
    /// <exception cref="BlockDeviceException">Denied: Windows needs it, or it cannot be told whether it does. Busy: a volume on
    /// it is in use.</exception>
    internal static DriveClaim Take(string path, IWindowsDisks disks)
    {
        IReadOnlyList<DiskExtent> target = IsDisk(path)
            ? disks.DiskOf(path) is { } disk ? [disk] : throw Unknown(path, "Windows does not tell which disk it is")
            : disks.ExtentsOf(path) ?? throw Unknown(path, "Windows does not tell on which disk it lies");
        foreach (string system in disks.SystemVolumes())
        {
            IReadOnlyList<DiskExtent> extents = disks.ExtentsOf(system) ?? throw Unknown(path, $"Windows does not tell on which disk {system} lies");
            if (Overlap(target, extents))
            {
                throw new BlockDeviceException(BlockDeviceError.Denied,
                    $"{path} is not opened for writing: Windows runs from it, or has its page file on it ({disks.NameOf(system)})");
            }
        }

        var claim = new DriveClaim();
        try
        {
            foreach (string volume in IsDisk(path) ? disks.Volumes() : [])
            {
                if (disks.ExtentsOf(volume) is { } extents && Overlap(target, extents))
                {
                    claim.Lock(volume, disks, path);
                }
            }

            return claim;
        }
        catch
        {
            claim.Dispose();
            throw;
        }
    }

    /// <summary>Gives the volumes back to Windows.</summary>
    public void Dispose()
    {
        foreach (IDisposable one in _locks)
        {
            one.Dispose();
        }

        _locks.Clear();
    }

    private void Lock(string volume, IWindowsDisks disks, string path)
    {
        try
        {
            _locks.Add(disks.LockAndDismount(volume));
        }
        catch (BlockDeviceException e) when (e.Error == BlockDeviceError.Busy)
        {
            throw new BlockDeviceException(BlockDeviceError.Busy,
                $"{path} is in use: the volume {disks.NameOf(volume)} on it cannot be locked; close the programs and windows that use it", e);
        }
    }

    private static bool Overlap(IReadOnlyList<DiskExtent> one, IReadOnlyList<DiskExtent> other) => one.Any(a => other.Any(a.Overlaps));

    private static BlockDeviceException Unknown(string path, string why) =>
        new(BlockDeviceError.Denied, $"{path} is not opened for writing: {why}, so it could be the one that Windows runs from");
}
