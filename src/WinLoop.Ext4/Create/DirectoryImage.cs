using WinLoop.Ext4.Format;
using static System.Buffers.Binary.BinaryPrimitives;

namespace WinLoop.Ext4.Create;

/// <summary>Writes one linear directory block from its start to its end.</summary>
internal ref struct DirectoryImage
{
    private const int HeaderSize = 8, TailSize = 12;
    private const byte TailType = 0xDE;

    private readonly Span<byte> _block;
    private readonly uint? _inodeSeed;
    private int _position;
    private int _last;

    /// <param name="block">The block, zero.</param>
    /// <param name="inodeSeed">The directory's checksum seed; null without metadata_csum.</param>
    public DirectoryImage(Span<byte> block, uint? inodeSeed)
    {
        _block = block;
        _inodeSeed = inodeSeed;
    }

    /// <summary>Adds an entry of type directory.</summary>
    public void Add(uint inode, ReadOnlySpan<byte> name)
    {
        int length = (HeaderSize + name.Length + 3) & ~3;
        Span<byte> entry = _block.Slice(_position, length);
        WriteUInt32LittleEndian(entry, inode);
        WriteUInt16LittleEndian(entry[4..], (ushort)length);
        entry[6] = (byte)name.Length;
        entry[7] = inode == 0 ? (byte)0 : (byte)DirectoryEntryType.Directory;
        name.CopyTo(entry[HeaderSize..]);
        _last = _position;
        _position += length;
    }

    /// <summary>Stretches the last entry (an empty one if there is none) and closes the block with its checksum.</summary>
    public void Finish()
    {
        int end = _block.Length - (_inodeSeed is null ? 0 : TailSize);
        WriteUInt16LittleEndian(_block[(_last + 4)..], (ushort)(end - _last));
        if (_inodeSeed is { } seed)
        {
            Span<byte> tail = _block[end..];
            WriteUInt16LittleEndian(tail[4..], TailSize);
            tail[7] = TailType;
            WriteUInt32LittleEndian(tail[8..], Crc32C.Compute(seed, _block[..end]));
        }
    }
}
