using WinLoop.Storage;

namespace WinLoop.Mounting;

internal sealed class TemporaryFileDevice(string path, bool isReadOnly) : IBlockDevice
{
    private readonly Microsoft.Win32.SafeHandles.SafeFileHandle _handle =
        File.OpenHandle(path, System.IO.FileMode.Open, isReadOnly ? FileAccess.Read : FileAccess.ReadWrite, FileShare.ReadWrite);

    public long Length { get; } = new FileInfo(path).Length;
    public bool IsReadOnly => isReadOnly;
    public int SectorSize => 512;

    public void Read(Span<byte> buffer, long offset)
    {
        while (!buffer.IsEmpty)
        {
            int count = RandomAccess.Read(_handle, buffer, offset);
            if (count == 0)
            {
                throw new BlockDeviceException(BlockDeviceError.OutOfRange, $"read at {offset} past the end");
            }
            buffer = buffer[count..];
            offset += count;
        }
    }

    public void Write(ReadOnlySpan<byte> buffer, long offset, WriteTag tag = WriteTag.Data)
    {
        if (isReadOnly || offset + buffer.Length > Length)
        {
            throw new BlockDeviceException(isReadOnly ? BlockDeviceError.ReadOnly : BlockDeviceError.OutOfRange, $"write at {offset}");
        }
        RandomAccess.Write(_handle, buffer, offset);
    }

    public void Flush() => RandomAccess.FlushToDisk(_handle);

    public void Discard(long offset, long length)
    {
    }

    public void WriteZeroes(long offset, long length, WriteTag tag = WriteTag.Data)
    {
        Span<byte> zeroes = new byte[Math.Min(length, 1 << 20)];
        for (; length > 0; offset += zeroes.Length, length -= zeroes.Length)
        {
            Write(zeroes[..(int)Math.Min(length, zeroes.Length)], offset, tag);
        }
    }

    public void Dispose() => _handle.Dispose();
}
