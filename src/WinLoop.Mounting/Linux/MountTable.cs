using System.Text;

namespace WinLoop.Mounting.Linux;

/// <summary>One line of <c>/proc/PID/mountinfo</c>.</summary>
/// <param name="Device">major:minor.</param>
/// <param name="Directory">The mount point, unescaped.</param>
/// <param name="FileSystem">The type, for example <c>fuseblk.ext4</c>.</param>
/// <param name="Source">What the device column shows, unescaped.</param>
/// <param name="Options">Options of this mount.</param>
public sealed record MountEntry(string Device, string Directory, string FileSystem, string Source, string Options)
{
    /// <summary>True for FUSE mounts.</summary>
    public bool IsFuse => FileSystem.StartsWith("fuse", StringComparison.Ordinal);
}

/// <summary>The kernel's mount table as this process sees it.</summary>
public static class MountTable
{
    /// <summary>All mounts, the topmost of a directory last.</summary>
    public static IReadOnlyList<MountEntry> Read(string path = "/proc/self/mountinfo")
    {
        var list = new List<MountEntry>();
        if (!OperatingSystem.IsLinux())
        {
            return list;
        }
        foreach (string line in File.ReadLines(path))
        {
            if (Parse(line) is { } entry)
            {
                list.Add(entry);
            }
        }
        return list;
    }

    /// <summary>The topmost mount on exactly this directory, or null.</summary>
    public static MountEntry? Find(string directory) => Read().LastOrDefault(e => e.Directory == directory);

    internal static MountEntry? Parse(string line)
    {
        // ID parent major:minor root mountpoint options [tags...] - type source superoptions
        string[] fields = line.Split(' ');
        int dash = Array.IndexOf(fields, "-", Math.Min(6, fields.Length));
        return dash < 0 || dash + 2 >= fields.Length
            ? null
            : new MountEntry(fields[2], Unescape(fields[4]), fields[dash + 1], Unescape(fields[dash + 2]), fields[5]);
    }

    // Space, tab, newline, backslash and # are written as \040 and the like.
    private static string Unescape(string field)
    {
        if (!field.Contains('\\'))
        {
            return field;
        }
        byte[] raw = Encoding.UTF8.GetBytes(field);
        int to = 0;
        for (int from = 0; from < raw.Length; from++)
        {
            if (raw[from] == '\\' && from + 3 < raw.Length && IsOctal(raw[from + 1]) && IsOctal(raw[from + 2]) && IsOctal(raw[from + 3]))
            {
                raw[to++] = (byte)(((raw[from + 1] - '0') << 6) | ((raw[from + 2] - '0') << 3) | (raw[from + 3] - '0'));
                from += 3;
            }
            else
            {
                raw[to++] = raw[from];
            }
        }
        return Encoding.UTF8.GetString(raw, 0, to);
    }

    private static bool IsOctal(byte digit) => digit is >= (byte)'0' and <= (byte)'7';
}
