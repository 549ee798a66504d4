using WinLoop.Storage;

namespace WinLoop.Images;

/// <summary>All container formats.</summary>
public static class ImageFormats
{
    /// <summary>In the order in which they are asked.</summary>
    public static IReadOnlyList<IImageFormat> All { get; } = [new Vhdx.VhdxFormat(), new Vdi.VdiFormat(), new Vhd.VhdFormat()];

    /// <summary>The format of a file; null: none of them, so its bytes are the disk's.</summary>
    /// <exception cref="BlockDeviceException">The file cannot be read.</exception>
    public static IImageFormat? Find(IGrowableDevice file)
    {
        foreach (IImageFormat format in All)
        {
            if (format.Matches(file))
            {
                return format;
            }
        }

        return null;
    }
}
