using WinLoop.Storage;

namespace WinLoop.Images.Vmdk;

/// <summary>A range of a file that holds all bytes of the extent.</summary>
internal sealed class FlatExtent(IGrowableDevice file, long start, long length) : VmdkExtent(length)
{
    private bool _isDirty;

    /// <inheritdoc/>
    public override string? ReadOnlyReason => file.IsReadOnly ? "the file of an extent cannot be written" : null;

    /// <inheritdoc/>
    public override void Read(Span<byte> buffer, long offset) => file.Read(buffer, start + offset);

    /// <inheritdoc/>
    public override void Write(ReadOnlySpan<byte> buffer, long offset, WriteTag tag)
    {
        file.Write(buffer, start + offset, tag);
        Volatile.Write(ref _isDirty, true);
    }

    /// <inheritdoc/>
    public override void Flush()
    {
        // Taken before the flush: a write that ends later sets it again.
        if (Interlocked.Exchange(ref _isDirty, false))
        {
            file.Flush();
        }
    }

    /// <inheritdoc/>
    public override void Discard(long offset, long length)
    {
        file.Discard(start + offset, length);
        Volatile.Write(ref _isDirty, true);
    }

    /// <inheritdoc/>
    public override void WriteZeroes(long offset, long length, WriteTag tag)
    {
        file.WriteZeroes(start + offset, length, tag);
        Volatile.Write(ref _isDirty, true);
    }

    /// <inheritdoc/>
    public override void Prefetch(long offset, long length) => file.Prefetch(start + offset, length);

    /// <inheritdoc/>
    public override void Forget(long offset, long length) => file.Forget(start + offset, length);

    /// <inheritdoc/>
    public override long ZeroRun(long offset, long length) => file.ZeroRun(start + offset, length);

    /// <inheritdoc/>
    public override void Dispose() => file.Dispose();
}
