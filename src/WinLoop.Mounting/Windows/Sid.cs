using System.Globalization;
using System.Text;
using static System.Buffers.Binary.BinaryPrimitives;

namespace WinLoop.Mounting.Windows;

/// <summary>
/// Binary SIDs: revision 1, count, 48-bit authority (big-endian), then as many 32-bit sub-authorities (little-endian).
/// </summary>
internal static class Sid
{
    /// <summary>Bytes of the longest SID, SECURITY_MAX_SID_SIZE.</summary>
    public const int MaxLength = 68;

    private const int HeaderLength = 8, MaxSubAuthorities = 15;

    /// <summary>NT AUTHORITY, the 5 of S-1-5.</summary>
    public const int NtAuthority = 5;

    // Shared: not to be changed.
    public static readonly byte[] Everyone = Create(1, 0);
    public static readonly byte[] OwnerRights = Create(3, 4);
    public static readonly byte[] AuthenticatedUsers = Create(NtAuthority, 11);
    public static readonly byte[] LocalSystem = Create(NtAuthority, 18);
    public static readonly byte[] Administrators = Create(NtAuthority, 32, 544);
    public static readonly byte[] Users = Create(NtAuthority, 32, 545);

    /// <summary>Bytes of the SID at the start of <paramref name="bytes"/>; 0 if there is none.</summary>
    public static int LengthAt(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length < HeaderLength || bytes[0] != 1 || bytes[1] > MaxSubAuthorities)
        {
            return 0;
        }
        int length = HeaderLength + 4 * bytes[1];
        return length <= bytes.Length ? length : 0;
    }

    /// <summary>True if the bytes are one SID and nothing else.</summary>
    public static bool IsValid(ReadOnlySpan<byte> sid) => sid.Length > 0 && LengthAt(sid) == sid.Length;

    /// <summary>Number of sub-authorities of a valid SID.</summary>
    public static int Count(ReadOnlySpan<byte> sid) => sid[1];

    /// <summary>A sub-authority of a valid SID.</summary>
    public static uint SubAuthority(ReadOnlySpan<byte> sid, int index) => ReadUInt32LittleEndian(sid[(HeaderLength + 4 * index)..]);

    /// <summary>The authority of a valid SID, 48 bits.</summary>
    public static long Authority(ReadOnlySpan<byte> sid) => (long)ReadUInt16BigEndian(sid[2..]) << 32 | ReadUInt32BigEndian(sid[4..]);

    /// <summary>Writes a SID and returns its length.</summary>
    public static int Write(Span<byte> destination, long authority, params ReadOnlySpan<uint> subAuthorities)
    {
        int length = HeaderLength + 4 * subAuthorities.Length;
        destination = destination[..length];
        destination[0] = 1;
        destination[1] = (byte)subAuthorities.Length;
        WriteUInt16BigEndian(destination[2..], (ushort)(authority >> 32));
        WriteUInt32BigEndian(destination[4..], (uint)authority);
        for (int i = 0; i < subAuthorities.Length; i++)
        {
            WriteUInt32LittleEndian(destination[(HeaderLength + 4 * i)..], subAuthorities[i]);
        }
        return length;
    }

    /// <summary>A SID in an array of its own.</summary>
    public static byte[] Create(long authority, params ReadOnlySpan<uint> subAuthorities)
    {
        byte[] sid = new byte[HeaderLength + 4 * subAuthorities.Length];
        Write(sid, authority, subAuthorities);
        return sid;
    }

    /// <summary>Reads "S-1-5-32-544".</summary>
    public static bool TryParse(ReadOnlySpan<char> text, out byte[] sid)
    {
        sid = [];
        if (!text.StartsWith("S-1-", StringComparison.OrdinalIgnoreCase))
        {
            return false;
        }
        long authority = -1;
        Span<uint> subAuthorities = stackalloc uint[MaxSubAuthorities];
        int count = 0;
        ReadOnlySpan<char> numbers = text[4..];
        foreach (Range range in numbers.Split('-'))
        {
            ReadOnlySpan<char> number = numbers[range];
            if (authority < 0)
            {
                bool isHex = number.StartsWith("0x", StringComparison.OrdinalIgnoreCase);
                if (!long.TryParse(isHex ? number[2..] : number, isHex ? NumberStyles.AllowHexSpecifier : NumberStyles.None, CultureInfo.InvariantCulture, out authority)
                    || authority is < 0 or >= 1L << 48)
                {
                    return false;
                }
            }
            else if (count == MaxSubAuthorities
                || !uint.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out subAuthorities[count++]))
            {
                return false;
            }
        }
        if (count == 0)
        {
            return false;
        }
        sid = Create(authority, subAuthorities[..count]);
        return true;
    }

    /// <summary>"S-1-5-32-544"; "?" if it is no SID.</summary>
    public static string Format(ReadOnlySpan<byte> sid)
    {
        if (!IsValid(sid))
        {
            return "?";
        }
        long authority = Authority(sid);
        var text = new StringBuilder("S-1-");
        _ = authority > uint.MaxValue ? text.Append($"0x{authority:X12}") : text.Append(authority);
        for (int i = 0; i < Count(sid); i++)
        {
            text.Append('-').Append(SubAuthority(sid, i));
        }
        return text.ToString();
    }
}
