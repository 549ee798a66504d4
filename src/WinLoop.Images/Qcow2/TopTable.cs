using System.Buffers.Binary;
using WinLoop.Storage;

namespace WinLoop.Images.Qcow2;

/// <summary>A table that is kept in memory as a whole: the L1 table or the refcount table. Read without a lock; changed
/// under the map lock, and written in sectors, which are not torn.</summary>
internal sealed class TopTable
{
    private const int SectorSize = 512;
    private const int EntriesPerSector = SectorSize / sizeof(ulong);

    private readonly ulong[] _entries;
    private readonly ulong[] _isDirty;
    private readonly List<int> _dirty = [];
    private int[] _taken = [];
    private byte[] _content = [];
    private int _takenCount;

    /// <summary>Makes a table.</summary>
    public TopTable(ulong[] entries, long offset)
    {
        _entries = entries;
        Offset = offset;
        _isDirty = new ulong[(entries.Length / EntriesPerSector / 64) + 1];
    }

    /// <summary>First byte in the file.</summary>
    public long Offset { get; }

    /// <summary>Number of entries.</summary>
    public int Count => _entries.Length;

    /// <summary>An entry.</summary>
    public ulong this[long index] => Volatile.Read(ref _entries[index]);

    /// <summary>Reads a table, which must lie in the file.</summary>
    public static TopTable Read(IBlockDevice file, long offset, int count)
    {
        var entries = new ulong[count];
        byte[] buffer = new byte[Math.Min((long)count * sizeof(ulong), 1 << 16)];
        for (int done = 0; done < count;)
        {
            int part = Math.Min(count - done, buffer.Length / sizeof(ulong));
            file.Read(buffer.AsSpan(0, part * sizeof(ulong)), offset + ((long)done * sizeof(ulong)));
            for (int i = 0; i < part; i++)
            {
                entries[done + i] = BinaryPrimitives.ReadUInt64BigEndian(buffer.AsSpan(i * sizeof(ulong)));
            }

            done += part;
        }

        return new TopTable(entries, offset);
    }

    /// <summary>The entries, for a larger table that takes the place of this one.</summary>
    public ReadOnlySpan<ulong> Entries => _entries;

    /// <summary>Changes an entry. Under the map lock.</summary>
    public void Set(long index, ulong value)
    {
        Volatile.Write(ref _entries[index], value);
        int sector = (int)(index / EntriesPerSector);
        ulong bit = 1UL << (sector & 63);
        if ((_isDirty[sector >> 6] & bit) == 0)
        {
            _isDirty[sector >> 6] |= bit;
            _dirty.Add(sector);
        }
    }

    /// <summary>Copies what has changed, for <see cref="WriteTaken"/>. Under the map lock.</summary>
    /// <returns>Whether there is anything.</returns>
    public bool Take()
    {
        _takenCount = _dirty.Count;
        if (_taken.Length < _takenCount)
        {
            _taken = new int[_takenCount];
            _content = new byte[_takenCount * SectorSize];
        }

        for (int i = 0; i < _takenCount; i++)
        {
            int sector = _taken[i] = _dirty[i];
            _isDirty[sector >> 6] &= ~(1UL << (sector & 63));
            int first = sector * EntriesPerSector;
            for (int n = 0; n < EntriesPerSector && first + n < _entries.Length; n++)
            {
                BinaryPrimitives.WriteUInt64BigEndian(_content.AsSpan((i * SectorSize) + (n * sizeof(ulong))), _entries[first + n]);
            }
        }

        _dirty.Clear();
        return _takenCount > 0;
    }

    /// <summary>Writes what was taken.</summary>
    public void WriteTaken(IBlockDevice file)
    {
        for (int i = 0; i < _takenCount; i++)
        {
            int entries = Math.Min(EntriesPerSector, _entries.Length - (_taken[i] * EntriesPerSector));
            file.Write(_content.AsSpan(i * SectorSize, entries * sizeof(ulong)), Offset + ((long)_taken[i] * SectorSize), WriteTag.Metadata);
        }
    }
}
