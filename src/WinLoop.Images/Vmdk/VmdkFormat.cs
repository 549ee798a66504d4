using WinLoop.Storage;

namespace WinLoop.Images.Vmdk;

/// <summary>VMDK, the format of VMware ("Virtual Disk Format 5.0"): a descriptor, in a file of its own or in the only extent,
/// and extents that hold the disk.</summary>
public sealed class VmdkFormat : IImageFormat
{
    private static ReadOnlySpan<byte> CowdMagic => "COWD"u8;

    /// <inheritdoc/>
    public string Name => "VMDK";

    /// <inheritdoc/>
    public bool Matches(IGrowableDevice file)
    {
        ArgumentNullException.ThrowIfNull(file);
        if (file.Length < SparseHeader.Size)
        {
            return VmdkDescriptor.Matches(file);
        }

        Span<byte> magic = stackalloc byte[4];
        file.Read(magic, 0);
        return magic.SequenceEqual(SparseHeader.Magic) || magic.SequenceEqual(CowdMagic) || VmdkDescriptor.Matches(file);
    }

    /// <inheritdoc/>
    public IBlockDevice Open(IGrowableDevice file, ImageFormatOptions options)
    {
        ArgumentNullException.ThrowIfNull(file);
        ArgumentNullException.ThrowIfNull(options);
        if (VmdkDescriptor.Matches(file))
        {
            return VmdkOpener.OpenDescriptor(file, options);
        }

        Span<byte> magic = stackalloc byte[4];
        if (file.Length >= SparseHeader.Size)
        {
            file.Read(magic, 0);
        }

        return magic.SequenceEqual(CowdMagic)
            ? throw VmdkError.Unsupported("a sparse disk of ESX or of VMware 3 (COWD); convert it with vmkfstools or qemu-img")
            : VmdkOpener.OpenSparse(file, options);
    }
}
