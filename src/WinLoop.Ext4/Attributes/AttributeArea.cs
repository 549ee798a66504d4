using static System.Buffers.Binary.BinaryPrimitives;

namespace WinLoop.Ext4.Attributes;

/// <summary><c>struct ext4_xattr_entry</c>, decoded.</summary>
/// <param name="At">Offset of the entry in its area.</param>
/// <param name="Index">Name prefix.</param>
/// <param name="NameLength">Bytes of the name without prefix.</param>
/// <param name="ValueAt">Offset of the value in its area; meaningless for an empty one.</param>
/// <param name="ValueSize">Bytes of the value.</param>
/// <param name="Hash">e_hash.</param>
/// <param name="ValueInode">Inode that holds the value (ea_inode), 0 if it is here.</param>
internal readonly record struct AttributeEntry(int At, AttributeIndex Index, int NameLength, int ValueAt, int ValueSize, uint Hash, uint ValueInode);

/// <summary>
/// Attributes as they lie in a table slot behind i_extra_isize or in an attribute block: entries from the
/// start, values from the end. Offsets of values count from the area's start, which is the first entry in a
/// slot and the block's header in a block.
/// </summary>
internal readonly ref struct AttributeArea
{
    /// <summary>Magic number in front of the first entry of a slot and at the start of a block.</summary>
    public const uint Magic = 0xEA020000;
    /// <summary>Size of the header of an attribute block, in bytes.</summary>
    public const int BlockHeaderSize = 32;
    /// <summary>The most inodes that share one block.</summary>
    public const uint MaximumReferences = 1024;
    private const int EntrySize = 16;
    private const int EndMarkSize = 4;

    private readonly ReadOnlySpan<byte> _data;
    private readonly int _first;

    /// <param name="data">The area.</param>
    /// <param name="first">Offset of the first entry.</param>
    public AttributeArea(ReadOnlySpan<byte> data, int first)
    {
        _data = data;
        _first = first;
    }

    /// <summary>Offset of the first entry.</summary>
    public int First => _first;

    /// <summary>Bytes in the area.</summary>
    public int Length => _data.Length;

    /// <summary>True if there is no attribute at all; also for an area too small for an entry.</summary>
    public bool IsEmpty => _data.Length < _first + EndMarkSize || ReadUInt32LittleEndian(_data[_first..]) == 0;

    /// <summary>Checks all entries: inside the area, names before values, values not larger than the area.</summary>
    /// <param name="inode">Whose they are, for the message.</param>
    /// <exception cref="Ext4CorruptException">One is not.</exception>
    public void Validate(uint inode)
    {
        int at = _first;
        int end = _data.Length - EndMarkSize;
        while (at <= end && ReadUInt32LittleEndian(_data[at..]) != 0)
        {
            if (at + EntrySize > end)
            {
                throw Damaged(inode, "an attribute entry reaches over the end");
            }
            at += SizeOf(_data[at]);
        }
        if (at > end)
        {
            throw Damaged(inode, "the attribute entries have no end mark");
        }
        int namesEnd = at + EndMarkSize;
        int values = 0;
        for (at = _first; TryRead(ref at, out AttributeEntry entry);)
        {
            if (entry.ValueInode != 0 || entry.ValueSize == 0)
            {
                continue;
            }
            if (entry.ValueAt < namesEnd || entry.ValueSize < 0 || entry.ValueSize > _data.Length - entry.ValueAt ||
                Padded(entry.ValueSize) > _data.Length - entry.ValueAt)
            {
                throw Damaged(inode, $"an attribute value at {entry.ValueAt} of {unchecked((uint)entry.ValueSize)} bytes");
            }
            // Values that overlap need not be found one by one: their sum is what may not fit when they are moved.
            values += Padded(entry.ValueSize);
        }
        if (values > _data.Length - namesEnd)
        {
            throw Damaged(inode, "attribute values overlap");
        }
    }

    /// <summary>Reads the entry at <paramref name="at"/> and moves behind it; false at the end mark. The area was validated.</summary>
    public bool TryRead(ref int at, out AttributeEntry entry)
    {
        ReadOnlySpan<byte> raw = _data[at..];
        if (ReadUInt32LittleEndian(raw) == 0)
        {
            entry = default;
            return false;
        }
        entry = new AttributeEntry(at, (AttributeIndex)raw[1], raw[0], ReadUInt16LittleEndian(raw[2..]),
            unchecked((int)ReadUInt32LittleEndian(raw[8..])), ReadUInt32LittleEndian(raw[12..]), ReadUInt32LittleEndian(raw[4..]));
        at += SizeOf(raw[0]);
        return true;
    }

    /// <summary>Finds an attribute.</summary>
    public bool TryFind(AttributeIndex index, ReadOnlySpan<byte> name, out AttributeEntry entry)
    {
        for (int at = _first; TryRead(ref at, out entry);)
        {
            if (entry.Index == index && NameOf(entry).SequenceEqual(name))
            {
                return true;
            }
        }
        return false;
    }

    /// <summary>The name without its prefix.</summary>
    public ReadOnlySpan<byte> NameOf(in AttributeEntry entry) => _data.Slice(entry.At + EntrySize, entry.NameLength);

    /// <summary>The value.</summary>
    /// <exception cref="Ext4Exception">EOPNOTSUPP: it is in an inode of its own.</exception>
    public ReadOnlySpan<byte> ValueOf(in AttributeEntry entry)
    {
        if (entry.ValueInode != 0)
        {
            throw new Ext4Exception(Errno.EOPNOTSUPP, "attribute value in an inode (ea_inode)");
        }
        return entry.ValueSize == 0 ? default : _data.Slice(entry.ValueAt, entry.ValueSize);
    }

    /// <summary>
    /// Builds the area anew: all attributes but one, and that one with a new value or not at all.
    /// </summary>
    /// <param name="target">Receives the area's image from the first entry on; as long as the area. Bytes before the
    /// first entry are left.</param>
    /// <param name="index">The attribute.</param>
    /// <param name="name">The attribute's name without prefix.</param>
    /// <param name="value">Its new value.</param>
    /// <param name="remove">True to leave it out.</param>
    /// <param name="isBlock">True for a block: sorted, with hashes. In a slot a new attribute comes last and has no hash.</param>
    /// <param name="count">Attributes in the image.</param>
    /// <returns>False if they do not fit.</returns>
    public bool TryRebuild(Span<byte> target, AttributeIndex index, ReadOnlySpan<byte> name, ReadOnlySpan<byte> value,
        bool remove, bool isBlock, out int count)
    {
        target[_first..].Clear();
        var writer = new Writer(target, _first);
        bool isPlaced = remove;
        bool fits = true;
        count = 0;
        if (!IsEmpty)
        {
            for (int at = _first; TryRead(ref at, out AttributeEntry entry);)
            {
                ReadOnlySpan<byte> oldName = NameOf(entry);
                int order = Compare(index, name, entry.Index, oldName);
                if (!isPlaced && (order == 0 || (order < 0 && isBlock)))
                {
                    fits &= writer.TryAdd(index, name, value, isBlock ? AttributeHash.OfEntry(name, value) : 0);
                    isPlaced = true;
                    count++;
                }
                if (order != 0)
                {
                    fits &= writer.TryAdd(entry.Index, oldName, ValueOf(entry), entry.Hash);
                    count++;
                }
            }
        }
        if (!isPlaced)
        {
            fits &= writer.TryAdd(index, name, value, isBlock ? AttributeHash.OfEntry(name, value) : 0);
            count++;
        }
        return fits;
    }

    private Ext4CorruptException Damaged(uint inode, string what) =>
        new($"inode {inode}, {(_first == 0 ? "attributes in the inode" : "attribute block")}", what);

    private static int Compare(AttributeIndex index, ReadOnlySpan<byte> name, AttributeIndex otherIndex, ReadOnlySpan<byte> otherName)
    {
        int order = index.CompareTo(otherIndex);
        order = order != 0 ? order : name.Length.CompareTo(otherName.Length);
        return order != 0 ? order : name.SequenceCompareTo(otherName);
    }

    private static int SizeOf(int nameLength) => EntrySize + Padded(nameLength);

    private static int Padded(int size) => (size + 3) & ~3;

    private ref struct Writer(Span<byte> target, int first)
    {
        private readonly Span<byte> _target = target;
        private int _entry = first;
        private int _values = target.Length;

        public bool TryAdd(AttributeIndex index, scoped ReadOnlySpan<byte> name, scoped ReadOnlySpan<byte> value, uint hash)
        {
            int size = SizeOf(name.Length);
            if (value.Length > _values || _entry + size + EndMarkSize > _values - Padded(value.Length))
            {
                return false;
            }
            _values -= Padded(value.Length);
            value.CopyTo(_target[_values..]);
            Span<byte> raw = _target.Slice(_entry, size);
            raw[0] = (byte)name.Length;
            raw[1] = (byte)index;
            WriteUInt16LittleEndian(raw[2..], value.IsEmpty ? (ushort)0 : (ushort)_values);
            WriteUInt32LittleEndian(raw[8..], (uint)value.Length);
            WriteUInt32LittleEndian(raw[12..], hash);
            name.CopyTo(raw[EntrySize..]);
            _entry += size;
            return true;
        }
    }
}
