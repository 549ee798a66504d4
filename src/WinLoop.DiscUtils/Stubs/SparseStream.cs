using DiscUtils.Streams.Compatibility;

#pragma warning disable CS1591, CA1001, CA1062

namespace DiscUtils.Streams.Compatibility
{
    /// <summary>Stand-in: the members of Stream that the library makes abstract or implements for everybody.</summary>
    public abstract class CompatibilityStream : Stream
    {
        public abstract override int Read(Span<byte> buffer);

        public abstract override void Write(ReadOnlySpan<byte> buffer);

        public abstract override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default);

        public abstract override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default);

        public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
            ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

        public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
            WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();
    }
}

namespace DiscUtils.Streams
{
    /// <summary>Stand-in: who disposes of what is wrapped.</summary>
    public enum Ownership
    {
        None,
        Dispose,
    }

    /// <summary>Stand-in: a stored range of a stream, in bytes.</summary>
    public readonly record struct StreamExtent(long Start, long Length);

    /// <summary>Stand-in: a stream that knows which parts of it are stored.</summary>
    public abstract class SparseStream : CompatibilityStream
    {
        public abstract IEnumerable<StreamExtent> Extents { get; }

        public virtual void Clear(int count) => Write(new byte[count], 0, count);

        public virtual IEnumerable<StreamExtent> GetExtentsInRange(long start, long count)
        {
            foreach (StreamExtent extent in Extents)
            {
                long from = Math.Max(start, extent.Start);
                long length = Math.Min(start + count, extent.Start + extent.Length) - from;
                if (length > 0)
                {
                    yield return new StreamExtent(from, length);
                }
            }
        }

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) => new(Read(buffer.Span));

        public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
        {
            Write(buffer.Span);
            return default;
        }
    }
}
