using WinLoop.Ext4;
using WinLoop.Ext4.Check;
using WinLoop.Ext4.Format;
using WinLoop.Storage;

namespace WinLoop.Mounting.Resizing;

/// <summary>Makes the volume of an image smaller, and then the image file: checks it first, and only while nobody has it
/// mounted.</summary>
internal static class ImageShrinker
{
    private const int SectorSize = 512, FindingsShown = 3;

    /// <summary>Makes it as small as asked for, or as small as it can become.</summary>
    /// <param name="opened">The image; not mounted yet.</param>
    /// <param name="size">Bytes of the volume; null = as few as possible.</param>
    /// <param name="what">What fails if it fails.</param>
    /// <param name="notes">Gets sentences for the user.</param>
    /// <exception cref="MountException">Why not; nothing has changed if the volume is damaged or uses what is not supported.</exception>
    public static ResizedImage Run(MountedImage opened, long? size, string what, ICollection<string> notes)
    {
        LoopDevice device = opened.Image.Image;
        LastPartition? partition = FindPartition(opened.Image, what);
        RequireSound(opened.Image.Volume, what);
        opened.MountVolume(new MountOptions(), null, notes);
        Ext4Volume volume = opened.Volume;
        if (volume.IsReadOnly)
        {
            throw new MountException(MountError.Unsupported, what, opened.ReadOnlyReason ?? "the volume can only be read");
        }
        ResizeResult result = size is { } bytes ? volume.Shrink(bytes) : volume.ShrinkToMinimum();
        if (partition is not null)
        {
            long needed = partition.Shrink(result.BytesAfter);
            if (needed < device.Length)
            {
                device.SetLength(needed);
            }
        }
        else if (device.CanResize)
        {
            // The size that was asked for, where the volume could only be cut at the end of a group before it.
            long length = Math.Max(result.BytesAfter, (size ?? 0) / SectorSize * SectorSize);
            if (length < device.Length)
            {
                device.SetLength(length);
            }
        }
        else
        {
            notes.Add("the size of a block device does not change: what is behind the file system is not used any more");
        }
        return new ResizedImage(result.BytesBefore, result.BytesAfter, device.Length, result.BlockSize);
    }

    // Null if the image is the volume.
    private static LastPartition? FindPartition(OpenedImage image, string what)
    {
        if (image.Partition is not { } number)
        {
            return image.Offset == 0 ? null
                : throw new MountException(MountError.Unsupported, what, $"the volume starts at byte {image.Offset} of the image, and what is behind it is not known");
        }
        if (!image.Image.CanResize)
        {
            throw new MountException(MountError.Unsupported, what, $"the volume is in partition {number} of a block device, whose partition table is not changed");
        }
        return LastPartition.TryFind(image.Image, number, out string? whyNot) ??
            throw new MountException(MountError.Unsupported, what, whyNot!, "Only the last partition of an image can be made smaller.");
    }

    // What a damaged volume calls free may be in use: nothing is cut off on its word.
    private static void RequireSound(IBlockDevice volume, string what)
    {
        Superblock superblock = SuperblockReader.Read(volume);
        FeatureSupport.RequireMountable(superblock);
        if (Ext4Volume.WhyReadOnly(superblock, isDeviceReadOnly: false) is { } reason)
        {
            throw new MountException(MountError.Unsupported, what, reason);
        }
        CheckReport report = Ext4Checker.Check(volume, new CheckOptions { Threads = 0 });
        if (report.IsClean)
        {
            return;
        }
        string found = string.Join("; ", report.Findings.Where(finding => finding.Severity == FindingSeverity.Error).Take(FindingsShown));
        string more = report.ErrorCount > FindingsShown ? $" and {report.ErrorCount - FindingsShown} more" : "";
        throw new MountException(MountError.Damaged, what, $"the file system is damaged: {found}{more}", "'winloop check --repair' or 'e2fsck -f' can repair it.");
    }
}
