namespace WinLoop.Mounting.Windows.Names;

/// <summary>Names that differ in case only are equal; also finds them by span.</summary>
internal sealed class NameComparer : IEqualityComparer<string>, IAlternateEqualityComparer<ReadOnlySpan<char>, string>
{
    public static readonly NameComparer Folding = new();

    public bool Equals(string? x, string? y) => NameCase.FoldedEquals(x, y);

    public int GetHashCode(string name) => NameCase.FoldedHash(name);

    public bool Equals(ReadOnlySpan<char> alternate, string other) => NameCase.FoldedEquals(alternate, other);

    public int GetHashCode(ReadOnlySpan<char> alternate) => NameCase.FoldedHash(alternate);

    public string Create(ReadOnlySpan<char> alternate) => alternate.ToString();

    /// <summary>The order of the names' bytes on the volume.</summary>
    public static int CompareBytes(string a, string b)
    {
        Span<byte> left = stackalloc byte[WindowsName.MaxLength], right = stackalloc byte[WindowsName.MaxLength];
        int leftLength = Math.Max(0, WindowsName.Encode(a, left)), rightLength = Math.Max(0, WindowsName.Encode(b, right));
        return left[..leftLength].SequenceCompareTo(right[..rightLength]);
    }
}
