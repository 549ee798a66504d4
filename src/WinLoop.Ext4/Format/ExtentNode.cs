using System.Runtime.CompilerServices;
using WinLoop.Ext4.Extents;
using static System.Buffers.Binary.BinaryPrimitives;

namespace WinLoop.Ext4.Format;

/// <summary>
/// <c>struct ext4_extent_header</c> and the 12-byte entries behind it: a view over one node of an extent
/// tree, the 60-byte root in i_block or a whole block. A leaf (depth 0) holds <c>ext4_extent</c>, an index
/// node <c>ext4_extent_idx</c>.
/// </summary>
internal readonly ref struct ExtentNode(Span<byte> raw)
{
    public const ushort MagicValue = 0xF30A;
    public const int HeaderSize = 12;
    public const int EntrySize = 12;
    /// <summary>The deepest root; the tree then has one more level of leaves below.</summary>
    public const int MaxDepth = 5;
    /// <summary>Entries in the root.</summary>
    public const int RootCapacity = 4;
    /// <summary>The most blocks in one initialised extent.</summary>
    public const uint MaxWritten = 32768;
    /// <summary>The most blocks in one unwritten extent.</summary>
    public const uint MaxUnwritten = 32767;
    /// <summary>The first logical block that no file has.</summary>
    public const uint LogicalEnd = 0xFFFFFFFF;

    private readonly Span<byte> _raw = raw;

    /// <summary>Entries that fit a node of <paramref name="bytes"/> bytes, less the checksum's room in a block.</summary>
    public static int Capacity(int bytes) => (bytes - HeaderSize) / EntrySize;

    /// <summary>The most blocks of one extent in a state.</summary>
    public static uint MaxLength(ExtentState state) => state == ExtentState.Unwritten ? MaxUnwritten : MaxWritten;

    public ushort Magic => ReadUInt16LittleEndian(_raw);
    public int Count { get => ReadUInt16LittleEndian(_raw[2..]); set => WriteUInt16LittleEndian(_raw[2..], (ushort)value); }
    public int Max => ReadUInt16LittleEndian(_raw[4..]);
    public int Depth => ReadUInt16LittleEndian(_raw[6..]);

    /// <summary>Writes an empty header over what was there; the entries' bytes are left.</summary>
    public void Initialize(int max, int depth)
    {
        WriteUInt16LittleEndian(_raw, MagicValue);
        WriteUInt16LittleEndian(_raw[2..], 0);
        WriteUInt16LittleEndian(_raw[4..], (ushort)max);
        WriteUInt16LittleEndian(_raw[6..], (ushort)depth);
        WriteUInt32LittleEndian(_raw[8..], 0);
    }

    /// <summary>First logical block of an entry, in a leaf and in an index node.</summary>
    public uint Key(int index) => ReadUInt32LittleEndian(_raw[At(index)..]);

    /// <summary>Replaces the first logical block of an entry and nothing else.</summary>
    public void SetKey(int index, uint key) => WriteUInt32LittleEndian(_raw[At(index)..], key);

    /// <summary>The entry of an index node: the child's block.</summary>
    public ulong Child(int index)
    {
        ReadOnlySpan<byte> entry = _raw.Slice(At(index), EntrySize);
        return ReadUInt32LittleEndian(entry[4..]) | (ulong)ReadUInt16LittleEndian(entry[8..]) << 32;
    }

    /// <summary>Writes an entry of an index node.</summary>
    public void SetIndex(int index, uint key, ulong child)
    {
        Span<byte> entry = _raw.Slice(At(index), EntrySize);
        WriteUInt32LittleEndian(entry, key);
        WriteUInt32LittleEndian(entry[4..], (uint)(child & 0xFFFFFFFF));
        WriteUInt16LittleEndian(entry[8..], (ushort)(child >> 32));
        WriteUInt16LittleEndian(entry[10..], 0);
    }

    /// <summary>The entry of a leaf.</summary>
    public ExtentMapping Extent(int index)
    {
        ReadOnlySpan<byte> entry = _raw.Slice(At(index), EntrySize);
        uint length = ReadUInt16LittleEndian(entry[4..]);
        ulong physical = ReadUInt32LittleEndian(entry[8..]) | (ulong)ReadUInt16LittleEndian(entry[6..]) << 32;
        return length <= MaxWritten
            ? new ExtentMapping(ReadUInt32LittleEndian(entry), physical, length, ExtentState.Written)
            : new ExtentMapping(ReadUInt32LittleEndian(entry), physical, length - MaxWritten, ExtentState.Unwritten);
    }

    /// <summary>Writes an entry of a leaf.</summary>
    public void SetExtent(int index, in ExtentMapping extent)
    {
        Span<byte> entry = _raw.Slice(At(index), EntrySize);
        WriteUInt32LittleEndian(entry, extent.Logical);
        WriteUInt16LittleEndian(entry[4..], (ushort)(extent.State == ExtentState.Unwritten ? extent.Length + MaxWritten : extent.Length));
        WriteUInt16LittleEndian(entry[6..], (ushort)(extent.Physical >> 32));
        WriteUInt32LittleEndian(entry[8..], (uint)(extent.Physical & 0xFFFFFFFF));
    }

    /// <summary>The last entry whose first logical block is not behind <paramref name="logical"/>; −1 if all are.</summary>
    public int Find(uint logical)
    {
        int count = Count;
        // Appending and small files look at the last entry; everything else halves.
        if (count > 0 && Key(count - 1) <= logical)
        {
            return count - 1;
        }
        int low = 0, high = count - 1;
        while (low < high)
        {
            int middle = (low + high) >>> 1;
            if (Key(middle) <= logical)
            {
                low = middle + 1;
            }
            else
            {
                high = middle;
            }
        }
        return low - 1;
    }

    /// <summary>Makes room for <paramref name="entries"/> entries at <paramref name="index"/>; the new ones hold garbage.</summary>
    public void MakeRoom(int index, int entries = 1)
    {
        int count = Count;
        Entries(index, count - index).CopyTo(Entries(index + entries, count - index));
        Count = count + entries;
    }

    /// <summary>Takes entries out.</summary>
    public void RemoveAt(int index, int entries = 1)
    {
        int count = Count;
        Entries(index + entries, count - index - entries).CopyTo(Entries(index, count - index - entries));
        Count = count - entries;
    }

    /// <summary>The bytes of some entries.</summary>
    public Span<byte> Entries(int index, int count) => _raw.Slice(At(index), count * EntrySize);

    /// <summary>Checks everything that does not depend on the node's place in its tree.</summary>
    /// <returns>What is wrong; null if nothing is.</returns>
    public string? Check(int capacity)
    {
        if (Magic != MagicValue)
        {
            return $"eh_magic is {Magic:X4}";
        }
        int count = Count, max = Max, depth = Depth;
        if (max == 0 || max > capacity)
        {
            return $"eh_max is {max} where {capacity} fit";
        }
        if (count > max)
        {
            return $"eh_entries is {count} of {max}";
        }
        if (depth > MaxDepth)
        {
            return $"eh_depth is {depth}";
        }
        if (depth != 0 && count == 0)
        {
            return "an index node without entries";
        }
        return depth == 0 ? CheckExtents(count) : CheckIndex(count);
    }

    private string? CheckExtents(int count)
    {
        uint end = 0;
        for (int i = 0; i < count; i++)
        {
            ExtentMapping extent = Extent(i);
            if (extent.Length == 0)
            {
                return $"extent {i} has length 0";
            }
            if ((i > 0 && extent.Logical < end) || extent.Length > LogicalEnd - extent.Logical)
            {
                return $"extent {i} at logical block {extent.Logical} of {extent.Length} blocks is out of order";
            }
            end = extent.End;
        }
        return null;
    }

    private string? CheckIndex(int count)
    {
        for (int i = 0; i < count; i++)
        {
            if (Key(i) == LogicalEnd || (i > 0 && Key(i) <= Key(i - 1)))
            {
                return $"index entry {i} at logical block {Key(i)} is out of order";
            }
        }
        return null;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int At(int index) => HeaderSize + (index * EntrySize);
}
