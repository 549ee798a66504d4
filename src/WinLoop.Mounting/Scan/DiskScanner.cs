using WinLoop.Ext4;
using WinLoop.Mounting.Linux;
using WinLoop.Mounting.Registry;
using WinLoop.Storage;

namespace WinLoop.Mounting.Scan;

/// <summary>An ext file system on a disk.</summary>
/// <param name="Disk">The disk: what mount takes as the image.</param>
/// <param name="Partition">Number in the partition table, for mount -p; null if it fills the disk.</param>
/// <param name="Name">The system's own name of the partition or volume; null if it has none.</param>
/// <param name="Offset">First byte on the disk.</param>
/// <param name="Size">Bytes of the partition.</param>
/// <param name="Facts">What its superblock says; null if that is damaged.</param>
/// <param name="Problem">Why there are no facts.</param>
/// <param name="UsedBy">What holds it (RAID, LVM, encryption), or empty.</param>
/// <param name="MountedOn">Where it is mounted, by the kernel or by WinLoop.</param>
public sealed record FoundVolume(string Disk, int? Partition, string? Name, long Offset, long Size, VolumeFacts? Facts, string? Problem, string UsedBy,
    IReadOnlyList<string> MountedOn);

/// <summary>A disk that was looked into, or could not be.</summary>
/// <param name="Path">What mount takes as the image.</param>
/// <param name="Model">What it calls itself.</param>
/// <param name="Size">Bytes; null if it could not be opened.</param>
/// <param name="Error">Why not; null if it was looked into.</param>
/// <param name="Problem">The same in words, or what is wrong with its partition table.</param>
public sealed record ScannedDisk(string Path, string? Model, long? Size, BlockDeviceError? Error, string? Problem);

/// <summary>Finds the ext file systems on the disks of this machine; nothing is locked or changed.</summary>
public static class DiskScanner
{
    /// <summary>Looks into all disks.</summary>
    public static (IReadOnlyList<ScannedDisk> Disks, IReadOnlyList<FoundVolume> Volumes) Scan() => Scan(SystemDisks.List());

    internal static (IReadOnlyList<ScannedDisk> Disks, IReadOnlyList<FoundVolume> Volumes) Scan(IReadOnlyList<SystemDisk> disks)
    {
        var scanned = new List<ScannedDisk>();
        var volumes = new List<FoundVolume>();
        IReadOnlyList<MountEntry> mounts = MountTable.Read();
        IReadOnlyList<KnownMount> ours = MountRegistry.ListAll();
        foreach (SystemDisk disk in disks)
        {
            try
            {
                using LoopDevice device = LoopDevice.Open(disk.Path, new LoopDeviceOptions { IsReadOnly = true, IsShared = true });
                string? problem = Look(disk, device, mounts, ours, volumes);
                scanned.Add(new ScannedDisk(disk.Path, disk.Model, device.Length, null, problem));
            }
            catch (BlockDeviceException e)
            {
                scanned.Add(new ScannedDisk(disk.Path, disk.Model, null, e.Error, e.Message));
            }
        }
        return (scanned, volumes);
    }

    private static string? Look(SystemDisk disk, LoopDevice device, IReadOnlyList<MountEntry> mounts, IReadOnlyList<KnownMount> ours, List<FoundVolume> volumes)
    {
        PartitionTable table;
        try
        {
            table = PartitionTable.Read(device);
        }
        catch (PartitionTableException e)
        {
            return e.Message;
        }
        if (table.IsWholeDeviceExt)
        {
            volumes.Add(Describe(disk, device, null, 0, device.Length, mounts, ours));
            return null;
        }
        foreach (Partition partition in table.Partitions.Where(p => p.IsExtCandidate))
        {
            volumes.Add(Describe(disk, device, partition.Number, partition.Start, partition.Length, mounts, ours));
        }
        return table.Warnings.Count > 0 ? string.Join("; ", table.Warnings) : null;
    }

    private static FoundVolume Describe(SystemDisk disk, LoopDevice device, int? partition, long offset, long size, IReadOnlyList<MountEntry> mounts,
        IReadOnlyList<KnownMount> ours)
    {
        SystemPart? part = disk.Parts.FirstOrDefault(p => p.Start == offset && (partition != null || OperatingSystem.IsWindows()));
        string node = partition == null && !OperatingSystem.IsWindows() ? disk.Path : part?.Name ?? "";
        VolumeFacts? facts = null;
        string? problem = null;
        try
        {
            using var slice = new SliceDevice(device, offset, size);
            facts = VolumeFacts.Read(slice, null);
        }
        catch (Ext4CorruptException e)
        {
            problem = e.Message;
        }
        catch (BlockDeviceException e)
        {
            problem = e.Message;
        }
        IEnumerable<string> directories = mounts.Where(m => node.Length > 0 && m.Source == node && !m.IsFuse).Select(m => m.Directory)
            .Concat(ours.Where(m => (m.Record.Image == disk.Path && m.Record.Offset == offset) || (node.Length > 0 && m.Record.Image == node)).Select(m => m.Record.Directory));
        return new FoundVolume(disk.Path, partition, node.Length > 0 ? node : null, offset, size, facts, problem, partition == null ? disk.UsedBy : part?.UsedBy ?? "",
            [.. directories.Distinct(StringComparer.Ordinal)]);
    }
}
