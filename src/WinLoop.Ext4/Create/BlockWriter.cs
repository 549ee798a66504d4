using WinLoop.Storage;

namespace WinLoop.Ext4.Create;

/// <summary>Collects blocks that follow one another and writes them in one piece.</summary>
internal sealed class BlockWriter(IBlockDevice device, int blockSize)
{
    private const int Capacity = 1 << 20;

    private readonly byte[] _buffer = new byte[Capacity];
    private ulong _first;
    private int _length;

    /// <summary>Bytes sent to the device so far.</summary>
    public long BytesWritten { get; private set; }

    /// <summary>Room for the content of a block, zeroed; valid until the next call.</summary>
    public Span<byte> Next(ulong block)
    {
        if (_length != 0 && (block != _first + (ulong)(_length / blockSize) || _length + blockSize > Capacity))
        {
            Flush();
        }
        if (_length == 0)
        {
            _first = block;
        }
        Span<byte> room = _buffer.AsSpan(_length, blockSize);
        room.Clear();
        _length += blockSize;
        return room;
    }

    /// <summary>Writes blocks that are in one piece already.</summary>
    public void Write(ReadOnlySpan<byte> blocks, ulong block)
    {
        device.Write(blocks, checked((long)block * blockSize), WriteTag.Metadata);
        BytesWritten += blocks.Length;
    }

    /// <summary>Sends what is collected.</summary>
    public void Flush()
    {
        if (_length != 0)
        {
            Write(_buffer.AsSpan(0, _length), _first);
            _length = 0;
        }
    }
}
