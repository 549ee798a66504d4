using WinLoop.Storage;

namespace WinLoop.Ext4.Tests.Hostile;

/// <summary>A byte array as a device that can be put back: only the pages that changed are copied.</summary>
internal sealed class HostileDevice(byte[] pristine) : IBlockDevice
{
    private const int PageBits = 10;

    private readonly byte[] _bytes = [.. pristine];
    private readonly bool[] _isDirty = new bool[(pristine.Length >> PageBits) + 1];
    private readonly List<int> _dirty = [];

    /// <summary>The content; whoever changes it says so with <see cref="Touch"/>.</summary>
    public byte[] Bytes => _bytes;

    /// <summary>Less than the array when the image is cut off.</summary>
    public long Length { get; set; } = pristine.Length;

    public bool IsReadOnly { get; set; }

    public int SectorSize => 512;

    /// <summary>Changes that came through the device since <see cref="Restore"/>.</summary>
    public int Changes { get; private set; }

    /// <summary>Of these, those that were not file content.</summary>
    public int MetadataChanges { get; private set; }

    /// <summary>Blocks that content must not be written to; null = not looked at.</summary>
    public SystemZone? Zone { get; set; }

    /// <summary>Writes of content into <see cref="Zone"/>.</summary>
    public int ZoneWrites { get; private set; }

    /// <summary>Reads since <see cref="Restore"/>.</summary>
    public int Reads { get; private set; }

    /// <summary>Back to the pristine image.</summary>
    public void Restore()
    {
        foreach (int page in _dirty)
        {
            int at = page << PageBits;
            pristine.AsSpan(at, Math.Min(1 << PageBits, pristine.Length - at)).CopyTo(_bytes.AsSpan(at));
            _isDirty[page] = false;
        }
        _dirty.Clear();
        Length = pristine.Length;
        IsReadOnly = false;
        Changes = MetadataChanges = Reads = ZoneWrites = 0;
        Zone = null;
    }

    public void Touch(int offset, int length)
    {
        for (int page = offset >> PageBits; page <= (offset + length - 1) >> PageBits; page++)
        {
            if (!_isDirty[page])
            {
                _isDirty[page] = true;
                _dirty.Add(page);
            }
        }
    }

    public void Read(Span<byte> buffer, long offset)
    {
        Check(offset, buffer.Length);
        Reads++;
        _bytes.AsSpan((int)offset, buffer.Length).CopyTo(buffer);
    }

    public void Write(ReadOnlySpan<byte> buffer, long offset, WriteTag tag = WriteTag.Data)
    {
        Check(offset, buffer.Length);
        Changes++;
        MetadataChanges += tag == WriteTag.Data ? 0 : 1;
        ZoneWrites += tag == WriteTag.Data && Zone?.Touches(offset, buffer.Length) == true ? 1 : 0;
        if (IsReadOnly)
        {
            throw new BlockDeviceException(BlockDeviceError.ReadOnly, "read-only");
        }
        if (!buffer.IsEmpty)
        {
            Touch((int)offset, buffer.Length);
            buffer.CopyTo(_bytes.AsSpan((int)offset));
        }
    }

    public void Flush()
    {
    }

    public void Discard(long offset, long length) => WriteZeroes(offset, length);

    public void WriteZeroes(long offset, long length, WriteTag tag = WriteTag.Data)
    {
        Check(offset, length);
        Write(new byte[(int)length], offset, tag);
    }

    public void Dispose()
    {
    }

    private void Check(long offset, long length)
    {
        if (offset < 0 || length < 0 || offset > Length || length > Length - offset)
        {
            throw new BlockDeviceException(BlockDeviceError.OutOfRange, $"{length} bytes at {offset} of {Length}");
        }
    }
}
