namespace WinLoop.Images.Vmdk;

/// <summary>What may be done with an extent.</summary>
internal enum VmdkAccess
{
    ReadWrite,
    ReadOnly,
    NoAccess,
}

/// <summary>A line of the descriptor's extent description.</summary>
/// <param name="Access">RW, RDONLY or NOACCESS.</param>
/// <param name="Sectors">Size in sectors of 512 bytes.</param>
/// <param name="Type">FLAT, SPARSE, ... in capitals.</param>
/// <param name="Name">The file that holds it; empty if it has none.</param>
/// <param name="Offset">Of a flat extent: the first sector in the file.</param>
internal readonly record struct VmdkExtentLine(VmdkAccess Access, long Sectors, string Type, string Name, long Offset)
{
    /// <summary>The largest disk, in bytes: what a line may say, and all lines together.</summary>
    public const long MaxDiskSize = 1L << 46;

    private static readonly string[] AccessNames = ["RW", "RDONLY", "NOACCESS"];

    /// <summary>Whether a line of the descriptor is one of these.</summary>
    public static bool Matches(string line)
    {
        int end = line.AsSpan().IndexOfAny(' ', '\t');
        return end > 0 && Array.Exists(AccessNames, name => line.AsSpan(0, end).Equals(name, StringComparison.OrdinalIgnoreCase));
    }

    /// <summary>Takes a line apart: access, sectors, type, then the quoted name and the offset if the type has them.</summary>
    public static VmdkExtentLine Parse(string line)
    {
        ReadOnlySpan<char> rest = line;
        ReadOnlySpan<char> access = Word(ref rest), sectors = Word(ref rest), type = Word(ref rest);
        if (!long.TryParse(sectors, System.Globalization.NumberStyles.None, null, out long count) || count == 0 || count > MaxDiskSize / 512
            || type.IsEmpty)
        {
            throw Bad(line);
        }

        string name = "";
        if (!rest.IsEmpty && rest[0] == '"')
        {
            int end = rest[1..].IndexOf('"');
            if (end < 0)
            {
                throw Bad(line);
            }

            name = VmdkDescriptor.Decode(rest.Slice(1, end));
            rest = rest[(end + 2)..].Trim();
        }

        ReadOnlySpan<char> offset = Word(ref rest);
        long first = 0;
        if (!offset.IsEmpty && (!long.TryParse(offset, System.Globalization.NumberStyles.None, null, out first) || first > long.MaxValue / 1024))
        {
            throw Bad(line);
        }

        int kind = 0;
        while (!access.Equals(AccessNames[kind], StringComparison.OrdinalIgnoreCase))
        {
            kind++;
        }

        return new VmdkExtentLine((VmdkAccess)kind, count, type.ToString().ToUpperInvariant(), name, first);
    }

    private static ReadOnlySpan<char> Word(ref ReadOnlySpan<char> rest)
    {
        int end = rest.IndexOfAny(' ', '\t');
        ReadOnlySpan<char> word = end < 0 ? rest : rest[..end];
        rest = end < 0 ? [] : rest[end..].Trim();
        return word;
    }

    private static ImageFormatException Bad(string line) => VmdkError.Damaged($"the descriptor has an extent that cannot be: {VmdkError.Shown(line)}");
}
