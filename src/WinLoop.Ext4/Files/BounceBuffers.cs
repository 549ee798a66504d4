namespace WinLoop.Ext4.Files;

/// <summary>
/// Page-aligned scratch memory for blocks that a write covers only in part. A few are kept for reuse; the
/// memory is pinned and the garbage collector's, so nobody has to free it.
/// </summary>
internal sealed class BounceBuffers(int blockSize)
{
    private const int Alignment = 4096;
    private const int Kept = 16;

    private readonly Buffer?[] _free = new Buffer?[Kept];
    private readonly int _size = Math.Max(64 << 10, blockSize);

    /// <summary>Bytes in each buffer: at least one block and at least 64 KiB.</summary>
    public int Size => _size;

    /// <summary>Takes a buffer with undefined content; dispose the lease to give it back.</summary>
    public Lease Rent()
    {
        for (int i = 0; i < Kept; i++)
        {
            if (Volatile.Read(ref _free[i]) is not null && Interlocked.Exchange(ref _free[i], null) is { } buffer)
            {
                return new Lease(this, buffer);
            }
        }
        return new Lease(this, new Buffer(_size));
    }

    private void Return(Buffer buffer)
    {
        for (int i = 0; i < Kept; i++)
        {
            if (Volatile.Read(ref _free[i]) is null && Interlocked.CompareExchange(ref _free[i], buffer, null) is null)
            {
                return;
            }
        }
    }

    internal sealed class Buffer
    {
        private readonly byte[] _memory;
        private readonly int _start;
        private readonly int _size;

        public unsafe Buffer(int size)
        {
            _memory = GC.AllocateUninitializedArray<byte>(size + Alignment, pinned: true);
            fixed (byte* address = _memory)
            {
                _start = (Alignment - (int)((nuint)address % Alignment)) % Alignment;
            }
            _size = size;
        }

        public Span<byte> Span => _memory.AsSpan(_start, _size);
    }

    internal readonly ref struct Lease(BounceBuffers owner, Buffer buffer)
    {
        public Span<byte> Span => buffer.Span;

        public void Dispose() => owner.Return(buffer);
    }
}
