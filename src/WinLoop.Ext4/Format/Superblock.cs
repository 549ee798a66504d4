using System.Text;
using static System.Buffers.Binary.BinaryPrimitives;

namespace WinLoop.Ext4.Format;

/// <summary>
/// <c>struct ext4_super_block</c>: 1,024 bytes at byte 1,024 of the volume, little-endian. A view over
/// its own copy of the bytes, so that fields this engine does not know are kept. Values are what the disk
/// says, unchecked; <see cref="Geometry"/> checks them.
/// </summary>
public sealed class Superblock
{
    /// <summary>Size of the structure in bytes.</summary>
    public const int Size = 1024;
    /// <summary>Where the primary copy starts on the volume, in bytes.</summary>
    public const int Offset = 1024;
    /// <summary>s_magic.</summary>
    public const ushort MagicValue = 0xEF53;
    /// <summary>s_state: unmounted cleanly (volumes without a journal).</summary>
    public const ushort StateValid = 1;
    /// <summary>s_state: errors were detected.</summary>
    public const ushort StateError = 2;

    private readonly byte[] _raw;

    /// <summary>Takes a copy of 1,024 bytes.</summary>
    public Superblock(ReadOnlySpan<byte> raw) => _raw = raw[..Size].ToArray();

    /// <summary>An all-zero superblock.</summary>
    public Superblock() => _raw = new byte[Size];

    /// <summary>The bytes.</summary>
    public Span<byte> Raw => _raw;

#pragma warning disable CS1591 // fields carry their on-disk names
    public uint InodesCount { get => U32(0x00); set => U32(0x00, value); }
    public ulong BlocksCount { get => Split(0x04, 0x150); set => Split(0x04, 0x150, value); }
    public ulong ReservedBlocksCount { get => Split(0x08, 0x154); set => Split(0x08, 0x154, value); }
    public ulong FreeBlocksCount { get => Split(0x0C, 0x158); set => Split(0x0C, 0x158, value); }
    public uint FreeInodesCount { get => U32(0x10); set => U32(0x10, value); }
    public uint FirstDataBlock { get => U32(0x14); set => U32(0x14, value); }
    public uint LogBlockSize { get => U32(0x18); set => U32(0x18, value); }
    public uint LogClusterSize { get => U32(0x1C); set => U32(0x1C, value); }
    public uint BlocksPerGroup { get => U32(0x20); set => U32(0x20, value); }
    public uint ClustersPerGroup { get => U32(0x24); set => U32(0x24, value); }
    public uint InodesPerGroup { get => U32(0x28); set => U32(0x28, value); }
    /// <summary>s_mtime with s_mtime_hi, seconds since 1970.</summary>
    public long MountTime { get => Time(0x2C, 0x275); set => Time(0x2C, 0x275, value); }
    public long WriteTime { get => Time(0x30, 0x274); set => Time(0x30, 0x274, value); }
    public ushort MountCount { get => U16(0x34); set => U16(0x34, value); }
    public short MaxMountCount { get => unchecked((short)U16(0x36)); set => U16(0x36, unchecked((ushort)value)); }
    public ushort Magic { get => U16(0x38); set => U16(0x38, value); }
    public ushort State { get => U16(0x3A); set => U16(0x3A, value); }
    public ushort ErrorsBehaviour { get => U16(0x3C); set => U16(0x3C, value); }
    public long LastCheckTime { get => Time(0x40, 0x277); set => Time(0x40, 0x277, value); }
    public uint CheckInterval { get => U32(0x44); set => U32(0x44, value); }
    public uint CreatorOs { get => U32(0x48); set => U32(0x48, value); }
    public uint RevisionLevel { get => U32(0x4C); set => U32(0x4C, value); }
    public ushort DefaultReservedUid { get => U16(0x50); set => U16(0x50, value); }
    public ushort DefaultReservedGid { get => U16(0x52); set => U16(0x52, value); }
    public uint FirstInode { get => RevisionLevel == 0 ? 11 : U32(0x54); set => U32(0x54, value); }
    public ushort InodeSize { get => RevisionLevel == 0 ? (ushort)128 : U16(0x58); set => U16(0x58, value); }
    public ushort BlockGroupNumber { get => U16(0x5A); set => U16(0x5A, value); }
    public CompatFeatures Compat { get => (CompatFeatures)U32(0x5C); set => U32(0x5C, (uint)value); }
    public IncompatFeatures Incompat { get => (IncompatFeatures)U32(0x60); set => U32(0x60, (uint)value); }
    public RoCompatFeatures RoCompat { get => (RoCompatFeatures)U32(0x64); set => U32(0x64, (uint)value); }
    public Span<byte> Uuid => _raw.AsSpan(0x68, 16);
    public Span<byte> VolumeName => _raw.AsSpan(0x78, 16);
    public Span<byte> LastMounted => _raw.AsSpan(0x88, 64);
    public ushort ReservedGdtBlocks { get => U16(0xCE); set => U16(0xCE, value); }
    public Span<byte> JournalUuid => _raw.AsSpan(0xD0, 16);
    public uint JournalInode { get => U32(0xE0); set => U32(0xE0, value); }
    public uint JournalDevice { get => U32(0xE4); set => U32(0xE4, value); }
    public uint LastOrphan { get => U32(0xE8); set => U32(0xE8, value); }
    public Span<byte> HashSeed => _raw.AsSpan(0xEC, 16);
    public byte DefaultHashVersion { get => _raw[0xFC]; set => _raw[0xFC] = value; }
    public byte JournalBackupType { get => _raw[0xFD]; set => _raw[0xFD] = value; }
    public ushort DescriptorSize { get => U16(0xFE); set => U16(0xFE, value); }
    public uint DefaultMountOptions { get => U32(0x100); set => U32(0x100, value); }
    public uint FirstMetaBg { get => U32(0x104); set => U32(0x104, value); }
    public long MakeTime { get => Time(0x108, 0x276); set => Time(0x108, 0x276, value); }
    /// <summary>s_jnl_blocks: the journal inode's i_block (60 bytes), i_size high, i_size low.</summary>
    public Span<byte> JournalBlocks => _raw.AsSpan(0x10C, 68);
    public ushort MinExtraInodeSize { get => U16(0x15C); set => U16(0x15C, value); }
    public ushort WantExtraInodeSize { get => U16(0x15E); set => U16(0x15E, value); }
    /// <summary>s_flags: 1 signed directory hash, 2 unsigned directory hash, 4 test file system.</summary>
    public uint Flags { get => U32(0x160); set => U32(0x160, value); }
    public ushort RaidStride { get => U16(0x164); set => U16(0x164, value); }
    public ushort MmpUpdateInterval { get => U16(0x166); set => U16(0x166, value); }
    public ulong MmpBlock { get => U64(0x168); set => U64(0x168, value); }
    public uint RaidStripeWidth { get => U32(0x170); set => U32(0x170, value); }
    public byte LogGroupsPerFlex { get => _raw[0x174]; set => _raw[0x174] = value; }
    public byte ChecksumType { get => _raw[0x175]; set => _raw[0x175] = value; }
    public ulong KilobytesWritten { get => U64(0x178); set => U64(0x178, value); }
    public uint ErrorCount { get => U32(0x194); set => U32(0x194, value); }
    /// <summary>s_error_count to s_last_error_func: the error record as one span.</summary>
    public Span<byte> ErrorRecord => _raw.AsSpan(0x194, 0x200 - 0x194);
    public Span<byte> MountOptions => _raw.AsSpan(0x200, 64);
    public uint UserQuotaInode { get => U32(0x240); set => U32(0x240, value); }
    public uint GroupQuotaInode { get => U32(0x244); set => U32(0x244, value); }
    public uint OverheadClusters { get => U32(0x248); set => U32(0x248, value); }
    public uint BackupGroup0 { get => U32(0x24C); set => U32(0x24C, value); }
    public uint BackupGroup1 { get => U32(0x250); set => U32(0x250, value); }
    public uint LostAndFoundInode { get => U32(0x268); set => U32(0x268, value); }
    public uint ProjectQuotaInode { get => U32(0x26C); set => U32(0x26C, value); }
    public uint ChecksumSeed { get => U32(0x270); set => U32(0x270, value); }
    public ushort Encoding { get => U16(0x27C); set => U16(0x27C, value); }
    public uint OrphanFileInode { get => U32(0x280); set => U32(0x280, value); }
    public uint Checksum { get => U32(0x3FC); set => U32(0x3FC, value); }
#pragma warning restore CS1591

    /// <summary>The volume name up to its first NUL, as UTF-8.</summary>
    public string Label => Text(VolumeName);

    /// <summary>s_last_mounted up to its first NUL, as UTF-8.</summary>
    public string LastMountedOn => Text(LastMounted);

    /// <summary>The first orphan-list error fields as text.</summary>
    internal static string Text(ReadOnlySpan<byte> field)
    {
        int end = field.IndexOf((byte)0);
        return System.Text.Encoding.UTF8.GetString(end < 0 ? field : field[..end]);
    }

    /// <summary>True if <paramref name="feature"/> is set.</summary>
    public bool Has(CompatFeatures feature) => (Compat & feature) != 0;

    /// <inheritdoc cref="Has(CompatFeatures)"/>
    public bool Has(IncompatFeatures feature) => (Incompat & feature) != 0;

    /// <inheritdoc cref="Has(CompatFeatures)"/>
    public bool Has(RoCompatFeatures feature) => (RoCompat & feature) != 0;

    /// <summary>The checksum over bytes 000..3FB, seeded with ~0 (never with the volume's own seed).</summary>
    public uint ComputeChecksum() => Crc32C.Compute(Crc32C.Initial, _raw.AsSpan(0, 0x3FC));

    /// <summary>True if the stored checksum is right, or the volume has none.</summary>
    public bool HasValidChecksum => !Has(RoCompatFeatures.MetadataCsum) || Checksum == ComputeChecksum();

    /// <summary>Stores the checksum if the volume has metadata_csum.</summary>
    public void UpdateChecksum()
    {
        if (Has(RoCompatFeatures.MetadataCsum))
        {
            Checksum = ComputeChecksum();
        }
    }

    /// <summary>The seed of every other checksum: s_checksum_seed, or the CRC of the UUID.</summary>
    internal uint ComputeFileSystemSeed() =>
        Has(IncompatFeatures.CsumSeed) ? ChecksumSeed : Crc32C.Compute(Crc32C.Initial, Uuid);

    private ushort U16(int at) => ReadUInt16LittleEndian(_raw.AsSpan(at));
    private void U16(int at, ushort value) => WriteUInt16LittleEndian(_raw.AsSpan(at), value);
    private uint U32(int at) => ReadUInt32LittleEndian(_raw.AsSpan(at));
    private void U32(int at, uint value) => WriteUInt32LittleEndian(_raw.AsSpan(at), value);
    private ulong U64(int at) => ReadUInt64LittleEndian(_raw.AsSpan(at));
    private void U64(int at, ulong value) => WriteUInt64LittleEndian(_raw.AsSpan(at), value);

    // The high halves exist only with 64bit.
    private ulong Split(int lo, int hi) => U32(lo) | (Has(IncompatFeatures.Bit64) ? (ulong)U32(hi) << 32 : 0);

    private void Split(int lo, int hi, ulong value)
    {
        U32(lo, (uint)(value & 0xFFFFFFFF));
        if (Has(IncompatFeatures.Bit64))
        {
            U32(hi, (uint)(value >> 32));
        }
    }

    private long Time(int lo, int hi) => U32(lo) | (long)_raw[hi] << 32;

    private void Time(int lo, int hi, long seconds)
    {
        U32(lo, (uint)(seconds & 0xFFFFFFFF));
        _raw[hi] = (byte)(seconds >> 32 & 0xFF);
    }
}
