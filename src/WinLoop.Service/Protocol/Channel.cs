namespace WinLoop.Service.Protocol;

/// <summary>A point in time after which nobody waits any more.</summary>
/// <param name="Ticks">Of <see cref="Environment.TickCount64"/>.</param>
internal readonly record struct Deadline(long Ticks)
{
    internal static Deadline After(TimeSpan time) => new(Environment.TickCount64 + (long)time.TotalMilliseconds);

    /// <summary>Milliseconds that are left, 0 to 2^31-1.</summary>
    internal int Left => (int)Math.Clamp(Ticks - Environment.TickCount64, 0, int.MaxValue);
}

/// <summary>One end of a connection: bytes, on Linux with descriptors. Used by one thread at a time.</summary>
internal abstract class Channel : IDisposable
{
    /// <summary>Reads what is there, at least one byte.</summary>
    /// <returns>0 at the end.</returns>
    /// <exception cref="TimeoutException">Nothing came in time.</exception>
    internal abstract int Read(Memory<byte> buffer, Deadline deadline);

    /// <summary>Writes everything; descriptors go with the first byte.</summary>
    /// <exception cref="TimeoutException">The other side does not read.</exception>
    internal abstract void Write(ReadOnlyMemory<byte> bytes, Deadline deadline, IReadOnlyList<int> descriptors);

    public abstract void Dispose();
}
