namespace WinLoop.Storage;

/// <summary>A window of another device.</summary>
public class SliceDevice : IBlockDevice
{
    private readonly IBlockDevice _parent;
    private readonly long _offset;
    private readonly bool _ownsParent;
    private long _length;

    /// <summary>Makes a window.</summary>
    /// <param name="parent">The device that holds it.</param>
    /// <param name="offset">First byte in the parent.</param>
    /// <param name="length">Size in bytes; must lie inside the parent.</param>
    /// <param name="ownsParent">Disposing the window disposes the parent.</param>
    /// <exception cref="BlockDeviceException">The window is not inside the parent.</exception>
    public SliceDevice(IBlockDevice parent, long offset, long length, bool ownsParent = false)
    {
        ArgumentNullException.ThrowIfNull(parent);
        DeviceRange.Check(parent, offset, length);
        _parent = parent;
        _offset = offset;
        _ownsParent = ownsParent;
        _length = length;
    }

    /// <inheritdoc/>
    public long Length
    {
        get => Volatile.Read(ref _length);
        private protected set => Volatile.Write(ref _length, value);
    }

    private protected IBlockDevice Parent => _parent;

    /// <inheritdoc/>
    public bool IsReadOnly => _parent.IsReadOnly;

    /// <inheritdoc/>
    public int SectorSize => _parent.SectorSize;

    /// <summary>First byte in the parent.</summary>
    public long Offset => _offset;

    /// <inheritdoc/>
    public void Read(Span<byte> buffer, long offset)
    {
        DeviceRange.Check(this, offset, buffer.Length);
        _parent.Read(buffer, _offset + offset);
    }

    /// <inheritdoc/>
    public void Write(ReadOnlySpan<byte> buffer, long offset, WriteTag tag = WriteTag.Data)
    {
        DeviceRange.Check(this, offset, buffer.Length);
        _parent.Write(buffer, _offset + offset, tag);
    }

    /// <inheritdoc/>
    public void Flush() => _parent.Flush();

    /// <inheritdoc/>
    public long ZeroRun(long offset, long length)
    {
        DeviceRange.Check(this, offset, length);
        return _parent.ZeroRun(_offset + offset, length);
    }

    /// <inheritdoc/>
    public void Discard(long offset, long length)
    {
        DeviceRange.Check(this, offset, length);
        _parent.Discard(_offset + offset, length);
    }

    /// <inheritdoc/>
    public void WriteZeroes(long offset, long length, WriteTag tag = WriteTag.Data)
    {
        DeviceRange.Check(this, offset, length);
        _parent.WriteZeroes(_offset + offset, length, tag);
    }

    /// <inheritdoc/>
    public void Prefetch(long offset, long length)
    {
        DeviceRange.Check(this, offset, length);
        _parent.Prefetch(_offset + offset, length);
    }

    /// <inheritdoc/>
    public void Forget(long offset, long length)
    {
        DeviceRange.Check(this, offset, length);
        _parent.Forget(_offset + offset, length);
    }

    /// <inheritdoc/>
    public void Abandon() => _parent.Abandon();

    /// <inheritdoc/>
    public void Dispose()
    {
        GC.SuppressFinalize(this);
        if (_ownsParent)
        {
            _parent.Dispose();
        }
    }
}
