using System.Buffers.Binary;
using System.Globalization;

namespace WinLoop.Storage;

/// <summary>
/// A master boot record: four entries of 16 bytes at 446, and 55 AA at 510. An extended partition holds a
/// chain of records of the same form, each with one logical partition and a link to the next.
/// </summary>
internal sealed class MbrTable
{
    private const int RecordSize = 512;
    private const int EntriesOffset = 446;
    private const int EntrySize = 16;
    private const int EntryCount = 4;
    private const int SignatureOffset = 510;
    private const ushort Signature = 0xAA55;
    private const byte ProtectiveType = 0xEE;

    /// <summary>How many records of a chain are followed; Linux stops there too.</summary>
    private const int MaxChain = 100;

    private readonly Entry[] _entries;

    private MbrTable(Entry[] entries) => _entries = entries;

    /// <summary>It only guards a GPT against programs that do not know that.</summary>
    internal bool IsProtective => Array.Exists(_entries, e => e.Type == ProtectiveType);

    /// <summary>Null if there is no master boot record.</summary>
    internal static MbrTable? Read(IBlockDevice device)
    {
        Entry[]? entries = ReadRecord(device, 0);
        // A boot sector of FAT or NTFS has the signature too, and code where the entries would be.
        return entries is null || Array.Exists(entries, e => e.Status is not (0x00 or 0x80)) ? null : new MbrTable(entries);
    }

    /// <summary>All partitions, primary ones first.</summary>
    internal List<Partition> GetPartitions(IBlockDevice device, List<string> warnings)
    {
        var partitions = new List<Partition>();
        for (int i = 0; i < EntryCount; i++)
        {
            Add(partitions, device, warnings, i + 1, _entries[i], 0);
        }

        int next = EntryCount + 1;
        foreach (Entry entry in _entries)
        {
            // One that starts at the table itself would list the primary partitions again.
            if (entry.IsExtended && entry.Sectors != 0 && entry.Start != 0)
            {
                next = FollowChain(partitions, device, warnings, entry, next);
            }
        }

        return partitions;
    }

    private static int FollowChain(List<Partition> partitions, IBlockDevice device, List<string> warnings, Entry container, int next)
    {
        var seen = new HashSet<long>();
        long first = container.Start;
        long record = first;
        while (true)
        {
            if (seen.Count == MaxChain || !seen.Add(record))
            {
                warnings.Add($"the chain of logical partitions runs in a circle or is longer than {MaxChain}; it was followed up to there");
                return next;
            }

            if (ReadRecord(device, record * device.SectorSize) is not { } entries)
            {
                // A first record without a signature is an extended partition that is still empty.
                if (record != first)
                {
                    warnings.Add($"the chain of logical partitions ends in a damaged record at sector {record}");
                }

                return next;
            }

            // As Linux does: every entry that is no link counts (the last two only inside of the container),
            // and the first link leads on.
            for (int i = 0; i < EntryCount; i++)
            {
                Entry entry = entries[i];
                if (entry.Sectors == 0 || entry.IsExtended ||
                    (i >= 2 && record + entry.Start + entry.Sectors > first + container.Sectors))
                {
                    continue;
                }

                Add(partitions, device, warnings, next, entry, record);
                next++;
            }

            int link = Array.FindIndex(entries, e => e.IsExtended && e.Sectors != 0);
            if (link < 0)
            {
                return next;
            }

            record = first + entries[link].Start;
        }
    }

    /// <summary>Adds a partition, unless the entry is empty or leads out of the device.</summary>
    /// <param name="partitions">Where to.</param>
    /// <param name="device">What the table describes.</param>
    /// <param name="warnings">Sentences for the user.</param>
    /// <param name="number">The partition's.</param>
    /// <param name="entry">What the table says.</param>
    /// <param name="origin">The sector that <see cref="Entry.Start"/> counts from.</param>
    private static void Add(
        List<Partition> partitions, IBlockDevice device, List<string> warnings, int number, Entry entry, long origin)
    {
        if (entry.Sectors == 0)
        {
            return;
        }

        // Sums of 32-bit numbers times a sector size: far from the end of 64 bits.
        long start = (origin + entry.Start) * device.SectorSize;
        long length = (long)entry.Sectors * device.SectorSize;
        if (start == 0 || start >= device.Length)
        {
            warnings.Add($"partition {number} lies outside of the image and is ignored");
            return;
        }

        if (length > device.Length - start)
        {
            warnings.Add($"partition {number} reaches past the end of the image");
            length = device.Length - start;
        }

        partitions.Add(new Partition(number, start, length, entry.Type.ToString("x2", CultureInfo.InvariantCulture),
            PartitionTypes.OfMbr(entry.Type), "", entry.IsExtended,
            !entry.IsExtended && ExtProbe.IsExt(device, start, length)));
    }

    /// <summary>The entries of a record; null if it is outside of the device or has no signature.</summary>
    private static Entry[]? ReadRecord(IBlockDevice device, long offset)
    {
        Span<byte> record = stackalloc byte[RecordSize];
        if (offset > device.Length - RecordSize)
        {
            return null;
        }

        device.Read(record, offset);
        if (BinaryPrimitives.ReadUInt16LittleEndian(record[SignatureOffset..]) != Signature)
        {
            return null;
        }

        var entries = new Entry[EntryCount];
        for (int i = 0; i < EntryCount; i++)
        {
            ReadOnlySpan<byte> entry = record.Slice(EntriesOffset + (i * EntrySize), EntrySize);
            entries[i] = new Entry(entry[0], entry[4],
                BinaryPrimitives.ReadUInt32LittleEndian(entry[8..]), BinaryPrimitives.ReadUInt32LittleEndian(entry[12..]));
        }

        return entries;
    }

    /// <summary>One entry; start and size in sectors.</summary>
    private readonly record struct Entry(byte Status, byte Type, uint Start, uint Sectors)
    {
        internal bool IsExtended => Type is 0x05 or 0x0F or 0x85;
    }
}
