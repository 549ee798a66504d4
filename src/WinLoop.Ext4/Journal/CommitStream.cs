using System.Runtime.InteropServices;

namespace WinLoop.Ext4.Journal;

/// <summary>
/// The blocks of one closing transaction in the order they go to the log, in one piece of native memory that
/// is reused from commit to commit.
/// </summary>
internal sealed unsafe class CommitStream(int blockSize) : IDisposable
{
    private byte* _memory;
    private int _capacity;

    /// <summary>Blocks in the stream.</summary>
    public int Count { get; private set; }

    /// <summary>Starts a stream of <paramref name="count"/> blocks with undefined content.</summary>
    public void Begin(int count)
    {
        if (count > _capacity)
        {
            int capacity = (int)System.Numerics.BitOperations.RoundUpToPowerOf2((uint)Math.Max(count, 64));
            NativeMemory.AlignedFree(_memory);
            _capacity = 0;
            _memory = (byte*)NativeMemory.AlignedAlloc((nuint)capacity * (nuint)blockSize, 4096);
            _capacity = capacity;
        }
        Count = count;
    }

    /// <summary>One block.</summary>
    public Span<byte> this[int index] => Range(index, 1);

    /// <summary>Neighbouring blocks as one span.</summary>
    public Span<byte> Range(int index, int count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(index);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(index + count, Count);
        return new Span<byte>(_memory + ((long)index * blockSize), count * blockSize);
    }

    /// <summary>Gives memory beyond a usual transaction's back.</summary>
    public void Trim()
    {
        if ((long)_capacity * blockSize > 4 << 20)
        {
            NativeMemory.AlignedFree(_memory);
            _memory = null;
            _capacity = 0;
            Count = 0;
        }
    }

    public void Dispose()
    {
        NativeMemory.AlignedFree(_memory);
        _memory = null;
        _capacity = 0;
        Count = 0;
    }
}
