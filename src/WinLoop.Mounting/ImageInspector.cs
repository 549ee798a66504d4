using WinLoop.Ext4;
using WinLoop.Mounting.Linux;
using WinLoop.Mounting.Registry;
using WinLoop.Storage;

namespace WinLoop.Mounting;

/// <summary>What is in an image.</summary>
public sealed record ImageContents
{
    /// <summary>Absolute path, symlinks resolved.</summary>
    public required string Path { get; init; }
    /// <summary>The container format, for example <c>VHDX</c>; null if its bytes are the disk's.</summary>
    public string? Format { get; init; }
    /// <summary>Bytes of the image, or of the part that offset and size limit leave.</summary>
    public long Size { get; init; }
    /// <summary>Its partitions.</summary>
    public required PartitionTable Table { get; init; }
    /// <summary>The partition of <see cref="Volume"/>; null if it is not in one.</summary>
    public int? Partition { get; init; }
    /// <summary>First byte of <see cref="Volume"/> in the file.</summary>
    public long Offset { get; init; }
    /// <summary>The volume that mount would take; null if there is none or the choice is not clear.</summary>
    public VolumeFacts? Volume { get; init; }
    /// <summary>Why there is no <see cref="Volume"/>.</summary>
    public string? Problem { get; init; }
    /// <summary>Where WinLoop has the image mounted at the moment.</summary>
    public IReadOnlyList<string> MountedOn { get; init; } = [];
    /// <summary>Sentences for the user.</summary>
    public IReadOnlyList<string> Warnings { get; init; } = [];
}

/// <summary>Looks at images without locking or changing them; they may be mounted.</summary>
public static class ImageInspector
{
    /// <summary>Looks at an image.</summary>
    /// <param name="path">The image file or block device.</param>
    /// <param name="partition">The user's choice; null = the only one with ext.</param>
    /// <param name="options">Offset and size limit.</param>
    /// <exception cref="MountException">There is neither a partition table nor a volume, or the volume's
    /// superblock is damaged.</exception>
    public static ImageContents Inspect(string path, int? partition, MountOptions options)
    {
        string what = $"cannot read {path}";
        try
        {
            string real = ImageOpener.Check(path, what);
            LoopDevice file = LoopDevice.Open(real, new LoopDeviceOptions
            {
                Offset = options.Offset ?? 0,
                SizeLimit = options.SizeLimit ?? 0,
                IsReadOnly = true,
                IsShared = true,
                IsExact = true,
            });
            IBlockDevice? disk = null;
            using var closer = new Closer(() => (disk ?? file).Dispose());
            IBlockDevice image = disk = DiskOpener.Open(file, options, System.IO.Path.GetDirectoryName(real), what, null, out string? format);
            PartitionTable table = PartitionTable.Read(image);
            var contents = new ImageContents
            {
                Path = real,
                Size = image.Length,
                Format = format,
                Table = table,
                Warnings = table.Warnings,
                MountedOn = [.. MountRegistry.ListAll().Where(m => m.Record.Image == real).Select(m => m.Record.Directory)],
            };
            LocatedVolume located;
            try
            {
                located = ImageOpener.Locate(image, partition, options.Offset != null && table.IsWholeDeviceExt, what);
            }
            catch (MountException e) when (table.Scheme != PartitionScheme.None && e.Error != MountError.NotFound)
            {
                return contents with { Problem = e.InnerException?.Message ?? $"there is no ext file system in partition {partition}" };
            }
            string? reason = IsWritable(real) ? null : "no permission to write the image, or it is on a read-only medium";
            return contents with
            {
                Partition = located.Partition?.Number,
                Offset = (options.Offset ?? 0) + located.Offset,
                Volume = VolumeFacts.Read(located.Device, reason),
            };
        }
        catch (Exception e)
        {
            throw Failures.Explain(e, what);
        }
    }

    // The disk owns the file once it is there.
    private readonly struct Closer(Action close) : IDisposable
    {
        public void Dispose() => close();
    }

    private static bool IsWritable(string path) =>
        OperatingSystem.IsWindows() ? !new FileInfo(path).IsReadOnly : Native.access(path, Native.W_OK) == 0;
}
