using DiscUtils.Streams;
using WinLoop.Storage;

namespace WinLoop.DiscUtils;

/// <summary>A block device as a sparse stream: what WinLoop opens (a VHDX, a partition, an overlay) for code that takes
/// streams.</summary>
/// <remarks>
/// Calls of the stream may come from several threads: each takes a lock around its position and transfer. A seek and the
/// read that is meant by it are two calls, so threads that share a stream still have to agree. The length is fixed.
/// <see cref="Flush"/> is the device's barrier. A device does not say where it has holes: all of it is one extent.
/// </remarks>
public sealed class BlockDeviceStream : SparseStream
{
    private readonly Lock _lock = new();
    private readonly IBlockDevice _device;
    private readonly Ownership _ownership;
    private long _position;
    private bool _isDisposed;

    /// <summary>Makes a stream of all of a device, at position 0.</summary>
    /// <param name="device">The device.</param>
    /// <param name="ownership">Whether the device is disposed with the stream.</param>
    public BlockDeviceStream(IBlockDevice device, Ownership ownership = Ownership.None)
    {
        ArgumentNullException.ThrowIfNull(device);
        _device = device;
        _ownership = ownership;
    }

    /// <inheritdoc/>
    public override bool CanRead => !_isDisposed;

    /// <inheritdoc/>
    public override bool CanSeek => !_isDisposed;

    /// <inheritdoc/>
    public override bool CanWrite => !_isDisposed && !_device.IsReadOnly;

    /// <inheritdoc/>
    public override long Length => _device.Length;

    /// <summary>Where the next read or write is; it may be behind the end.</summary>
    /// <exception cref="ArgumentOutOfRangeException">Negative.</exception>
    public override long Position
    {
        get
        {
            lock (_lock)
            {
                return _position;
            }
        }

        set
        {
            ArgumentOutOfRangeException.ThrowIfNegative(value);
            lock (_lock)
            {
                RequireOpen();
                _position = value;
            }
        }
    }

    /// <inheritdoc/>
    public override IEnumerable<StreamExtent> Extents => Length == 0 ? [] : [new StreamExtent(0, Length)];

    /// <summary>Reads up to the end of the device.</summary>
    /// <exception cref="BlockDeviceException">The device failed.</exception>
    public override int Read(Span<byte> buffer)
    {
        lock (_lock)
        {
            RequireOpen();
            long rest = _device.Length - _position;
            if (rest <= 0)
            {
                return 0;
            }
            int count = (int)Math.Min(rest, buffer.Length);
            _device.Read(buffer[..count], _position);
            _position += count;
            return count;
        }
    }

    /// <inheritdoc/>
    public override int Read(byte[] buffer, int offset, int count)
    {
        ValidateBufferArguments(buffer, offset, count);
        return Read(buffer.AsSpan(offset, count));
    }

    /// <summary>Writes all of the buffer.</summary>
    /// <exception cref="BlockDeviceException">The range is not inside the device, the device is read-only, or it failed.</exception>
    public override void Write(ReadOnlySpan<byte> buffer)
    {
        lock (_lock)
        {
            RequireOpen();
            _device.Write(buffer, _position);
            _position += buffer.Length;
        }
    }

    /// <inheritdoc/>
    public override void Write(byte[] buffer, int offset, int count)
    {
        ValidateBufferArguments(buffer, offset, count);
        Write(buffer.AsSpan(offset, count));
    }

    /// <summary>Writes zeroes from the position on, freeing storage where the device can.</summary>
    /// <exception cref="BlockDeviceException">As <see cref="Write(ReadOnlySpan{byte})"/>.</exception>
    public override void Clear(int count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        lock (_lock)
        {
            RequireOpen();
            _device.WriteZeroes(_position, count);
            _position += count;
        }
    }

    /// <summary>Makes everything that was written durable.</summary>
    /// <exception cref="BlockDeviceException">The device failed.</exception>
    public override void Flush()
    {
        lock (_lock)
        {
            RequireOpen();
            if (!_device.IsReadOnly)
            {
                _device.Flush();
            }
        }
    }

    /// <inheritdoc/>
    public override long Seek(long offset, SeekOrigin origin)
    {
        lock (_lock)
        {
            RequireOpen();
            return _position = StreamPosition.Seek(offset, origin, _position, _device.Length);
        }
    }

    /// <summary>A device has a fixed length.</summary>
    /// <exception cref="NotSupportedException">Always, unless it is the length that the device has.</exception>
    public override void SetLength(long value)
    {
        if (value != Length)
        {
            throw new NotSupportedException("A block device has a fixed length.");
        }
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            lock (_lock)
            {
                if (!_isDisposed)
                {
                    _isDisposed = true;
                    if (_ownership == Ownership.Dispose)
                    {
                        _device.Dispose();
                    }
                }
            }
        }
        base.Dispose(disposing);
    }

    private void RequireOpen() => ObjectDisposedException.ThrowIf(_isDisposed, this);
}
