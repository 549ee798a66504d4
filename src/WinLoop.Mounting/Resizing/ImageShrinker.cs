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
    /// <param name="partition">The volume's, if it is in one.</param>
    /// <param name="size">Bytes of the image; null = as few as possible.</param>
    /// <param name="what">What fails if it fails.</param>
    /// <param name="notes">Gets sentences for the user.</param>
    /// <exception cref="MountException">Why not; nothing has changed if the volume is damaged or uses what is not supported.</exception>
    public static ResizedImage Run(MountedImage opened, LastPartition? partition, long? size, string what, ICollection<string> notes)
    {
        LoopDevice device = opened.Image.Image;
        RequireSound(opened.Image.Volume, what);
        opened.MountVolume(new MountOptions(), null, notes);
        Ext4Volume volume = opened.Volume;
        if (volume.IsReadOnly)
        {
            throw new MountException(MountError.Unsupported, what, opened.ReadOnlyReason ?? "the volume can only be read");
        }
        ResizeResult result = size is { } bytes ? Shrink(volume, partition, bytes, what) : volume.ShrinkToMinimum();
        if (!device.CanResize)
        {
            notes.Add("the size of a block device does not change: what is behind the file system is not used any more");
        }
        else if (partition is not null)
        {
            long length = size is { } image ? Math.Min(partition.LengthIn(image), partition.Length) : partition.Align(result.BytesAfter);
            Shorten(device, partition.SetLength(length, Math.Min(partition.ImageLengthFor(length), device.Length)));
        }
        else
        {
            // The size that was asked for, where the volume could only be cut at the end of a group before it.
            Shorten(device, Math.Max(result.BytesAfter, (size ?? 0) / SectorSize * SectorSize));
        }
        return new ResizedImage(result.BytesBefore, result.BytesAfter, device.Length, result.BlockSize);
    }

    private static ResizeResult Shrink(Ext4Volume volume, LastPartition? partition, long size, string what)
    {
        try
        {
            return volume.Shrink(partition?.LengthIn(size) ?? size);
        }
        catch (Ext4Exception e) when (e.Errno == Errno.ENOSPC && partition is not null)
        {
            // The engine's sentence counts the bytes of the volume; SIZE is the image's.
            throw new MountException(MountError.Unsupported, what, e.Message,
                $"In front of the volume are {partition.Start} bytes: give at least {partition.ImageLengthFor(volume.MinimumSize)}.", e);
        }
    }

    private static void Shorten(LoopDevice device, long length)
    {
        if (length < device.Length)
        {
            device.SetLength(length);
        }
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
