using System.Buffers.Binary;
using WinLoop.Ext4.Format;

namespace WinLoop.Ext4.Tests.Hostile;

/// <summary>The newest copies of blocks in the journal of an honest image, so that damage can be put where recovery will find it.</summary>
internal sealed class JournalCopies
{
    private readonly int _bits;
    private readonly JournalFormat _format;
    private readonly Dictionary<ulong, uint> _newest = [];
    private readonly Dictionary<uint, (uint Descriptor, int TagAt, uint Tid)> _tags = [];

    /// <param name="image">Its journal is to be replayed.</param>
    /// <param name="blockSizeBits">Of the volume.</param>
    /// <param name="journal">The journal's physical blocks.</param>
    public JournalCopies(byte[] image, int blockSizeBits, IReadOnlyList<uint> journal)
    {
        _bits = blockSizeBits;
        int size = 1 << blockSizeBits;
        var superblock = new JournalSuperblock(image.AsSpan((int)journal[0] << _bits, 1024));
        _format = JournalFormat.Create(superblock, size, (uint)journal.Count);
        uint position = superblock.Start, tid = superblock.Sequence;
        while (JournalBlock.TryReadHeader(Block(position), out JournalBlockType type, out uint found) && found == tid)
        {
            uint at = position;
            position = _format.Next(position);
            if (type == JournalBlockType.Commit)
            {
                tid++;
            }
            else if (type == JournalBlockType.Revoke)
            {
                for (int i = 0; i < _format.ReadRevokeCount(Block(at)); i++)
                {
                    _newest.Remove(_format.ReadRevoke(Block(at), i));
                }
            }
            else if (type == JournalBlockType.Descriptor)
            {
                int offset = JournalBlock.HeaderSize;
                for (int tagAt = offset; _format.TryReadTag(Block(at), ref offset, out JournalTag tag); tagAt = offset)
                {
                    if ((tag.Flags & JournalTagFlags.Escape) == 0)
                    {
                        _newest[tag.Block] = journal[(int)position];
                        _tags[journal[(int)position]] = (journal[(int)at], tagAt, tid);
                    }
                    position = _format.Next(position);
                    if ((tag.Flags & JournalTagFlags.LastTag) != 0)
                    {
                        break;
                    }
                }
            }
        }

        ReadOnlySpan<byte> Block(uint log) => image.AsSpan((int)journal[(int)log] << _bits, size);
    }

    /// <summary>Blocks that are in the journal.</summary>
    public int Count => _newest.Count;

    /// <summary>Where a byte of the volume is: in the journal or, if its block is not there, at home.</summary>
    public int Locate(int at) => _newest.TryGetValue((ulong)(at >> _bits), out uint copy) ? ((int)copy << _bits) + (at & ((1 << _bits) - 1)) : at;

    /// <summary>Renews the checksum of a copy in its tag, and the one of the descriptor block; nothing for other blocks.</summary>
    public void FixTag(HostileDevice device, int at)
    {
        if (!_format.HasTail || !_tags.TryGetValue((uint)(at >> _bits), out (uint Descriptor, int TagAt, uint Tid) tag))
        {
            return;
        }
        int size = 1 << _bits, descriptor = (int)tag.Descriptor << _bits;
        uint checksum = _format.ComputeDataTagChecksum(tag.Tid, device.Bytes.AsSpan(at >> _bits << _bits, size));
        device.Touch(descriptor, size);
        Span<byte> block = device.Bytes.AsSpan(descriptor, size);
        if (_format.IsV3)
        {
            BinaryPrimitives.WriteUInt32BigEndian(block[(tag.TagAt + 12)..], checksum);
        }
        else
        {
            BinaryPrimitives.WriteUInt16BigEndian(block[(tag.TagAt + 4)..], (ushort)(checksum & 0xFFFF));
        }
        _format.WriteDescriptorTail(block);
    }
}
