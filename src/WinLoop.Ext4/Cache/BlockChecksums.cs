using WinLoop.Ext4.Format;
using static System.Buffers.Binary.BinaryPrimitives;

namespace WinLoop.Ext4.Cache;

/// <summary>
/// Where each kind of metadata block keeps its checksum and what the checksum covers. The one place that
/// knows; verification on read and renewal when a transaction closes both come here.
/// </summary>
internal sealed class BlockChecksums(Geometry geometry) : IBlockVerifier
{
    /// <inheritdoc/>
    public void Verify(ulong block, ReadOnlySpan<byte> data, BufferKind kind, uint seed)
    {
        if (!geometry.HasMetadataChecksums || !TryCompute(block, data, kind, seed, out int at, out uint crc))
        {
            return;
        }
        if (ReadUInt32LittleEndian(data[at..]) != crc)
        {
            throw new Ext4CorruptException($"block {block}", $"wrong checksum ({kind})");
        }
    }

    /// <summary>Stores the right checksum in the block, if its kind has one.</summary>
    public void Update(ulong block, Span<byte> data, BufferKind kind, uint seed)
    {
        if (geometry.HasMetadataChecksums && TryCompute(block, data, kind, seed, out int at, out uint crc))
        {
            WriteUInt32LittleEndian(data[at..], crc);
        }
    }

    private static bool TryCompute(ulong block, ReadOnlySpan<byte> data, BufferKind kind, uint seed, out int at, out uint crc)
    {
        switch (kind)
        {
            case BufferKind.ExtentNode:
                // The tail follows the last possible entry, which is not the block's end at 2 KiB and 8 KiB.
                int max = ReadUInt16LittleEndian(data[4..]);
                at = 12 + (12 * max);
                if (at + 4 > data.Length)
                {
                    throw new Ext4CorruptException($"extent block {block}", $"eh_max is {max}");
                }
                crc = Crc32C.Compute(seed, data[..at]);
                return true;
            case BufferKind.DirectoryLeaf:
                at = data.Length - 4;
                crc = Crc32C.Compute(seed, data[..(data.Length - 12)]);
                return HasLeafTail(data);
            case BufferKind.HtreeRoot:
            case BufferKind.HtreeNode:
                int start = kind == BufferKind.HtreeRoot ? 0x20 : 8;
                int limit = ReadUInt16LittleEndian(data[start..]);
                int count = ReadUInt16LittleEndian(data[(start + 2)..]);
                int tail = start + (8 * limit);
                if (tail + 8 > data.Length || count > limit)
                {
                    throw new Ext4CorruptException($"htree block {block}", $"{count} of {limit} entries");
                }
                crc = Crc32C.Compute(seed, data[..(start + (8 * count))]);
                crc = Crc32C.Compute(crc, data.Slice(tail, 4));
                crc = Crc32C.ComputeZeroes(crc, 4);
                at = tail + 4;
                return true;
            case BufferKind.AttributeBlock:
                crc = Crc32C.Compute(seed, block);
                crc = Crc32C.Compute(crc, data[..0x10]);
                crc = Crc32C.ComputeZeroes(crc, 4);
                crc = Crc32C.Compute(crc, data[0x14..]);
                at = 0x10;
                return true;
            case BufferKind.OrphanBlock:
                crc = Crc32C.Compute(seed, block);
                crc = Crc32C.Compute(crc, data[..(data.Length - 8)]);
                at = data.Length - 4;
                return true;
            default:
                at = 0;
                crc = 0;
                return false;
        }
    }

    /// <summary>True if a linear directory block ends in the 12-byte checksum entry.</summary>
    internal static bool HasLeafTail(ReadOnlySpan<byte> data)
    {
        ReadOnlySpan<byte> tail = data[^12..];
        return ReadUInt32LittleEndian(tail) == 0 && ReadUInt16LittleEndian(tail[4..]) == 12 && tail[6] == 0 && tail[7] == 0xDE;
    }
}
