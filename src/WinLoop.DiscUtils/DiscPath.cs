using WinLoop.Mounting.Windows;

namespace WinLoop.DiscUtils;

/// <summary>Path strings as DiscUtils writes them: components between <c>\</c> (<c>/</c> is the same), from the root
/// whether or not there is one at the beginning.</summary>
internal static class DiscPath
{
    private static readonly char[] s_separators = ['\\', '/'];

    /// <summary>The components; "." is left out, ".." takes the one before it away, as everywhere on Windows, and ends at
    /// the root.</summary>
    public static List<string> Split(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        var parts = new List<string>();
        foreach (string part in path.Split(s_separators, StringSplitOptions.RemoveEmptyEntries))
        {
            if (part == "..")
            {
                if (parts.Count > 0)
                {
                    parts.RemoveAt(parts.Count - 1);
                }
            }
            else if (part != ".")
            {
                parts.Add(part);
            }
        }
        return parts;
    }

    /// <summary>A directory's path, as it was asked for, with a name behind it.</summary>
    public static string Combine(string directory, string name)
    {
        if (directory.Length == 0)
        {
            return name;
        }
        return directory[^1] is '\\' or '/' ? directory + name : $"{directory}\\{name}";
    }

    /// <summary>The bytes of a name; null if it has no form on disk.</summary>
    public static byte[]? Encode(string name)
    {
        Span<byte> bytes = stackalloc byte[WindowsName.MaxLength];
        int length = WindowsName.Encode(name, bytes);
        return length < 0 ? null : bytes[..length].ToArray();
    }

    /// <summary>The name of the bytes of a directory entry.</summary>
    public static string Decode(ReadOnlySpan<byte> name)
    {
        Span<char> units = stackalloc char[name.Length];
        return units[..WindowsName.Decode(name, units)].ToString();
    }
}
