using System.Buffers.Binary;
using WinLoop.Storage;

namespace WinLoop.Images.Vhdx;

/// <summary>The table at the beginning of the metadata region (MS-VHDX, 2.6.1).</summary>
internal sealed class MetadataTable
{
    private const int EntrySize = 32;
    private const int EntriesAt = 32;
    private const uint IsUser = 1;
    private const uint IsVirtualDisk = 2;
    private const uint IsRequired = 4;

    private readonly IBlockDevice _file;
    private readonly Region _region;
    private readonly Dictionary<Guid, Entry> _entries = [];

    private MetadataTable(IBlockDevice file, Region region)
    {
        _file = file;
        _region = region;
    }

    private static ReadOnlySpan<byte> Signature => "metadata"u8;

    /// <summary>Reads the table and checks the place of every item.</summary>
    public static MetadataTable Read(IBlockDevice file, Region region)
    {
        byte[] bytes = new byte[VhdxLayout.TableSize]; // a region has 1 MiB at least
        file.Read(bytes, region.Offset);
        if (!bytes.AsSpan(0, 8).SequenceEqual(Signature))
        {
            throw VhdxError.Damaged("the metadata table is damaged");
        }

        int count = BinaryPrimitives.ReadUInt16LittleEndian(bytes.AsSpan(10));
        if (count > VhdxLayout.MaxTableEntries)
        {
            throw VhdxError.Damaged($"the metadata table claims {count} entries");
        }

        var table = new MetadataTable(file, region);
        for (int i = 0; i < count; i++)
        {
            table.Add(bytes.AsSpan(EntriesAt + (i * EntrySize), EntrySize));
        }

        table.CheckOverlaps();
        return table;
    }

    /// <summary>The bytes of an item that must be there.</summary>
    public byte[] Item(Guid id, int minimum, int maximum, string name)
    {
        if (!_entries.Remove(id, out Entry entry))
        {
            throw VhdxError.Damaged($"the metadata has no {name}");
        }

        if (entry.IsUser || entry.Length < minimum || entry.Length > maximum)
        {
            throw VhdxError.Damaged($"the metadata has a {name} of {entry.Length} bytes");
        }

        byte[] bytes = new byte[entry.Length];
        _file.Read(bytes, _region.Offset + entry.Offset);
        return bytes;
    }

    /// <summary>Throws if an item that nobody has asked for must be understood.</summary>
    public void RefuseUnknown()
    {
        foreach ((Guid id, Entry entry) in _entries)
        {
            if (entry.IsRequired)
            {
                throw VhdxError.Unsupported($"it needs the unknown metadata item {id}");
            }
        }
    }

    private void Add(ReadOnlySpan<byte> bytes)
    {
        var id = new Guid(bytes[..16]);
        uint offset = BinaryPrimitives.ReadUInt32LittleEndian(bytes[16..]);
        uint length = BinaryPrimitives.ReadUInt32LittleEndian(bytes[20..]);
        uint flags = BinaryPrimitives.ReadUInt32LittleEndian(bytes[24..]);
        if (length > VhdxLayout.MiB
            || (length == 0 ? offset != 0 : offset < VhdxLayout.TableSize || (long)offset + length > _region.Length))
        {
            throw VhdxError.Damaged($"a metadata item of {length} bytes at {offset} of its region cannot be");
        }

        if (!_entries.TryAdd(id, new Entry(offset, (int)length, (flags & IsUser) != 0, (flags & IsRequired) != 0)))
        {
            throw VhdxError.Damaged($"the metadata item {id} is there twice");
        }
    }

    private void CheckOverlaps()
    {
        long end = 0;
        foreach (Entry entry in _entries.Values.Where(e => e.Length > 0).OrderBy(e => e.Offset))
        {
            if (entry.Offset < end)
            {
                throw VhdxError.Damaged($"two metadata items share bytes at {entry.Offset} of their region");
            }

            end = entry.Offset + entry.Length;
        }
    }

    private readonly record struct Entry(long Offset, int Length, bool IsUser, bool IsRequired);

    /// <summary>Makes a table with its items.</summary>
    public sealed class Builder
    {
        private const int Alignment = 8;

        private readonly List<(Guid Id, byte[] Bytes, uint Flags)> _items = [];

        /// <summary>Adds an item that must be understood.</summary>
        /// <param name="id">Which.</param>
        /// <param name="bytes">Its content.</param>
        /// <param name="isDisk">It is of the virtual disk, not of the file.</param>
        public void Add(Guid id, byte[] bytes, bool isDisk) =>
            _items.Add((id, bytes, IsRequired | (isDisk ? IsVirtualDisk : 0)));

        /// <summary>The first bytes of the region.</summary>
        public byte[] ToBytes()
        {
            int end = VhdxLayout.TableSize;
            byte[] region = new byte[VhdxLayout.TableSize + _items.Sum(item => item.Bytes.Length + Alignment)];
            Signature.CopyTo(region);
            BinaryPrimitives.WriteUInt16LittleEndian(region.AsSpan(10), (ushort)_items.Count);
            for (int i = 0; i < _items.Count; i++)
            {
                (Guid id, byte[] bytes, uint flags) = _items[i];
                Span<byte> entry = region.AsSpan(EntriesAt + (i * EntrySize), EntrySize);
                id.TryWriteBytes(entry);
                BinaryPrimitives.WriteInt32LittleEndian(entry[16..], end);
                BinaryPrimitives.WriteInt32LittleEndian(entry[20..], bytes.Length);
                BinaryPrimitives.WriteUInt32LittleEndian(entry[24..], flags);
                bytes.CopyTo(region.AsSpan(end));
                end = (end + bytes.Length + Alignment - 1) & -Alignment;
            }

            return region;
        }
    }
}
