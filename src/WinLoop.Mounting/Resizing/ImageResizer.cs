using WinLoop.Ext4;
using WinLoop.Ext4.Format;
using WinLoop.Images;
using WinLoop.Mounting.Files;
using WinLoop.Mounting.Registry;
using WinLoop.Storage;

namespace WinLoop.Mounting.Resizing;

/// <summary>What was resized; sizes in bytes.</summary>
/// <param name="Before">Of the volume.</param>
/// <param name="After">Of the volume.</param>
/// <param name="File">Of the image file now.</param>
/// <param name="BlockSize">Bytes per block.</param>
public sealed record ResizedImage(long Before, long After, long File, int BlockSize);

/// <summary>Changes the size of an image and the volume in it: nobody has it mounted, or a WinLoop mount has.</summary>
public static class ImageResizer
{
    private const int SectorSize = 512;

    /// <summary>Resizes an image that is not mounted.</summary>
    /// <param name="image">The image file or block device.</param>
    /// <param name="size">The new size; null = the volume fills the file as it is.</param>
    /// <param name="what">What fails if it fails.</param>
    /// <param name="notes">Gets sentences for the user.</param>
    /// <exception cref="MountException">Why not; the volume has its old size, or one between.</exception>
    public static ResizedImage Resize(string image, long? size, string what, ICollection<string> notes) =>
        Resize(image, size, isMinimum: false, what, notes);

    /// <summary>Makes an image that is not mounted as small as it can become.</summary>
    /// <param name="image">The image file or block device.</param>
    /// <param name="what">What fails if it fails.</param>
    /// <param name="notes">Gets sentences for the user.</param>
    /// <exception cref="MountException">Why not; the volume has its old size, or one between.</exception>
    public static ResizedImage ShrinkToMinimum(string image, string what, ICollection<string> notes) =>
        Resize(image, null, isMinimum: true, what, notes);

    private static ResizedImage Resize(string image, long? size, bool isMinimum, string what, ICollection<string> notes)
    {
        try
        {
            using MountedImage opened = MountedImage.Open(new MountRequest { Image = image, Options = new MountOptions() }, what, notes);
            RequireRaw(opened.Image.Format, what);
            LastPartition? partition = FindPartition(opened.Image.Disk, opened.Image.Partition, opened.Image.Offset, what);
            if (opened.Image.Volume.IsReadOnly)
            {
                throw new MountException(MountError.Denied, what, opened.Image.ReadOnlyReason ?? "the image is read-only", "Make the image writable.");
            }
            return isMinimum || (size is { } bytes && IsLess(partition?.LengthIn(bytes) ?? bytes, opened.Image.Volume))
                ? ImageShrinker.Run(opened, partition, size, what, notes)
                : Grow(opened, partition, size, what, notes);
        }
        catch (Exception e)
        {
            throw BusyImage.NameHolder(Explain(e, what), image, what);
        }
    }

    private static ResizedImage Grow(MountedImage opened, LastPartition? partition, long? size, string what, ICollection<string> notes)
    {
        IBlockDevice disk = opened.Image.Disk;
        long wanted = VolumeLength(partition, size, disk.Length, SectorSize, what);
        opened.MountVolume(new MountOptions(), null, notes);
        Ext4Volume volume = opened.Volume;
        if (volume.IsReadOnly)
        {
            throw new MountException(MountError.Unsupported, what, opened.ReadOnlyReason ?? "the volume can only be read");
        }
        ResizeResult result = volume.Grow(wanted);
        // The size that was asked for, where the last group of the volume would have been too small.
        if (opened.Image.Volume is IGrowableDevice { CanResize: true } device && device.Length < wanted)
        {
            device.SetLength(wanted);
        }
        return new ResizedImage(result.BytesBefore, result.BytesAfter, disk.Length, result.BlockSize);
    }

    // Bytes that the volume can have in an image of that size.
    private static long VolumeLength(LastPartition? partition, long? size, long imageLength, int unit, string what)
    {
        if (partition is null)
        {
            return (size ?? imageLength) / unit * unit;
        }
        long length = partition.LengthIn(size ?? imageLength);
        if (size is not null && length > partition.MaximumLength)
        {
            throw new MountException(MountError.Unsupported, what,
                $"its partition can have {partition.MaximumLength} bytes at most: that is as far as a partition table in an MBR can count", "A GPT can have larger ones.");
        }
        return Math.Min(length, partition.MaximumLength) / unit * unit;
    }

    /// <summary>Grows an image that WinLoop has mounted.</summary>
    /// <param name="mount">The mount.</param>
    /// <param name="size">The new size; null = the volume fills the file as it is.</param>
    /// <param name="what">What fails if it fails.</param>
    /// <exception cref="MountException">Why not.</exception>
    public static ResizedImage GrowMounted(KnownMount mount, long? size, string what)
    {
        MountRecord record = mount.Record;
        try
        {
            using LoopDevice image = Look(record.Image, what);
            LastPartition? partition = FindPartition(image, record.Partition, record.Offset, what);
            using var volume = new SliceDevice(image, partition?.Start ?? 0, partition?.Length ?? image.Length);
            Superblock superblock = SuperblockReader.Read(volume);
            Geometry geometry = Geometry.Create(superblock, volume.Length);
            long before = (long)geometry.BlocksCount * geometry.BlockSize;
            long wanted = VolumeLength(partition, size, image.Length, geometry.BlockSize, what);
            if (size is not null && wanted < before)
            {
                throw new MountException(MountError.Unsupported, what, $"{wanted} bytes are less than the volume has ({before}), and only what is not mounted is made smaller",
                    "Unmount it first.");
            }
            (long largest, string reason) = Ext4Volume.LargestSize(superblock, volume.Length);
            if (wanted > largest)
            {
                throw new MountException(MountError.Unsupported, what, $"it can grow to {largest} bytes at most: {reason}");
            }
            MountControl.Grow(record, wanted, geometry.BlockSize, what);
            using LoopDevice after = Look(record.Image, what);
            using var grown = new SliceDevice(after, volume.Offset, after.Length - volume.Offset);
            return new ResizedImage(before, (long)SuperblockReader.Read(grown).BlocksCount * geometry.BlockSize, after.Length, geometry.BlockSize);
        }
        catch (Exception e)
        {
            throw Explain(e, what);
        }
    }

    // Also of a volume that was made smaller before something stopped the rest: its device is too long still.
    private static bool IsLess(long size, IBlockDevice volume)
    {
        Geometry geometry = Geometry.Create(SuperblockReader.Read(volume), volume.Length);
        long now = (long)geometry.BlocksCount * geometry.BlockSize;
        return size < now || (size == now && size < volume.Length);
    }

    private static LoopDevice Look(string image, string what)
    {
        LoopDevice device = LoopDevice.Open(image, new LoopDeviceOptions { IsReadOnly = true, IsShared = true, IsExact = true });
        try
        {
            RequireRaw(device.Identity.IsBlockDevice ? null : ImageFormats.Find(device)?.Name, what);
            device.Seal();
            return device;
        }
        catch
        {
            device.Dispose();
            throw;
        }
    }

    private static void RequireRaw(string? format, string what)
    {
        if (format is not null)
        {
            throw new MountException(MountError.Unsupported, what, $"it is a {format} image, and the size of its disk cannot be changed",
                "Convert it to a raw image, resize that, and convert it back.");
        }
    }

    // Null if the image is the volume.
    private static LastPartition? FindPartition(IBlockDevice image, int? partition, long offset, string what)
    {
        if (partition is not { } number)
        {
            return offset == 0 ? null
                : throw new MountException(MountError.Unsupported, what, $"the volume starts at byte {offset} of the image, and what is behind it is not known",
                    "Only an image that is one volume, or one with a partition table, changes its size.");
        }
        if (image is LoopDevice { Identity.IsBlockDevice: true })
        {
            throw new MountException(MountError.Unsupported, what, $"the volume is in partition {number} of a block device, whose partition table is not changed");
        }
        return LastPartition.TryFind(image, number, out string? whyNot) ??
            throw new MountException(MountError.Unsupported, what, whyNot!, "Only the last partition of an image changes its size.");
    }

    private static MountException Explain(Exception e, string what) => e switch
    {
        Ext4Exception { Errno: Errno.EFBIG or Errno.ENOSPC } x => new MountException(MountError.Unsupported, what, x.Message, null, x),
        _ => Failures.Explain(e, what),
    };
}
