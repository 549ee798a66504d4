using static System.Buffers.Binary.BinaryPrimitives;

namespace WinLoop.Ext4.Format;

/// <summary>s_feature_compat of the journal (0x24).</summary>
[Flags]
internal enum JournalCompatFeatures : uint
{
    None = 0,
    /// <summary>Commit blocks carry a CRC-32 over the transaction's descriptor and data blocks ("v1").</summary>
    Checksum = 0x1,
}

/// <summary>s_feature_incompat of the journal (0x28).</summary>
[Flags]
internal enum JournalIncompatFeatures : uint
{
    None = 0,
    /// <summary>Revoke blocks may exist. May lag behind the log: never a condition for reading them.</summary>
    Revoke = 0x1,
    Bit64 = 0x2,
    AsyncCommit = 0x4,
    ChecksumV2 = 0x8,
    ChecksumV3 = 0x10,
    /// <summary>The end of the journal is reserved for fast commits.</summary>
    FastCommit = 0x20,
    Known = Revoke | Bit64 | AsyncCommit | ChecksumV2 | ChecksumV3 | FastCommit,
}

/// <summary>
/// <c>journal_superblock_t</c>: the first 1,024 bytes of journal block 0, big-endian. A view over its own
/// copy of the bytes; values are what the disk says, <see cref="JournalFormat.Create"/> checks them.
/// </summary>
internal sealed class JournalSuperblock
{
    /// <summary>Size of the structure in bytes.</summary>
    public const int Size = 1024;
    /// <summary>The only value of s_checksum_type with v2/v3 checksums: CRC-32C.</summary>
    public const byte ChecksumTypeCrc32C = 4;
    /// <summary>s_num_fc_blks = 0 stands for this many.</summary>
    public const uint DefaultFastCommitBlocks = 256;

    private readonly byte[] _raw;

    /// <summary>Takes a copy of 1,024 bytes.</summary>
    public JournalSuperblock(ReadOnlySpan<byte> raw) => _raw = raw[..Size].ToArray();

    /// <summary>An empty version 2 superblock as mke2fs writes it: no features, next transaction id 2.</summary>
    /// <param name="blockSize">Bytes per block.</param>
    /// <param name="blocks">Blocks of the journal, this one included.</param>
    /// <param name="uuid">s_uuid, by habit the file system's.</param>
    public JournalSuperblock(int blockSize, uint blocks, ReadOnlySpan<byte> uuid)
    {
        _raw = new byte[Size];
        Magic = JournalBlock.MagicValue;
        BlockType = JournalBlockType.SuperblockV2;
        BlockSize = (uint)blockSize;
        MaxLength = blocks;
        First = 1;
        Sequence = 1;
        UserCount = 1;
        uuid[..16].CopyTo(Uuid);
    }

    /// <summary>The bytes.</summary>
    public Span<byte> Raw => _raw;

    public uint Magic { get => U32(0x00); set => U32(0x00, value); }
    public JournalBlockType BlockType { get => (JournalBlockType)U32(0x04); set => U32(0x04, (uint)value); }
    public uint BlockSize { get => U32(0x0C); set => U32(0x0C, value); }
    /// <summary>s_maxlen: blocks of the journal, block 0 and the fast-commit area included.</summary>
    public uint MaxLength { get => U32(0x10); set => U32(0x10, value); }
    /// <summary>s_first: the first block of the log.</summary>
    public uint First { get => U32(0x14); set => U32(0x14, value); }
    /// <summary>s_sequence: the transaction id expected at <see cref="Start"/>; one below the next id when the log is empty.</summary>
    public uint Sequence { get => U32(0x18); set => U32(0x18, value); }
    /// <summary>s_start: the log block where the oldest transaction begins, 0 = nothing to recover.</summary>
    public uint Start { get => U32(0x1C); set => U32(0x1C, value); }
    /// <summary>s_errno: the negative errno of an abort, 0 if none.</summary>
    public int ErrorCode { get => unchecked((int)U32(0x20)); set => U32(0x20, unchecked((uint)value)); }
    public JournalCompatFeatures Compat { get => IsV2 ? (JournalCompatFeatures)U32(0x24) : 0; set => U32(0x24, (uint)value); }
    public JournalIncompatFeatures Incompat { get => IsV2 ? (JournalIncompatFeatures)U32(0x28) : 0; set => U32(0x28, (uint)value); }
    public uint RoCompat { get => IsV2 ? U32(0x2C) : 0; set => U32(0x2C, value); }
    /// <summary>s_uuid: the seed of all checksums in the log.</summary>
    public Span<byte> Uuid => _raw.AsSpan(0x30, 16);
    public uint UserCount { get => U32(0x40); set => U32(0x40, value); }
    public byte ChecksumType { get => _raw[0x50]; set => _raw[0x50] = value; }
    public uint FastCommitBlocks { get => U32(0x54); set => U32(0x54, value); }
    /// <summary>s_head: where the log continues; valid only while <see cref="Start"/> is 0.</summary>
    public uint Head { get => U32(0x58); set => U32(0x58, value); }
    public uint Checksum { get => U32(0xFC); set => U32(0xFC, value); }

    /// <summary>False for a version 1 superblock, which has no features and no UUID.</summary>
    public bool IsV2 => BlockType == JournalBlockType.SuperblockV2;

    /// <summary>True if blocks of the log carry checksums (v2 or v3).</summary>
    public bool HasChecksums => Has(JournalIncompatFeatures.ChecksumV2 | JournalIncompatFeatures.ChecksumV3);

    /// <summary>True if one of the bits of <paramref name="features"/> is set.</summary>
    public bool Has(JournalIncompatFeatures features) => (Incompat & features) != 0;

    /// <summary>The checksum over all 1,024 bytes with its own field as zero, whatever the block size is.</summary>
    public uint ComputeChecksum()
    {
        uint crc = Crc32C.Compute(Crc32C.Initial, _raw.AsSpan(0, 0xFC));
        crc = Crc32C.ComputeZeroes(crc, 4);
        return Crc32C.Compute(crc, _raw.AsSpan(0x100));
    }

    /// <summary>Stores the checksum if the journal has any.</summary>
    public void UpdateChecksum()
    {
        if (HasChecksums)
        {
            Checksum = ComputeChecksum();
        }
    }

    private uint U32(int at) => ReadUInt32BigEndian(_raw.AsSpan(at));
    private void U32(int at, uint value) => WriteUInt32BigEndian(_raw.AsSpan(at), value);
}
