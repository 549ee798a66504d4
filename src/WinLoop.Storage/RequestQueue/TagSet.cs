using System.Numerics;

namespace WinLoop.Storage;

/// <summary>
/// Tags 0 to Depth-1 as a bitmap (the kernel's sbitmap): the bits are spread over several words, each in
/// a cache line of its own, so that threads which start at different hints do not disturb each other.
/// </summary>
internal sealed class TagSet
{
    /// <summary>Distance of two words in the array: two cache lines, since the prefetcher fetches pairs.</summary>
    private const int Stride = 16;

    private readonly long[] _words;
    private readonly int _shift;
    private readonly int _wordCount;
    private readonly int _depth;

    internal TagSet(int depth)
    {
        _depth = depth;
        _shift = 6;
        // At least eight words where the depth allows it, as sbitmap does.
        while (_shift > 0 && (8 << _shift) > depth)
        {
            _shift--;
        }

        _wordCount = (depth + (1 << _shift) - 1) >> _shift;
        _words = new long[(_wordCount + 1) * Stride];
        for (int word = 0; word < _wordCount; word++)
        {
            // Bits past the depth are taken for ever.
            int bits = Math.Min(1 << _shift, depth - (word << _shift));
            Word(word) = bits == 64 ? 0 : -1L << bits;
        }
    }

    /// <summary>How many tags there are.</summary>
    internal int Depth => _depth;

    /// <summary>How many tags one word holds; hints this far apart meet different words.</summary>
    internal int TagsPerWord => 1 << _shift;

    /// <summary>How many tags are taken at some moment during the call.</summary>
    internal int InUse
    {
        get
        {
            int taken = 0;
            for (int word = 0; word < _wordCount; word++)
            {
                taken += BitOperations.PopCount((ulong)Volatile.Read(ref Word(word)));
            }

            return taken - ((_wordCount * 64) - _depth);
        }
    }

    /// <summary>Takes a free tag, the hinted one if possible; -1 if none is free.</summary>
    internal int TryGet(int hint)
    {
        int first = hint >> _shift;
        int bit = hint & ((1 << _shift) - 1);
        for (int step = 0; step < _wordCount; step++)
        {
            int index = first + step;
            if (index >= _wordCount)
            {
                index -= _wordCount;
            }

            ref long word = ref Word(index);
            long seen = Volatile.Read(ref word);
            while (seen != -1)
            {
                if ((seen & (1L << bit)) != 0)
                {
                    bit = BitOperations.TrailingZeroCount(~seen);
                }

                long before = Interlocked.CompareExchange(ref word, seen | (1L << bit), seen);
                if (before == seen)
                {
                    return (index << _shift) + bit;
                }

                seen = before;
            }

            bit = 0;
        }

        return -1;
    }

    /// <summary>Gives a tag back. A full fence.</summary>
    internal void Put(int tag) =>
        Interlocked.And(ref Word(tag >> _shift), ~(1L << (tag & ((1 << _shift) - 1))));

    // The first stride stays empty: the array's header shares a line with its first elements.
    private ref long Word(int index) => ref _words[(index + 1) * Stride];
}
