using WinLoop.Ext4.Format;
using WinLoop.Mounting;
using WinLoop.Mounting.Scan;

namespace WinLoop.Cli.Output;

/// <summary>The answer of <c>scan</c>; sizes in bytes.</summary>
internal sealed record ScanAnswer(IReadOnlyList<ScannedDiskAnswer> Disks, IReadOnlyList<FoundVolumeAnswer> Volumes)
{
    internal static ScanAnswer From(IReadOnlyList<ScannedDisk> disks, IReadOnlyList<FoundVolume> volumes) => new(
        [.. disks.Select(d => new ScannedDiskAnswer(d.Path, d.Model, d.Size, d.Error == null, d.Problem))],
        [.. volumes.Select(FoundVolumeAnswer.From)]);
}

/// <summary>One disk; <paramref name="Problem"/> is null unless something is wrong.</summary>
internal sealed record ScannedDiskAnswer(string Disk, string? Model, long? Size, bool Readable, string? Problem);

/// <summary>One file system. <paramref name="Mountable"/> is <c>read-write</c>, <c>read-only</c> or <c>no</c>.</summary>
internal sealed record FoundVolumeAnswer(string Disk, int? Partition, string? Name, long Offset, long Size, string? Type, string? Label, string? Uuid, string State,
    string Mountable, string? Reason, string? UsedBy, IReadOnlyList<string> MountedOn)
{
    internal static FoundVolumeAnswer From(FoundVolume volume)
    {
        Superblock? sb = volume.Facts?.Superblock;
        return new FoundVolumeAnswer(volume.Disk, volume.Partition, volume.Name, volume.Offset, volume.Size, volume.Facts?.Type, sb?.Label,
            sb == null ? null : new Guid(sb.Uuid, bigEndian: true).ToString(), volume.Facts?.State ?? "damaged",
            InfoAnswer.Name(volume.Facts?.Mountability ?? Mountability.No), volume.Facts == null ? volume.Problem : volume.Facts.Reason,
            volume.UsedBy.Length == 0 ? null : volume.UsedBy, volume.MountedOn);
    }
}
