using System.Buffers;
using System.Text;

namespace WinLoop.Mounting.Windows;

/// <summary>
/// Names of EAs, bytes without case, and the <c>user.*</c> attributes that hold them. Names that are something else on
/// Windows are no EAs: <c>user.DOSATTRIB</c>, streams, and WSL's $LX names, which stand for the inode.
/// </summary>
internal static class EaName
{
    private static ReadOnlySpan<byte> UserPrefix => "user."u8;

    // What FAT forbids in a name and NTFS in that of an EA.
    private static readonly SearchValues<byte> s_illegal =
        SearchValues.Create([.. Enumerable.Range(0, 0x20).Select(c => (byte)c), .. "\"*+,/:;<=>?[\\]|"u8]);

    /// <summary>Bytes of the longest name that an attribute of ext4 can have (255 with <c>user.</c>).</summary>
    public const int MaxLength = 250;

    /// <summary>True if Windows takes it for the name of an EA.</summary>
    public static bool IsValid(ReadOnlySpan<byte> name) => !name.IsEmpty && name.Length <= byte.MaxValue && !name.ContainsAny(s_illegal);

    /// <summary>The same EA; Windows writes all in upper case.</summary>
    public static bool Matches(ReadOnlySpan<byte> a, ReadOnlySpan<byte> b) => Ascii.EqualsIgnoreCase(a, b) || (a.Length == b.Length && MatchesBytes(a, b));

    /// <summary>The attribute's full name of an EA.</summary>
    /// <returns>Bytes written; −1 if ext4 has no attribute for it: too long, or not an EA.</returns>
    public static int ToAttribute(ReadOnlySpan<byte> name, Span<byte> attribute)
    {
        int length = UserPrefix.Length + name.Length;
        if (!IsValid(name) || name.Length > MaxLength || length > attribute.Length || WslMetadata.IsName(name))
        {
            return -1;
        }
        UserPrefix.CopyTo(attribute);
        name.CopyTo(attribute[UserPrefix.Length..]);
        return IsReserved(attribute[..length]) ? -1 : length;
    }

    /// <summary>The EA's name of an attribute's full name; empty if it is no EA.</summary>
    public static ReadOnlySpan<byte> FromAttribute(ReadOnlySpan<byte> attribute)
    {
        if (!attribute.StartsWith(UserPrefix) || IsReserved(attribute))
        {
            return default;
        }
        ReadOnlySpan<byte> name = attribute[UserPrefix.Length..];
        return IsValid(name) && !WslMetadata.IsName(name) ? name : default;
    }

    // In any case: an EA is found without case, and must not reach these by another spelling.
    private static bool IsReserved(ReadOnlySpan<byte> attribute) =>
        Ascii.EqualsIgnoreCase(attribute, DosAttributes.AttributeName)
        || (attribute.Length >= StreamName.FullPrefix.Length
            && Ascii.EqualsIgnoreCase(attribute[..StreamName.FullPrefix.Length], StreamName.FullPrefix));

    // Ascii's comparison says no to bytes above 0x7F, which have no case here.
    private static bool MatchesBytes(ReadOnlySpan<byte> a, ReadOnlySpan<byte> b)
    {
        for (int i = 0; i < a.Length; i++)
        {
            if (a[i] != b[i] && !(char.IsAsciiLetter((char)a[i]) && (a[i] ^ b[i]) == 0x20))
            {
                return false;
            }
        }
        return true;
    }
}
