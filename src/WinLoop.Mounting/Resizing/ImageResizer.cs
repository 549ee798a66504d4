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
            bool shrinks = isMinimum || (size is { } smaller && IsLess(smaller, opened.Image.Volume));
            if (!shrinks)
            {
                RequireWhole(opened.Image.Partition, opened.Image.Offset, what);
            }
            if (opened.Image.Volume.IsReadOnly)
            {
                throw new MountException(MountError.Denied, what, opened.Image.ReadOnlyReason ?? "the image is read-only", "Make the image writable.");
            }
            LoopDevice device = opened.Image.Image;
            if (shrinks)
            {
                return ImageShrinker.Run(opened, size, what, notes);
            }
            opened.MountVolume(new MountOptions(), null, notes);
            Ext4Volume volume = opened.Volume;
            if (volume.IsReadOnly)
            {
                throw new MountException(MountError.Unsupported, what, opened.ReadOnlyReason ?? "the volume can only be read");
            }
            long wanted = (size ?? device.Length) / SectorSize * SectorSize;
            if (size is not null)
            {
                RequireGrowth(wanted, volume.Geometry, what, isMounted: false);
            }
            ResizeResult result = volume.Grow(wanted);
            if (device.CanResize && device.Length < wanted)
            {
                device.SetLength(wanted);
            }
            return new ResizedImage(result.BytesBefore, result.BytesAfter, device.Length, result.BlockSize);
        }
        catch (Exception e)
        {
            throw BusyImage.NameHolder(Explain(e, what), image, what);
        }
    }

    /// <summary>Grows an image that WinLoop has mounted.</summary>
    /// <param name="mount">The mount.</param>
    /// <param name="size">The new size; null = the volume fills the file as it is.</param>
    /// <param name="what">What fails if it fails.</param>
    /// <exception cref="MountException">Why not.</exception>
    public static ResizedImage GrowMounted(KnownMount mount, long? size, string what)
    {
        MountRecord record = mount.Record;
        RequireWhole(record.Partition, record.Offset, what);
        try
        {
            (Superblock superblock, long length) = Look(record.Image, what);
            Geometry geometry = Geometry.Create(superblock, length);
            long wanted = (size ?? length) / geometry.BlockSize * geometry.BlockSize;
            if (size is not null)
            {
                RequireGrowth(wanted, geometry, what, isMounted: true);
            }
            (long largest, string reason) = Ext4Volume.LargestSize(superblock, length);
            if (wanted > largest)
            {
                throw new MountException(MountError.Unsupported, what, $"it can grow to {largest} bytes at most: {reason}");
            }
            MountControl.Grow(record, wanted, geometry.BlockSize, what);
            (Superblock after, length) = Look(record.Image, what);
            return new ResizedImage((long)geometry.BlocksCount * geometry.BlockSize, (long)after.BlocksCount * geometry.BlockSize, length, geometry.BlockSize);
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

    private static (Superblock Superblock, long Length) Look(string image, string what)
    {
        using LoopDevice device = LoopDevice.Open(image, new LoopDeviceOptions { IsReadOnly = true, IsShared = true, IsExact = true });
        RequireRaw(device.Identity.IsBlockDevice ? null : ImageFormats.Find(device)?.Name, what);
        device.Seal();
        return (SuperblockReader.Read(device), device.Length);
    }

    private static void RequireRaw(string? format, string what)
    {
        if (format is not null)
        {
            throw new MountException(MountError.Unsupported, what, $"it is a {format} image, and the size of its disk cannot be changed",
                "Convert it to a raw image, resize that, and convert it back.");
        }
    }

    private static void RequireWhole(int? partition, long offset, string what)
    {
        if (partition is { } number)
        {
            throw new MountException(MountError.Unsupported, what, $"the volume is in partition {number}, and partition tables are not changed",
                "Only an image that is one volume can grow.");
        }
        if (offset != 0)
        {
            throw new MountException(MountError.Unsupported, what, $"the volume starts at byte {offset} of the image",
                "Only an image that is one volume can grow.");
        }
    }

    private static void RequireGrowth(long wanted, Geometry geometry, string what, bool isMounted)
    {
        long now = (long)geometry.BlocksCount * geometry.BlockSize;
        if (wanted < now)
        {
            throw new MountException(MountError.Unsupported, what, $"{wanted} bytes are less than the volume has ({now}), and only what is not mounted is made smaller",
                isMounted ? "Unmount it first." : null);
        }
    }

    private static MountException Explain(Exception e, string what) => e switch
    {
        Ext4Exception { Errno: Errno.EFBIG or Errno.ENOSPC } x => new MountException(MountError.Unsupported, what, x.Message, null, x),
        _ => Failures.Explain(e, what),
    };
}
