using DiscUtils.Streams;
using WinLoop.Storage;

namespace WinLoop.DiscUtils;

/// <summary>A seekable stream as a block device, so that what DiscUtils opens (VMDK, VDI, a partition) can be mounted.</summary>
/// <remarks>
/// A stream has one position: every call takes a lock, seeks and transfers, and nobody else may use the stream while the
/// device is open. The device is read-only unless it is told how writes become durable (<see cref="StreamBarrier"/>),
/// because a journal whose flushes do nothing is no journal.
/// </remarks>
public sealed class StreamDevice : IBlockDevice
{
    private const int ZeroChunk = 64 * 1024;

    private static readonly byte[] s_zeroes = new byte[ZeroChunk];

    private readonly Lock _lock = new();
    private readonly Ownership _ownership;
    private readonly Action? _barrier;
    private bool _isDisposed;

    /// <summary>Makes a device of all of a stream.</summary>
    /// <param name="stream">Readable and seekable. Its length is taken now and must not change.</param>
    /// <param name="ownership">Whether the stream is disposed with the device.</param>
    /// <param name="barrier">Makes everything that was written durable, or throws. Null = read-only.</param>
    /// <exception cref="ArgumentException">The stream cannot be read or cannot seek; or there is a barrier, but the
    /// stream cannot be written.</exception>
    /// <exception cref="BlockDeviceException">The stream does not tell its length.</exception>
    public StreamDevice(Stream stream, Ownership ownership = Ownership.None, Action? barrier = null)
    {
        ArgumentNullException.ThrowIfNull(stream);
        if (!stream.CanRead || !stream.CanSeek)
        {
            throw new ArgumentException("A device needs a stream that can be read and can seek.", nameof(stream));
        }
        if (barrier is not null && !stream.CanWrite)
        {
            throw new ArgumentException("There is a barrier, but the stream cannot be written.", nameof(barrier));
        }
        Stream = stream;
        _ownership = ownership;
        _barrier = barrier;
        try
        {
            Length = stream.Length;
        }
        catch (Exception e) when (IsFailure(e))
        {
            throw Failed("its length cannot be read", e);
        }
    }

    /// <summary>The stream.</summary>
    public Stream Stream { get; }

    /// <inheritdoc/>
    public long Length { get; }

    /// <inheritdoc/>
    public bool IsReadOnly => _barrier is null;

    /// <inheritdoc/>
    public int SectorSize => 512;

    /// <inheritdoc/>
    public void Read(Span<byte> buffer, long offset)
    {
        DeviceRange.Check(this, offset, buffer.Length);
        lock (_lock)
        {
            RequireOpen();
            try
            {
                Stream.Position = offset;
                while (!buffer.IsEmpty)
                {
                    int count = Stream.Read(buffer);
                    if (count <= 0 || count > buffer.Length)
                    {
                        throw new BlockDeviceException(BlockDeviceError.Gone, $"the stream ended {buffer.Length} bytes early in a read at {offset}");
                    }
                    buffer = buffer[count..];
                }
            }
            catch (Exception e) when (IsFailure(e))
            {
                throw Failed($"a read at {offset} failed", e);
            }
        }
    }

    /// <inheritdoc/>
    public void Write(ReadOnlySpan<byte> buffer, long offset, WriteTag tag = WriteTag.Data)
    {
        DeviceRange.CheckWrite(this, offset, buffer.Length);
        lock (_lock)
        {
            RequireOpen();
            try
            {
                Stream.Position = offset;
                Stream.Write(buffer);
            }
            catch (Exception e) when (IsFailure(e))
            {
                throw Failed($"a write at {offset} failed", e);
            }
        }
    }

    /// <inheritdoc/>
    public void Flush()
    {
        if (_barrier is null)
        {
            return;
        }
        lock (_lock)
        {
            RequireOpen();
            try
            {
                _barrier();
            }
            catch (Exception e) when (IsFailure(e))
            {
                throw Failed("a flush failed", e);
            }
        }
    }

    /// <summary>Checks the range; a stream has no way to give storage back.</summary>
    public void Discard(long offset, long length) => DeviceRange.CheckWrite(this, offset, length);

    /// <inheritdoc/>
    public void WriteZeroes(long offset, long length, WriteTag tag = WriteTag.Data)
    {
        DeviceRange.CheckWrite(this, offset, length);
        lock (_lock)
        {
            RequireOpen();
            try
            {
                Stream.Position = offset;
                while (length > 0)
                {
                    int count = (int)Math.Min(length, ZeroChunk);
                    Stream.Write(s_zeroes, 0, count);
                    length -= count;
                }
            }
            catch (Exception e) when (IsFailure(e))
            {
                throw Failed($"writing zeroes at {offset} failed", e);
            }
        }
    }

    /// <summary>Closes the device, and the stream if it is owned. Nothing is flushed.</summary>
    public void Dispose()
    {
        lock (_lock)
        {
            if (_isDisposed)
            {
                return;
            }
            _isDisposed = true;
        }
        if (_ownership == Ownership.Dispose)
        {
            Stream.Dispose();
        }
    }

    private void RequireOpen()
    {
        if (_isDisposed)
        {
            throw new BlockDeviceException(BlockDeviceError.Gone, "the device is closed");
        }
    }

    // A stream of somebody else's may throw anything; over a damaged container those of DiscUtils do.
    private static bool IsFailure(Exception e) => e is not (BlockDeviceException or OutOfMemoryException);

    private static BlockDeviceException Failed(string what, Exception e) =>
        new(e is ObjectDisposedException ? BlockDeviceError.Gone : BlockDeviceError.Io, $"the stream: {what}: {e.Message}", e);
}
