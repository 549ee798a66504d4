using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using WinLoop.Ext4.Format;
using WinLoop.Mounting.Linux;
using WinLoop.Mounting.Overlays;
using WinLoop.Storage;

namespace WinLoop.Mounting;

/// <summary>An open image and the device of the volume in it.</summary>
/// <param name="Path">Absolute path, symlinks resolved.</param>
/// <param name="Image">All of the image, or the part that the offset and the size limit leave.</param>
/// <param name="Volume">The volume's bytes; disposing it closes the image.</param>
/// <param name="Partition">Number in the partition table; null if there is none or an offset was given.</param>
/// <param name="Offset">First byte of the volume in the file.</param>
/// <param name="ReadOnlyReason">Why it is read-only although that was not asked for.</param>
public sealed record OpenedImage(string Path, LoopDevice Image, IBlockDevice Volume, int? Partition, long Offset, string? ReadOnlyReason)
{
    /// <summary>The disk in the image: its bytes, or what a container format makes of them.</summary>
    public required IBlockDevice Disk { get; init; }

    /// <summary>Bytes of the volume.</summary>
    public long Size => Volume.Length;

    /// <summary>Where the writes go: a file's absolute path, <c>memory</c>, or null if they go into the image.</summary>
    public string? Overlay { get; init; }

    /// <summary>The container format of the image, for example <c>VHDX</c>; null if its bytes are the disk's.</summary>
    public string? Format { get; init; }
}

/// <summary>An image that was opened with its user's rights, by himself or in his name.</summary>
/// <param name="Handle">The open file (<see cref="LoopDevice.FromHandle"/>).</param>
/// <param name="Path">Absolute, symlinks resolved.</param>
/// <param name="IsReadOnly">It is not open for writing.</param>
/// <param name="ReadOnlyReason">Why not, if that was not asked for.</param>
public sealed record ImageHandle(SafeFileHandle Handle, string Path, bool IsReadOnly, string? ReadOnlyReason) : IDisposable
{
    /// <inheritdoc/>
    public void Dispose() => Handle.Dispose();
}

/// <summary>From a path to the device of the volume in it.</summary>
public static class ImageOpener
{
    /// <summary>Opens and locks the image and finds the volume.</summary>
    /// <param name="path">The image file or block device.</param>
    /// <param name="partition">The user's choice; null = the only one with ext.</param>
    /// <param name="options">Of the mount.</param>
    /// <param name="what">What fails if it fails, for example <c>cannot mount pi.img</c>.</param>
    /// <param name="notes">Gets sentences for the user.</param>
    /// <param name="overlay">Where the writes go instead of into the image.</param>
    /// <exception cref="MountException">Why not.</exception>
    public static OpenedImage Open(string path, int? partition, MountOptions options, string what, ICollection<string> notes, OverlayRequest? overlay = null)
    {
        string real = Check(path, what);
        if (overlay != null)
        {
            return OpenOverlay(real, partition, options, what, notes, overlay);
        }
        LoopDevice image = OpenDevice(device => LoopDevice.Open(real, device), options, what, out string? reason);
        return OpenVolume(real, image, System.IO.Path.GetDirectoryName(real), partition, options, what, notes, reason);
    }

    /// <summary>Locks an image that was opened with somebody's rights and finds the volume.</summary>
    /// <param name="file">The open image.</param>
    /// <param name="partition">The user's choice; null = the only one with ext.</param>
    /// <param name="options">Of the mount.</param>
    /// <param name="what">What fails if it fails.</param>
    /// <param name="notes">Gets sentences for the user.</param>
    /// <exception cref="MountException">Why not; the file is closed.</exception>
    public static OpenedImage Open(ImageHandle file, int? partition, MountOptions options, string what, ICollection<string> notes)
    {
        MountOptions effective = options with { IsReadOnly = options.IsReadOnly || file.IsReadOnly };
        LoopDevice image = OpenDevice(device => LoopDevice.FromHandle(file.Handle, file.Path, device), effective, what, out string? reason);
        return OpenVolume(file.Path, image, null, partition, effective, what, notes, options.IsReadOnly ? null : file.ReadOnlyReason ?? reason);
    }

    private static OpenedImage OpenOverlay(
        string real, int? partition, MountOptions options, string what, ICollection<string> notes, OverlayRequest overlay)
    {
        // All of it, whatever the window: an overlay is one of the image.
        LoopDevice image = LoopDevice.Open(real, new LoopDeviceOptions { IsReadOnly = true, IsExact = true });
        IBlockDevice disk = image;
        IBlockDevice? device = null;
        bool isNew = false;
        try
        {
            MountOptions whole = options with { Offset = null, SizeLimit = null };
            disk = DiskOpener.Open(image, whole, System.IO.Path.GetDirectoryName(real), what, notes, out string? format);
            if (format != null && overlay.File != null)
            {
                throw new MountException(MountError.Unsupported, what, $"an overlay file over an image in {format} is not supported",
                    "Use '--overlay memory', or a raw image.");
            }
            device = OverlayOpener.Open(image, disk, overlay, options, what, out isNew);
            LocatedVolume located = Locate(device, partition, options.Offset != null, what);
            foreach (string warning in located.Warnings)
            {
                notes.Add(warning);
            }
            return new OpenedImage(real, image, located.Device, located.Partition?.Number, (options.Offset ?? 0) + located.Offset, null)
            {
                Disk = device,
                Overlay = overlay.Name,
                Format = format,
            };
        }
        catch
        {
            if (device != null)
            {
                OverlayOpener.Undo(overlay, ref isNew, device);
            }
            else
            {
                disk.Dispose();
            }
            throw;
        }
    }

    private static OpenedImage OpenVolume(
        string real, LoopDevice image, string? folder, int? partition, MountOptions options, string what, ICollection<string> notes, string? reason)
    {
        IBlockDevice disk = image;
        try
        {
            disk = DiskOpener.Open(image, options, folder, what, notes, out string? format);
            LocatedVolume located = Locate(disk, partition, options.Offset != null, what);
            foreach (string warning in located.Warnings)
            {
                notes.Add(warning);
            }
            return new OpenedImage(real, image, located.Device, located.Partition?.Number, (options.Offset ?? 0) + located.Offset, reason)
            {
                Disk = disk,
                Format = format,
            };
        }
        catch
        {
            disk.Dispose();
            throw;
        }
    }

    /// <summary>Finds the volume and makes sure that it is one.</summary>
    /// <param name="image">The open image; the volume's device owns it from then on.</param>
    /// <param name="partition">The user's choice.</param>
    /// <param name="isVolume">The image is the volume: do not look for partitions.</param>
    /// <param name="what">What fails if it fails.</param>
    /// <exception cref="MountException">There is none, or the choice is not clear. The image stays open.</exception>
    public static LocatedVolume Locate(IBlockDevice image, int? partition, bool isVolume, string what)
    {
        LocatedVolume located;
        try
        {
            located = isVolume ? new LocatedVolume(image, null, 0, []) : VolumeLocator.Locate(image, partition, ownsImage: true);
        }
        catch (VolumeNotFoundException e)
        {
            MountError error = partition != null ? MountError.NotFound
                : e.Candidates.Any(c => c.IsExtCandidate) ? MountError.Usage : MountError.Unsupported;
            throw new MountException(error, what, e.Message,
                error == MountError.Unsupported ? "'winloop info' shows what is in the image." : "Choose one with -p NUMBER.", e);
        }
        catch (PartitionTableException e)
        {
            throw new MountException(MountError.Damaged, what, e.Message, "Give the place of the volume with --offset.", e);
        }
        if (!SuperblockReader.HasMagic(located.Device) && SuperblockReader.FindBackup(located.Device) == null)
        {
            throw new MountException(MountError.Unsupported, what, "this is not an ext2, ext3 or ext4 file system",
                "'winloop info' shows what is in the image.");
        }
        return located;
    }

    private static LoopDevice OpenDevice(Func<LoopDeviceOptions, LoopDevice> open, MountOptions options, string what, out string? reason)
    {
        reason = null;
        var device = new LoopDeviceOptions { Offset = options.Offset ?? 0, SizeLimit = options.SizeLimit ?? 0, IsReadOnly = options.IsReadOnly, IsExact = true };
        try
        {
            return open(device);
        }
        catch (BlockDeviceException e) when (!options.IsReadOnly && e.Error is BlockDeviceError.ReadOnly or BlockDeviceError.Denied)
        {
            // Of a drive it is more than rights that forbids writing.
            reason = e.Message.StartsWith(@"\\.\", StringComparison.Ordinal) ? e.Message
                : e.Error == BlockDeviceError.ReadOnly ? "the image is on a read-only medium" : "no permission to write the image";
            return open(device with { IsReadOnly = true });
        }
        catch (BlockDeviceException e) when (e.Error == BlockDeviceError.Busy && OperatingSystem.IsWindows() && what.EndsWith("ext4.vhdx", StringComparison.OrdinalIgnoreCase))
        {
            throw new MountException(MountError.Busy, what, "a distribution of WSL is running on it",
                "End it with 'wsl --shutdown'; while WSL runs its files are at \\\\wsl.localhost.", e);
        }
    }

    /// <summary>Checks that a path can be an image and resolves it.</summary>
    /// <exception cref="MountException">It does not exist, is no file or block device, or may not be read.</exception>
    public static string Check(string path, string what)
    {
        if (OperatingSystem.IsWindows())
        {
            return System.IO.Directory.Exists(path) ? throw IsDirectory(what) : System.IO.Path.GetFullPath(path);
        }
        int errno = FileStatus.TryGet(path, out FileStatus status);
        if (errno != 0)
        {
            throw Failures.ExplainErrno(errno, what, errno == Native.ENOENT ? "no such file" : null);
        }
        if (status.IsDirectory)
        {
            throw IsDirectory(what);
        }
        if (!status.IsRegularFile && !status.IsBlockDevice)
        {
            throw new MountException(MountError.Usage, what, "it is neither a file nor a block device", "Give an image file.");
        }
        if (Native.access(path, Native.R_OK) != 0)
        {
            throw Failures.ExplainErrno(Marshal.GetLastPInvokeError(), what);
        }
        return Native.RealPath(path) ?? System.IO.Path.GetFullPath(path);
    }

    private static MountException IsDirectory(string what) =>
        new(MountError.Usage, what, "it is a directory, not an image", "Give the image first, then the directory.");
}
