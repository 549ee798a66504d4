namespace WinLoop.Mounting.Files;

/// <summary>A path inside an image, as users write it: <c>IMAGE:/PATH</c>.</summary>
/// <param name="Image">The image file or block device.</param>
/// <param name="Path">Absolute, with '/', inside the volume.</param>
public sealed record ImagePath(string Image, string Path)
{
    /// <summary>Takes a text apart; false if it does not name a path in an image.</summary>
    /// <remarks>The first <c>:/</c> in front of which an existing file stands separates; if there is none, the first that
    /// is not a drive's (<c>C:/x</c>, on Windows). A colon at the end means the root.</remarks>
    public static bool TryParse(string text, out ImagePath? path)
    {
        path = null;
        int first = -1;
        for (int at = text.IndexOf(":/", StringComparison.Ordinal); at >= 0; at = text.IndexOf(":/", at + 1, StringComparison.Ordinal))
        {
            if (at == 0 || IsDrive(text, at))
            {
                continue;
            }
            first = first < 0 ? at : first;
            if (File.Exists(text[..at]))
            {
                path = new ImagePath(text[..at], text[(at + 1)..]);
                return true;
            }
        }
        if (text.Length > 1 && text[^1] == ':' && !IsDrive(text, text.Length - 1) && (first < 0 || File.Exists(text[..^1])))
        {
            path = new ImagePath(text[..^1], "/");
            return true;
        }
        if (first > 0)
        {
            path = new ImagePath(text[..first], text[(first + 1)..]);
        }
        return first > 0;
    }

    /// <summary>As it was written.</summary>
    public override string ToString() => $"{Image}:{Path}";

    private static bool IsDrive(string text, int colon) => OperatingSystem.IsWindows() && colon == 1 && char.IsAsciiLetter(text[0]);
}
