using System.Buffers.Binary;

namespace WinLoop.Images.AndroidSparse;

/// <summary>What a chunk holds.</summary>
internal enum ChunkType : ushort
{
    /// <summary>The blocks.</summary>
    Raw = 0xCAC1,
    /// <summary>Four bytes, of which all blocks are made.</summary>
    Fill = 0xCAC2,
    /// <summary>Nothing: nobody cares what the blocks hold. They read as zeroes.</summary>
    DontCare = 0xCAC3,
    /// <summary>A checksum of all before it; no blocks.</summary>
    Crc32 = 0xCAC4,
}

/// <summary>The header of the file (<c>sparse_header_t</c> of libsparse). All numbers are little-endian.</summary>
/// <param name="HeaderSize">Bytes of it: 28 or more.</param>
/// <param name="ChunkHeaderSize">Bytes of a chunk's header: 12 or more.</param>
/// <param name="BlockSize">Bytes of a block.</param>
/// <param name="Blocks">Blocks of the disk.</param>
/// <param name="Chunks">Chunks of the file.</param>
internal readonly record struct SparseHeader(int HeaderSize, int ChunkHeaderSize, int BlockSize, uint Blocks, int Chunks)
{
    public const int KnownSize = 28;
    public const uint Magic = 0xED26FF3A;

    // 64 MiB of chunks; images of some gigabytes have some thousands.
    private const uint MaxChunks = 4 << 20;
    private const int MaxBlockSize = 16 << 20;

    public static bool Matches(ReadOnlySpan<byte> bytes) => BinaryPrimitives.ReadUInt32LittleEndian(bytes) == Magic;

    public static SparseHeader Read(ReadOnlySpan<byte> bytes, long fileLength)
    {
        ushort major = BinaryPrimitives.ReadUInt16LittleEndian(bytes[4..]);
        if (major != 1)
        {
            throw SparseError.Unsupported($"version {major} of the format");
        }

        ushort size = BinaryPrimitives.ReadUInt16LittleEndian(bytes[8..]), chunkSize = BinaryPrimitives.ReadUInt16LittleEndian(bytes[10..]);
        uint block = BinaryPrimitives.ReadUInt32LittleEndian(bytes[12..]);
        uint blocks = BinaryPrimitives.ReadUInt32LittleEndian(bytes[16..]), chunks = BinaryPrimitives.ReadUInt32LittleEndian(bytes[20..]);
        if (size < KnownSize || chunkSize < ChunkHeader.KnownSize)
        {
            throw SparseError.Damaged($"headers of {size} and {chunkSize} bytes cannot be");
        }

        if (block == 0 || block % 4 != 0)
        {
            throw SparseError.Damaged($"blocks of {block} bytes cannot be");
        }

        if (block % 512 != 0 || block > MaxBlockSize)
        {
            throw SparseError.Unsupported($"blocks of {block} bytes");
        }

        if (blocks == 0 || chunks == 0 || chunks > (fileLength - size) / chunkSize)
        {
            throw SparseError.Damaged($"{blocks} blocks in {chunks} chunks cannot be in {fileLength} bytes");
        }

        return chunks <= MaxChunks
            ? new SparseHeader(size, chunkSize, (int)block, blocks, (int)chunks)
            : throw SparseError.Unsupported($"{chunks} chunks; {MaxChunks} are the most");
    }

    public void Write(Span<byte> bytes)
    {
        bytes.Clear();
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, Magic);
        BinaryPrimitives.WriteUInt16LittleEndian(bytes[4..], 1);
        BinaryPrimitives.WriteUInt16LittleEndian(bytes[8..], (ushort)HeaderSize);
        BinaryPrimitives.WriteUInt16LittleEndian(bytes[10..], (ushort)ChunkHeaderSize);
        BinaryPrimitives.WriteInt32LittleEndian(bytes[12..], BlockSize);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes[16..], Blocks);
        BinaryPrimitives.WriteInt32LittleEndian(bytes[20..], Chunks);
    }
}

/// <summary>The header of a chunk (<c>chunk_header_t</c>).</summary>
/// <param name="Type">What the chunk holds.</param>
/// <param name="Blocks">How many blocks it is.</param>
/// <param name="TotalSize">Bytes in the file, with the header.</param>
internal readonly record struct ChunkHeader(ChunkType Type, uint Blocks, uint TotalSize)
{
    public const int KnownSize = 12;

    public static ChunkHeader Read(ReadOnlySpan<byte> bytes) => new(
        (ChunkType)BinaryPrimitives.ReadUInt16LittleEndian(bytes), BinaryPrimitives.ReadUInt32LittleEndian(bytes[4..]),
        BinaryPrimitives.ReadUInt32LittleEndian(bytes[8..]));

    public void Write(Span<byte> bytes)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, (uint)Type);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes[4..], Blocks);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes[8..], TotalSize);
    }
}
