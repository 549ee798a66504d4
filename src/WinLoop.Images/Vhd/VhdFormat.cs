using WinLoop.Storage;

namespace WinLoop.Images.Vhd;

/// <summary>VHD, the format of Virtual PC and of Azure, which Windows still attaches.</summary>
public sealed class VhdFormat : IImageFormat
{
    // The largest disk that the table of a dynamic one can hold: 2040 GiB.
    internal const ulong MaxDiskSize = 0xFF000000UL * 512;

    /// <inheritdoc/>
    public string Name => "VHD";

    /// <inheritdoc/>
    public bool Matches(IGrowableDevice file)
    {
        ArgumentNullException.ThrowIfNull(file);
        Span<byte> cookie = stackalloc byte[8];
        if (file.Length < VhdFooter.Size)
        {
            return false;
        }

        file.Read(cookie, file.Length - VhdFooter.Size);
        if (cookie.SequenceEqual(VhdFooter.Cookie))
        {
            return true;
        }

        file.Read(cookie, 0);
        return cookie.SequenceEqual(VhdFooter.Cookie);
    }

    /// <inheritdoc/>
    public IBlockDevice Open(IGrowableDevice file, ImageFormatOptions options)
    {
        ArgumentNullException.ThrowIfNull(file);
        ArgumentNullException.ThrowIfNull(options);
        if (file.Length < VhdFooter.Size)
        {
            throw VhdError.Damaged($"the file has only {file.Length} bytes");
        }

        // The footer at the end counts. A dynamic disk has a copy at the beginning, for when the end is lost.
        byte[] end = new byte[VhdFooter.Size], start = new byte[VhdFooter.Size];
        file.Read(end, file.Length - VhdFooter.Size);
        file.Read(start, 0);
        bool hasEnd = VhdFooter.TryRead(end, out VhdFooter footer);
        if (!hasEnd && (!VhdFooter.TryRead(start, out footer) || footer.Type == VhdDiskType.Fixed))
        {
            throw VhdError.Damaged("its footer is damaged");
        }

        bool isReadOnly = options.IsReadOnly || file.IsReadOnly;
        Check(footer, isReadOnly);
        if (footer.Type != VhdDiskType.Fixed)
        {
            return VhdDynamicDisk.Open(file, footer, hasEnd ? end : start, hasEnd, isReadOnly);
        }

        return footer.CurrentSize <= (ulong)file.Length - VhdFooter.Size
            ? new VhdFixedDisk(file, (long)footer.CurrentSize, isReadOnly)
            : throw VhdError.Damaged($"the disk has {footer.CurrentSize} bytes and the file only {file.Length}");
    }

    private static void Check(VhdFooter footer, bool isReadOnly)
    {
        if (footer.Version != VhdFooter.KnownVersion)
        {
            throw VhdError.Unsupported($"version {footer.Version >> 16}.{footer.Version & 0xFFFF} of the format");
        }

        switch (footer.Type)
        {
            case VhdDiskType.Fixed or VhdDiskType.Dynamic:
                break;
            case VhdDiskType.Differencing:
                throw VhdError.Unsupported("a differencing VHD (one with a parent); convert it, or merge it into its parent");
            default:
                throw VhdError.Unsupported($"a disk of type {(uint)footer.Type}");
        }

        if (footer.CurrentSize == 0 || footer.CurrentSize % VhdFooter.Size != 0
            || (footer.Type == VhdDiskType.Dynamic && footer.CurrentSize > MaxDiskSize))
        {
            throw VhdError.Damaged($"a disk of {footer.CurrentSize} bytes cannot be");
        }

        if (footer.IsSaved && !isReadOnly)
        {
            throw VhdError.Unsupported("writing while a virtual machine is suspended with it; open it read-only");
        }
    }
}
