using System.Text;

namespace WinLoop.Images.Vmdk;

/// <summary>The exceptions of the format, so that all of them begin alike.</summary>
internal static class VmdkError
{
    public static ImageFormatException Damaged(string what) => new(ImageFormatError.Damaged, "VMDK: " + what);

    public static ImageFormatException Unsupported(string what) => new(ImageFormatError.Unsupported, "VMDK: " + what);

    public static ImageFormatException Parent(string what, Exception? inner = null) => new(ImageFormatError.Parent, "VMDK: " + what, inner);

    /// <summary>Text of a file as a part of one short line.</summary>
    public static string Shown(string text)
    {
        const int Longest = 100;
        var shown = new StringBuilder(text.Length, Math.Max(text.Length, 1));
        foreach (char c in text.AsSpan(0, Math.Min(text.Length, Longest)))
        {
            shown.Append(char.IsControl(c) ? '?' : c);
        }

        return shown.ToString();
    }
}
