using System.Runtime.InteropServices;
using WinLoop.Ext4.Format;
using static System.Buffers.Binary.BinaryPrimitives;
using static WinLoop.Ext4.Format.InodeRecord;

namespace WinLoop.Ext4.Inodes;

/// <summary>Translates between an inode's bytes in the inode table and <see cref="Inode"/>.</summary>
internal static class InodeCodec
{
    private const ulong MaxSectorsLow = uint.MaxValue;
    private const ulong MaxSectors48 = (1UL << 48) - 1;

    /// <summary>Decodes and checks one inode.</summary>
    /// <exception cref="Ext4CorruptException">Wrong checksum or impossible fields.</exception>
    public static Inode Decode(uint number, ReadOnlySpan<byte> raw, Geometry geometry)
    {
        int extra = ExtraSize(raw);
        uint generation = ReadUInt32LittleEndian(raw[GenerationAt..]);
        uint seed = geometry.InodeSeed(number, generation);
        bool isBlank = raw[..GoodOldSize].IndexOfAnyExcept((byte)0) < 0;
        if (geometry.HasMetadataChecksums && !isBlank && !VerifyChecksum(raw, seed, extra))
        {
            throw new Ext4CorruptException($"inode {number}", "wrong checksum");
        }
        var flags = (InodeFlags)ReadUInt32LittleEndian(raw[FlagsAt..]);
        ulong size = ReadUInt32LittleEndian(raw[SizeAt..]) | (ulong)ReadUInt32LittleEndian(raw[SizeHighAt..]) << 32;
        var inode = new Inode(number)
        {
            Mode = ReadUInt16LittleEndian(raw[ModeAt..]),
            Uid = ReadUInt16LittleEndian(raw[UidAt..]) | (uint)ReadUInt16LittleEndian(raw[UidHighAt..]) << 16,
            Gid = ReadUInt16LittleEndian(raw[GidAt..]) | (uint)ReadUInt16LittleEndian(raw[GidHighAt..]) << 16,
            Links = ReadUInt16LittleEndian(raw[LinksAt..]),
            Flags = flags,
            Generation = generation,
            DeletionTime = ReadUInt32LittleEndian(raw[DtimeAt..]),
            FileAcl = ReadUInt32LittleEndian(raw[FileAclAt..]) |
                      (geometry.Has(IncompatFeatures.Bit64) ? (ulong)ReadUInt16LittleEndian(raw[FileAclHighAt..]) << 32 : 0),
            Sectors = DecodeSectors(raw, flags, geometry),
            ExtraSize = extra,
            ChecksumSeed = seed,
            AccessTime = Time(raw, AtimeAt, AtimeExtraAt, extra),
            ModifyTime = Time(raw, MtimeAt, MtimeExtraAt, extra),
            ChangeTime = Time(raw, CtimeAt, CtimeExtraAt, extra),
            BirthTime = HasField(extra, CrtimeAt + 4) ? Time(raw, CrtimeAt, CrtimeExtraAt, extra) : default,
            Version = ReadUInt32LittleEndian(raw[VersionAt..]) |
                      (HasField(extra, VersionHighAt + 4) ? (ulong)ReadUInt32LittleEndian(raw[VersionHighAt..]) << 32 : 0),
            ProjectId = HasField(extra, ProjectAt + 4) ? ReadUInt32LittleEndian(raw[ProjectAt..]) : 0,
        };
        raw.Slice(BlockAreaAt, 60).CopyTo(inode.Block);
        Validate(inode, size, geometry);
        inode.Size = (long)size;
        return inode;
    }

    /// <summary>Encodes every field and the checksum; bytes behind i_extra_isize are left alone.</summary>
    public static void Encode(Inode inode, Span<byte> raw, Geometry geometry)
    {
        int extra = inode.ExtraSize;
        WriteUInt16LittleEndian(raw[ModeAt..], inode.Mode);
        WriteUInt16LittleEndian(raw[UidAt..], (ushort)(inode.Uid & 0xFFFF));
        WriteUInt16LittleEndian(raw[UidHighAt..], (ushort)(inode.Uid >> 16));
        WriteUInt16LittleEndian(raw[GidAt..], (ushort)(inode.Gid & 0xFFFF));
        WriteUInt16LittleEndian(raw[GidHighAt..], (ushort)(inode.Gid >> 16));
        WriteUInt32LittleEndian(raw[SizeAt..], (uint)(inode.Size & 0xFFFFFFFF));
        WriteUInt32LittleEndian(raw[SizeHighAt..], (uint)(inode.Size >> 32));
        WriteUInt32LittleEndian(raw[DtimeAt..], inode.DeletionTime);
        WriteUInt16LittleEndian(raw[LinksAt..], (ushort)inode.Links);
        EncodeSectors(inode, raw, geometry);
        WriteUInt32LittleEndian(raw[FlagsAt..], (uint)inode.Flags);
        WriteUInt32LittleEndian(raw[VersionAt..], (uint)(inode.Version & 0xFFFFFFFF));
        ((ReadOnlySpan<byte>)inode.Block).CopyTo(raw[BlockAreaAt..]);
        WriteUInt32LittleEndian(raw[GenerationAt..], inode.Generation);
        WriteUInt32LittleEndian(raw[FileAclAt..], (uint)(inode.FileAcl & 0xFFFFFFFF));
        WriteUInt16LittleEndian(raw[FileAclHighAt..], (ushort)(inode.FileAcl >> 32 & 0xFFFF));
        if (raw.Length > GoodOldSize)
        {
            WriteUInt16LittleEndian(raw[ExtraSizeAt..], (ushort)extra);
            if (HasField(extra, VersionHighAt + 4))
            {
                WriteUInt32LittleEndian(raw[VersionHighAt..], (uint)(inode.Version >> 32));
            }
            if (HasField(extra, ProjectAt + 4))
            {
                WriteUInt32LittleEndian(raw[ProjectAt..], inode.ProjectId);
            }
        }
        Time(raw, AtimeAt, AtimeExtraAt, extra, inode.AccessTime);
        Time(raw, MtimeAt, MtimeExtraAt, extra, inode.ModifyTime);
        Time(raw, CtimeAt, CtimeExtraAt, extra, inode.ChangeTime);
        if (HasField(extra, CrtimeAt + 4))
        {
            Time(raw, CrtimeAt, CrtimeExtraAt, extra, inode.BirthTime);
        }
        UpdateChecksum(inode, raw, geometry);
    }

    /// <summary>Encodes only i_dtime and the checksum.</summary>
    public static void EncodeDeletionTime(Inode inode, Span<byte> raw, Geometry geometry)
    {
        WriteUInt32LittleEndian(raw[DtimeAt..], inode.DeletionTime);
        UpdateChecksum(inode, raw, geometry);
    }

    /// <summary>The device number of a node in new_encode_dev form.</summary>
    public static uint DecodeDevice(Inode inode)
    {
        ReadOnlySpan<byte> block = inode.Block;
        uint old = ReadUInt32LittleEndian(block);
        // The old form is major << 8 | minor, which new_encode_dev leaves as it is.
        return old != 0 ? old & 0xFFFF : ReadUInt32LittleEndian(block[4..]);
    }

    /// <summary>Stores a device number in the form that the kernel would choose.</summary>
    public static void EncodeDevice(Inode inode, uint device)
    {
        Span<byte> block = inode.Block;
        block.Clear();
        uint major = device >> 8 & 0xFFF;
        uint minor = (device & 0xFF) | (device >> 12 & 0xFFF00);
        if (major < 256 && minor < 256)
        {
            WriteUInt32LittleEndian(block, major << 8 | minor);
        }
        else
        {
            WriteUInt32LittleEndian(block[4..], device);
        }
    }

    private static void UpdateChecksum(Inode inode, Span<byte> raw, Geometry geometry)
    {
        if (geometry.HasMetadataChecksums)
        {
            InodeRecord.UpdateChecksum(raw, inode.ChecksumSeed, inode.ExtraSize);
        }
    }

    private static void Validate(Inode inode, ulong size, Geometry geometry)
    {
        string where = $"inode {inode.Number}";
        ulong limit = (ulong)uint.MaxValue * (ulong)geometry.BlockSize;
        if (size > limit)
        {
            throw new Ext4CorruptException(where, $"i_size {size}");
        }
        if (inode.IsDirectory && size % (ulong)geometry.BlockSize != 0 && (inode.Flags & InodeFlags.InlineData) == 0)
        {
            throw new Ext4CorruptException(where, $"directory of {size} bytes");
        }
        if ((inode.Flags & InodeFlags.InlineData) != 0 && !geometry.Has(IncompatFeatures.InlineData))
        {
            throw new Ext4CorruptException(where, "inline data without the inline_data feature");
        }
        if (inode.FileAcl != 0 && !geometry.IsValidRange(inode.FileAcl, 1))
        {
            throw new Ext4CorruptException(where, $"i_file_acl {inode.FileAcl}");
        }
        if (inode.Links != 0 && DirectoryEntryTypes.FromMode(inode.Mode) == DirectoryEntryType.Unknown &&
            inode.Number >= geometry.FirstInode)
        {
            throw new Ext4CorruptException(where, $"i_mode {Convert.ToString(inode.Mode, 8)}");
        }
    }

    private static ulong DecodeSectors(ReadOnlySpan<byte> raw, InodeFlags flags, Geometry geometry)
    {
        ulong sectors = ReadUInt32LittleEndian(raw[BlocksAt..]);
        if (geometry.Has(RoCompatFeatures.HugeFile))
        {
            sectors |= (ulong)ReadUInt16LittleEndian(raw[BlocksHighAt..]) << 32;
            if ((flags & InodeFlags.HugeFile) != 0)
            {
                sectors *= (ulong)geometry.SectorsPerBlock;
            }
        }
        return sectors;
    }

    private static void EncodeSectors(Inode inode, Span<byte> raw, Geometry geometry)
    {
        ulong value = inode.Sectors;
        inode.Flags &= ~InodeFlags.HugeFile;
        if (value > MaxSectors48 && geometry.Has(RoCompatFeatures.HugeFile))
        {
            inode.Flags |= InodeFlags.HugeFile;
            value /= (ulong)geometry.SectorsPerBlock;
        }
        WriteUInt32LittleEndian(raw[BlocksAt..], (uint)(value & MaxSectorsLow));
        WriteUInt16LittleEndian(raw[BlocksHighAt..],
            geometry.Has(RoCompatFeatures.HugeFile) ? (ushort)(value >> 32) : (ushort)0);
    }

    private static Timestamp Time(ReadOnlySpan<byte> raw, int at, int extraAt, int extraSize) =>
        DecodeTime(ReadUInt32LittleEndian(raw[at..]),
            HasField(extraSize, extraAt + 4) ? ReadUInt32LittleEndian(raw[extraAt..]) : 0);

    private static void Time(Span<byte> raw, int at, int extraAt, int extraSize, Timestamp time)
    {
        bool hasExtra = HasField(extraSize, extraAt + 4);
        (uint seconds, uint extra) = EncodeTime(time, hasExtra);
        WriteUInt32LittleEndian(raw[at..], seconds);
        if (hasExtra)
        {
            WriteUInt32LittleEndian(raw[extraAt..], extra);
        }
    }
}
