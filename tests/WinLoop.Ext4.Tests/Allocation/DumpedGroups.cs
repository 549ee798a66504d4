using System.Globalization;
using System.Text.RegularExpressions;
using WinLoop.TestKit;

namespace WinLoop.Ext4.Tests.Allocation;

/// <summary>One group as dumpe2fs sees it.</summary>
internal sealed class DumpedGroup
{
    public uint Number;
    public ulong BlockBitmap, InodeBitmap, InodeTable;
    public uint FreeBlocks, FreeInodes, Directories, UnusedInodes;
    public string Flags = "";
    /// <summary>First and last block of everything fixed that dumpe2fs names in this group's section.</summary>
    public List<(ulong First, ulong Last)> Metadata = [];
    public HashSet<ulong> FreeBlockNumbers = [];
    public HashSet<ulong> FreeInodeNumbers = [];
}

internal static partial class DumpedGroups
{
    public static List<DumpedGroup> Read(string image)
    {
        Shell.Require("dumpe2fs");
        Shell.Result result = Shell.Run("dumpe2fs", [image]);
        Assert.Equal(0, result.ExitCode);
        var groups = new List<DumpedGroup>();
        DumpedGroup group = null!;
        foreach (string line in result.Output.Split('\n'))
        {
            if (GroupLine().Match(line) is { Success: true } head)
            {
                group = new DumpedGroup { Number = uint.Parse(head.Groups[1].Value, CultureInfo.InvariantCulture), Flags = line };
                groups.Add(group);
                continue;
            }
            if (group is null)
            {
                continue;
            }
            foreach (Match place in PlaceText().Matches(line))
            {
                ulong first = Number(place.Groups[2].Value);
                ulong last = place.Groups[3].Success ? Number(place.Groups[3].Value) : first;
                group.Metadata.Add((first, last));
                switch (place.Groups[1].Value)
                {
                    case "Block bitmap": group.BlockBitmap = first; break;
                    case "Inode bitmap": group.InodeBitmap = first; break;
                    case "Inode table": group.InodeTable = first; break;
                }
            }
            if (CountsLine().Match(line) is { Success: true } counts)
            {
                group.FreeBlocks = (uint)Number(counts.Groups[1].Value);
                group.FreeInodes = (uint)Number(counts.Groups[2].Value);
                group.Directories = (uint)Number(counts.Groups[3].Value);
                group.UnusedInodes = counts.Groups[4].Success ? (uint)Number(counts.Groups[4].Value) : 0;
            }
            if (line.StartsWith("  Free blocks: ", StringComparison.Ordinal))
            {
                Expand(line["  Free blocks: ".Length..], group.FreeBlockNumbers);
            }
            else if (line.StartsWith("  Free inodes: ", StringComparison.Ordinal))
            {
                Expand(line["  Free inodes: ".Length..], group.FreeInodeNumbers);
            }
        }
        return groups;
    }

    private static ulong Number(string text) => ulong.Parse(text, CultureInfo.InvariantCulture);

    private static void Expand(string text, HashSet<ulong> numbers)
    {
        foreach (string part in text.Split(", ", StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            string[] ends = part.Split('-');
            for (ulong n = Number(ends[0]); n <= Number(ends[^1]); n++)
            {
                numbers.Add(n);
            }
        }
    }

    [GeneratedRegex(@"^Group (\d+): ")]
    private static partial Regex GroupLine();

    [GeneratedRegex(@"(Primary superblock|Backup superblock|Group descriptors|Reserved GDT blocks|Block bitmap|Inode bitmap|Inode table) at (\d+)(?:-(\d+))?")]
    private static partial Regex PlaceText();

    [GeneratedRegex(@"^  (\d+) free blocks, (\d+) free inodes, (\d+) directories(?:, (\d+) unused inodes)?")]
    private static partial Regex CountsLine();
}
