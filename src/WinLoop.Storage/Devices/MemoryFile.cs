namespace WinLoop.Storage;

/// <summary>A file in memory: a <see cref="MemoryDevice"/> whose end can be moved. Only what was written takes memory.</summary>
public sealed class MemoryFile : IGrowableDevice
{
    private readonly MemoryDevice _content;
    private long _length;

    /// <summary>Makes a file of zeroes.</summary>
    /// <param name="length">Size in bytes.</param>
    /// <param name="limit">The largest size it can get; growing further fails with NoSpace. At most 1 PiB.</param>
    public MemoryFile(long length = 0, long limit = 1L << 40)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, limit);
        _content = new MemoryDevice(limit);
        _length = length;
    }

    /// <summary>Makes a file with the given content.</summary>
    public MemoryFile(ReadOnlySpan<byte> content, long limit = 1L << 40)
        : this(content.Length, limit) => _content.Write(content, 0);

    /// <inheritdoc/>
    public long Length => Volatile.Read(ref _length);

    /// <summary>Refuse writes from now on.</summary>
    public bool IsReadOnly { get; set; }

    /// <inheritdoc/>
    public int SectorSize => _content.SectorSize;

    /// <inheritdoc/>
    public void SetLength(long length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        DeviceRange.CheckWrite(this, 0, 0);
        if (length > _content.Length)
        {
            throw new BlockDeviceException(BlockDeviceError.NoSpace, $"the file in memory may have {_content.Length} bytes at most");
        }

        long old = Length;
        if (length < old)
        {
            _content.WriteZeroes(length, old - length);
        }

        Volatile.Write(ref _length, length);
    }

    /// <inheritdoc/>
    public void Read(Span<byte> buffer, long offset)
    {
        DeviceRange.Check(this, offset, buffer.Length);
        _content.Read(buffer, offset);
    }

    /// <inheritdoc/>
    public void Write(ReadOnlySpan<byte> buffer, long offset, WriteTag tag = WriteTag.Data)
    {
        DeviceRange.CheckWrite(this, offset, buffer.Length);
        _content.Write(buffer, offset, tag);
    }

    /// <inheritdoc/>
    public void Flush()
    {
    }

    /// <inheritdoc/>
    public void Discard(long offset, long length) => WriteZeroes(offset, length);

    /// <inheritdoc/>
    public void WriteZeroes(long offset, long length, WriteTag tag = WriteTag.Data)
    {
        DeviceRange.CheckWrite(this, offset, length);
        _content.WriteZeroes(offset, length, tag);
    }

    /// <summary>The content keeps: a closed file can be opened again.</summary>
    public void Dispose()
    {
    }
}
