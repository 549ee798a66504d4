using System.Runtime.InteropServices;
using WinLoop.Storage;

namespace WinLoop.Images.AndroidSparse;

/// <summary>Where a part of the disk comes from.</summary>
/// <param name="Block">Its first block; it ends where the next begins.</param>
/// <param name="Offset">Its bytes in the file, or −1 if it is made of the pattern.</param>
/// <param name="Pattern">Four bytes, little-endian.</param>
internal readonly record struct Chunk(uint Block, long Offset, uint Pattern);

/// <summary>The disk in an Android sparse image.</summary>
internal sealed class AndroidSparseDisk : IBlockDevice
{
    private readonly IGrowableDevice _file;
    private readonly Chunk[] _chunks;
    private readonly int _blockSize;

    /// <param name="file">The file; the disk owns it.</param>
    /// <param name="header">Its header.</param>
    /// <param name="chunks">In the order of their blocks, without a gap; the first begins at 0.</param>
    public AndroidSparseDisk(IGrowableDevice file, SparseHeader header, Chunk[] chunks)
    {
        _file = file;
        _chunks = chunks;
        _blockSize = header.BlockSize;
        Length = (long)header.Blocks * header.BlockSize;
    }

    /// <inheritdoc/>
    public long Length { get; }

    /// <inheritdoc/>
    public bool IsReadOnly => true;

    /// <inheritdoc/>
    public int SectorSize => 512;

    /// <inheritdoc/>
    public void Read(Span<byte> buffer, long offset)
    {
        DeviceRange.Check(this, offset, buffer.Length);
        for (int at = buffer.IsEmpty ? 0 : Find(offset); !buffer.IsEmpty; at++)
        {
            Chunk chunk = _chunks[at];
            long start = Start(at);
            int part = (int)Math.Min(buffer.Length, Start(at + 1) - offset);
            if (chunk.Offset >= 0)
            {
                _file.Read(buffer[..part], chunk.Offset + (offset - start));
            }
            else
            {
                Fill(buffer[..part], chunk.Pattern, offset);
            }

            buffer = buffer[part..];
            offset += part;
        }
    }

    /// <inheritdoc/>
    public void Write(ReadOnlySpan<byte> buffer, long offset, WriteTag tag = WriteTag.Data) => DeviceRange.CheckWrite(this, offset, buffer.Length);

    /// <inheritdoc/>
    public void Flush()
    {
    }

    /// <inheritdoc/>
    public void Discard(long offset, long length) => DeviceRange.CheckWrite(this, offset, length);

    /// <inheritdoc/>
    public void WriteZeroes(long offset, long length, WriteTag tag = WriteTag.Data) => DeviceRange.CheckWrite(this, offset, length);

    /// <inheritdoc/>
    public void Prefetch(long offset, long length)
    {
        DeviceRange.Check(this, offset, length);
        long end = offset + length;
        for (int at = length == 0 ? _chunks.Length : Find(offset); at < _chunks.Length && Start(at) < end; at++)
        {
            long from = Math.Max(offset, Start(at)), to = Math.Min(end, Start(at + 1));
            if (_chunks[at].Offset >= 0)
            {
                _file.Prefetch(_chunks[at].Offset + (from - Start(at)), to - from);
            }
        }
    }

    /// <inheritdoc/>
    public long ZeroRun(long offset, long length)
    {
        DeviceRange.Check(this, offset, length);
        long end = offset + length, at = offset;
        for (int i = length == 0 ? _chunks.Length : Find(offset); i < _chunks.Length && at < end && _chunks[i] is { Offset: < 0, Pattern: 0 }; i++)
        {
            at = Math.Min(end, Start(i + 1));
        }

        return at - offset;
    }

    /// <inheritdoc/>
    public void Dispose() => _file.Dispose();

    private long Start(int chunk) => chunk == _chunks.Length ? Length : (long)_chunks[chunk].Block * _blockSize;

    // The chunk with a byte of the disk.
    private int Find(long offset)
    {
        uint block = (uint)(offset / _blockSize);
        int low = 0, high = _chunks.Length - 1;
        while (low < high)
        {
            int middle = (low + high + 1) / 2;
            if (_chunks[middle].Block <= block)
            {
                low = middle;
            }
            else
            {
                high = middle - 1;
            }
        }

        return low;
    }

    private static void Fill(Span<byte> buffer, uint pattern, long offset)
    {
        if (pattern == 0)
        {
            buffer.Clear();
            return;
        }

        // The pattern begins at a multiple of four bytes of the disk.
        uint turned = BitConverter.IsLittleEndian ? pattern : System.Buffers.Binary.BinaryPrimitives.ReverseEndianness(pattern);
        turned = BitConverter.IsLittleEndian ? uint.RotateRight(turned, (int)(offset & 3) * 8) : uint.RotateLeft(turned, (int)(offset & 3) * 8);
        int words = buffer.Length / sizeof(uint);
        MemoryMarshal.Cast<byte, uint>(buffer)[..words].Fill(turned);
        Span<byte> rest = buffer[(words * sizeof(uint))..];
        MemoryMarshal.AsBytes(new ReadOnlySpan<uint>(in turned))[..rest.Length].CopyTo(rest);
    }
}
