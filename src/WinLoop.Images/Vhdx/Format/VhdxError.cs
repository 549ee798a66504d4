namespace WinLoop.Images.Vhdx;

/// <summary>The exceptions of the format, so that all of them begin alike.</summary>
internal static class VhdxError
{
    public static ImageFormatException Damaged(string what) => new(ImageFormatError.Damaged, "VHDX: " + what);

    public static ImageFormatException Unsupported(string what) => new(ImageFormatError.Unsupported, "VHDX: " + what);

    public static ImageFormatException Parent(string what, Exception? inner = null) =>
        new(ImageFormatError.Parent, "VHDX: " + what, inner);
}
