using System.Runtime.CompilerServices;
using static System.Buffers.Binary.BinaryPrimitives;

namespace WinLoop.Ext4.Format;

/// <summary>i_flags (0x20).</summary>
[Flags]
public enum InodeFlags : uint
{
#pragma warning disable CS1591
    None = 0,
    SecureDelete = 0x1, Undelete = 0x2, Compressed = 0x4, Sync = 0x8, Immutable = 0x10, Append = 0x20, NoDump = 0x40,
    NoAtime = 0x80, NoCompress = 0x400, Encrypt = 0x800, Index = 0x1000, JournalData = 0x4000, NoTail = 0x8000,
    DirSync = 0x10000, TopDir = 0x20000, HugeFile = 0x40000, Extents = 0x80000, Verity = 0x100000, EaInode = 0x200000,
    Dax = 0x2000000, InlineData = 0x10000000, ProjectInherit = 0x20000000, CaseFold = 0x40000000,
    /// <summary>What FS_IOC_GETFLAGS shows.</summary>
    UserVisible = 0x725BDFFF,
    /// <summary>What FS_IOC_SETFLAGS may change.</summary>
    UserModifiable = 0x624BC0FF,
    /// <summary>What a new inode takes from its directory.</summary>
    Inherited = SecureDelete | Undelete | Compressed | Sync | NoDump | NoAtime | NoCompress | JournalData | NoTail |
                DirSync | ProjectInherit | CaseFold | Dax,
#pragma warning restore CS1591
}

/// <summary>The type bits of i_mode and of st_mode.</summary>
public static class InodeMode
{
#pragma warning disable CS1591
    public const ushort TypeMask = 0xF000, Fifo = 0x1000, CharDevice = 0x2000, Directory = 0x4000, BlockDevice = 0x6000,
        Regular = 0x8000, Symlink = 0xA000, Socket = 0xC000;
    public const ushort SetUid = 0x800, SetGid = 0x400, Sticky = 0x200, Permissions = 0xFFF;
#pragma warning restore CS1591
}

/// <summary>The 60 bytes of i_block: extent root, block pointers, fast symlink or device number.</summary>
[InlineArray(60)]
internal struct BlockArea
{
    private byte _first;
}

/// <summary>A point in time as ext4 stores it.</summary>
/// <param name="Seconds">Seconds since 1970; −2^31 .. 15032385535 with extra fields, 32 bits signed without.</param>
/// <param name="Nanoseconds">0 .. 999,999,999.</param>
public readonly record struct Timestamp(long Seconds, uint Nanoseconds)
{
    /// <summary>The largest second the extra epoch bits can hold (year 2446).</summary>
    public const long MaxSeconds = 15032385535;

    /// <summary>From the wall clock.</summary>
    public static Timestamp Now
    {
        get
        {
            if (TestHooks.Clock is { } clock)
            {
                return clock();
            }
            long ticks = DateTime.UtcNow.Ticks - DateTime.UnixEpoch.Ticks;
            return new Timestamp(ticks / TimeSpan.TicksPerSecond, (uint)(ticks % TimeSpan.TicksPerSecond) * 100);
        }
    }
}

/// <summary><c>struct ext4_inode</c>: offsets, time encoding and checksum of one raw inode.</summary>
internal static class InodeRecord
{
    public const int GoodOldSize = 128;
    public const int ModeAt = 0x00, UidAt = 0x02, SizeAt = 0x04, AtimeAt = 0x08, CtimeAt = 0x0C, MtimeAt = 0x10,
        DtimeAt = 0x14, GidAt = 0x18, LinksAt = 0x1A, BlocksAt = 0x1C, FlagsAt = 0x20, VersionAt = 0x24,
        BlockAreaAt = 0x28, GenerationAt = 0x64, FileAclAt = 0x68, SizeHighAt = 0x6C, BlocksHighAt = 0x74,
        FileAclHighAt = 0x76, UidHighAt = 0x78, GidHighAt = 0x7A, ChecksumAt = 0x7C, ExtraSizeAt = 0x80,
        ChecksumHighAt = 0x82, CtimeExtraAt = 0x84, MtimeExtraAt = 0x88, AtimeExtraAt = 0x8C, CrtimeAt = 0x90,
        CrtimeExtraAt = 0x94, VersionHighAt = 0x98, ProjectAt = 0x9C;

    /// <summary>Bytes in use after 0x80; 0 in 128-byte inodes. Checked against the inode size.</summary>
    public static int ExtraSize(ReadOnlySpan<byte> raw)
    {
        if (raw.Length <= GoodOldSize)
        {
            return 0;
        }
        int extra = ReadUInt16LittleEndian(raw[ExtraSizeAt..]);
        return extra <= raw.Length - GoodOldSize && extra % 4 == 0
            ? extra
            : throw new Ext4CorruptException("inode", $"i_extra_isize {extra} in an inode of {raw.Length} bytes");
    }

    /// <summary>True if the field that ends at <paramref name="end"/> (bytes from the inode's start) exists.</summary>
    public static bool HasField(int extraSize, int end) => end <= GoodOldSize + extraSize;

    /// <summary>The inode's checksum; only the low 16 bits are stored when the high field is missing.</summary>
    public static uint ComputeChecksum(ReadOnlySpan<byte> raw, uint inodeSeed, int extraSize)
    {
        uint crc = Crc32C.Compute(inodeSeed, raw[..ChecksumAt]);
        crc = Crc32C.ComputeZeroes(crc, 2);
        if (raw.Length == GoodOldSize)
        {
            return Crc32C.Compute(crc, raw[(ChecksumAt + 2)..]);
        }
        if (!HasField(extraSize, ChecksumHighAt + 2))
        {
            return Crc32C.Compute(crc, raw[(ChecksumAt + 2)..]);
        }
        crc = Crc32C.Compute(crc, raw[(ChecksumAt + 2)..ChecksumHighAt]);
        crc = Crc32C.ComputeZeroes(crc, 2);
        return Crc32C.Compute(crc, raw[(ChecksumHighAt + 2)..]);
    }

    /// <summary>Stores the checksum in place.</summary>
    public static void UpdateChecksum(Span<byte> raw, uint inodeSeed, int extraSize)
    {
        uint crc = ComputeChecksum(raw, inodeSeed, extraSize);
        WriteUInt16LittleEndian(raw[ChecksumAt..], (ushort)(crc & 0xFFFF));
        if (raw.Length > GoodOldSize && HasField(extraSize, ChecksumHighAt + 2))
        {
            WriteUInt16LittleEndian(raw[ChecksumHighAt..], (ushort)(crc >> 16));
        }
    }

    /// <summary>True if the stored checksum is right.</summary>
    public static bool VerifyChecksum(ReadOnlySpan<byte> raw, uint inodeSeed, int extraSize)
    {
        uint crc = ComputeChecksum(raw, inodeSeed, extraSize);
        uint stored = ReadUInt16LittleEndian(raw[ChecksumAt..]);
        if (raw.Length > GoodOldSize && HasField(extraSize, ChecksumHighAt + 2))
        {
            return (stored | (uint)ReadUInt16LittleEndian(raw[ChecksumHighAt..]) << 16) == crc;
        }
        return stored == (crc & 0xFFFF);
    }

    /// <summary>Seconds and nanoseconds from the 32-bit field and its extra word.</summary>
    public static Timestamp DecodeTime(uint seconds, uint extra) =>
        new(unchecked((int)seconds) + ((long)(extra & 3) << 32), Math.Min(extra >> 2, 999_999_999));

    /// <summary>The 32-bit field and its extra word; outside values are clamped and lose their nanoseconds.</summary>
    public static (uint Seconds, uint Extra) EncodeTime(Timestamp time, bool hasExtra)
    {
        long max = hasExtra ? Timestamp.MaxSeconds : int.MaxValue;
        long seconds = Math.Clamp(time.Seconds, int.MinValue, max);
        uint nanoseconds = seconds == time.Seconds && seconds != max && seconds != int.MinValue ? time.Nanoseconds : 0;
        uint low = unchecked((uint)seconds);
        uint epoch = (uint)((seconds - unchecked((int)low)) >> 32) & 3;
        return (low, nanoseconds << 2 | epoch);
    }
}
