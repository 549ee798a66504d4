using WinLoop.Storage;

namespace WinLoop.Images.Vmdk;

/// <summary>An extent without a file: zeroes (ZERO). There is no place to write to.</summary>
internal sealed class ZeroExtent(long length) : VmdkExtent(length)
{
    /// <inheritdoc/>
    public override string? ReadOnlyReason => "an extent of it has no file (ZERO)";

    /// <inheritdoc/>
    public override void Read(Span<byte> buffer, long offset) => buffer.Clear();

    /// <inheritdoc/>
    public override void Write(ReadOnlySpan<byte> buffer, long offset, WriteTag tag) => throw ReadOnly();

    /// <inheritdoc/>
    public override void Flush()
    {
    }

    /// <inheritdoc/>
    public override void Discard(long offset, long length) => throw ReadOnly();

    /// <inheritdoc/>
    public override void WriteZeroes(long offset, long length, WriteTag tag) => throw ReadOnly();

    /// <inheritdoc/>
    public override void Prefetch(long offset, long length)
    {
    }

    /// <inheritdoc/>
    public override void Forget(long offset, long length)
    {
    }

    /// <inheritdoc/>
    public override long ZeroRun(long offset, long length) => length;

    /// <inheritdoc/>
    public override void Dispose()
    {
    }

    private static BlockDeviceException ReadOnly() => new(BlockDeviceError.ReadOnly, "the extent is read-only");
}
