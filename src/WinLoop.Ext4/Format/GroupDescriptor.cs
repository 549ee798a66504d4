using static System.Buffers.Binary.BinaryPrimitives;

namespace WinLoop.Ext4.Format;

/// <summary>bg_flags.</summary>
[Flags]
internal enum GroupFlags : ushort
{
    None = 0,
    /// <summary>No inode of the group is in use; table and bitmap are not read.</summary>
    InodeUninit = 1,
    /// <summary>The block bitmap is not on disk; its content is computed.</summary>
    BlockUninit = 2,
    /// <summary>Unused slots of the inode table are zero.</summary>
    InodeZeroed = 4,
}

/// <summary><c>struct ext4_group_desc</c>, 32 bytes or s_desc_size bytes: a view over one descriptor.</summary>
internal readonly ref struct GroupDescriptor(Span<byte> raw)
{
    private readonly Span<byte> _raw = raw;

    public ulong BlockBitmap { get => Wide(0x00, 0x20); set => Wide(0x00, 0x20, value); }
    public ulong InodeBitmap { get => Wide(0x04, 0x24); set => Wide(0x04, 0x24, value); }
    public ulong InodeTable { get => Wide(0x08, 0x28); set => Wide(0x08, 0x28, value); }
    /// <summary>Free clusters of the group.</summary>
    public uint FreeBlocks { get => Half(0x0C, 0x2C); set => Half(0x0C, 0x2C, value); }
    public uint FreeInodes { get => Half(0x0E, 0x2E); set => Half(0x0E, 0x2E, value); }
    public uint UsedDirectories { get => Half(0x10, 0x30); set => Half(0x10, 0x30, value); }
    public GroupFlags Flags { get => (GroupFlags)ReadUInt16LittleEndian(_raw[0x12..]); set => WriteUInt16LittleEndian(_raw[0x12..], (ushort)value); }
    /// <summary>Low 16 bits only with 32-byte descriptors.</summary>
    public uint BlockBitmapChecksum { get => Half(0x18, 0x38); set => Half(0x18, 0x38, value); }
    public uint InodeBitmapChecksum { get => Half(0x1A, 0x3A); set => Half(0x1A, 0x3A, value); }
    /// <summary>Never-used inodes at the end of the table.</summary>
    public uint InodeTableUnused { get => Half(0x1C, 0x32); set => Half(0x1C, 0x32, value); }
    public ushort Checksum { get => ReadUInt16LittleEndian(_raw[0x1E..]); set => WriteUInt16LittleEndian(_raw[0x1E..], value); }

    public bool IsWide => _raw.Length >= 64;

    /// <summary>What <see cref="Checksum"/> should be; 0 without a checksum feature.</summary>
    /// <param name="geometry">The volume's.</param>
    /// <param name="uuid">s_uuid; used by gdt_csum only.</param>
    /// <param name="group">The descriptor's group number.</param>
    public ushort ComputeChecksum(Geometry geometry, ReadOnlySpan<byte> uuid, uint group)
    {
        if (geometry.HasMetadataChecksums)
        {
            uint crc = Crc32C.Compute(geometry.ChecksumSeed, group);
            crc = Crc32C.Compute(crc, _raw[..0x1E]);
            crc = Crc32C.ComputeZeroes(crc, 2);
            return (ushort)(Crc32C.Compute(crc, _raw[0x20..]) & 0xFFFF);
        }
        if (geometry.HasGdtChecksums)
        {
            Span<byte> number = stackalloc byte[4];
            WriteUInt32LittleEndian(number, group);
            ushort crc = Crc16.Compute(0xFFFF, uuid);
            crc = Crc16.Compute(crc, number);
            crc = Crc16.Compute(crc, _raw[..0x1E]);
            return Crc16.Compute(crc, _raw[0x20..]);
        }
        return 0;
    }

    private ulong Wide(int lo, int hi) =>
        ReadUInt32LittleEndian(_raw[lo..]) | (IsWide ? (ulong)ReadUInt32LittleEndian(_raw[hi..]) << 32 : 0);

    private void Wide(int lo, int hi, ulong value)
    {
        WriteUInt32LittleEndian(_raw[lo..], (uint)(value & 0xFFFFFFFF));
        if (IsWide)
        {
            WriteUInt32LittleEndian(_raw[hi..], (uint)(value >> 32));
        }
    }

    private uint Half(int lo, int hi) =>
        ReadUInt16LittleEndian(_raw[lo..]) | (IsWide ? (uint)ReadUInt16LittleEndian(_raw[hi..]) << 16 : 0);

    private void Half(int lo, int hi, uint value)
    {
        WriteUInt16LittleEndian(_raw[lo..], (ushort)(value & 0xFFFF));
        if (IsWide)
        {
            WriteUInt16LittleEndian(_raw[hi..], (ushort)(value >> 16));
        }
    }
}
