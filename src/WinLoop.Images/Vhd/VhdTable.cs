using System.Buffers.Binary;
using WinLoop.Storage;

namespace WinLoop.Images.Vhd;

/// <summary>The block allocation table: for each block the sector of the file where it begins with its bitmap. Read
/// without a lock; changed under the disk's map lock.</summary>
internal sealed class VhdTable
{
    /// <summary>The entry of a block that is not in the file.</summary>
    public const uint Unused = uint.MaxValue;

    private const int EntriesPerSector = VhdFooter.Size / sizeof(uint);

    private readonly uint[] _entries;
    private readonly long _offset;
    private readonly List<int> _dirty = [];
    private readonly ulong[] _isDirty;

    private VhdTable(uint[] entries, long offset)
    {
        _entries = entries;
        _offset = offset;
        _isDirty = new ulong[(entries.Length / EntriesPerSector / 64) + 1];
    }

    /// <summary>Blocks of the disk.</summary>
    public int Count => _entries.Length;

    /// <summary>The first sector of a block, or <see cref="Unused"/>.</summary>
    public uint this[long block] => Volatile.Read(ref _entries[block]);

    /// <summary>Reads the entries of a disk's blocks.</summary>
    public static VhdTable Read(IBlockDevice file, VhdDynamicHeader header, int count)
    {
        var entries = new uint[count];
        byte[] buffer = new byte[Math.Min((long)count * sizeof(uint), 1 << 18)];
        for (int done = 0; done < count;)
        {
            int part = Math.Min(count - done, buffer.Length / sizeof(uint));
            file.Read(buffer.AsSpan(0, part * sizeof(uint)), header.TableOffset + ((long)done * sizeof(uint)));
            for (int i = 0; i < part; i++)
            {
                entries[done + i] = BinaryPrimitives.ReadUInt32BigEndian(buffer.AsSpan(i * sizeof(uint)));
            }

            done += part;
        }

        return new VhdTable(entries, header.TableOffset);
    }

    /// <summary>Puts a block in its place. Under the map lock.</summary>
    public void Set(long block, uint sector)
    {
        Volatile.Write(ref _entries[block], sector);
        int part = (int)(block / EntriesPerSector);
        ulong bit = 1UL << (part & 63);
        if ((_isDirty[part >> 6] & bit) == 0)
        {
            _isDirty[part >> 6] |= bit;
            _dirty.Add(part);
        }
    }

    /// <summary>Takes what has changed: the numbers of sectors of the table and their content. Under the map lock.</summary>
    public int TakeDirty(ref int[] parts, ref byte[] content)
    {
        int count = _dirty.Count;
        if (parts.Length < count)
        {
            parts = new int[count];
            content = new byte[count * VhdFooter.Size];
        }

        for (int i = 0; i < count; i++)
        {
            int part = parts[i] = _dirty[i];
            _isDirty[part >> 6] &= ~(1UL << (part & 63));
            for (int n = 0; n < EntriesPerSector && (part * EntriesPerSector) + n < _entries.Length; n++)
            {
                BinaryPrimitives.WriteUInt32BigEndian(
                    content.AsSpan((i * VhdFooter.Size) + (n * sizeof(uint))), _entries[(part * EntriesPerSector) + n]);
            }
        }

        _dirty.Clear();
        return count;
    }

    /// <summary>Writes a sector of the table. It is not torn, so every entry is the old one or the new one.</summary>
    public void Write(IBlockDevice file, int part, ReadOnlySpan<byte> content)
    {
        int entries = Math.Min(EntriesPerSector, _entries.Length - (part * EntriesPerSector));
        file.Write(content[..(entries * sizeof(uint))], _offset + ((long)part * VhdFooter.Size), WriteTag.Metadata);
    }
}
