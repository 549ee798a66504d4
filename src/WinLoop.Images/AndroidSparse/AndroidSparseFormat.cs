using System.Buffers.Binary;
using WinLoop.Storage;

namespace WinLoop.Images.AndroidSparse;

/// <summary>Android's sparse images, as fastboot takes them. They are a stream of chunks, so they are read only.</summary>
public sealed class AndroidSparseFormat : IImageFormat
{
    /// <inheritdoc/>
    public string Name => "Android sparse";

    /// <inheritdoc/>
    public bool Matches(IGrowableDevice file)
    {
        ArgumentNullException.ThrowIfNull(file);
        if (file.Length < SparseHeader.KnownSize)
        {
            return false;
        }

        Span<byte> bytes = stackalloc byte[sizeof(uint)];
        file.Read(bytes, 0);
        return SparseHeader.Matches(bytes);
    }

    /// <inheritdoc/>
    public IBlockDevice Open(IGrowableDevice file, ImageFormatOptions options)
    {
        ArgumentNullException.ThrowIfNull(file);
        ArgumentNullException.ThrowIfNull(options);
        if (file.Length < SparseHeader.KnownSize)
        {
            throw SparseError.Damaged($"the file has only {file.Length} bytes");
        }

        Span<byte> bytes = stackalloc byte[SparseHeader.KnownSize];
        file.Read(bytes, 0);
        SparseHeader header = SparseHeader.Read(bytes, file.Length);
        AndroidSparseDisk disk = new(file, header, ReadChunks(file, header));
        if (!options.IsReadOnly && !file.IsReadOnly)
        {
            options.Note?.Invoke("an Android sparse image cannot be written; use --overlay memory, or convert it first");
        }

        return disk;
    }

    /// <summary>Reads and checks the headers of all chunks.</summary>
    private static Chunk[] ReadChunks(IGrowableDevice file, SparseHeader header)
    {
        var chunks = new List<Chunk>(Math.Min(header.Chunks, 4096));
        var window = new ReadWindow(file);
        long at = header.HeaderSize;
        ulong block = 0;
        for (int i = 0; i < header.Chunks; i++)
        {
            if (at > file.Length - header.ChunkHeaderSize)
            {
                throw SparseError.Damaged($"chunk {i} of {header.Chunks} at {at} is past the end of the file ({file.Length} bytes)");
            }

            ChunkHeader chunk = ChunkHeader.Read(window.Read(at, ChunkHeader.KnownSize));
            long data = at + header.ChunkHeaderSize;
            long size = chunk.Type switch
            {
                ChunkType.Raw => (long)chunk.Blocks * header.BlockSize,
                ChunkType.Fill or ChunkType.Crc32 => sizeof(uint),
                ChunkType.DontCare => 0,
                _ => throw SparseError.Unsupported($"chunk {i} has the unknown type 0x{(ushort)chunk.Type:X4}"),
            };
            if (chunk.TotalSize != header.ChunkHeaderSize + size || size > file.Length - data)
            {
                throw SparseError.Damaged($"chunk {i} at {at} has {chunk.TotalSize} bytes, and should have {header.ChunkHeaderSize + size} inside the file ({file.Length} bytes)");
            }

            if (chunk.Type != ChunkType.Crc32 && chunk.Blocks > 0)
            {
                uint pattern = chunk.Type == ChunkType.Fill ? BinaryPrimitives.ReadUInt32LittleEndian(window.Read(data, sizeof(uint))) : 0;
                chunks.Add(new Chunk((uint)block, chunk.Type == ChunkType.Raw ? data : -1, pattern));
                block += chunk.Blocks;
                if (block > header.Blocks)
                {
                    throw SparseError.Damaged($"chunk {i} ends behind the last of the {header.Blocks} blocks");
                }
            }

            at = data + size;
        }

        return block == header.Blocks ? [.. chunks]
            : throw SparseError.Damaged($"the chunks have {block} blocks, and the disk {header.Blocks}");
    }

    // Chunks without blocks have their headers one behind the other.
    private sealed class ReadWindow(IGrowableDevice file)
    {
        private readonly byte[] _bytes = new byte[4096];
        private long _start = -1;
        private int _length;

        public ReadOnlySpan<byte> Read(long at, int count)
        {
            if (_start < 0 || at < _start || at + count > _start + _length)
            {
                _start = at;
                _length = (int)Math.Min(_bytes.Length, file.Length - at);
                file.Read(_bytes.AsSpan(0, _length), at);
            }

            return _bytes.AsSpan((int)(at - _start), count);
        }
    }
}
