using System.Buffers.Binary;
using static System.Buffers.Binary.BinaryPrimitives;

namespace WinLoop.Ext4.Format;

/// <summary>
/// The shape of one journal's log blocks, which follows from the journal superblock's features: sizes of
/// tags, room in descriptor and revoke blocks, checksums. Reads and writes these blocks.
/// </summary>
internal sealed class JournalFormat
{
    private const int UuidSize = 16;
    private const int RevokeHeaderSize = 16;
    private const int CommitChecksumAt = 0x10, CommitSecondsAt = 0x30, CommitNanosecondsAt = 0x38;
    // The commit header's end as far as torn blocks are concerned: what lies behind was zero when it was written.
    private const int CommitHeaderSize = 64;
    private const int MinimumLogBlocks = 1024;
    private const byte CommitChecksumTypeCrc32 = 1, CommitChecksumSizeCrc32 = 4;

    /// <param name="blockSize">Bytes per block.</param>
    /// <param name="compat">Journal features.</param>
    /// <param name="incompat">Journal features.</param>
    /// <param name="uuid">The journal's s_uuid.</param>
    public JournalFormat(int blockSize, JournalCompatFeatures compat, JournalIncompatFeatures incompat, ReadOnlySpan<byte> uuid)
    {
        BlockSize = blockSize;
        Is64Bit = (incompat & JournalIncompatFeatures.Bit64) != 0;
        IsV2 = (incompat & JournalIncompatFeatures.ChecksumV2) != 0;
        IsV3 = (incompat & JournalIncompatFeatures.ChecksumV3) != 0;
        HasCommitCrc = (compat & JournalCompatFeatures.Checksum) != 0;
        IsAsync = (incompat & JournalIncompatFeatures.AsyncCommit) != 0;
        Seed = Crc32C.Compute(Crc32C.Initial, uuid[..16]);
        TagSize = IsV3 ? 16 : (Is64Bit ? 12 : 8) + (IsV2 ? 2 : 0);
        TagsPerBlock = (blockSize - 44 - TailSize) / TagSize;
        RevokeSize = Is64Bit ? 8 : 4;
        RevokesPerBlock = (blockSize - RevokeHeaderSize - TailSize) / RevokeSize;
    }

    /// <summary>Checks a journal superblock and derives the format from it.</summary>
    /// <param name="jsb">The superblock.</param>
    /// <param name="blockSize">The file system's block size.</param>
    /// <param name="journalBlocks">Blocks of the journal inode.</param>
    /// <exception cref="Ext4CorruptException">A number is impossible or the checksum is wrong.</exception>
    /// <exception cref="Ext4NotSupportedException">An unknown feature.</exception>
    public static JournalFormat Create(JournalSuperblock jsb, int blockSize, uint journalBlocks)
    {
        Check(jsb.Magic == JournalBlock.MagicValue, "wrong magic number");
        Check(jsb.BlockType is JournalBlockType.SuperblockV1 or JournalBlockType.SuperblockV2, $"block type {(uint)jsb.BlockType}");
        if ((jsb.Incompat & ~JournalIncompatFeatures.Known) is not 0 and var incompat)
        {
            throw new Ext4NotSupportedException($"journal_incompat_{(uint)incompat:x}", "The journal has a feature that is not known here.");
        }
        if (jsb.RoCompat != 0)
        {
            throw new Ext4NotSupportedException($"journal_ro_compat_{jsb.RoCompat:x}", "The journal has a feature that is not known here.");
        }
        bool v2 = jsb.Has(JournalIncompatFeatures.ChecksumV2), v3 = jsb.Has(JournalIncompatFeatures.ChecksumV3);
        bool v1 = (jsb.Compat & JournalCompatFeatures.Checksum) != 0;
        Check(!(v2 && v3) && !(v1 && (v2 || v3)), "more than one kind of checksum");
        if (v2 || v3)
        {
            Check(jsb.ChecksumType == JournalSuperblock.ChecksumTypeCrc32C, $"s_checksum_type is {jsb.ChecksumType}");
            Check(jsb.Checksum == jsb.ComputeChecksum(), "wrong checksum");
        }
        Check(jsb.BlockSize == (uint)blockSize, $"s_blocksize is {jsb.BlockSize}");
        Check(jsb.MaxLength <= journalBlocks, $"s_maxlen is {jsb.MaxLength} in a journal of {journalBlocks} blocks");
        uint fastCommitBlocks = FastCommitBlocksOf(jsb);
        Check(jsb.MaxLength >= MinimumLogBlocks && fastCommitBlocks <= jsb.MaxLength - MinimumLogBlocks,
            $"s_maxlen is {jsb.MaxLength}, s_num_fc_blks {fastCommitBlocks}");
        uint end = jsb.MaxLength - fastCommitBlocks;
        Check(jsb.First > 0 && jsb.First < end, $"s_first is {jsb.First}");
        Check(jsb.Start == 0 || (jsb.Start >= jsb.First && jsb.Start < end), $"s_start is {jsb.Start}");
        return new JournalFormat(blockSize, jsb.Compat, jsb.Incompat, jsb.Uuid) { First = jsb.First, End = end, MaxLength = jsb.MaxLength };
    }

    /// <summary>Blocks at the journal's end that the log must not use.</summary>
    public static uint FastCommitBlocksOf(JournalSuperblock jsb) =>
        !jsb.Has(JournalIncompatFeatures.FastCommit) ? 0 :
        jsb.FastCommitBlocks == 0 ? JournalSuperblock.DefaultFastCommitBlocks : jsb.FastCommitBlocks;

    public int BlockSize { get; }
    /// <summary>Block numbers have a high word; decided by the journal's own feature, not the volume's.</summary>
    public bool Is64Bit { get; }
    public bool IsV2 { get; }
    public bool IsV3 { get; }
    /// <summary>v1: commit blocks carry a CRC-32 of the transaction.</summary>
    public bool HasCommitCrc { get; }
    /// <summary>A commit block may be durable before the blocks it commits.</summary>
    public bool IsAsync { get; }
    /// <summary>Seed of all v2/v3 checksums in the log.</summary>
    public uint Seed { get; }
    /// <summary>First block of the log.</summary>
    public uint First { get; private init; } = 1;
    /// <summary>Where the log wraps: the block behind its last.</summary>
    public uint End { get; private init; }
    /// <summary>Blocks of the journal with the superblock and the fast-commit area.</summary>
    public uint MaxLength { get; private init; }
    /// <summary>True if descriptor and revoke blocks end in a checksum.</summary>
    public bool HasTail => IsV2 || IsV3;
    /// <summary>Bytes at the end of descriptor and revoke blocks that are not theirs.</summary>
    public int TailSize => HasTail ? 4 : 0;
    /// <summary>Bytes per tag without a UUID: 8, 10, 12, 14 or 16.</summary>
    public int TagSize { get; }
    /// <summary>Tags that a writer packs into one descriptor block. Readers take what fits.</summary>
    public int TagsPerBlock { get; }
    /// <summary>Bytes per revoked block number.</summary>
    public int RevokeSize { get; }
    /// <summary>Block numbers that fit one revoke block.</summary>
    public int RevokesPerBlock { get; }

    /// <summary>The log block behind <paramref name="position"/>.</summary>
    public uint Next(uint position) => position + 1 >= End ? First : position + 1;

    /// <summary>Writes a tag and returns the offset behind it (and behind the UUID unless SAME_UUID is set).</summary>
    /// <param name="block">The descriptor block.</param>
    /// <param name="offset"><see cref="JournalBlock.HeaderSize"/> for the first tag.</param>
    /// <param name="target">Home location of the image.</param>
    /// <param name="flags">All but the first tag of a block take SAME_UUID, the last LAST_TAG.</param>
    /// <param name="checksum">From <see cref="ComputeDataTagChecksum"/>; ignored without v2/v3.</param>
    public int WriteTag(Span<byte> block, int offset, ulong target, JournalTagFlags flags, uint checksum)
    {
        Span<byte> tag = block.Slice(offset, TagSize);
        tag.Clear();
        WriteUInt32BigEndian(tag, (uint)(target & 0xFFFFFFFF));
        if (IsV3)
        {
            WriteUInt32BigEndian(tag[4..], (uint)flags);
            WriteUInt32BigEndian(tag[8..], Is64Bit ? (uint)(target >> 32) : 0);
            WriteUInt32BigEndian(tag[12..], checksum);
        }
        else
        {
            WriteUInt16BigEndian(tag[4..], IsV2 ? (ushort)(checksum & 0xFFFF) : (ushort)0);
            WriteUInt16BigEndian(tag[6..], (ushort)flags);
            if (Is64Bit)
            {
                WriteUInt32BigEndian(tag[8..], (uint)(target >> 32));
            }
        }
        offset += TagSize;
        if ((flags & JournalTagFlags.SameUuid) == 0)
        {
            block.Slice(offset, UuidSize).Clear();
            offset += UuidSize;
        }
        return offset;
    }

    /// <summary>Reads the tag at <paramref name="offset"/> and moves behind it; false if there is no room for one more.</summary>
    public bool TryReadTag(ReadOnlySpan<byte> block, ref int offset, out JournalTag tag)
    {
        if (offset + TagSize > BlockSize - TailSize)
        {
            tag = default;
            return false;
        }
        ReadOnlySpan<byte> raw = block.Slice(offset, TagSize);
        ulong target = ReadUInt32BigEndian(raw);
        if (Is64Bit)
        {
            target |= (ulong)ReadUInt32BigEndian(raw[8..]) << 32;
        }
        var flags = (JournalTagFlags)(IsV3 ? ReadUInt32BigEndian(raw[4..]) : ReadUInt16BigEndian(raw[6..]));
        uint checksum = IsV3 ? ReadUInt32BigEndian(raw[12..]) : IsV2 ? ReadUInt16BigEndian(raw[4..]) : 0u;
        tag = new JournalTag(target, flags, checksum);
        offset += TagSize + ((flags & JournalTagFlags.SameUuid) == 0 ? UuidSize : 0);
        return true;
    }

    /// <summary>The checksum of an image as it stands in the log, that is after escaping.</summary>
    public uint ComputeDataTagChecksum(uint tid, ReadOnlySpan<byte> image) =>
        Crc32C.Compute(Crc32C.Compute(Seed, BinaryPrimitives.ReverseEndianness(tid)), image);

    /// <summary>True if an image matches its tag; always true without v2/v3.</summary>
    public bool VerifyData(in JournalTag tag, uint tid, ReadOnlySpan<byte> image)
    {
        if (!HasTail)
        {
            return true;
        }
        uint crc = ComputeDataTagChecksum(tid, image);
        return tag.Checksum == (IsV3 ? crc : crc & 0xFFFF);
    }

    /// <summary>Stores the checksum at the end of a descriptor or revoke block, if the format has one.</summary>
    public void WriteDescriptorTail(Span<byte> block)
    {
        if (HasTail)
        {
            WriteUInt32BigEndian(block[(BlockSize - 4)..], ComputeTail(block));
        }
    }

    /// <summary>True if a descriptor or revoke block matches its checksum.</summary>
    public bool VerifyTail(ReadOnlySpan<byte> block) =>
        !HasTail || ReadUInt32BigEndian(block[(BlockSize - 4)..]) == ComputeTail(block);

    /// <summary>Fills a whole revoke block.</summary>
    /// <param name="block">One block.</param>
    /// <param name="tid">Transaction id.</param>
    /// <param name="revoked">At most <see cref="RevokesPerBlock"/> block numbers.</param>
    public void WriteRevoke(Span<byte> block, uint tid, ReadOnlySpan<ulong> revoked)
    {
        block.Clear();
        JournalBlock.WriteHeader(block, JournalBlockType.Revoke, tid);
        // r_count counts bytes, its own header included.
        WriteUInt32BigEndian(block[JournalBlock.HeaderSize..], (uint)(RevokeHeaderSize + (revoked.Length * RevokeSize)));
        int at = RevokeHeaderSize;
        foreach (ulong target in revoked)
        {
            if (Is64Bit)
            {
                WriteUInt64BigEndian(block[at..], target);
            }
            else
            {
                WriteUInt32BigEndian(block[at..], (uint)target);
            }
            at += RevokeSize;
        }
        WriteDescriptorTail(block);
    }

    /// <summary>How many block numbers a revoke block holds; −1 if its count is impossible.</summary>
    public int ReadRevokeCount(ReadOnlySpan<byte> block)
    {
        uint bytes = ReadUInt32BigEndian(block[JournalBlock.HeaderSize..]);
        return bytes < RevokeHeaderSize || bytes > (uint)(BlockSize - TailSize) ? -1 : ((int)bytes - RevokeHeaderSize) / RevokeSize;
    }

    /// <summary>The block number at <paramref name="index"/> of a revoke block.</summary>
    public ulong ReadRevoke(ReadOnlySpan<byte> block, int index)
    {
        ReadOnlySpan<byte> raw = block[(RevokeHeaderSize + (index * RevokeSize))..];
        return Is64Bit ? ReadUInt64BigEndian(raw) : ReadUInt32BigEndian(raw);
    }

    /// <summary>Fills a whole commit block.</summary>
    /// <param name="block">One block.</param>
    /// <param name="tid">Transaction id.</param>
    /// <param name="seconds">Wall clock; must not go back, recovery tells stale blocks by it.</param>
    /// <param name="nanoseconds">0 .. 999,999,999.</param>
    /// <param name="crc">v1 only: <see cref="Crc32Msb"/> over the descriptor and data blocks as logged.</param>
    public void WriteCommit(Span<byte> block, uint tid, long seconds, uint nanoseconds, uint crc = 0)
    {
        block.Clear();
        JournalBlock.WriteHeader(block, JournalBlockType.Commit, tid);
        WriteUInt64BigEndian(block[CommitSecondsAt..], unchecked((ulong)seconds));
        WriteUInt32BigEndian(block[CommitNanosecondsAt..], nanoseconds);
        if (HasTail)
        {
            WriteUInt32BigEndian(block[CommitChecksumAt..], Crc32C.Compute(Seed, block));
        }
        else if (HasCommitCrc)
        {
            block[0x0C] = CommitChecksumTypeCrc32;
            block[0x0D] = CommitChecksumSizeCrc32;
            WriteUInt32BigEndian(block[CommitChecksumAt..], crc);
        }
    }

    /// <summary>The commit time in seconds.</summary>
    public static ulong ReadCommitSeconds(ReadOnlySpan<byte> block) => ReadUInt64BigEndian(block[CommitSecondsAt..]);

    /// <summary>True if a commit block matches its v2/v3 checksum, also when only its first sector was written.</summary>
    public bool VerifyCommit(ReadOnlySpan<byte> block)
    {
        if (!HasTail)
        {
            return true;
        }
        uint stored = ReadUInt32BigEndian(block[CommitChecksumAt..]);
        uint header = Crc32C.Compute(Seed, block[..CommitChecksumAt]);
        header = Crc32C.ComputeZeroes(header, 4);
        header = Crc32C.Compute(header, block[(CommitChecksumAt + 4)..CommitHeaderSize]);
        if (Crc32C.Compute(header, block[CommitHeaderSize..BlockSize]) == stored)
        {
            return true;
        }
        for (int left = BlockSize - CommitHeaderSize; left > 0; left -= 64)
        {
            header = Crc32C.ComputeZeroes(header, Math.Min(left, 64));
        }
        return header == stored;
    }

    /// <summary>True if the transaction's v1 CRC matches the one in the commit block. A commit without type, size and
    /// value has none to compare.</summary>
    public bool VerifyCommitCrc(ReadOnlySpan<byte> block, uint crc)
    {
        if (!HasCommitCrc)
        {
            return true;
        }
        uint stored = ReadUInt32BigEndian(block[CommitChecksumAt..]);
        return (block[0x0C] == 0 && block[0x0D] == 0 && stored == 0) ||
               (block[0x0C] == CommitChecksumTypeCrc32 && block[0x0D] == CommitChecksumSizeCrc32 && stored == crc);
    }

    private uint ComputeTail(ReadOnlySpan<byte> block) =>
        Crc32C.ComputeZeroes(Crc32C.Compute(Seed, block[..(BlockSize - 4)]), 4);

    private static void Check(bool holds, string what)
    {
        if (!holds)
        {
            throw new Ext4CorruptException("journal superblock", what);
        }
    }
}
