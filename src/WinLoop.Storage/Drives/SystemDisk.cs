namespace WinLoop.Storage;

/// <summary>A partition or volume as the system names it.</summary>
/// <param name="Start">First byte on the disk.</param>
/// <param name="Name">Linux: its device node. Windows: its letter or folder.</param>
/// <param name="UsedBy">Linux: what holds it (RAID, LVM, encryption); empty if nothing does.</param>
public sealed record SystemPart(long Start, string Name, string UsedBy);

/// <summary>A disk of this machine.</summary>
/// <param name="Path">What <see cref="LoopDevice.Open"/> takes.</param>
/// <param name="Model">What it calls itself, or the file behind a loop device; null if it does not tell.</param>
/// <param name="UsedBy">As of a part.</param>
/// <param name="Parts">In the order of their places, as far as the system knows them.</param>
public sealed record SystemDisk(string Path, string? Model, string UsedBy, IReadOnlyList<SystemPart> Parts);

/// <summary>The disks of this machine, found without opening them for writing.</summary>
public static class SystemDisks
{
    /// <summary>Lists them. On Windows those that may not be opened are listed too; whoever opens them is told why.</summary>
    public static IReadOnlyList<SystemDisk> List() => OperatingSystem.IsWindows()
        ? Windows.WindowsDiskList.List(new Windows.WindowsDisks())
        : Linux.LinuxDiskList.List("/sys/block", "/proc/partitions");
}
