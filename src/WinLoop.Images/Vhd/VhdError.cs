namespace WinLoop.Images.Vhd;

/// <summary>The exceptions of the format, so that all of them begin alike.</summary>
internal static class VhdError
{
    public static ImageFormatException Damaged(string what) => new(ImageFormatError.Damaged, "VHD: " + what);

    public static ImageFormatException Unsupported(string what) => new(ImageFormatError.Unsupported, "VHD: " + what);
}
