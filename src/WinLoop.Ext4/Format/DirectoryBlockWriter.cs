using static System.Buffers.Binary.BinaryPrimitives;

namespace WinLoop.Ext4.Format;

/// <summary>
/// Changes of directory blocks. The caller has searched the block (so its entries are checked), holds the
/// directory exclusive, and has joined the block to a handle.
/// </summary>
internal static class DirectoryBlockWriter
{
    /// <summary>Makes an empty block: one free entry, and the checksum entry where the volume has it.</summary>
    public static void Format(Span<byte> data, DirectoryFormat format)
    {
        data.Clear();
        WriteHeader(data, 0, 0, format.Usable, 0, 0);
        if (format.HasTail)
        {
            WriteHeader(data, data.Length - DirectoryFormat.TailSize, 0, DirectoryFormat.TailSize, 0, DirectoryFormat.TailType);
        }
    }

    /// <summary>Makes the first block of a new directory: "." and "..".</summary>
    public static void FormatFirst(Span<byte> data, DirectoryFormat format, uint self, uint parent)
    {
        Format(data, format);
        byte type = format.HasFileType ? (byte)DirectoryEntryType.Directory : (byte)0;
        WriteHeader(data, 0, self, DirectoryFormat.MinimumEntry, 1, type);
        data[8] = (byte)'.';
        WriteHeader(data, 12, parent, format.Usable - DirectoryFormat.MinimumEntry, 2, type);
        data[20] = data[21] = (byte)'.';
    }

    /// <summary>Puts an entry at an offset that <see cref="DirectoryBlock.FindRoom"/> returned.</summary>
    public static void Insert(in DirectoryBlock block, DirectoryFormat format, int offset, ReadOnlySpan<byte> name, uint inode, DirectoryEntryType type)
    {
        DirectoryRecord host = block[offset];
        int length = host.Length;
        if (host.Inode != 0)
        {
            int own = DirectoryFormat.Need(host.NameLength);
            SetLength(block.Data, offset, own);
            offset += own;
            length -= own;
        }
        Write(block.Data, format, offset, length, name, inode, type);
    }

    /// <summary>Removes the entry at <paramref name="offset"/> and wipes its bytes; the entry before it takes its place.</summary>
    /// <param name="previous">The offset of the entry before; −1 if it is the block's first.</param>
    public static void Remove(in DirectoryBlock block, int offset, int previous)
    {
        DirectoryRecord entry = block[offset];
        block.Data.Slice(offset, entry.Length).Clear();
        if (previous >= 0)
        {
            SetLength(block.Data, previous, block[previous].Length + entry.Length);
        }
        else
        {
            SetLength(block.Data, offset, entry.Length);
        }
    }

    /// <summary>Points the entry at an offset to another inode.</summary>
    public static void Replace(in DirectoryBlock block, DirectoryFormat format, int offset, uint inode, DirectoryEntryType type)
    {
        WriteUInt32LittleEndian(block.Data[offset..], inode);
        block.Data[offset + 7] = format.HasFileType ? (byte)type : (byte)0;
    }

    /// <summary>Moves the live entries together, in order; all free bytes go to the last one and are wiped.</summary>
    public static void Compact(in DirectoryBlock block)
    {
        Span<byte> data = block.Data;
        int from = 0, to = 0, last = -1;
        while (block.MoveNext(ref from, out DirectoryRecord entry))
        {
            int size = DirectoryFormat.Need(entry.NameLength);
            if (to != entry.Offset)
            {
                data.Slice(entry.Offset, size).CopyTo(data[to..]);
            }
            SetLength(data, to, size);
            last = to;
            to += size;
        }
        data[to..block.End].Clear();
        SetLength(data, Math.Max(last, 0), block.End - Math.Max(last, 0));
    }

    /// <summary>Copies an entry behind <paramref name="at"/> bytes of entries in another block; its length is exact.</summary>
    /// <returns>The offset behind it.</returns>
    public static int Append(Span<byte> target, int at, in DirectoryBlock source, int offset)
    {
        int size = DirectoryFormat.Need(source[offset].NameLength);
        source.Data.Slice(offset, size).CopyTo(target[at..]);
        SetLength(target, at, size);
        return at + size;
    }

    /// <summary>Sets rec_len of the entry at an offset.</summary>
    public static void SetLength(Span<byte> data, int offset, int length) =>
        WriteUInt16LittleEndian(data[(offset + 4)..], DirectoryFormat.EncodeLength(length));

    private static void Write(Span<byte> data, DirectoryFormat format, int offset, int length, ReadOnlySpan<byte> name, uint inode, DirectoryEntryType type)
    {
        data.Slice(offset, DirectoryFormat.Need(name.Length)).Clear();
        WriteHeader(data, offset, inode, length, (byte)name.Length, format.HasFileType ? (byte)type : (byte)0);
        name.CopyTo(data[(offset + DirectoryFormat.HeaderSize)..]);
    }

    private static void WriteHeader(Span<byte> data, int offset, uint inode, int length, byte nameLength, byte type)
    {
        WriteUInt32LittleEndian(data[offset..], inode);
        SetLength(data, offset, length);
        data[offset + 6] = nameLength;
        data[offset + 7] = type;
    }
}
