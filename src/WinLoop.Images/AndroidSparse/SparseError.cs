namespace WinLoop.Images.AndroidSparse;

/// <summary>The exceptions of the format, so that all of them begin alike.</summary>
internal static class SparseError
{
    public static ImageFormatException Damaged(string what) => new(ImageFormatError.Damaged, "Android sparse image: " + what);

    public static ImageFormatException Unsupported(string what) => new(ImageFormatError.Unsupported, "Android sparse image: " + what);
}
