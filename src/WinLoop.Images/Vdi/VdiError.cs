namespace WinLoop.Images.Vdi;

/// <summary>The exceptions of the format, so that all of them begin alike.</summary>
internal static class VdiError
{
    public static ImageFormatException Damaged(string what) => new(ImageFormatError.Damaged, "VDI: " + what);

    public static ImageFormatException Unsupported(string what) => new(ImageFormatError.Unsupported, "VDI: " + what);
}
