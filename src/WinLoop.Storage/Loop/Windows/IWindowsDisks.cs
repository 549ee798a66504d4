namespace WinLoop.Storage.Windows;

/// <summary>A piece of a volume on a disk (<c>DISK_EXTENT</c>), in bytes.</summary>
internal readonly record struct DiskExtent(int Disk, long Start, long Length)
{
    /// <summary>Whether two pieces have a byte in common.</summary>
    internal bool Overlaps(DiskExtent other) => Disk == other.Disk && Start < other.Start + other.Length && other.Start < Start + Length;
}

/// <summary>What Windows knows of disks and volumes; an interface, because no test can have all kinds of disks.</summary>
internal interface IWindowsDisks
{
    /// <summary>The names of all volumes, <c>\\?\Volume{...}</c> without a backslash at the end.</summary>
    IReadOnlyList<string> Volumes();

    /// <summary>Where a volume lies; null if it lies on no disk (a CD, a network drive) or that cannot be asked.</summary>
    /// <param name="volume">From <see cref="Volumes"/>, or <c>\\.\X:</c>.</param>
    IReadOnlyList<DiskExtent>? ExtentsOf(string volume);

    /// <summary>The letter or folder by which people know a volume; its name if there is none.</summary>
    string NameOf(string volume);

    /// <summary>The number and size of a disk; null if it cannot be asked.</summary>
    /// <param name="path"><c>\\.\PhysicalDriveN</c> or <c>\\.\X:</c>.</param>
    DiskExtent? DiskOf(string path);

    /// <summary>Whether there is such a drive, though it may be that only administrators can open it.</summary>
    bool Exists(string path);

    /// <summary>The volumes that Windows cannot do without, as <c>\\.\X:</c>: those of %SystemRoot% and of the page files.</summary>
    IReadOnlyList<string> SystemVolumes();

    /// <summary>Locks a volume and dismounts it: Windows forgets what it knows of it, and nobody opens anything in it until
    /// this is disposed.</summary>
    /// <exception cref="BlockDeviceException">Busy: files in it are open. Denied: no rights.</exception>
    IDisposable LockAndDismount(string volume);
}
