using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using WinLoop.Storage;

namespace WinLoop.Ext4.Tests.Create;

/// <summary>A sparse file as a device; finds its data without reading its holes. Deleted when disposed.</summary>
internal sealed partial class SparseFile : IBlockDevice
{
    private const int SeekData = 3, SeekHole = 4;
    private static readonly byte[] s_zeroes = new byte[1 << 20];

    private readonly SafeFileHandle _handle;
    private readonly bool _isOwned;

    public SparseFile(long length)
    {
        Path = System.IO.Path.Combine(System.IO.Path.GetTempPath(), $"winloop-create-{Guid.NewGuid():N}.img");
        _handle = File.OpenHandle(Path, FileMode.CreateNew, FileAccess.ReadWrite, FileShare.ReadWrite);
        RandomAccess.SetLength(_handle, length);
        Length = length;
        _isOwned = true;
    }

    public SparseFile(string path)
    {
        Path = path;
        _handle = File.OpenHandle(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);
        Length = RandomAccess.GetLength(_handle);
    }

    public string Path { get; }
    public long Length { get; }
    public bool IsReadOnly => false;
    public int SectorSize { get; init; } = 512;
    /// <summary>Every write and flush (length 0) in order.</summary>
    public List<(long Offset, int Length)> Requests { get; } = [];
    /// <summary>True if the last request was a flush.</summary>
    public bool EndsFlushed => Requests.Count > 0 && Requests[^1].Length == 0;

    public void Read(Span<byte> buffer, long offset)
    {
        Check(offset, buffer.Length);
        while (!buffer.IsEmpty)
        {
            int count = RandomAccess.Read(_handle, buffer, offset);
            Assert.NotEqual(0, count);
            buffer = buffer[count..];
            offset += count;
        }
    }

    public void Write(ReadOnlySpan<byte> buffer, long offset, WriteTag tag = WriteTag.Data)
    {
        Check(offset, buffer.Length);
        RandomAccess.Write(_handle, buffer, offset);
        Requests.Add((offset, buffer.Length));
    }

    public void Flush() => Requests.Add((0, 0));

    public void Discard(long offset, long length) => Check(offset, length);

    public void WriteZeroes(long offset, long length, WriteTag tag = WriteTag.Data)
    {
        Check(offset, length);
        Requests.Add((offset, (int)Math.Min(length, int.MaxValue)));
        for (; length > 0; offset += s_zeroes.Length, length -= s_zeroes.Length)
        {
            RandomAccess.Write(_handle, s_zeroes.AsSpan(0, (int)Math.Min(length, s_zeroes.Length)), offset);
        }
    }

    /// <summary>Fills all of it with a byte.</summary>
    public void Fill(byte value)
    {
        var chunk = new byte[1 << 20];
        Array.Fill(chunk, value);
        for (long offset = 0; offset < Length; offset += chunk.Length)
        {
            RandomAccess.Write(_handle, chunk.AsSpan(0, (int)Math.Min(chunk.Length, Length - offset)), offset);
        }
    }

    /// <summary>The parts that may hold something else than zeroes.</summary>
    public IEnumerable<(long Start, long End)> DataRanges()
    {
        long position = 0;
        while (position < Length && (position = Seek(_handle, position, SeekData)) >= 0)
        {
            long end = Seek(_handle, position, SeekHole);
            yield return (position, end);
            position = end;
        }
    }

    public void Dispose()
    {
        _handle.Dispose();
        if (_isOwned)
        {
            File.Delete(Path);
        }
    }

    private void Check(long offset, long length) => Assert.True(offset >= 0 && length >= 0 && length <= Length - offset, $"{length} bytes at {offset}");

    [LibraryImport("libc", EntryPoint = "lseek")]
    private static partial long Seek(SafeFileHandle file, long offset, int whence);
}
