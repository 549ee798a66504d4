namespace WinLoop.DiscUtils;

/// <summary>The arithmetic of Seek.</summary>
internal static class StreamPosition
{
    /// <summary>The position that a seek leads to; it may be behind the end.</summary>
    /// <exception cref="ArgumentException">The origin is none.</exception>
    /// <exception cref="IOException">Before the beginning, or beyond what a position can hold.</exception>
    public static long Seek(long offset, SeekOrigin origin, long position, long length)
    {
        long from = origin switch
        {
            SeekOrigin.Begin => 0,
            SeekOrigin.Current => position,
            SeekOrigin.End => length,
            _ => throw new ArgumentException($"{origin} is no origin of a seek.", nameof(origin)),
        };
        // Both are at least 0, so only these two sums can leave the range.
        if (offset < -from || offset > long.MaxValue - from)
        {
            throw new IOException($"A seek by {offset} from {from} leaves the stream.");
        }
        return from + offset;
    }
}
