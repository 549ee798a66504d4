using System.Buffers;
using WinLoop.Ext4.Cache;
using WinLoop.Ext4.Format;

namespace WinLoop.Ext4.Directories;

/// <summary>
/// The names of one leaf (or of a few that share a hash) in the order of a listing. Holds the blocks while
/// their names are handed out; scratch space comes from the shared pool.
/// </summary>
internal sealed class DirectoryPage(DirectoryBlocks blocks, Inode directory, HtreeHashVersion version) : IDisposable
{
    // What HtreeHash gives at most.
    private const uint LargestHash = 0xFFFFFFFC;

    private readonly List<(uint Logical, MetadataBuffer Buffer)> _leaves = new(1);
    private ulong[] _keys = ArrayPool<ulong>.Shared.Rent(512);
    // Leaf number in the high half, offset in the low one.
    private uint[] _places = ArrayPool<uint>.Shared.Rent(512);
    private int _count;

    /// <summary>Leaves in the page.</summary>
    public int Leaves => _leaves.Count;

    /// <summary>The keys, ascending after <see cref="Sort"/>.</summary>
    public ReadOnlySpan<ulong> Keys => _keys.AsSpan(0, _count);

    /// <summary>The hash whose names may have a key.</summary>
    public static uint HashOfKey(ulong key) => (uint)Math.Min(key >> 32, 0x7FFFFFFF) << 1;

    /// <summary>Takes over a reference to a leaf and reads its names.</summary>
    public void Add(uint logical, MetadataBuffer buffer)
    {
        uint leaf = (uint)_leaves.Count << 16;
        _leaves.Add((logical, buffer));
        DirectoryBlock block = blocks.View(directory, logical, buffer);
        EnsureRoom(_count + (blocks.Format.BlockSize / DirectoryFormat.MinimumEntry));
        int offset = 0;
        if (logical == 0)
        {
            block.ReadDots(out offset);
        }
        HtreeHash hasher = blocks.Hash;
        while (block.MoveNext(ref offset, out DirectoryRecord entry))
        {
            ReadOnlySpan<byte> name = block.Name(entry);
            CheckName(directory, name);
            uint hash = hasher.Compute(version, name, out uint minor);
            if (version == HtreeHashVersion.Legacy)
            {
                minor = Tiebreak(name);
            }
            _keys[_count] = Key(hash, minor);
            _places[_count++] = leaf | (uint)entry.Offset;
        }
    }

    /// <summary>Sorts the names. The leaves' range is [<paramref name="low"/>, <paramref name="high"/>).</summary>
    public void Sort(uint low, ulong high)
    {
        _keys.AsSpan(0, _count).Sort(_places.AsSpan(0, _count));
        if (_count == 0)
        {
            return;
        }
        // Names of another range (a damaged volume, or one hashed with the other signedness) keep to this one,
        // so that positions only grow; lookups do not find them, but they are seen.
        ulong lowest = Key(Math.Min(low & ~1u, LargestHash), 0);
        ulong highest = high > uint.MaxValue ? ulong.MaxValue : Key(Math.Min((uint)Math.Max(high, 1) - 1 & ~1u, LargestHash), uint.MaxValue);
        if (_keys[0] >= lowest && _keys[_count - 1] <= highest)
        {
            return;
        }
        for (int i = 0; i < _count; i++)
        {
            if (_keys[i] < lowest)
            {
                _keys[i] = lowest | Tiebreak(Entry(i, out _));
            }
            else if (_keys[i] > highest)
            {
                _keys[i] = highest & ~(ulong)uint.MaxValue | Tiebreak(Entry(i, out _));
            }
        }
        _keys.AsSpan(0, _count).Sort(_places.AsSpan(0, _count));
    }

    /// <summary>The number of the first name whose key is not below <paramref name="key"/>.</summary>
    public int FirstFrom(ulong key)
    {
        if (key == 0)
        {
            return 0;
        }
        int low = 0, high = _count;
        while (low < high)
        {
            int middle = (low + high) >>> 1;
            if (_keys[middle] < key)
            {
                low = middle + 1;
            }
            else
            {
                high = middle;
            }
        }
        return low;
    }

    /// <summary>The name and header of an entry.</summary>
    public ReadOnlySpan<byte> Entry(int index, out DirectoryRecord entry)
    {
        uint place = _places[index];
        (uint logical, MetadataBuffer buffer) = _leaves[(int)(place >> 16)];
        DirectoryBlock block = blocks.View(directory, logical, buffer);
        entry = block[(int)(place & 0xFFFF)];
        return block.Name(entry);
    }

    /// <summary>Refuses names that a host could take for a path.</summary>
    public static void CheckName(Inode directory, ReadOnlySpan<byte> name)
    {
        if (name.IndexOfAny((byte)'/', (byte)0) >= 0 || DirectorySearch.IsDots(name))
        {
            throw new Ext4CorruptException($"directory inode {directory.Number}", "holds a name that cannot be");
        }
    }

    /// <summary>Empties the page for the next leaves.</summary>
    public void Clear()
    {
        foreach ((_, MetadataBuffer buffer) in _leaves)
        {
            buffer.Dispose();
        }
        _leaves.Clear();
        _count = 0;
    }

    public void Dispose()
    {
        Clear();
        ArrayPool<ulong>.Shared.Return(_keys);
        ArrayPool<uint>.Shared.Return(_places);
    }

    private static ulong Key(uint hash, uint minor) => (ulong)(hash >> 1) << 32 | minor;

    // For names that the tree's hash does not order.
    private static uint Tiebreak(ReadOnlySpan<byte> name) => Crc32C.Compute(Crc32C.Initial, name);

    private void EnsureRoom(int count)
    {
        if (_keys.Length < count)
        {
            Grow(ref _keys, count, _count);
        }
        if (_places.Length < count)
        {
            Grow(ref _places, count, _count);
        }
    }

    private static void Grow<T>(ref T[] array, int count, int used)
    {
        T[] larger = ArrayPool<T>.Shared.Rent(count);
        array.AsSpan(0, used).CopyTo(larger);
        ArrayPool<T>.Shared.Return(array);
        array = larger;
    }
}
