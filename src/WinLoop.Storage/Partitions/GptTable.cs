using System.Buffers.Binary;
using System.Globalization;
using System.Text;

namespace WinLoop.Storage;

/// <summary>
/// A GUID partition table: a header in sector 1 and a backup in the last one, each with an array of entries
/// and CRC-32 checksums over both (UEFI 2.10, 5.3).
/// </summary>
internal static class GptTable
{
    private const ulong Signature = 0x5452415020494645; // "EFI PART"
    private const int MinHeaderSize = 92;
    private const int MinEntrySize = 128;
    private const int MaxEntrySize = 4096;

    /// <summary>Tables have 128 entries; this is far above what any tool makes.</summary>
    private const uint MaxEntries = 1024;

    private const int NameOffset = 56;
    private const int NameSize = 72;

    /// <summary>Reads the primary table, or the backup if that is damaged.</summary>
    /// <exception cref="PartitionTableException">Both are.</exception>
    internal static List<Partition> Read(IBlockDevice device, List<string> warnings)
    {
        // A table counts in the sectors of the disk it was made for, and an image may come from another one.
        int[] sizes = device.SectorSize == 4096 ? [4096, 512] : [512, 4096];
        string? reason = null;
        foreach (int sectorSize in sizes)
        {
            if (TryRead(device, sectorSize, 1, out List<Partition>? partitions, warnings, out string? problem))
            {
                return partitions!;
            }

            reason ??= problem;
        }

        foreach (int sectorSize in sizes)
        {
            long last = (device.Length / sectorSize) - 1;
            if (last > 1 && TryRead(device, sectorSize, last, out List<Partition>? partitions, warnings, out _))
            {
                warnings.Add($"the primary GPT is damaged ({reason}); the backup at the end of the image was used");
                return partitions!;
            }
        }

        throw new PartitionTableException($"the GPT is damaged ({reason}) and there is no good backup at the end of the image");
    }

    /// <summary>True if a table is there whose header and entries are right.</summary>
    internal static bool IsSound(IBlockDevice device, int sectorSize, long sector) => TryRead(device, sectorSize, sector, out _, [], out _);

    private static bool TryRead(
        IBlockDevice device, int sectorSize, long sector, out List<Partition>? partitions, List<string> warnings, out string? problem)
    {
        partitions = null;
        if (!Header.TryRead(device, sectorSize, sector, out Header header, out problem))
        {
            return false;
        }

        byte[] entries = new byte[header.EntryCount * header.EntrySize];
        device.Read(entries, header.EntriesSector * sectorSize);
        if (Crc32.Compute(entries) != header.EntriesChecksum)
        {
            problem = "the checksum of the entries is wrong";
            return false;
        }

        partitions = [];
        for (int i = 0; i < header.EntryCount; i++)
        {
            Add(partitions, device, sectorSize, i + 1, entries.AsSpan(i * header.EntrySize, header.EntrySize), warnings);
        }

        return true;
    }

    private static void Add(
        List<Partition> partitions, IBlockDevice device, int sectorSize, int number, ReadOnlySpan<byte> entry, List<string> warnings)
    {
        var type = new Guid(entry[..16]);
        if (type == Guid.Empty)
        {
            return;
        }

        ulong first = BinaryPrimitives.ReadUInt64LittleEndian(entry[32..]);
        ulong last = BinaryPrimitives.ReadUInt64LittleEndian(entry[40..]);
        ulong sectors = (ulong)(device.Length / sectorSize);
        if (first == 0 || first >= sectors || last < first)
        {
            warnings.Add($"partition {number} lies outside of the image and is ignored");
            return;
        }

        if (last >= sectors)
        {
            warnings.Add($"partition {number} reaches past the end of the image");
            last = sectors - 1;
        }

        long start = (long)first * sectorSize;
        long length = (long)(last - first + 1) * sectorSize;
        string guid = type.ToString("D", CultureInfo.InvariantCulture);
        partitions.Add(new Partition(number, start, length, guid, PartitionTypes.OfGpt(guid),
            ReadName(entry.Slice(NameOffset, NameSize)), false, ExtProbe.IsExt(device, start, length)));
    }

    /// <summary>UTF-16 up to the first zero; what cannot be printed becomes a question mark.</summary>
    private static string ReadName(ReadOnlySpan<byte> bytes)
    {
        var name = new StringBuilder();
        for (int i = 0; i < bytes.Length; i += 2)
        {
            char c = (char)BinaryPrimitives.ReadUInt16LittleEndian(bytes[i..]);
            if (c == 0)
            {
                break;
            }

            name.Append(char.IsControl(c) || char.GetUnicodeCategory(c) is UnicodeCategory.Format or UnicodeCategory.OtherNotAssigned
                or UnicodeCategory.PrivateUse or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator ? '?' : c);
        }

        // Lone surrogates would not survive any encoding.
        return Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(name.ToString())).Trim();
    }

    /// <summary>A header whose own checksum and numbers are right.</summary>
    private readonly record struct Header(long EntriesSector, int EntryCount, int EntrySize, uint EntriesChecksum)
    {
        internal static bool TryRead(IBlockDevice device, int sectorSize, long sector, out Header header, out string? problem)
        {
            header = default;
            if (sector < 1 || sector > (device.Length / sectorSize) - 1)
            {
                problem = "the image is too short";
                return false;
            }

            byte[] bytes = new byte[sectorSize];
            device.Read(bytes, sector * sectorSize);
            if (BinaryPrimitives.ReadUInt64LittleEndian(bytes) != Signature)
            {
                problem = "there is no header";
                return false;
            }

            uint size = BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(12));
            uint checksum = BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(16));
            if (size < MinHeaderSize || size > (uint)sectorSize)
            {
                problem = $"a header of {size} bytes";
                return false;
            }

            bytes.AsSpan(16, 4).Clear(); // counts as zero in its own checksum
            if (Crc32.Compute(bytes.AsSpan(0, (int)size)) != checksum)
            {
                problem = "the checksum of the header is wrong";
                return false;
            }

            ulong self = BinaryPrimitives.ReadUInt64LittleEndian(bytes.AsSpan(24));
            ulong entriesSector = BinaryPrimitives.ReadUInt64LittleEndian(bytes.AsSpan(72));
            uint count = BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(80));
            uint entrySize = BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(84));
            if (self != (ulong)sector)
            {
                problem = $"the header at sector {sector} says that it is at {self}";
                return false;
            }

            if (count > MaxEntries || entrySize is < MinEntrySize or > MaxEntrySize || entrySize % 8 != 0)
            {
                problem = $"{count} entries of {entrySize} bytes";
                return false;
            }

            ulong sectors = (ulong)(device.Length / sectorSize);
            ulong needed = (((ulong)count * entrySize) + (ulong)sectorSize - 1) / (ulong)sectorSize;
            if (entriesSector < 1 || entriesSector >= sectors || needed > sectors - entriesSector)
            {
                problem = "the entries lie outside of the image";
                return false;
            }

            problem = null;
            header = new Header((long)entriesSector, (int)count, (int)entrySize, BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(88)));
            return true;
        }
    }
}
