using static System.Buffers.Binary.BinaryPrimitives;

namespace WinLoop.Ext4.Create;

/// <summary>The superblock of a new, empty jbd2 journal (big-endian); the rest of the journal is zero.</summary>
internal static class JournalImage
{
    private const uint Magic = 0xC03B3998, SuperblockV2 = 4;

    /// <param name="block">The journal's first block, zero.</param>
    /// <param name="blocks">Blocks in the journal.</param>
    /// <param name="uuid">The volume's.</param>
    public static void Write(Span<byte> block, uint blocks, ReadOnlySpan<byte> uuid)
    {
        WriteUInt32BigEndian(block, Magic);
        WriteUInt32BigEndian(block[0x04..], SuperblockV2);
        WriteUInt32BigEndian(block[0x0C..], (uint)block.Length);
        WriteUInt32BigEndian(block[0x10..], blocks);
        WriteUInt32BigEndian(block[0x14..], 1); // first block of the log
        WriteUInt32BigEndian(block[0x18..], 1); // first commit id; start 0 = empty
        uuid.CopyTo(block[0x30..]);
        WriteUInt32BigEndian(block[0x40..], 1); // users
    }
}
