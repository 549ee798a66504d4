using WinLoop.Ext4.Format;
using static System.Buffers.Binary.BinaryPrimitives;

namespace WinLoop.Ext4.Journal.Recovery;

/// <summary>Tells whether the fast-commit area holds fast commits that follow the last full commit. Little-endian.</summary>
internal static class FastCommitScanner
{
    private const int HeaderSize = 4;
    private const ushort TagPad = 7, TagTail = 8, TagHead = 9, TagFirst = 1;

    /// <summary>True if at least one fast commit of transaction <paramref name="tid"/> is complete. A first fast commit
    /// that is not was interrupted: its fsync never returned.</summary>
    /// <param name="reader">Reads the journal.</param>
    /// <param name="format">The journal's format.</param>
    /// <param name="tid">The first transaction without a full commit.</param>
    public static bool HasLiveCommits(JournalReader reader, JournalFormat format, uint tid)
    {
        // The block at the log's end stays unused.
        bool isFirst = true;
        uint crc = 0;
        for (uint position = format.End + 1; position < format.MaxLength; position++)
        {
            ReadOnlySpan<byte> block = reader.Read(position);
            int at = 0;
            while (at + HeaderSize < block.Length)
            {
                ushort tag = ReadUInt16LittleEndian(block[at..]);
                int length = ReadUInt16LittleEndian(block[(at + 2)..]);
                if (length > block.Length - at - HeaderSize || tag is < TagFirst or > TagHead || isFirst != (tag == TagHead))
                {
                    return false;
                }
                ReadOnlySpan<byte> value = block.Slice(at + HeaderSize, length);
                if (tag == TagTail)
                {
                    return length >= 8 && ReadUInt32LittleEndian(value) == tid &&
                           Crc32C.Compute(crc, block.Slice(at, HeaderSize + 4)) == ReadUInt32LittleEndian(value[4..]);
                }
                if (tag == TagHead && (length != 8 || ReadUInt32LittleEndian(value[4..]) != tid))
                {
                    return false;
                }
                isFirst = false;
                crc = Crc32C.Compute(crc, block.Slice(at, HeaderSize + length));
                at += HeaderSize + length;
                if (tag == TagPad)
                {
                    break;
                }
            }
        }
        return false;
    }
}
