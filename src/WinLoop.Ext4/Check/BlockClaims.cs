using System.Numerics;

namespace WinLoop.Ext4.Check;

/// <summary>
/// One bit per block: claimed by something. A second bitmap, made when it is first needed, has the blocks that
/// were claimed more than once. Who claims them is found out in a second look at the inodes, so that nothing is
/// kept per block but these bits.
/// </summary>
internal sealed class BlockClaims
{
    private ulong[] _used = [];
    private ulong[] _twice = [];
    private readonly Lock _lock = new();
    private bool _isShared;

    /// <summary>True once some block was claimed twice.</summary>
    public bool HasConflicts { get; private set; }

    /// <summary>Starts over for a volume of <paramref name="blocks"/> blocks.</summary>
    /// <param name="blocks">Blocks in the volume.</param>
    /// <param name="isShared">Several threads claim at once.</param>
    public void Reset(ulong blocks, bool isShared)
    {
        int words = (int)((blocks + 63) / 64);
        if (_used.Length < words)
        {
            _used = new ulong[words]; // touched page by page: what no group uses costs no memory
        }
        else
        {
            _used.AsSpan(0, words).Clear();
        }
        if (HasConflicts)
        {
            Array.Clear(_twice);
        }
        HasConflicts = false;
        _isShared = isShared;
    }

    public bool IsClaimed(ulong block) => (_used[block >> 6] >> (int)(block & 63) & 1) != 0;

    public bool IsConflicting(ulong block) => HasConflicts && (_twice[block >> 6] >> (int)(block & 63) & 1) != 0;

    /// <summary>The first block of a range that was claimed more than once; null if none.</summary>
    public ulong? FirstConflict(ulong start, uint count)
    {
        for (ulong end = start + count; HasConflicts && start < end;)
        {
            ulong word = _twice[start >> 6] >> (int)(start & 63);
            if (word != 0)
            {
                ulong found = start + (ulong)BitOperations.TrailingZeroCount(word);
                return found < end ? found : null;
            }
            start = (start | 63) + 1;
        }
        return null;
    }

    /// <summary>Claims a range that lies inside the volume.</summary>
    /// <returns>False if a part of it was claimed before.</returns>
    public bool Claim(ulong start, uint count)
    {
        bool isFresh = true;
        for (ulong end = start + count; start < end;)
        {
            int first = (int)(start & 63);
            int bits = (int)Math.Min((ulong)(64 - first), end - start);
            ulong mask = (bits == 64 ? ulong.MaxValue : (1UL << bits) - 1) << first;
            int index = (int)(start >> 6);
            ulong before;
            if (_isShared)
            {
                before = Interlocked.Or(ref _used[index], mask);
            }
            else
            {
                before = _used[index];
                _used[index] = before | mask;
            }
            if ((before & mask) != 0)
            {
                isFresh = false;
                MarkConflict(index, before & mask);
            }
            start += (ulong)bits;
        }
        return isFresh;
    }

    /// <summary>Claims without calling a second claim a conflict.</summary>
    public void ClaimShared(ulong block)
    {
        if (!IsClaimed(block))
        {
            Claim(block, 1);
        }
    }

    /// <summary>Bits of the claims from <paramref name="start"/> on, <paramref name="count"/> of them, lowest first,
    /// as words of a block bitmap; bits behind are zero.</summary>
    public void Copy(ulong start, uint count, Span<ulong> target)
    {
        int shift = (int)(start & 63);
        int index = (int)(start >> 6);
        int words = (int)((count + 63) / 64);
        for (int i = 0; i < words; i++)
        {
            ulong word = _used[index + i] >> shift;
            if (shift != 0 && index + i + 1 < _used.Length)
            {
                word |= _used[index + i + 1] << (64 - shift);
            }
            target[i] = word;
        }
        if (count % 64 != 0)
        {
            target[words - 1] &= (1UL << (int)(count % 64)) - 1;
        }
        target[words..].Clear();
    }

    private void MarkConflict(int index, ulong bits)
    {
        lock (_lock)
        {
            if (_twice.Length < _used.Length)
            {
                _twice = new ulong[_used.Length];
            }
            _twice[index] |= bits;
            HasConflicts = true;
        }
    }
}
