using System.Buffers.Binary;
using WinLoop.Storage;

namespace WinLoop.Images.Vhdx;

/// <summary>The log as it is in the file, and the search for what has to be replayed (MS-VHDX, 2.3.3).</summary>
internal sealed class LogImage
{
    // In a log that writers made few entries overlap, those of laps long ago. One in which all of them do, which would take
    // the square of its length to sum, was made up.
    private const long MinimumBudget = 1L << 30;
    private const int BudgetFactor = 16;

    private readonly byte[] _bytes;
    private readonly Guid _guid;
    private long _budget;

    private LogImage(byte[] bytes, Guid guid)
    {
        _bytes = bytes;
        _guid = guid;
        _budget = Math.Max(MinimumBudget, (long)bytes.Length * BudgetFactor);
    }

    /// <summary>Reads the log of a header that was checked.</summary>
    public static LogImage Read(IBlockDevice file, in VhdxHeader header)
    {
        byte[] bytes = new byte[(int)header.LogLength];
        file.Read(bytes, (long)header.LogOffset);
        return new LogImage(bytes, header.LogGuid);
    }

    /// <summary>One sector; positions past the end of the log go on at its beginning.</summary>
    public ReadOnlySpan<byte> Sector(long position) => _bytes.AsSpan((int)(position % _bytes.Length), VhdxLayout.Sector);

    /// <summary>One descriptor of an entry.</summary>
    public ReadOnlySpan<byte> Descriptor(in LogEntry entry, int index)
    {
        // 4096 is a multiple of 32, so a descriptor never lies in two sectors.
        long position = entry.Start + LogEntry.HeaderSize + ((long)index * LogEntry.DescriptorSize);
        return Sector(position - (position % VhdxLayout.Sector)).Slice((int)(position % VhdxLayout.Sector), LogEntry.DescriptorSize);
    }

    /// <summary>The entries that have to be replayed, oldest first: up to the newest entry whose predecessors, back to the
    /// one that it names as the tail, are all there.</summary>
    public List<LogEntry> FindActiveSequence()
    {
        Dictionary<int, LogEntry> entries = FindEntries();
        List<LogEntry> best = [];
        foreach (LogEntry head in entries.Values.OrderByDescending(e => e.Sequence))
        {
            if (TryCollect(entries, head, best))
            {
                return best;
            }
        }

        throw VhdxError.Damaged("the log has to be replayed, and no whole entry is in it");
    }

    private bool TryCollect(Dictionary<int, LogEntry> entries, in LogEntry head, List<LogEntry> sequence)
    {
        sequence.Clear();
        int at = head.Tail;
        while (entries.TryGetValue(at, out LogEntry entry)
            && entry.Sequence <= head.Sequence
            && (sequence.Count == 0 || entry.Sequence == sequence[^1].Sequence + 1))
        {
            sequence.Add(entry);
            if (entry.Sequence == head.Sequence)
            {
                // Two entries may share a number in a log that was made up.
                return entry.Start == head.Start;
            }

            at = (int)(((long)at + entry.Length) % _bytes.Length);
        }

        return false;
    }

    private Dictionary<int, LogEntry> FindEntries()
    {
        var entries = new Dictionary<int, LogEntry>();
        for (int start = 0; start < _bytes.Length; start += VhdxLayout.Sector)
        {
            if (LogEntry.TryRead(Sector(start), start, _bytes.Length, _guid, out LogEntry entry) && IsWhole(entry))
            {
                entries.Add(start, entry);
            }
        }

        return entries;
    }

    private bool IsWhole(in LogEntry entry)
    {
        _budget -= entry.Length;
        if (_budget < 0)
        {
            throw VhdxError.Damaged("the entries of the log overlap each other");
        }

        int dataSectors = 0;
        for (int i = 0; i < entry.DescriptorCount; i++)
        {
            if (!LogDescriptor.TryRead(Descriptor(entry, i), out LogDescriptor descriptor) || descriptor.Sequence != entry.Sequence)
            {
                return false;
            }

            dataSectors += descriptor.IsZero ? 0 : 1;
        }

        if (entry.DescriptorSectors + dataSectors > entry.Length / VhdxLayout.Sector)
        {
            return false;
        }

        for (int i = 0; i < dataSectors; i++)
        {
            if (!LogDescriptor.IsDataSector(Sector(entry.Start + ((long)(entry.DescriptorSectors + i) * VhdxLayout.Sector)), entry.Sequence))
            {
                return false;
            }
        }

        ReadOnlySpan<byte> first = Sector(entry.Start);
        uint sum = Crc32C.Append(Crc32C.AppendFirst(first), first[8..]);
        for (int done = VhdxLayout.Sector; done < entry.Length; done += VhdxLayout.Sector)
        {
            sum = Crc32C.Append(sum, Sector(entry.Start + (long)done));
        }

        return ~sum == BinaryPrimitives.ReadUInt32LittleEndian(first[4..]);
    }
}
