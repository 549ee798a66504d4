using System.Globalization;

namespace WinLoop.Storage.Linux;

/// <summary>The disks of Linux: <c>/sys/block</c>, and where that is missing (some containers) <c>/proc/partitions</c>.</summary>
internal static class LinuxDiskList
{
    private const long SectorSize = 512; // the kernel's unit in these files, whatever the disk has

    internal static IReadOnlyList<SystemDisk> List(string sysBlock, string procPartitions)
    {
        if (!Directory.Exists(sysBlock))
        {
            return FromPartitions(procPartitions);
        }

        var list = new List<SystemDisk>();
        foreach (string folder in Folders(sysBlock).Order(StringComparer.Ordinal))
        {
            string name = Path.GetFileName(folder);
            if (IsMemory(name) || Number(folder + "/size") <= 0)
            {
                continue; // no medium, or nothing attached
            }

            string? model = Text(folder + "/loop/backing_file") ?? Text(folder + "/device/model") ?? Text(folder + "/dm/name");
            list.Add(new SystemDisk(Node(name), model, Holders(folder), Parts(folder)));
        }

        return list;
    }

    private static List<SystemPart> Parts(string folder)
    {
        var parts = new List<SystemPart>();
        foreach (string part in Folders(folder).Where(f => File.Exists(f + "/partition")))
        {
            long start = Number(part + "/start");
            if (start is >= 0 and <= long.MaxValue / SectorSize)
            {
                parts.Add(new SystemPart(start * SectorSize, Node(Path.GetFileName(part)), Holders(part)));
            }
        }

        return [.. parts.OrderBy(p => p.Start)];
    }

    // "major minor #blocks name"; which are partitions is not told, and they are found in the tables of the disks.
    private static List<SystemDisk> FromPartitions(string file)
    {
        var names = new List<string>();
        foreach (string line in (Text(file) ?? "").Split('\n'))
        {
            string[] fields = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            if (fields.Length == 4 && long.TryParse(fields[2], NumberStyles.None, CultureInfo.InvariantCulture, out long blocks) && blocks > 1 && !IsMemory(fields[3]))
            {
                names.Add(fields[3]);
            }
        }

        return [.. names.Where(name => !names.Any(disk => IsPartitionOf(name, disk))).Select(name => new SystemDisk(Node(name), null, "", []))];
    }

    private static bool IsPartitionOf(string name, string disk)
    {
        if (name.Length <= disk.Length || !name.StartsWith(disk, StringComparison.Ordinal))
        {
            return false;
        }

        ReadOnlySpan<char> rest = name.AsSpan(disk.Length);
        rest = char.IsAsciiDigit(disk[^1]) ? rest[0] == 'p' ? rest[1..] : [] : rest;
        return rest.Length > 0 && !rest.ContainsAnyExceptInRange('0', '9');
    }

    private static bool IsMemory(string name) => name.StartsWith("ram", StringComparison.Ordinal) || name.StartsWith("zram", StringComparison.Ordinal);

    // A slash in a name is an exclamation mark in sysfs.
    private static string Node(string name) => "/dev/" + name.Replace('!', '/');

    private static string Holders(string folder) => string.Join(", ", Folders(folder + "/holders").Select(f => Path.GetFileName(f)).Order(StringComparer.Ordinal));

    private static string[] Folders(string path)
    {
        try
        {
            return Directory.Exists(path) ? Directory.GetDirectories(path) : [];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }

    private static long Number(string file) => long.TryParse(Text(file), NumberStyles.None, CultureInfo.InvariantCulture, out long value) ? value : -1;

    private static string? Text(string file)
    {
        try
        {
            return File.Exists(file) ? File.ReadAllText(file).Trim() is { Length: > 0 } text ? text : null : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
