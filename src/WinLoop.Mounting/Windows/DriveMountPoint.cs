namespace WinLoop.Mounting.Windows;

/// <summary>Mount points as users of Windows write them.</summary>
public static class DriveMountPoint
{
    private const string GlobalPrefix = @"\\.\";

    /// <summary>The first free letter from Z: down.</summary>
    public const string AnyLetter = "*";

    /// <summary>
    /// Reads <c>X</c>, <c>X:</c>, <c>X:\</c>, <c>*</c>, <c>\\.\X:</c> (for all users; needs an administrator) or a folder
    /// that does not exist yet.
    /// </summary>
    /// <param name="text">As given; null = the first free letter.</param>
    /// <param name="folderExists">Says whether a path exists.</param>
    /// <returns>In the form that WinFsp takes.</returns>
    /// <exception cref="MountException">It is none of these, or taken.</exception>
    public static string Parse(string? text, Func<string, bool> folderExists)
    {
        if (text is null or AnyLetter or "*:")
        {
            return AnyLetter;
        }
        string prefix = text.StartsWith(GlobalPrefix, StringComparison.Ordinal) ? GlobalPrefix : "";
        string rest = text[prefix.Length..];
        if (IsOneLetter(rest))
        {
            string drive = char.ToUpperInvariant(rest[0]) + ":";
            return folderExists(drive + @"\") ? throw Taken(drive) : prefix + drive;
        }
        if (prefix.Length > 0 || text.Length == 0)
        {
            throw new MountException(MountError.Usage, "mount", $"'{text}' is not a mount point", @"Give a letter as X:, *, \\.\X: or a folder.");
        }
        string folder = Path.GetFullPath(text);
        if (folderExists(folder))
        {
            throw new MountException(MountError.Usage, $"cannot mount on {folder}", "it exists already",
                "On Windows the folder is made by the mount and goes with it: give a name that is free.");
        }
        string? parent = Path.GetDirectoryName(folder);
        if (parent == null || !folderExists(parent))
        {
            throw new MountException(MountError.NotFound, $"cannot mount on {folder}", $"the folder {parent ?? folder} does not exist", "Make it first.");
        }
        return folder;
    }

    private static MountException Taken(string drive) => new(MountError.Busy, $"cannot mount on {drive}", "the letter is taken",
        "Give another letter, or * for one that is free.");

    /// <summary>True for <c>X</c>, <c>X:</c>, <c>X:\</c>, <c>*</c>: a letter, and no folder.</summary>
    public static bool IsLetter(string text) => text is AnyLetter or "*:" || IsOneLetter(text);

    private static bool IsOneLetter(string text) =>
        (text is [_] or [_, ':'] or [_, ':', '\\' or '/']) && char.IsAsciiLetter(text[0]);
}
