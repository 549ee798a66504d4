using System.Buffers.Binary;
using WinLoop.Storage;

namespace WinLoop.Images.Vmdk;

/// <summary>The grain directory and the grain tables of a sparse extent: for each grain the sector of the file where it is.
/// Read without a lock; changed under the extent's map lock.</summary>
internal sealed class GrainTables
{
    /// <summary>The entry of a grain that is not in the file.</summary>
    public const uint Unused = 0;

    /// <summary>The entry of a grain of zeroes, in extents that have such.</summary>
    public const uint Zeroed = 1;

    /// <summary>Sectors of a table.</summary>
    public const int TableSectors = TableSize / SparseHeader.Size;

    private const int TableSize = SparseHeader.TableEntries * sizeof(uint);
    private const int EntriesPerSector = SparseHeader.Size / sizeof(uint);

    private readonly uint[] _places;
    private readonly uint[] _redundantPlaces;
    // Null: all entries are zero.
    private readonly uint[]?[] _tables;
    private readonly List<int> _dirty = [];
    private readonly ulong[] _isDirty;

    private GrainTables(long count, uint[] places, uint[] redundantPlaces)
    {
        Count = count;
        _places = places;
        _redundantPlaces = redundantPlaces;
        _tables = new uint[places.Length][];
        _isDirty = new ulong[(places.Length * TableSectors / 64) + 1];
    }

    /// <summary>Grains of the extent.</summary>
    public long Count { get; }

    /// <summary>The first sectors of the tables; 0: that table is not there.</summary>
    public ReadOnlySpan<uint> Places => _places;

    /// <summary>The first sectors of the redundant tables; empty: there are none.</summary>
    public ReadOnlySpan<uint> RedundantPlaces => _redundantPlaces;

    /// <summary>The first sector of a grain, or <see cref="Unused"/> or <see cref="Zeroed"/>.</summary>
    public uint this[long grain] => Volatile.Read(ref _tables[grain / SparseHeader.TableEntries]) is { } table
        ? Volatile.Read(ref table[grain % SparseHeader.TableEntries]) : Unused;

    /// <summary>Reads all tables.</summary>
    /// <param name="file">The extent's file.</param>
    /// <param name="header">Its header, checked.</param>
    /// <param name="isForWriting">The places of the redundant tables are needed, too.</param>
    public static GrainTables Read(IBlockDevice file, SparseHeader header, bool isForWriting)
    {
        uint[] places = ReadDirectory(file, header.Directory, header.DirectoryEntries, "grain");
        uint[] redundant = isForWriting && header.HasRedundantTables
            ? ReadDirectory(file, header.RedundantDirectory, header.DirectoryEntries, "redundant grain") : [];
        var tables = new GrainTables(header.GrainCount, places, redundant);
        tables.ReadTables(file);
        return tables;
    }

    /// <summary>How many bytes from a place of the extent on lie in grains that are not in the file.</summary>
    public long ZeroRun(long offset, long length, int grainShift)
    {
        long end = offset + length, at = offset;
        while (at < end && this[at >> grainShift] <= Zeroed)
        {
            at = Math.Min(end, ((at >> grainShift) + 1) << grainShift);
        }

        return at - offset;
    }

    /// <summary>Puts a grain in its place. Under the map lock.</summary>
    public void Set(long grain, uint sector)
    {
        ref uint[]? table = ref _tables[grain / SparseHeader.TableEntries];
        if (table is null)
        {
            Volatile.Write(ref table, new uint[SparseHeader.TableEntries]);
        }

        Volatile.Write(ref table![grain % SparseHeader.TableEntries], sector);
        int part = (int)(grain / EntriesPerSector);
        ulong bit = 1UL << (part & 63);
        if ((_isDirty[part >> 6] & bit) == 0)
        {
            _isDirty[part >> 6] |= bit;
            _dirty.Add(part);
        }
    }

    /// <summary>Takes what has changed: the numbers of sectors of the tables, and their content. Under the map lock.</summary>
    public int TakeDirty(ref int[] parts, ref byte[] content)
    {
        int count = _dirty.Count;
        if (parts.Length < count)
        {
            parts = new int[count];
            content = new byte[count * SparseHeader.Size];
        }

        for (int i = 0; i < count; i++)
        {
            int part = parts[i] = _dirty[i];
            _isDirty[part >> 6] &= ~(1UL << (part & 63));
            ReadOnlySpan<uint> table = _tables[part / TableSectors];
            Encode(table.Slice(part % TableSectors * EntriesPerSector, EntriesPerSector), content.AsSpan(i * SparseHeader.Size));
        }

        _dirty.Clear();
        return count;
    }

    /// <summary>Writes a sector of a table, and of its redundant copy. Sectors are not torn, so every entry is the old one or the
    /// new one in each of both.</summary>
    public void Write(IBlockDevice file, int part, ReadOnlySpan<byte> content)
    {
        long inside = part % TableSectors;
        if (_redundantPlaces.Length > 0)
        {
            file.Write(content, (_redundantPlaces[part / TableSectors] + inside) * SparseHeader.Size, WriteTag.Metadata);
        }

        file.Write(content, (_places[part / TableSectors] + inside) * SparseHeader.Size, WriteTag.Metadata);
    }

    /// <summary>Makes the redundant tables equal to the others, which count. After a cut they may name a grain that the
    /// others do not, and whose place will be given away.</summary>
    public void MendRedundant(IBlockDevice file)
    {
        byte[] expected = new byte[TableSize], found = new byte[TableSize];
        for (int i = 0; i < _redundantPlaces.Length; i++)
        {
            expected.AsSpan().Clear();
            if (_tables[i] is { } table)
            {
                Encode(table, expected);
            }

            long place = _redundantPlaces[i] * (long)SparseHeader.Size;
            file.Read(found, place);
            if (!found.AsSpan().SequenceEqual(expected))
            {
                file.Write(expected, place, WriteTag.Metadata);
            }
        }
    }

    private static uint[] ReadDirectory(IBlockDevice file, long sector, int count, string what)
    {
        byte[] bytes = new byte[count * sizeof(uint)];
        file.Read(bytes, sector * SparseHeader.Size);
        var places = new uint[count];
        long limit = file.Length / SparseHeader.Size;
        for (int i = 0; i < count; i++)
        {
            uint place = places[i] = BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(i * sizeof(uint)));
            if (place != 0 && (place > limit || limit - place < TableSectors))
            {
                throw VmdkError.Damaged($"{what} table {i} at sector {place} ends past the end of the file ({file.Length} bytes)");
            }
        }

        return places;
    }

    private static void Encode(ReadOnlySpan<uint> entries, Span<byte> bytes)
    {
        for (int i = 0; i < entries.Length; i++)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(bytes[(i * sizeof(uint))..], entries[i]);
        }
    }

    private void ReadTables(IBlockDevice file)
    {
        const int MostAtOnce = 128;
        byte[] buffer = new byte[Math.Min(_places.Length, MostAtOnce) * TableSize];
        for (int i = 0; i < _places.Length;)
        {
            // Tables mostly lie one behind the other.
            int run = 1;
            while (run < MostAtOnce && i + run < _places.Length && _places[i + run] == _places[i] + ((long)run * TableSectors))
            {
                run++;
            }

            if (_places[i] == 0)
            {
                i++;
                continue;
            }

            file.Read(buffer.AsSpan(0, run * TableSize), _places[i] * (long)SparseHeader.Size);
            for (int n = 0; n < run; n++)
            {
                _tables[i + n] = Decode(buffer.AsSpan(n * TableSize, TableSize));
            }

            i += run;
        }
    }

    private static uint[]? Decode(ReadOnlySpan<byte> bytes)
    {
        if (!bytes.ContainsAnyExcept((byte)0))
        {
            return null;
        }

        var table = new uint[SparseHeader.TableEntries];
        for (int i = 0; i < table.Length; i++)
        {
            table[i] = BinaryPrimitives.ReadUInt32LittleEndian(bytes[(i * sizeof(uint))..]);
        }

        return table;
    }
}
