using System.Buffers.Binary;

namespace WinLoop.Images.Vhd;

/// <summary>What kind of disk a footer says it is.</summary>
internal enum VhdDiskType : uint
{
    /// <summary>The disk's bytes, and the footer behind them.</summary>
    Fixed = 2,
    /// <summary>Blocks, allocated when they are written first.</summary>
    Dynamic = 3,
    /// <summary>As dynamic, over a parent.</summary>
    Differencing = 4,
}

/// <summary>The footer, the last 512 bytes of the file; a dynamic disk has a copy at its beginning ("Virtual Hard Disk
/// Image Format Specification", Hard Disk Footer Format). All numbers are big-endian.</summary>
internal sealed record VhdFooter
{
    /// <summary>Bytes of a footer.</summary>
    public const int Size = 512;

    /// <summary>The version that there is.</summary>
    public const uint KnownVersion = 0x00010000;

    /// <summary>What a fixed disk has as <see cref="DataOffset"/>.</summary>
    public const ulong NoData = ulong.MaxValue;

    private const int FeaturesAt = 8;
    private const int VersionAt = 12;
    private const int DataOffsetAt = 16;
    private const int TimeAt = 24;
    private const int CreatorAt = 28;
    private const int CreatorVersionAt = 32;
    private const int HostAt = 36;
    private const int OriginalSizeAt = 40;
    private const int CurrentSizeAt = 48;
    private const int GeometryAt = 56;
    private const int TypeAt = 60;
    private const int ChecksumAt = 64;
    private const int IdAt = 68;
    private const int SavedAt = 84;
    private const uint ReservedFeature = 2;
    private const uint CreatorVersion = 0x000A0000;

    private static readonly DateTime s_epoch = new(2000, 1, 1, 0, 0, 0, DateTimeKind.Utc);

    /// <summary>First bytes of a footer.</summary>
    public static ReadOnlySpan<byte> Cookie => "conectix"u8;

    // Programs look at the creator to know what the size of the disk is. Windows' own says that it is CurrentSize; an
    // unknown one that it is what the geometry makes, which is smaller.
    private static ReadOnlySpan<byte> Creator => "win "u8;

    private static ReadOnlySpan<byte> Host => "Wi2k"u8;

    /// <summary>Version of the format.</summary>
    public uint Version { get; init; } = KnownVersion;

    /// <summary>Where the header of a dynamic disk is.</summary>
    public ulong DataOffset { get; init; } = NoData;

    /// <summary>Bytes of the disk.</summary>
    public ulong CurrentSize { get; init; }

    /// <summary>The kind.</summary>
    public VhdDiskType Type { get; init; }

    /// <summary>The identity of the disk.</summary>
    public Guid Id { get; init; }

    /// <summary>A virtual machine is asleep with this disk.</summary>
    public bool IsSaved { get; init; }

    /// <summary>Reads a footer; false: it is not valid.</summary>
    public static bool TryRead(ReadOnlySpan<byte> bytes, out VhdFooter footer)
    {
        footer = new VhdFooter();
        if (!bytes[..8].SequenceEqual(Cookie) || BinaryPrimitives.ReadUInt32BigEndian(bytes[ChecksumAt..]) != Sum(bytes[..Size], ChecksumAt))
        {
            return false;
        }

        footer = new VhdFooter
        {
            Version = BinaryPrimitives.ReadUInt32BigEndian(bytes[VersionAt..]),
            DataOffset = BinaryPrimitives.ReadUInt64BigEndian(bytes[DataOffsetAt..]),
            CurrentSize = BinaryPrimitives.ReadUInt64BigEndian(bytes[CurrentSizeAt..]),
            Type = (VhdDiskType)BinaryPrimitives.ReadUInt32BigEndian(bytes[TypeAt..]),
            Id = new Guid(bytes.Slice(IdAt, 16), bigEndian: true),
            IsSaved = bytes[SavedAt] != 0,
        };
        return true;
    }

    /// <summary>Makes the bytes of a new disk's footer.</summary>
    public byte[] ToBytes()
    {
        byte[] bytes = new byte[Size];
        Cookie.CopyTo(bytes);
        BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(FeaturesAt), ReservedFeature);
        BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(VersionAt), Version);
        BinaryPrimitives.WriteUInt64BigEndian(bytes.AsSpan(DataOffsetAt), DataOffset);
        BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(TimeAt), (uint)(DateTime.UtcNow - s_epoch).TotalSeconds);
        Creator.CopyTo(bytes.AsSpan(CreatorAt));
        BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(CreatorVersionAt), CreatorVersion);
        Host.CopyTo(bytes.AsSpan(HostAt));
        BinaryPrimitives.WriteUInt64BigEndian(bytes.AsSpan(OriginalSizeAt), CurrentSize);
        BinaryPrimitives.WriteUInt64BigEndian(bytes.AsSpan(CurrentSizeAt), CurrentSize);
        BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(GeometryAt), Geometry((long)CurrentSize / 512));
        BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(TypeAt), (uint)Type);
        Id.TryWriteBytes(bytes.AsSpan(IdAt), bigEndian: true, out _);
        BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(ChecksumAt), Sum(bytes, ChecksumAt));
        return bytes;
    }

    /// <summary>The complement of the sum of all bytes but those of the checksum itself.</summary>
    public static uint Sum(ReadOnlySpan<byte> bytes, int checksumAt)
    {
        uint sum = 0;
        for (int i = 0; i < bytes.Length; i++)
        {
            sum += i >= checksumAt && i < checksumAt + sizeof(uint) ? 0 : (uint)bytes[i];
        }

        return ~sum;
    }

    /// <summary>Cylinders (16 bits), heads and sectors of a track (8 bits each), as the specification's appendix has it.</summary>
    private static uint Geometry(long sectors)
    {
        const long Largest = 65535L * 16 * 255;
        sectors = Math.Min(sectors, Largest);
        long track, heads, tracks;
        if (sectors >= 65535L * 16 * 63)
        {
            track = 255;
            heads = 16;
            tracks = sectors / track;
        }
        else
        {
            track = 17;
            tracks = sectors / track;
            heads = Math.Max(4, (tracks + 1023) / 1024);
            if (tracks >= heads * 1024 || heads > 16)
            {
                track = 31;
                heads = 16;
                tracks = sectors / track;
            }

            if (tracks >= heads * 1024)
            {
                track = 63;
                heads = 16;
                tracks = sectors / track;
            }
        }

        return ((uint)(tracks / heads) << 16) | ((uint)heads << 8) | (uint)track;
    }
}
