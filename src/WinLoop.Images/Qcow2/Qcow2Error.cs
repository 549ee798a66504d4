using System.Text;
using WinLoop.Storage;

namespace WinLoop.Images.Qcow2;

/// <summary>The exceptions of the format, so that all of them begin alike.</summary>
internal static class Qcow2Error
{
    public static ImageFormatException Damaged(string what) => new(ImageFormatError.Damaged, "qcow2: " + what);

    public static ImageFormatException Unsupported(string what) => new(ImageFormatError.Unsupported, "qcow2: " + what);

    public static ImageFormatException Parent(string what, Exception? inner = null) => new(ImageFormatError.Parent, "qcow2: " + what, inner);

    /// <summary>Damage that shows only when a request comes to it: the tables are not all read when the disk is opened.</summary>
    public static BlockDeviceException DamagedInUse(string what) => new(BlockDeviceError.Io, "qcow2: damaged: " + what);

    /// <summary>Text of the file as a part of one line.</summary>
    public static string Shown(ReadOnlySpan<char> text)
    {
        var shown = new StringBuilder(text.Length);
        foreach (char c in text)
        {
            shown.Append(char.IsControl(c) ? '?' : c);
        }

        return shown.ToString();
    }
}
