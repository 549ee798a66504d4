using WinLoop.Storage;

namespace WinLoop.Ext4.Tests.Journal;

/// <summary>A device in memory that can lose power: from a write on, nothing arrives any more.</summary>
internal sealed class MemoryDevice(byte[] bytes) : IBlockDevice
{
    /// <summary>The content.</summary>
    public byte[] Bytes { get; } = bytes;

    /// <summary>Writes that still succeed.</summary>
    public int WritesLeft { get; set; } = int.MaxValue;

    /// <summary>Writes done.</summary>
    public int Writes { get; private set; }

    public long Length => Bytes.Length;
    public bool IsReadOnly => false;
    public int SectorSize => 512;

    public void Read(Span<byte> buffer, long offset)
    {
        if (offset < 0 || offset > Bytes.Length - buffer.Length)
        {
            throw new BlockDeviceException(BlockDeviceError.OutOfRange, $"read at {offset}");
        }
        Bytes.AsSpan((int)offset, buffer.Length).CopyTo(buffer);
    }

    public void Write(ReadOnlySpan<byte> buffer, long offset, WriteTag tag = WriteTag.Data)
    {
        if (WritesLeft-- <= 0)
        {
            throw new BlockDeviceException(BlockDeviceError.Io, "power cut");
        }
        Writes++;
        buffer.CopyTo(Bytes.AsSpan((int)offset, buffer.Length));
    }

    public void Flush()
    {
    }

    public void Discard(long offset, long length)
    {
    }

    public void WriteZeroes(long offset, long length, WriteTag tag = WriteTag.Data) => Bytes.AsSpan((int)offset, (int)length).Clear();

    public void Dispose()
    {
    }
}
