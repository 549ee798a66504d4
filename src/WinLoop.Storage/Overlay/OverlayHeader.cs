using System.Text;
using static System.Buffers.Binary.BinaryPrimitives;

namespace WinLoop.Storage.Overlay;

/// <summary>
/// What is fixed when an overlay file is made: the header (512 bytes), the volumes and the path of the base.
/// <code>
/// header   0 magic "WLOVERLA"   8 version (u32)      12 block size (u32)   16 id (16 bytes)
///         32 size of the base   40 its time (ticks)   48 created (ticks)    56 volumes (u32)   60 bytes of the path (u32)
///         64 CRC-32 of the volumes sector             68 CRC-32 of the path's bytes
///        508 CRC-32 of bytes 0 to 507
/// volume   0 first byte in the base (u64)   8 UUID (16 bytes)   24 s_wtime (u64); 32 bytes each
/// </code>
/// </summary>
/// <param name="Id">A number of this file's own.</param>
/// <param name="Base">How the base was.</param>
/// <param name="CreatedTicks">When the file was made.</param>
/// <param name="BasePath">Where the base was then; only for messages.</param>
internal sealed record OverlayHeader(Guid Id, BaseFingerprint Base, long CreatedTicks, string BasePath)
{
    internal const uint Version = 1;
    private const int VolumeSize = 32;
    private const int ChecksumOffset = 508;
    private const int MaxPathBytes = OverlayLayout.MapOffset - OverlayLayout.PathOffset;
    private static ReadOnlySpan<byte> Magic => "WLOVERLA"u8;

    /// <summary>The first 4,096 bytes of the file; the states are zero.</summary>
    internal byte[] Encode()
    {
        byte[] block = new byte[OverlayLayout.MapOffset];
        Span<byte> volumes = block.AsSpan(OverlayLayout.VolumesOffset, OverlayLayout.SectorSize);
        for (int i = 0; i < Base.Volumes.Count; i++)
        {
            Span<byte> entry = volumes.Slice(i * VolumeSize, VolumeSize);
            WriteInt64LittleEndian(entry, Base.Volumes[i].Offset);
            Base.Volumes[i].Uuid.TryWriteBytes(entry[8..], bigEndian: true, out _);
            WriteInt64LittleEndian(entry[24..], Base.Volumes[i].WriteTime);
        }

        byte[] path = Encoding.UTF8.GetBytes(BasePath);
        Span<byte> pathBytes = path.AsSpan(0, Math.Min(path.Length, MaxPathBytes));
        pathBytes.CopyTo(block.AsSpan(OverlayLayout.PathOffset));

        Magic.CopyTo(block);
        WriteUInt32LittleEndian(block.AsSpan(8), Version);
        WriteUInt32LittleEndian(block.AsSpan(12), OverlayLayout.BlockSize);
        Id.TryWriteBytes(block.AsSpan(16), bigEndian: true, out _);
        WriteInt64LittleEndian(block.AsSpan(32), Base.Length);
        WriteInt64LittleEndian(block.AsSpan(40), Base.ModifiedTicks);
        WriteInt64LittleEndian(block.AsSpan(48), CreatedTicks);
        WriteInt32LittleEndian(block.AsSpan(56), Base.Volumes.Count);
        WriteInt32LittleEndian(block.AsSpan(60), pathBytes.Length);
        WriteUInt32LittleEndian(block.AsSpan(64), Crc32.Compute(volumes));
        WriteUInt32LittleEndian(block.AsSpan(68), Crc32.Compute(pathBytes));
        WriteUInt32LittleEndian(block.AsSpan(ChecksumOffset), Crc32.Compute(block.AsSpan(0, ChecksumOffset)));
        return block;
    }

    /// <summary>Whether a file seems to be an overlay file, whatever its state.</summary>
    internal static bool HasMagic(IBlockDevice file)
    {
        Span<byte> start = stackalloc byte[8];
        if (file.Length < OverlayLayout.MapOffset)
        {
            return false;
        }

        file.Read(start, 0);
        return start.SequenceEqual(Magic);
    }

    /// <summary>Reads and checks it.</summary>
    /// <exception cref="OverlayException">It is none, or damaged.</exception>
    internal static OverlayHeader Read(IBlockDevice file)
    {
        if (!HasMagic(file))
        {
            throw new OverlayException(OverlayError.NotAnOverlay, "it is not an overlay file of WinLoop");
        }

        byte[] block = new byte[OverlayLayout.MapOffset];
        file.Read(block, 0);
        if (ReadUInt32LittleEndian(block.AsSpan(ChecksumOffset)) != Crc32.Compute(block.AsSpan(0, ChecksumOffset)))
        {
            throw Damaged("the checksum of its header is wrong");
        }

        uint version = ReadUInt32LittleEndian(block.AsSpan(8));
        if (version != Version)
        {
            throw new OverlayException(OverlayError.Unsupported, $"it is of version {version}, and this program knows version {Version}");
        }

        uint blockSize = ReadUInt32LittleEndian(block.AsSpan(12));
        if (blockSize != OverlayLayout.BlockSize)
        {
            throw new OverlayException(OverlayError.Unsupported, $"its blocks have {blockSize} bytes, and this program knows {OverlayLayout.BlockSize}");
        }

        long length = ReadInt64LittleEndian(block.AsSpan(32));
        int volumes = ReadInt32LittleEndian(block.AsSpan(56));
        int path = ReadInt32LittleEndian(block.AsSpan(60));
        if (length is <= 0 or > OverlayLayout.MaxBaseLength || volumes is < 0 or > BaseFingerprint.MaxVolumes || path is < 0 or > MaxPathBytes)
        {
            throw Damaged("a number in its header is out of range");
        }

        Span<byte> entries = block.AsSpan(OverlayLayout.VolumesOffset, OverlayLayout.SectorSize);
        Span<byte> pathBytes = block.AsSpan(OverlayLayout.PathOffset, path);
        if (ReadUInt32LittleEndian(block.AsSpan(64)) != Crc32.Compute(entries) || ReadUInt32LittleEndian(block.AsSpan(68)) != Crc32.Compute(pathBytes))
        {
            throw Damaged("a checksum of what it says of its base is wrong");
        }

        if (file.Length != new OverlayLayout(length).FileLength)
        {
            throw Damaged($"it has {file.Length} bytes, and {new OverlayLayout(length).FileLength} belong to a base of {length} bytes");
        }

        var list = new List<BaseVolume>();
        for (int i = 0; i < volumes; i++)
        {
            Span<byte> entry = entries.Slice(i * VolumeSize, VolumeSize);
            list.Add(new BaseVolume(ReadInt64LittleEndian(entry), new Guid(entry.Slice(8, 16), bigEndian: true), ReadInt64LittleEndian(entry[24..]) & 0xFF_FFFF_FFFF));
        }

        return new OverlayHeader(new Guid(block.AsSpan(16, 16), bigEndian: true), new BaseFingerprint(length, ReadInt64LittleEndian(block.AsSpan(40)), list),
            ReadInt64LittleEndian(block.AsSpan(48)), Encoding.UTF8.GetString(pathBytes));
    }

    internal static OverlayException Damaged(string why) => new(OverlayError.Damaged, why);
}
