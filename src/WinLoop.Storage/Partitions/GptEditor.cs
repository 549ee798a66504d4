using System.Buffers.Binary;

namespace WinLoop.Storage;

/// <summary>Changes a GUID partition table that is sound in both its places (UEFI 2.10, 5.3): the last partition gets
/// smaller, and the backup moves behind it.</summary>
internal static class GptEditor
{
    private const ulong Signature = 0x5452415020494645; // "EFI PART"
    private const int HeaderSizeAt = 12, ChecksumAt = 16, SelfAt = 24, OtherAt = 32, LastUsableAt = 48, EntriesAt = 72, CountAt = 80, EntrySizeAt = 84,
        EntriesChecksumAt = 88, LastSectorAt = 40, FirstSectorAt = 32, ProtectiveAt = 446;
    private const int RecordSize = 512;
    private const byte ProtectiveType = 0xEE;

    /// <summary>Bytes per sector of the table.</summary>
    internal static int SectorSizeOf(IBlockDevice image)
    {
        Span<byte> header = stackalloc byte[8];
        foreach (int size in (ReadOnlySpan<int>)[512, 4096])
        {
            if (image.Length >= 2 * size)
            {
                image.Read(header, size);
                if (BinaryPrimitives.ReadUInt64LittleEndian(header) == Signature)
                {
                    return size;
                }
            }
        }
        return image.SectorSize;
    }

    /// <summary>Why the table cannot be changed; null if it can. It was read, so its primary copy is sound or was passed over.</summary>
    internal static string? WhyNot(IBlockDevice image)
    {
        int sector = SectorSizeOf(image);
        long last = (image.Length / sector) - 1;
        byte[]? primary = Read(image, sector, 1), backup = Read(image, sector, last);
        if (primary is null || backup is null)
        {
            return $"the {(primary is null ? "primary GPT" : "backup of the GPT at the end of the image")} is missing or damaged";
        }
        if ((long)Value(primary, OtherAt) != last || (long)Value(backup, OtherAt) != 1)
        {
            return "the two copies of the GPT do not name each other";
        }
        if (!primary.AsSpan(CountAt, 12).SequenceEqual(backup.AsSpan(CountAt, 12)))
        {
            return "the two copies of the GPT are not the same";
        }
        return Value(primary, EntriesAt) != 2 ? "the entries of the GPT are not right behind its header" : null;
    }

    /// <summary>Ends a partition at a byte, and has the table's backup behind it.</summary>
    /// <returns>Bytes that the image needs.</returns>
    internal static long Shrink(IBlockDevice image, Partition partition, long end)
    {
        int sector = SectorSizeOf(image);
        byte[] header = Read(image, sector, 1) ?? throw new PartitionTableException("the GPT was changed meanwhile");
        int count = (int)BinaryPrimitives.ReadUInt32LittleEndian(header.AsSpan(CountAt)), size = (int)BinaryPrimitives.ReadUInt32LittleEndian(header.AsSpan(EntrySizeAt));
        byte[] entries = new byte[(count * size + sector - 1) / sector * sector];
        image.Read(entries, 2L * sector);
        long backupEntries = end / sector, backup = backupEntries + (entries.Length / sector), newLength = (backup + 1) * sector;
        if (newLength >= (image.Length / sector * sector) - entries.Length - sector)
        {
            return image.Length; // the new backup would lie on the old one, and nothing be gained
        }
        Span<byte> entry = entries.AsSpan((partition.Number - 1) * size, size);
        if ((long)BinaryPrimitives.ReadUInt64LittleEndian(entry[FirstSectorAt..]) * sector != partition.Start)
        {
            throw new PartitionTableException("the GPT was changed meanwhile");
        }
        BinaryPrimitives.WriteUInt64LittleEndian(entry[LastSectorAt..], (ulong)backupEntries - 1);
        BinaryPrimitives.WriteUInt64LittleEndian(header.AsSpan(LastUsableAt), (ulong)backupEntries - 1);
        BinaryPrimitives.WriteUInt32LittleEndian(header.AsSpan(EntriesChecksumAt), Crc32.Compute(entries.AsSpan(0, count * size)));

        WriteCopy(image, sector, header, entries, self: backup, other: 1, at: backupEntries);
        // Until here the old table holds, in both places. From here on one of the backups does, whatever is written of this.
        WriteCopy(image, sector, header, entries, self: 1, other: backup, at: 2);
        ShrinkProtective(image, backup);
        return newLength;
    }

    private static void WriteCopy(IBlockDevice image, int sector, byte[] header, byte[] entries, long self, long other, long at)
    {
        BinaryPrimitives.WriteUInt64LittleEndian(header.AsSpan(SelfAt), (ulong)self);
        BinaryPrimitives.WriteUInt64LittleEndian(header.AsSpan(OtherAt), (ulong)other);
        BinaryPrimitives.WriteUInt64LittleEndian(header.AsSpan(EntriesAt), (ulong)at);
        BinaryPrimitives.WriteUInt32LittleEndian(header.AsSpan(ChecksumAt), 0);
        int size = (int)BinaryPrimitives.ReadUInt32LittleEndian(header.AsSpan(HeaderSizeAt));
        BinaryPrimitives.WriteUInt32LittleEndian(header.AsSpan(ChecksumAt), Crc32.Compute(header.AsSpan(0, size)));
        image.Write(entries, at * sector, WriteTag.Metadata);
        image.Write(header, self * sector, WriteTag.Metadata);
        image.Flush();
    }

    // The MBR in front covers the disk as far as 32 bits reach.
    private static void ShrinkProtective(IBlockDevice image, long lastSector)
    {
        Span<byte> record = stackalloc byte[RecordSize];
        image.Read(record, 0);
        for (int at = ProtectiveAt; at < ProtectiveAt + 64; at += 16)
        {
            if (record[at + 4] == ProtectiveType && BinaryPrimitives.ReadUInt32LittleEndian(record[(at + 8)..]) == 1)
            {
                BinaryPrimitives.WriteUInt32LittleEndian(record[(at + 12)..], (uint)Math.Min(lastSector, uint.MaxValue));
                image.Write(record, 0, WriteTag.Metadata);
                image.Flush();
                return;
            }
        }
    }

    // A header whose checksums and numbers are right, and whose entries are.
    private static byte[]? Read(IBlockDevice image, int sector, long at)
    {
        if (!GptTable.IsSound(image, sector, at))
        {
            return null;
        }
        byte[] header = new byte[sector];
        image.Read(header, at * sector);
        return header;
    }

    private static ulong Value(byte[] header, int at) => BinaryPrimitives.ReadUInt64LittleEndian(header.AsSpan(at));
}
