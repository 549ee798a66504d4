using WinLoop.Images;
using WinLoop.Mounting.Linux;
using WinLoop.Storage;

namespace WinLoop.Mounting;

/// <summary>From an open image file to the disk in it: the file's bytes, or what a container format (VHDX, ...) makes of them.</summary>
internal static class DiskOpener
{
    /// <summary>Opens the disk.</summary>
    /// <param name="file">The image, opened with <see cref="LoopDeviceOptions.IsExact"/>; the disk owns it. After an exception it is
    /// still the caller's.</param>
    /// <param name="options">Offset and size limit, which count in the disk.</param>
    /// <param name="folder">Where other files that the image names may be; null = nowhere.</param>
    /// <param name="what">What fails if it fails.</param>
    /// <param name="notes">Gets what the format says of a disk that opens all the same; null = nobody reads it.</param>
    /// <param name="format">The container's name; null if there is none.</param>
    /// <exception cref="MountException">Why not.</exception>
    internal static IBlockDevice Open(LoopDevice file, MountOptions options, string? folder, string what, ICollection<string>? notes, out string? format)
    {
        format = null;
        if (file.Identity.IsBlockDevice || ImageFormats.Find(file) is not { } found)
        {
            Seal(file, what);
            return file;
        }
        format = found.Name;
        IBlockDevice disk;
        try
        {
            disk = found.Open(file, new ImageFormatOptions
            {
                IsReadOnly = file.IsReadOnly,
                Note = notes is null ? null : notes.Add,
                OpenRelated = (name, isWritable) => OpenRelated(folder, name, isWritable, what),
            });
        }
        catch (ImageFormatException e)
        {
            throw Explain(e, what);
        }
        return options.Offset is null && options.SizeLimit is null ? disk : Window(disk, options, what);
    }

    private static void Seal(LoopDevice file, string what)
    {
        try
        {
            file.Seal();
        }
        catch (BlockDeviceException e) when (e.Error == BlockDeviceError.OutOfRange)
        {
            throw BadOffset(what, e.Message, e);
        }
    }

    private static SliceDevice Window(IBlockDevice disk, MountOptions options, string what)
    {
        long offset = options.Offset ?? 0;
        if (offset > disk.Length)
        {
            throw BadOffset(what, $"offset {offset} is past the end of the disk ({disk.Length} bytes)", null);
        }
        long length = Math.Min(options.SizeLimit ?? long.MaxValue, disk.Length - offset);
        return new SliceDevice(disk, offset, length / 512 * 512, ownsParent: true);
    }

    private static MountException BadOffset(string what, string why, Exception? inner) => new(MountError.Usage, what, why, "Give a smaller offset.", inner);

    // An image may come from anywhere, and what it names is read with the rights of whoever mounts it: nothing but regular files
    // beside it or below, or an image could show its maker's choice of files to others.
    private static LoopDevice OpenRelated(string? folder, string name, bool isWritable, string what)
    {
        if (folder is null)
        {
            throw new MountException(MountError.Unsupported, what, $"it is only a part: it needs '{name}', too", "The service mounts single files; mount it with a process of yours.");
        }
        string path = HostPath.Resolve(Path.Combine(folder, name.Replace('\\', '/')));
        StringComparison comparison = OperatingSystem.IsWindows() ? StringComparison.OrdinalIgnoreCase : StringComparison.Ordinal;
        if (!path.StartsWith(Path.TrimEndingDirectorySeparator(HostPath.Resolve(folder)) + Path.DirectorySeparatorChar, comparison))
        {
            throw new MountException(MountError.Unsupported, what, $"it needs '{name}', which is not beside it",
                "An image is only given files of its own folder; put the other one there.");
        }
        if (!File.Exists(path) || (OperatingSystem.IsLinux() && FileStatus.Of(path) is not { IsRegularFile: true }))
        {
            throw new MountException(MountError.NotFound, what, $"it needs '{name}', which is missing", "Put the file into the folder of the image.");
        }
        return LoopDevice.Open(path, new LoopDeviceOptions { IsReadOnly = !isWritable, IsExact = true });
    }

    private static MountException Explain(ImageFormatException e, string what) => e.Error switch
    {
        ImageFormatError.Damaged => new MountException(MountError.Damaged, what, e.Message, "The container is damaged; the program that made it may repair it (qemu-img check -r).", e),
        ImageFormatError.Unsupported => new MountException(MountError.Unsupported, what, e.Message, "Convert it with 'qemu-img convert -O raw'.", e),
        _ => new MountException(MountError.NotFound, what, e.Message, "It needs the very files that it was made on.", e),
    };
}
