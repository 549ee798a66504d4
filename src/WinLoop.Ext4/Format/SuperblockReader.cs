using WinLoop.Storage;

namespace WinLoop.Ext4.Format;

/// <summary>A good backup of the superblock.</summary>
/// <param name="Superblock">The copy; its free counts are stale and it says nothing about the journal.</param>
/// <param name="Block">The block it was found in, in blocks of <paramref name="BlockSize"/> bytes.</param>
/// <param name="BlockSize">Bytes per block.</param>
public readonly record struct SuperblockBackup(Superblock Superblock, ulong Block, int BlockSize);

/// <summary>Reads the superblock from a device and decides whether it is one.</summary>
public static class SuperblockReader
{
    // The groups that hold backups with sparse_super, as far as a look at each is cheap. Without
    // sparse_super they hold one too; with sparse_super2 mke2fs uses group 1.
    private static ReadOnlySpan<byte> BackupGroups => [1, 3, 5, 7, 9, 25, 27, 49, 81, 125];

    /// <summary>True if the primary superblock's magic is there.</summary>
    public static bool HasMagic(IBlockDevice device)
    {
        if (device.Length < Superblock.Offset + Superblock.Size)
        {
            return false;
        }
        Span<byte> raw = stackalloc byte[Superblock.Size];
        device.Read(raw, Superblock.Offset);
        return new Superblock(raw).Magic == Superblock.MagicValue;
    }

    /// <summary>Reads the primary superblock and verifies magic and checksum.</summary>
    /// <exception cref="Ext4CorruptException">No ext2, ext3 or ext4 volume, or a damaged superblock.</exception>
    public static Superblock Read(IBlockDevice device)
    {
        if (device.Length < Superblock.Offset + Superblock.Size)
        {
            throw NotExt4($"{device.Length} bytes hold none");
        }
        Span<byte> raw = stackalloc byte[Superblock.Size];
        device.Read(raw, Superblock.Offset);
        var sb = new Superblock(raw);
        if (sb.Magic != Superblock.MagicValue)
        {
            throw NotExt4($"magic 0x{sb.Magic:X4} at byte 1080, not 0x{Superblock.MagicValue:X4}");
        }
        if (!sb.HasValidChecksum)
        {
            throw new Ext4CorruptException("superblock",
                $"its checksum is 0x{sb.Checksum:X8}, the content's is 0x{sb.ComputeChecksum():X8}");
        }
        return sb;
    }

    /// <summary>
    /// Looks for a backup superblock in the places where block sizes of 1, 2 and 4 KiB with groups of the
    /// default size have them. A copy counts if magic, checksum, own place and all numbers are right.
    /// </summary>
    /// <returns>The first one found, or null.</returns>
    public static SuperblockBackup? FindBackup(IBlockDevice device)
    {
        Span<byte> raw = stackalloc byte[Superblock.Size];
        for (int logBlockSize = 2; logBlockSize >= 0; logBlockSize--)
        {
            int blockSize = 1024 << logBlockSize;
            ulong first = blockSize == 1024 ? 1u : 0u;
            foreach (byte group in BackupGroups)
            {
                ulong block = first + (group * 8ul * (ulong)blockSize);
                long offset = (long)block * blockSize;
                if (offset + Superblock.Size > device.Length)
                {
                    break;
                }
                device.Read(raw, offset);
                var sb = new Superblock(raw);
                if (sb.LogBlockSize == logBlockSize && sb.BlockGroupNumber == group && IsPlausible(sb, device.Length))
                {
                    return new SuperblockBackup(sb, block, blockSize);
                }
            }
        }
        return null;
    }

    private static bool IsPlausible(Superblock sb, long deviceLength)
    {
        if (sb.Magic != Superblock.MagicValue || !sb.HasValidChecksum)
        {
            return false;
        }
        try
        {
            Geometry geometry = Geometry.Create(sb, deviceLength);
            return sb.BlockGroupNumber < geometry.GroupCount;
        }
        catch (Ext4CorruptException)
        {
            return false;
        }
    }

    private static Ext4CorruptException NotExt4(string why) =>
        new("superblock", $"this is not an ext2, ext3 or ext4 file system ({why})");
}
