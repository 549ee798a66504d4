using WinLoop.Storage;

namespace WinLoop.Images.Tests.PowerCuts;

/// <summary>A device as a file whose size does not change.</summary>
internal sealed class FixedFile(IBlockDevice device) : IGrowableDevice
{
    public long Length => device.Length;

    public bool IsReadOnly => device.IsReadOnly;

    public int SectorSize => device.SectorSize;

    /// <summary>A flush takes so long that other threads do something meanwhile.</summary>
    public bool IsSlow { get; init; }

    public void SetLength(long length) =>
        throw new BlockDeviceException(BlockDeviceError.NoSpace, $"this file cannot have {length} bytes");

    public void Read(Span<byte> buffer, long offset) => device.Read(buffer, offset);

    public void Write(ReadOnlySpan<byte> buffer, long offset, WriteTag tag = WriteTag.Data) => device.Write(buffer, offset, tag);

    public void Flush()
    {
        device.Flush();
        if (IsSlow)
        {
            Thread.Sleep(1);
        }
    }

    public void Discard(long offset, long length) => device.Discard(offset, length);

    public void WriteZeroes(long offset, long length, WriteTag tag = WriteTag.Data) => device.WriteZeroes(offset, length, tag);

    public void Dispose()
    {
    }
}
