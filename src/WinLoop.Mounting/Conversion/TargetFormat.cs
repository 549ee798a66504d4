using WinLoop.Images;
using WinLoop.Images.Vdi;
using WinLoop.Images.Vhd;
using WinLoop.Images.Vhdx;
using WinLoop.Storage;

namespace WinLoop.Mounting.Conversion;

/// <summary>A format that images are converted to.</summary>
public sealed class TargetFormat
{
    /// <summary>The bytes of the disk and nothing else.</summary>
    public static readonly TargetFormat Raw = new("raw", "raw", [".img", ".raw", ".ext4", ".ext3", ".ext2", ".dd", ".wic", ".sdcard", ".rootfs"],
        static (file, size) =>
        {
            file.SetLength(size);
            return file;
        });

    private TargetFormat(string name, string title, string[] extensions, Func<IGrowableDevice, long, IBlockDevice> make) =>
        (Name, Title, Extensions, Make) = (name, title, extensions, make);

    /// <summary>As users type it.</summary>
    public string Name { get; }

    /// <summary>As it is called.</summary>
    public string Title { get; }

    /// <summary>Of the files that have it, with the dot.</summary>
    public IReadOnlyList<string> Extensions { get; }

    /// <summary>All of them.</summary>
    public static IReadOnlyList<TargetFormat> All { get; } =
    [
        Raw,
        new("vhdx", "VHDX", [".vhdx", ".avhdx"], Maker<VhdxFormat>(static (file, size) => VhdxImage.Create(file, size))),
        new("vhdx-fixed", "fixed VHDX", [], Maker<VhdxFormat>(static (file, size) => VhdxImage.Create(file, size, new VhdxCreateOptions { IsFixed = true }))),
        new("vdi", "VDI", [".vdi"], Maker<VdiFormat>(static (file, size) => VdiImage.Create(file, size))),
        new("vdi-fixed", "fixed VDI", [], Maker<VdiFormat>(static (file, size) => VdiImage.Create(file, size, isFixed: true))),
        new("vhd", "VHD", [".vhd", ".vpc"], Maker<VhdFormat>(static (file, size) => VhdImage.Create(file, size))),
        new("vhd-fixed", "fixed VHD", [], Maker<VhdFormat>(static (file, size) => VhdImage.Create(file, size, isFixed: true))),
    ];

    /// <summary>Makes an empty disk of a number of bytes in an empty file. The disk owns the file; after an exception it is still the
    /// caller's. Throws <see cref="ArgumentException"/> if the format has no disks of that size.</summary>
    internal Func<IGrowableDevice, long, IBlockDevice> Make { get; }

    /// <summary>The format with a name, or null.</summary>
    public static TargetFormat? Find(string name) => All.FirstOrDefault(f => f.Name.Equals(name, StringComparison.OrdinalIgnoreCase));

    /// <summary>The format that files with such a name have, or null.</summary>
    public static TargetFormat? OfFile(string path) =>
        All.FirstOrDefault(f => f.Extensions.Contains(Path.GetExtension(path), StringComparer.OrdinalIgnoreCase));

    private static Func<IGrowableDevice, long, IBlockDevice> Maker<T>(Action<IGrowableDevice, long> create)
        where T : IImageFormat, new() => (file, size) =>
        {
            create(file, size);
            return new T().Open(file, new ImageFormatOptions());
        };
}
