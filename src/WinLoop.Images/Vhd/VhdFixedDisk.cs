using WinLoop.Storage;

namespace WinLoop.Images.Vhd;

/// <summary>The disk in a fixed VHD: the file without its footer.</summary>
internal sealed class VhdFixedDisk(IGrowableDevice file, long length, bool isReadOnly) : IBlockDevice
{
    /// <inheritdoc/>
    public long Length => length;

    /// <inheritdoc/>
    public bool IsReadOnly => isReadOnly;

    /// <inheritdoc/>
    public int SectorSize => 512;

    /// <inheritdoc/>
    public void Read(Span<byte> buffer, long offset)
    {
        DeviceRange.Check(this, offset, buffer.Length);
        file.Read(buffer, offset);
    }

    /// <inheritdoc/>
    public void Write(ReadOnlySpan<byte> buffer, long offset, WriteTag tag = WriteTag.Data)
    {
        DeviceRange.CheckWrite(this, offset, buffer.Length);
        file.Write(buffer, offset, tag);
    }

    /// <inheritdoc/>
    public void Flush()
    {
        if (!isReadOnly)
        {
            file.Flush();
        }
    }

    /// <inheritdoc/>
    public void Discard(long offset, long length)
    {
        DeviceRange.CheckWrite(this, offset, length);
        file.Discard(offset, length);
    }

    /// <inheritdoc/>
    public void WriteZeroes(long offset, long length, WriteTag tag = WriteTag.Data)
    {
        DeviceRange.CheckWrite(this, offset, length);
        file.WriteZeroes(offset, length, tag);
    }

    /// <inheritdoc/>
    public void Prefetch(long offset, long length)
    {
        DeviceRange.Check(this, offset, length);
        file.Prefetch(offset, length);
    }

    /// <inheritdoc/>
    public long ZeroRun(long offset, long length)
    {
        DeviceRange.Check(this, offset, length);
        return file.ZeroRun(offset, length);
    }

    /// <inheritdoc/>
    public void Forget(long offset, long length)
    {
        DeviceRange.Check(this, offset, length);
        file.Forget(offset, length);
    }

    /// <inheritdoc/>
    public void Dispose() => file.Dispose();
}
