using System.Buffers;
using System.Text;

namespace WinLoop.Mounting.Windows;

/// <summary>
/// One file name: ext4's bytes (anything but '/' and NUL, UTF-8 by convention) and Windows' UTF-16 units.
/// </summary>
/// <remarks>
/// The unit U+F000+b stands for the single byte b, and for nothing else. It is used for
/// <list type="bullet">
/// <item>what Windows forbids: 0x01..0x1F and <c>" * : &lt; &gt; ? | \</c>, and a dot or space at the end
/// (the mapping of Cygwin, WSL and Services for Macintosh);</item>
/// <item>every byte that is no part of valid UTF-8;</item>
/// <item>each of the three bytes of a character that is in U+F000..U+F0FF on disk, which keeps the range free.</item>
/// </list>
/// A surrogate without its partner has its three-byte form (as in WTF-8) both ways, because Windows programs may use
/// one; where two such forms would read as a pair, the second one is escaped byte by byte.
/// <para>Encoding is then simply "U+F0xx is a byte, the rest is UTF-8", so Encode(Decode(x)) = x for all x, and two
/// disk names never look alike. What is not the decoded form of any disk name has no form on disk.</para>
/// </remarks>
internal static class WindowsName
{
    /// <summary>Bytes of the longest name, EXT4_NAME_LEN. No byte needs more than one unit, so this bounds the
    /// decoded form too.</summary>
    public const int MaxLength = 255;

    private const char EscapeBase = '\uF000', EscapeLast = '\uF0FF';

    private const string ForbiddenMarks = "\"*:<>?|\\";

    // Printable ASCII that needs nothing done, dot and space included: these matter at the end only.
    private static readonly SearchValues<byte> s_plainBytes = SearchValues.Create(PlainAscii());
    private static readonly SearchValues<char> s_plainChars =
        SearchValues.Create(Encoding.Latin1.GetString(PlainAscii()));

    /// <summary>Disk to Windows.</summary>
    /// <param name="name">The bytes of a directory entry.</param>
    /// <param name="buffer">At least as many units as <paramref name="name"/> has bytes.</param>
    /// <returns>Units written.</returns>
    /// <remarks>"." and ".." come out as they are. '/' and NUL, which only a damaged directory holds, come out
    /// escaped, and <see cref="Encode"/> refuses the result.</remarks>
    public static int Decode(ReadOnlySpan<byte> name, Span<char> buffer)
    {
        if (buffer.Length < name.Length)
        {
            throw new ArgumentException("A name needs as many units as it has bytes.", nameof(buffer));
        }
        if (name.IsEmpty)
        {
            return 0;
        }
        int plain = name.IndexOfAnyExcept(s_plainBytes);
        plain = plain < 0 ? name.Length : plain;
        Encoding.Latin1.GetChars(name[..plain], buffer);
        int used = plain == name.Length ? plain : plain + DecodeRest(name[plain..], buffer[plain..]);
        if (name[^1] is (byte)'.' or (byte)' ' && !IsDotOrDotDot(name))
        {
            buffer[used - 1] = (char)(EscapeBase + name[^1]);
        }
        return used;
    }

    private static int DecodeRest(ReadOnlySpan<byte> rest, Span<char> buffer)
    {
        int used = 0;
        while (!rest.IsEmpty)
        {
            byte first = rest[0];
            if (first < 0x80)
            {
                buffer[used++] = MustEscape((char)first) ? (char)(EscapeBase + first) : (char)first;
                rest = rest[1..];
                continue;
            }
            if (Rune.DecodeFromUtf8(rest, out Rune rune, out int taken) == OperationStatus.Done)
            {
                if (rune.Value is >= EscapeBase and <= EscapeLast)
                {
                    used = EscapeBytes(rest[..taken], buffer, used);
                }
                else
                {
                    used += rune.EncodeToUtf16(buffer[used..]);
                }
                rest = rest[taken..];
            }
            else if (TryReadSurrogate(rest, out char surrogate)
                && !(used > 0 && char.IsLowSurrogate(surrogate) && char.IsHighSurrogate(buffer[used - 1])))
            {
                buffer[used++] = surrogate;
                rest = rest[3..];
            }
            else
            {
                used = EscapeBytes(rest[..1], buffer, used);
                rest = rest[1..];
            }
        }
        return used;
    }

    /// <summary>Windows to disk: the exact inverse of <see cref="Decode"/>.</summary>
    /// <param name="name">One component, without <c>\</c> and stream.</param>
    /// <param name="buffer">255 bytes are enough.</param>
    /// <returns>Bytes written; −1 if the name has no form on disk: empty, more than 255 bytes or than the buffer, "."
    /// or "..", a character that Windows forbids, or an escape that <see cref="Decode"/> would not have made.</returns>
    public static int Encode(ReadOnlySpan<char> name, Span<byte> buffer)
    {
        if (name.IsEmpty || name.Length > MaxLength || name[^1] is '.' or ' ')
        {
            return -1;
        }
        if (buffer.Length > MaxLength)
        {
            buffer = buffer[..MaxLength];
        }
        if (name.IndexOfAnyExcept(s_plainChars) < 0)
        {
            if (name.Length > buffer.Length)
            {
                return -1;
            }
            return Encoding.Latin1.GetBytes(name, buffer);
        }
        int length = EncodeAny(name, buffer, out bool isCanonical);
        if (length < 0 || IsDotOrDotDot(buffer[..length]))
        {
            return -1;
        }
        if (!isCanonical)
        {
            // There are escapes or lone surrogates: only those that decoding gives back are names.
            Span<char> back = stackalloc char[MaxLength];
            if (!back[..Decode(buffer[..length], back)].SequenceEqual(name))
            {
                return -1;
            }
        }
        return length;
    }

    private static int EncodeAny(ReadOnlySpan<char> name, Span<byte> buffer, out bool isCanonical)
    {
        int used = 0;
        isCanonical = true;
        while (!name.IsEmpty)
        {
            char unit = name[0];
            int written, taken = 1;
            if (unit is >= EscapeBase and <= EscapeLast)
            {
                byte raw = (byte)(unit - EscapeBase);
                if (used == buffer.Length || raw is 0 or (byte)'/')
                {
                    return -1;
                }
                buffer[used] = raw;
                written = 1;
                isCanonical = false;
            }
            else if (unit < 0x80)
            {
                if (used == buffer.Length || unit == '/' || MustEscape(unit))
                {
                    return -1;
                }
                buffer[used] = (byte)unit;
                written = 1;
            }
            else if (Rune.DecodeFromUtf16(name, out Rune rune, out taken) == OperationStatus.Done)
            {
                if (!rune.TryEncodeToUtf8(buffer[used..], out written))
                {
                    return -1;
                }
            }
            else
            {
                if (buffer.Length - used < 3)
                {
                    return -1;
                }
                buffer[used] = (byte)(0xE0 | unit >> 12);
                buffer[used + 1] = (byte)(0x80 | unit >> 6 & 0x3F);
                buffer[used + 2] = (byte)(0x80 | unit & 0x3F);
                written = 3;
                taken = 1;
                isCanonical = false;
            }
            used += written;
            name = name[taken..];
        }
        return used;
    }

    private static bool IsDotOrDotDot(ReadOnlySpan<byte> name) => name.SequenceEqual("."u8) || name.SequenceEqual(".."u8);

    private static bool MustEscape(char c) => c < 0x20 || c == '/' || (c < 0x80 && ForbiddenMarks.Contains(c));

    private static int EscapeBytes(ReadOnlySpan<byte> bytes, Span<char> buffer, int used)
    {
        foreach (byte b in bytes)
        {
            buffer[used++] = (char)(EscapeBase + b);
        }
        return used;
    }

    private static bool TryReadSurrogate(ReadOnlySpan<byte> bytes, out char surrogate)
    {
        bool isSurrogate = bytes.Length >= 3 && bytes[0] == 0xED && (bytes[1] & 0xE0) == 0xA0 && (bytes[2] & 0xC0) == 0x80;
        surrogate = isSurrogate ? (char)(0xD000 | (bytes[1] & 0x3F) << 6 | bytes[2] & 0x3F) : default;
        return isSurrogate;
    }

    private static byte[] PlainAscii()
    {
        var plain = new List<byte>();
        for (int c = 0x20; c < 0x80; c++)
        {
            if (!MustEscape((char)c))
            {
                plain.Add((byte)c);
            }
        }
        return [.. plain];
    }
}
