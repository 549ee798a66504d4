namespace WinLoop.Mounting.Windows;

/// <summary>
/// Names that differ in case only. As in NTFS's $UpCase each UTF-16 unit is mapped alone: no expansion ("ß" stays), no
/// locale, and characters outside the BMP are left as they are.
/// </summary>
/// <remarks>
/// A unit is mapped if lower-casing brings it back: "ς" is not "σ" and "µ" (the sign) is not "μ", on Windows as here.
/// That rule over .NET's table gives the table of RtlUpcaseUnicodeChar, by which WinFsp tells files apart, as far as
/// Wine's copy of it shows; .NET's has the pairs that Unicode added since, so that our names are equal whenever
/// Windows' are.
/// </remarks>
internal static class NameCase
{
    /// <summary>Writes the folded form, which has the same length.</summary>
    public static void Fold(ReadOnlySpan<char> name, Span<char> folded)
    {
        folded = folded[..name.Length];
        for (int i = 0; i < name.Length; i++)
        {
            folded[i] = Fold(name[i]);
        }
    }

    /// <summary>One unit.</summary>
    public static char Fold(char c)
    {
        if (c < 0x80)
        {
            return char.IsAsciiLetterLower(c) ? (char)(c - 0x20) : c;
        }
        char upper = char.ToUpperInvariant(c);
        return char.ToLowerInvariant(upper) == c ? upper : c;
    }

    /// <summary>True if both have the same folded form.</summary>
    public static bool FoldedEquals(ReadOnlySpan<char> a, ReadOnlySpan<char> b)
    {
        if (a.Length != b.Length)
        {
            return false;
        }
        for (int i = a.CommonPrefixLength(b); i < a.Length; i++)
        {
            if (a[i] != b[i] && Fold(a[i]) != Fold(b[i]))
            {
                return false;
            }
        }
        return true;
    }

    /// <summary>The order of the folded forms, unit by unit.</summary>
    public static int FoldedCompare(ReadOnlySpan<char> a, ReadOnlySpan<char> b)
    {
        int common = Math.Min(a.Length, b.Length);
        for (int i = 0; i < common; i++)
        {
            int difference = Fold(a[i]) - Fold(b[i]);
            if (difference != 0)
            {
                return difference;
            }
        }
        return a.Length - b.Length;
    }

    /// <summary>A hash of the folded form. It is keyed per process, so that an image cannot be made to collide;
    /// never store it.</summary>
    public static int FoldedHash(ReadOnlySpan<char> name)
    {
        Span<char> folded = stackalloc char[WindowsName.MaxLength + 1];
        int hash = 0;
        while (name.Length > folded.Length)
        {
            Fold(name[..folded.Length], folded);
            hash = HashCode.Combine(hash, string.GetHashCode((ReadOnlySpan<char>)folded));
            name = name[folded.Length..];
        }
        Fold(name, folded);
        int last = string.GetHashCode((ReadOnlySpan<char>)folded[..name.Length]);
        return hash == 0 ? last : HashCode.Combine(hash, last);
    }
}
