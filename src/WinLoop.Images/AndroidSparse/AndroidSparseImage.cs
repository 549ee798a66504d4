using System.Runtime.InteropServices;
using WinLoop.Storage;

namespace WinLoop.Images.AndroidSparse;

/// <summary>Writes Android sparse images.</summary>
public static class AndroidSparseImage
{
    private const int BlockSize = 4096;
    private const int PieceSize = 1 << 20;
    // Tools hold a chunk in memory.
    private const uint MaxRawBlocks = (64 << 20) / BlockSize;

    /// <summary>Writes a disk. Blocks of one pattern of four bytes, zeroes among them, become fill chunks, so that whoever flashes the
    /// image gets them as they are.</summary>
    /// <param name="disk">The disk; what it lacks to a multiple of 4096 bytes is written as zeroes.</param>
    /// <param name="file">The file; what it held before is gone.</param>
    /// <param name="progress">Told bytes done and bytes of the disk, from time to time.</param>
    /// <returns>Bytes that are not one pattern.</returns>
    /// <exception cref="ArgumentException">The disk has 16 TiB or more, or nothing.</exception>
    /// <exception cref="BlockDeviceException">The disk cannot be read or the file not be written.</exception>
    public static long Write(IBlockDevice disk, IGrowableDevice file, Action<long, long>? progress = null)
    {
        ArgumentNullException.ThrowIfNull(disk);
        ArgumentNullException.ThrowIfNull(file);
        long blocks = (disk.Length + BlockSize - 1) / BlockSize;
        if (blocks is 0 or > uint.MaxValue)
        {
            throw new ArgumentException($"An Android sparse image cannot hold a disk of {disk.Length} bytes.", nameof(disk));
        }

        file.SetLength(0);
        var writer = new ChunkWriter(file);
        byte[] buffer = new byte[PieceSize];
        for (long at = 0; at < disk.Length;)
        {
            progress?.Invoke(at, disk.Length);
            long hole = disk.ZeroRun(at, disk.Length - at);
            if (hole >= BlockSize || (hole > 0 && at + hole == disk.Length))
            {
                long whole = at + hole == disk.Length ? (hole + BlockSize - 1) / BlockSize : hole / BlockSize;
                writer.Fill(0, whole);
                at += whole * BlockSize;
                continue;
            }

            int piece = (int)Math.Min(PieceSize, disk.Length - at);
            int padded = (piece + BlockSize - 1) / BlockSize * BlockSize;
            disk.Read(buffer.AsSpan(0, piece), at);
            buffer.AsSpan(piece, padded - piece).Clear();
            for (int inside = 0; inside < padded; inside += BlockSize)
            {
                writer.Block(buffer.AsSpan(inside, BlockSize));
            }

            at += padded;
        }

        writer.Finish((uint)blocks);
        progress?.Invoke(disk.Length, disk.Length);
        return writer.RawBytes;
    }

    private sealed class ChunkWriter(IGrowableDevice file)
    {
        private readonly byte[] _raw = new byte[PieceSize];
        private long _end = SparseHeader.KnownSize;
        private long _chunkAt = -1;
        private ChunkType _type;
        private uint _pattern;
        private uint _blocks;
        private int _pending;
        private int _chunks;

        public long RawBytes { get; private set; }

        public void Block(ReadOnlySpan<byte> block)
        {
            ReadOnlySpan<uint> words = MemoryMarshal.Cast<byte, uint>(block);
            if (!words.ContainsAnyExcept(words[0]))
            {
                Fill(words[0], 1);
                return;
            }

            if (_chunkAt < 0 || _type != ChunkType.Raw || _blocks == MaxRawBlocks)
            {
                Begin(ChunkType.Raw, 0);
            }

            block.CopyTo(_raw.AsSpan(_pending));
            _pending += BlockSize;
            RawBytes += BlockSize;
            _blocks++;
            if (_pending == _raw.Length)
            {
                Drain();
            }
        }

        /// <param name="word">The pattern as it is in memory.</param>
        /// <param name="count">Blocks.</param>
        public void Fill(uint word, long count)
        {
            if (_chunkAt < 0 || _type != ChunkType.Fill || _pattern != word)
            {
                Begin(ChunkType.Fill, word);
                MemoryMarshal.Write(_raw, word);
                _pending = sizeof(uint);
            }

            _blocks += (uint)count; // all blocks of the disk are fewer than 2^32
        }

        public void Finish(uint blocks)
        {
            End();
            file.SetLength(_end);
            Span<byte> bytes = stackalloc byte[SparseHeader.KnownSize];
            new SparseHeader(SparseHeader.KnownSize, ChunkHeader.KnownSize, BlockSize, blocks, _chunks).Write(bytes);
            file.Write(bytes, 0);
            file.Flush();
        }

        private void Begin(ChunkType type, uint pattern)
        {
            End();
            (_type, _pattern, _blocks, _chunkAt) = (type, pattern, 0, _end);
            _end += ChunkHeader.KnownSize;
        }

        private void End()
        {
            if (_chunkAt < 0)
            {
                return;
            }

            Drain();
            Span<byte> bytes = stackalloc byte[ChunkHeader.KnownSize];
            new ChunkHeader(_type, _blocks, (uint)(_end - _chunkAt)).Write(bytes);
            file.Write(bytes, _chunkAt);
            _chunks++;
            _chunkAt = -1;
        }

        private void Drain()
        {
            if (_end + _pending > file.Length)
            {
                file.SetLength(_end + (16L << 20));
            }

            file.Write(_raw.AsSpan(0, _pending), _end);
            _end += _pending;
            _pending = 0;
        }
    }
}
