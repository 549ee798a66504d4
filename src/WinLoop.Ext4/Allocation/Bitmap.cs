using System.Numerics;

namespace WinLoop.Ext4.Allocation;

/// <summary>A run of bits; <see cref="Length"/> 0 = none.</summary>
internal readonly record struct BitRun(int Start, int Length)
{
    public int End => Start + Length;
}

/// <summary>
/// Searching and changing bitmaps in ext4's order: bit i is bit i mod 64 of little-endian word i / 64.
/// 1 = in use. Positions and lengths are in bits; ranges lie inside the words given.
/// </summary>
internal static class Bitmap
{
    /// <summary>The first 0 at or behind <paramref name="from"/>; the bit count of the words if there is none.</summary>
    public static int NextZero(ReadOnlySpan<ulong> words, int from)
    {
        int at = from >> 6;
        if (at >= words.Length)
        {
            return words.Length << 6;
        }
        ulong zeroes = ~words[at] & (ulong.MaxValue << (from & 63));
        if (zeroes == 0)
        {
            int skipped = words[(at + 1)..].IndexOfAnyExcept(ulong.MaxValue);
            if (skipped < 0)
            {
                return words.Length << 6;
            }
            at += 1 + skipped;
            zeroes = ~words[at];
        }
        return (at << 6) + BitOperations.TrailingZeroCount(zeroes);
    }

    /// <summary>The first 1 in [<paramref name="from"/>, <paramref name="limit"/>); the limit if there is none.</summary>
    public static int NextOne(ReadOnlySpan<ulong> words, int from, int limit)
    {
        if (from >= limit)
        {
            return limit;
        }
        int at = from >> 6;
        ulong ones = words[at] & (ulong.MaxValue << (from & 63));
        if (ones == 0)
        {
            int last = (limit - 1) >> 6;
            int skipped = words[(at + 1)..(last + 1)].IndexOfAnyExcept(0UL);
            if (skipped < 0)
            {
                return limit;
            }
            at += 1 + skipped;
            ones = words[at];
        }
        return Math.Min((at << 6) + BitOperations.TrailingZeroCount(ones), limit);
    }

    /// <summary>The last 1 before <paramref name="before"/>; −1 if there is none.</summary>
    public static int PreviousOne(ReadOnlySpan<ulong> words, int before)
    {
        int at = before >> 6;
        if ((before & 63) != 0)
        {
            ulong ones = words[at] & ~(ulong.MaxValue << (before & 63));
            if (ones != 0)
            {
                return (at << 6) + 63 - BitOperations.LeadingZeroCount(ones);
            }
        }
        at = words[..at].LastIndexOfAnyExcept(0UL);
        return at < 0 ? -1 : (at << 6) + 63 - BitOperations.LeadingZeroCount(words[at]);
    }

    /// <summary>
    /// The first run of at least <paramref name="wanted"/> zeroes that starts in [<paramref name="from"/>,
    /// <paramref name="stop"/>), cut to that length. Otherwise an empty run, and <paramref name="best"/> has
    /// become the longest seen if that is longer.
    /// </summary>
    public static BitRun FindRun(ReadOnlySpan<ulong> words, int from, int stop, int wanted, ref BitRun best)
    {
        int limit = words.Length << 6;
        int at = from;
        while ((at = NextZero(words, at)) < stop)
        {
            int end = NextOne(words, at, Math.Min(limit, at + wanted));
            int length = end - at;
            if (length >= wanted)
            {
                return new BitRun(at, wanted);
            }
            if (length > best.Length)
            {
                best = new BitRun(at, length);
            }
            at = end;
        }
        return default;
    }

    /// <summary>Number of zeroes.</summary>
    public static int CountZeroes(ReadOnlySpan<ulong> words)
    {
        int ones = 0;
        foreach (ulong word in words)
        {
            ones += BitOperations.PopCount(word);
        }
        return (words.Length << 6) - ones;
    }

    /// <summary>True if all bits of the range are 1.</summary>
    public static bool AreSet(ReadOnlySpan<ulong> words, int start, int length) =>
        length == 0 || NextZero(words, start) >= start + length;

    /// <summary>True if all bits of the range are 0.</summary>
    public static bool AreClear(ReadOnlySpan<ulong> words, int start, int length) =>
        NextOne(words, start, start + length) == start + length;

    /// <summary>Sets the bits of a range.</summary>
    public static void Set(Span<ulong> words, int start, int length)
    {
        if (length == 0)
        {
            return;
        }
        int first = start >> 6, last = (start + length - 1) >> 6;
        ulong head = ulong.MaxValue << (start & 63);
        ulong tail = ulong.MaxValue >> (63 - ((start + length - 1) & 63));
        if (first == last)
        {
            words[first] |= head & tail;
            return;
        }
        words[first] |= head;
        words[(first + 1)..last].Fill(ulong.MaxValue);
        words[last] |= tail;
    }

    /// <summary>Clears the bits of a range.</summary>
    public static void Clear(Span<ulong> words, int start, int length)
    {
        if (length == 0)
        {
            return;
        }
        int first = start >> 6, last = (start + length - 1) >> 6;
        ulong head = ulong.MaxValue << (start & 63);
        ulong tail = ulong.MaxValue >> (63 - ((start + length - 1) & 63));
        if (first == last)
        {
            words[first] &= ~(head & tail);
            return;
        }
        words[first] &= ~head;
        words[(first + 1)..last].Clear();
        words[last] &= ~tail;
    }
}
