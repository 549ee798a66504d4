using static System.Buffers.Binary.BinaryPrimitives;

namespace WinLoop.Ext4.Format;

/// <summary>h_blocktype.</summary>
internal enum JournalBlockType : uint
{
    None = 0, Descriptor = 1, Commit = 2, SuperblockV1 = 3, SuperblockV2 = 4, Revoke = 5,
}

/// <summary><c>journal_header_t</c>: 12 bytes, big-endian, at the start of descriptor, revoke and commit blocks.</summary>
internal static class JournalBlock
{
    /// <summary>h_magic.</summary>
    public const uint MagicValue = 0xC03B3998;
    /// <summary>Size of the header in bytes.</summary>
    public const int HeaderSize = 12;

    /// <summary>Writes a header.</summary>
    public static void WriteHeader(Span<byte> block, JournalBlockType type, uint tid)
    {
        WriteUInt32BigEndian(block, MagicValue);
        WriteUInt32BigEndian(block[4..], (uint)type);
        WriteUInt32BigEndian(block[8..], tid);
    }

    /// <summary>Reads a header; false if the block does not start with the magic number.</summary>
    public static bool TryReadHeader(ReadOnlySpan<byte> block, out JournalBlockType type, out uint tid)
    {
        type = (JournalBlockType)ReadUInt32BigEndian(block[4..]);
        tid = ReadUInt32BigEndian(block[8..]);
        return ReadUInt32BigEndian(block) == MagicValue;
    }

    /// <summary>True if a block starts with the magic number, so that its copy in the log must be escaped.</summary>
    public static bool NeedsEscape(ReadOnlySpan<byte> block) => ReadUInt32BigEndian(block) == MagicValue;

    /// <summary>Takes the magic number out of a copy (never of the live block).</summary>
    public static void Escape(Span<byte> copy) => copy[..4].Clear();

    /// <summary>Puts the magic number back.</summary>
    public static void Unescape(Span<byte> copy) => WriteUInt32BigEndian(copy, MagicValue);
}
