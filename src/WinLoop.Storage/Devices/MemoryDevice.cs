namespace WinLoop.Storage;

/// <summary>A device in memory. Only what was written takes memory, in chunks; the rest reads as zeroes.</summary>
public sealed class MemoryDevice : IBlockDevice
{
    /// <summary>Bytes of a chunk.</summary>
    private const int ChunkSize = 64 * 1024;

    /// <summary>Chunks of one second-level table.</summary>
    private const int TableSize = 4096;

    private readonly byte[]?[]?[] _tables;

    /// <summary>Makes a device of zeroes.</summary>
    /// <param name="length">Size in bytes, up to 1 PiB.</param>
    /// <param name="sectorSize">Sector size in bytes.</param>
    /// <param name="isReadOnly">Refuse writes.</param>
    public MemoryDevice(long length, int sectorSize = 512, bool isReadOnly = false)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, 1L << 50);
        Length = length;
        SectorSize = sectorSize;
        IsReadOnly = isReadOnly;
        _tables = new byte[]?[]?[(int)((length + ((long)TableSize * ChunkSize) - 1) / ((long)TableSize * ChunkSize))];
    }

    /// <summary>Makes a device with the given content.</summary>
    public MemoryDevice(ReadOnlySpan<byte> content, int sectorSize = 512, bool isReadOnly = false)
        : this(content.Length, sectorSize, isReadOnly) => Store(content, 0);

    /// <inheritdoc/>
    public long Length { get; }

    /// <inheritdoc/>
    public bool IsReadOnly { get; }

    /// <inheritdoc/>
    public int SectorSize { get; }

    /// <inheritdoc/>
    public void Read(Span<byte> buffer, long offset)
    {
        DeviceRange.Check(this, offset, buffer.Length);
        while (!buffer.IsEmpty)
        {
            int inside = (int)(offset % ChunkSize);
            int part = Math.Min(ChunkSize - inside, buffer.Length);
            if (Find(offset) is { } chunk)
            {
                chunk.AsSpan(inside, part).CopyTo(buffer);
            }
            else
            {
                buffer[..part].Clear();
            }

            buffer = buffer[part..];
            offset += part;
        }
    }

    /// <inheritdoc/>
    public void Write(ReadOnlySpan<byte> buffer, long offset, WriteTag tag = WriteTag.Data)
    {
        DeviceRange.CheckWrite(this, offset, buffer.Length);
        Store(buffer, offset);
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
        while (length > 0)
        {
            int inside = (int)(offset % ChunkSize);
            int part = (int)Math.Min(ChunkSize - inside, length);
            ref byte[]?[]? table = ref TableAt(offset);
            if (Volatile.Read(ref table) is not { } chunks)
            {
                // Nothing is there for the rest of this table.
                part = (int)Math.Min(length, ((long)TableSize * ChunkSize) - (offset % ((long)TableSize * ChunkSize)));
            }
            else if (part == ChunkSize)
            {
                Volatile.Write(ref chunks[ChunkIndex(offset)], null);
            }
            else
            {
                Volatile.Read(ref chunks[ChunkIndex(offset)])?.AsSpan(inside, part).Clear();
            }

            offset += part;
            length -= part;
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
    }

    private void Store(ReadOnlySpan<byte> buffer, long offset)
    {
        while (!buffer.IsEmpty)
        {
            int inside = (int)(offset % ChunkSize);
            int part = Math.Min(ChunkSize - inside, buffer.Length);
            buffer[..part].CopyTo(FindOrAdd(offset).AsSpan(inside));
            buffer = buffer[part..];
            offset += part;
        }
    }

    private static int ChunkIndex(long offset) => (int)(offset / ChunkSize % TableSize);

    private ref byte[]?[]? TableAt(long offset) => ref _tables[(int)(offset / ((long)TableSize * ChunkSize))];

    private byte[]? Find(long offset) =>
        Volatile.Read(ref TableAt(offset)) is { } table ? Volatile.Read(ref table[ChunkIndex(offset)]) : null;

    private byte[] FindOrAdd(long offset)
    {
        ref byte[]?[]? table = ref TableAt(offset);
        byte[]?[] chunks = Volatile.Read(ref table) ?? Add(ref table, new byte[TableSize][]);
        ref byte[]? chunk = ref chunks[ChunkIndex(offset)];
        // Pinned: a chunk lives long and is never worth moving.
        return Volatile.Read(ref chunk) ?? Add(ref chunk, GC.AllocateArray<byte>(ChunkSize, pinned: true));
    }

    /// <summary>Puts a new part in, unless another thread was faster: then that one's is taken.</summary>
    private static T Add<T>(ref T? place, T made)
        where T : class => Interlocked.CompareExchange(ref place, made, null) ?? made;
}
