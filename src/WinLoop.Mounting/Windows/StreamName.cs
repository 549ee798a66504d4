namespace WinLoop.Mounting.Windows;

/// <summary>
/// Alternate streams and the extended attributes that hold them, in the layout of Samba's vfs_streams_xattr:
/// stream <c>x</c> is <c>user.DosStream.x:$DATA</c>, and the value is the content and one zero byte.
/// </summary>
/// <remarks>Seen in the attributes that Samba 4.17 writes. The zero byte makes the value of an empty stream one that an
/// attribute can have. Newer Samba may count with that byte how many further attributes continue the content; such a
/// stream is not ours to read (<see cref="TryContent"/>).</remarks>
internal static class StreamName
{
    /// <summary>Without the namespace <c>user.</c>, which is a number on disk.</summary>
    public static ReadOnlySpan<byte> Prefix => "DosStream."u8;

    /// <summary>The namespace and <see cref="Prefix"/>.</summary>
    public static ReadOnlySpan<byte> FullPrefix => "user.DosStream."u8;

    /// <summary>Bytes of the longest attribute name, with <c>user.</c>.</summary>
    public const int MaxAttributeName = 255;

    private static ReadOnlySpan<byte> Suffix => ":$DATA"u8;

    /// <summary>Takes the stream part of a path apart: <c>:name</c>, <c>:name:$DATA</c> or <c>::$DATA</c>.</summary>
    /// <param name="part">From the first colon on.</param>
    /// <param name="name">The name without colons; empty for <c>::$DATA</c>, the file's own content.</param>
    /// <returns>False for any other form, other types included.</returns>
    public static bool TryParse(ReadOnlySpan<char> part, out ReadOnlySpan<char> name)
    {
        name = default;
        if (part.Length < 2 || part[0] != ':')
        {
            return false;
        }
        part = part[1..];
        int colon = part.IndexOf(':');
        if (colon >= 0)
        {
            if (!NameCase.FoldedEquals(part[(colon + 1)..], "$DATA"))
            {
                return false;
            }
            part = part[..colon];
        }
        if (part.Length > WindowsName.MaxLength || part.ContainsAny('\\', '/', '\0'))
        {
            return false;
        }
        name = part;
        return true;
    }

    /// <summary>The attribute's full name (<c>user.DosStream.name:$DATA</c>) of a stream.</summary>
    /// <returns>Bytes written; −1 if the stream's name has no form or is too long.</returns>
    public static int ToAttribute(ReadOnlySpan<char> name, Span<byte> buffer)
    {
        Span<byte> encoded = stackalloc byte[WindowsName.MaxLength];
        int length = EncodeName(name, encoded);
        int total = FullPrefix.Length + length + Suffix.Length;
        if (length <= 0 || total > MaxAttributeName || total > buffer.Length || encoded[..length].Contains((byte)':'))
        {
            // An escaped colon would be a real one in the attribute's name, where it ends the stream's name.
            return -1;
        }
        FullPrefix.CopyTo(buffer);
        encoded[..length].CopyTo(buffer[FullPrefix.Length..]);
        Suffix.CopyTo(buffer[(FullPrefix.Length + length)..]);
        return total;
    }

    /// <summary>The stream's name, without colons, of an attribute's full name.</summary>
    /// <param name="attribute">For example <c>user.DosStream.Zone.Identifier:$DATA</c>.</param>
    /// <param name="buffer">255 units are enough.</param>
    /// <returns>Units written; −1 if the attribute is no stream.</returns>
    public static int FromAttribute(ReadOnlySpan<byte> attribute, Span<char> buffer)
    {
        if (attribute.Length > MaxAttributeName || !IsStream(attribute))
        {
            return -1;
        }
        ReadOnlySpan<byte> name = attribute[FullPrefix.Length..^Suffix.Length];
        return name.Length > buffer.Length ? -1 : DecodeName(name, buffer);
    }

    /// <summary>True if an attribute with this full name is a stream.</summary>
    public static bool IsStream(ReadOnlySpan<byte> attribute) =>
        attribute.Length > FullPrefix.Length + Suffix.Length && attribute.StartsWith(FullPrefix)
        && attribute.EndsWith(Suffix) && !attribute[FullPrefix.Length..^Suffix.Length].ContainsAny((byte)':', (byte)'/', (byte)0);

    /// <summary>The content in an attribute's value.</summary>
    /// <returns>False if the value is empty or continues in other attributes.</returns>
    public static bool TryContent(ReadOnlySpan<byte> value, out ReadOnlySpan<byte> content)
    {
        if (value.IsEmpty || value[^1] != 0)
        {
            content = default;
            return false;
        }
        content = value[..^1];
        return true;
    }

    // A dot or space at the end is legal in a stream's name (nothing strips it there), and the file-name mapping would
    // see the end of the name; a letter behind it takes that rule away.
    private static int EncodeName(ReadOnlySpan<char> name, Span<byte> buffer)
    {
        if (name.IsEmpty || name.Length >= WindowsName.MaxLength)
        {
            return -1;
        }
        Span<char> extended = stackalloc char[name.Length + 1];
        name.CopyTo(extended);
        extended[^1] = 'x';
        return WindowsName.Encode(extended, buffer) - 1;
    }

    private static int DecodeName(ReadOnlySpan<byte> name, Span<char> buffer)
    {
        Span<byte> extended = stackalloc byte[name.Length + 1];
        name.CopyTo(extended);
        extended[^1] = (byte)'x';
        Span<char> decoded = stackalloc char[extended.Length];
        int length = WindowsName.Decode(extended, decoded) - 1;
        decoded[..length].CopyTo(buffer);
        return length;
    }
}
