using System.Globalization;

namespace WinLoop.Mounting.Linux;

/// <summary>Finds out who keeps a mount busy.</summary>
public static class OpenFiles
{
    /// <summary>
    /// What has a file, its working directory, its root, a mapping, a loop device or another mount below
    /// <paramref name="directory"/>, each in words; as far as this user may look.
    /// </summary>
    public static IReadOnlyList<string> FindUsers(string directory)
    {
        var users = new List<string>();
        foreach (string process in System.IO.Directory.EnumerateDirectories("/proc"))
        {
            if (int.TryParse(Path.GetFileName(process), CultureInfo.InvariantCulture, out int pid) &&
                pid != Environment.ProcessId && FindUse(process, directory) is { } use)
            {
                users.Add($"{ReadName(process)} (pid {pid}, {use})");
            }
        }
        foreach (MountEntry mount in MountTable.Read())
        {
            if (mount.Directory != directory && IsBelow(mount.Directory, directory))
            {
                users.Add($"the mount on {mount.Directory}");
            }
        }
        foreach (string loop in Enumerate("/sys/block", "loop*"))
        {
            if (ReadText(Path.Combine(loop, "loop/backing_file")) is { } file && IsBelow(file.TrimEnd('\n'), directory))
            {
                users.Add($"/dev/{Path.GetFileName(loop)} over {file.TrimEnd('\n')}");
            }
        }
        return users;
    }

    private static string? FindUse(string process, string directory)
    {
        try
        {
            if (IsBelow(Link($"{process}/cwd"), directory))
            {
                return "working directory";
            }
            if (IsBelow(Link($"{process}/root"), directory))
            {
                return "root directory";
            }
            foreach (string file in Enumerate($"{process}/fd", "*"))
            {
                if (Link(file) is { } target && IsBelow(target, directory))
                {
                    return target == directory ? "directory open" : $"open file {target[(directory.Length + 1)..]}";
                }
            }
            foreach (string line in File.ReadLines($"{process}/maps"))
            {
                int path = line.IndexOf('/');
                if (path >= 0 && IsBelow(line[path..], directory))
                {
                    return $"mapped file {line[(path + directory.Length + 1)..]}";
                }
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // It has ended, or belongs to somebody else.
        }
        return null;
    }

    private static bool IsBelow(string? path, string directory) =>
        path != null && path.StartsWith(directory, StringComparison.Ordinal) &&
        (path.Length == directory.Length || path[directory.Length] == '/');

    private static string? Link(string path)
    {
        try
        {
            return new FileInfo(path).LinkTarget;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    private static IEnumerable<string> Enumerate(string directory, string pattern)
    {
        try
        {
            return System.IO.Directory.GetFileSystemEntries(directory, pattern);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }

    private static string ReadName(string process) => ReadText($"{process}/comm")?.TrimEnd('\n') ?? "a program";

    private static string? ReadText(string path)
    {
        try
        {
            return File.ReadAllText(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
