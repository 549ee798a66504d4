using System.Buffers.Binary;
using WinLoop.Storage;

namespace WinLoop.Images;

/// <summary>The table of VHD and VDI: for each block of the disk 32 bits that say where it is in the file. Read without a
/// lock; changed under the disk's map lock.</summary>
internal sealed class BlockMap
{
    /// <summary>The entry of a block that is not in the file.</summary>
    public const uint Unused = uint.MaxValue;

    /// <summary>What is written at once and not torn.</summary>
    public const int SectorSize = 512;

    private const int EntriesPerSector = SectorSize / sizeof(uint);

    private readonly uint[] _entries;
    private readonly long _offset;
    private readonly bool _isBigEndian;
    private readonly List<int> _dirty = [];
    private readonly ulong[] _isDirty;

    private BlockMap(uint[] entries, long offset, bool isBigEndian)
    {
        _entries = entries;
        _offset = offset;
        _isBigEndian = isBigEndian;
        _isDirty = new ulong[(entries.Length / EntriesPerSector / 64) + 1];
    }

    /// <summary>Blocks of the disk.</summary>
    public int Count => _entries.Length;

    /// <summary>Where a block is, in the format's unit, or <see cref="Unused"/>.</summary>
    public uint this[long block] => Volatile.Read(ref _entries[block]);

    /// <summary>Reads the entries of a disk's blocks.</summary>
    /// <param name="file">The file.</param>
    /// <param name="offset">Where the table is in it.</param>
    /// <param name="count">Blocks of the disk.</param>
    /// <param name="isBigEndian">The order of bytes.</param>
    public static BlockMap Read(IBlockDevice file, long offset, int count, bool isBigEndian)
    {
        var entries = new uint[count];
        byte[] buffer = new byte[Math.Min((long)count * sizeof(uint), 1 << 18)];
        for (int done = 0; done < count;)
        {
            int part = Math.Min(count - done, buffer.Length / sizeof(uint));
            file.Read(buffer.AsSpan(0, part * sizeof(uint)), offset + ((long)done * sizeof(uint)));
            for (int i = 0; i < part; i++)
            {
                ReadOnlySpan<byte> entry = buffer.AsSpan(i * sizeof(uint));
                entries[done + i] = isBigEndian ? BinaryPrimitives.ReadUInt32BigEndian(entry) : BinaryPrimitives.ReadUInt32LittleEndian(entry);
            }

            done += part;
        }

        return new BlockMap(entries, offset, isBigEndian);
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
            content = new byte[count * SectorSize];
        }

        for (int i = 0; i < count; i++)
        {
            int part = parts[i] = _dirty[i];
            _isDirty[part >> 6] &= ~(1UL << (part & 63));
            for (int n = 0; n < EntriesPerSector && (part * EntriesPerSector) + n < _entries.Length; n++)
            {
                Span<byte> entry = content.AsSpan((i * SectorSize) + (n * sizeof(uint)));
                uint value = _entries[(part * EntriesPerSector) + n];
                if (_isBigEndian)
                {
                    BinaryPrimitives.WriteUInt32BigEndian(entry, value);
                }
                else
                {
                    BinaryPrimitives.WriteUInt32LittleEndian(entry, value);
                }
            }
        }

        _dirty.Clear();
        return count;
    }

    /// <summary>Writes a sector of the table. It is not torn, so every entry is the old one or the new one.</summary>
    public void Write(IBlockDevice file, int part, ReadOnlySpan<byte> content)
    {
        int entries = Math.Min(EntriesPerSector, _entries.Length - (part * EntriesPerSector));
        file.Write(content[..(entries * sizeof(uint))], _offset + ((long)part * SectorSize), WriteTag.Metadata);
    }
}
