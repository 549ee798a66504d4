using WinLoop.Images;
using WinLoop.Images.AndroidSparse;
using WinLoop.Images.Qcow2;
using WinLoop.Images.Vdi;
using WinLoop.Images.Vhd;
using WinLoop.Images.Vhdx;
using WinLoop.Images.Vmdk;
using WinLoop.Storage;

namespace WinLoop.Mounting.Conversion;

/// <summary>A format that images are converted to.</summary>
public sealed class TargetFormat
{
    private const int SectorSize = 512;

    /// <summary>The bytes of the disk and nothing else.</summary>
    public static readonly TargetFormat Raw = new("raw", "raw", [".img", ".raw", ".ext4", ".ext3", ".ext2", ".dd", ".wic", ".sdcard", ".rootfs"],
        static (source, file, progress) =>
        {
            file.SetLength(source.Length);
            long copied = ImageConverter.Copy(source, file, progress);
            file.Flush();
            return copied;
        });

    private TargetFormat(string name, string title, string[] extensions, Writer write) =>
        (Name, Title, Extensions, Write) = (name, title, extensions, write);

    /// <summary>Writes a disk into an empty file, and makes that durable; the file may be disposed afterwards.</summary>
    /// <returns>Bytes that were not zero.</returns>
    /// <exception cref="ArgumentException">The format has no disks of that size.</exception>
    internal delegate long Writer(IBlockDevice source, IGrowableDevice file, Action<long, long>? progress);

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
        new("vhdx", "VHDX", [".vhdx", ".avhdx"], Container<VhdxFormat>(static (file, size) => VhdxImage.Create(file, size))),
        new("vhdx-fixed", "fixed VHDX", [], Container<VhdxFormat>(static (file, size) => VhdxImage.Create(file, size, new VhdxCreateOptions { IsFixed = true }))),
        new("vdi", "VDI", [".vdi"], Container<VdiFormat>(static (file, size) => VdiImage.Create(file, size))),
        new("vdi-fixed", "fixed VDI", [], Container<VdiFormat>(static (file, size) => VdiImage.Create(file, size, isFixed: true))),
        new("qcow2", "qcow2", [".qcow2"], Container<Qcow2Format>(static (file, size) => Qcow2Image.Create(file, size))),
        new("vmdk", "VMDK", [".vmdk"], Container<VmdkFormat>(static (file, size) => VmdkImage.Create(file, size))),
        new("simg", "Android sparse", [".simg"], static (source, file, progress) => AndroidSparseImage.Write(source, file, progress)),
        new("vhd", "VHD", [".vhd", ".vpc"], Container<VhdFormat>(static (file, size) => VhdImage.Create(file, size))),
        new("vhd-fixed", "fixed VHD", [], Container<VhdFormat>(static (file, size) => VhdImage.Create(file, size, isFixed: true))),
    ];

    /// <summary>Writes a disk in this format.</summary>
    internal Writer Write { get; }

    /// <summary>The format with a name, or null.</summary>
    public static TargetFormat? Find(string name) => All.FirstOrDefault(f => f.Name.Equals(name, StringComparison.OrdinalIgnoreCase));

    /// <summary>The format that files with such a name have, or null.</summary>
    public static TargetFormat? OfFile(string path) =>
        All.FirstOrDefault(f => f.Extensions.Contains(Path.GetExtension(path), StringComparer.OrdinalIgnoreCase));

    private static Writer Container<T>(Action<IGrowableDevice, long> create)
        where T : IImageFormat, new() => (source, file, progress) =>
        {
            create(file, (source.Length + SectorSize - 1) / SectorSize * SectorSize);
            using IBlockDevice disk = new T().Open(file, new ImageFormatOptions());
            long copied = ImageConverter.Copy(source, disk, progress);
            disk.Flush();
            return copied;
        };
}
