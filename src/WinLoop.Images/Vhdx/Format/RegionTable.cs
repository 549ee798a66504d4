using System.Buffers.Binary;
using WinLoop.Storage;

namespace WinLoop.Images.Vhdx;

/// <summary>A part of the file, in bytes.</summary>
/// <param name="Offset">First byte, a multiple of 1 MiB.</param>
/// <param name="Length">Size, a multiple of 1 MiB.</param>
internal readonly record struct Region(long Offset, long Length);

/// <summary>Where the allocation table and the metadata are (MS-VHDX, 2.2.3).</summary>
internal sealed class RegionTable
{
    private const uint Signature = 0x69676572; // "regi"
    private const int EntriesAt = 16;
    private const int EntrySize = 32;

    /// <summary>The block allocation table.</summary>
    public Region Bat { get; private set; }

    /// <summary>The metadata.</summary>
    public Region Metadata { get; private set; }

    /// <summary>All regions, also those of unknown use that may be passed over.</summary>
    public List<Region> All { get; } = [];

    /// <summary>Reads the first of the two tables that is valid.</summary>
    public static RegionTable Read(IBlockDevice file)
    {
        byte[] bytes = new byte[VhdxLayout.TableSize];
        foreach (long place in (ReadOnlySpan<long>)[VhdxLayout.RegionTable1, VhdxLayout.RegionTable2])
        {
            file.Read(bytes, place);
            if (BinaryPrimitives.ReadUInt32LittleEndian(bytes) == Signature
                && BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(4)) == Crc32C.OfStructure(bytes))
            {
                return Parse(bytes, file.Length);
            }
        }

        throw VhdxError.Damaged("both region tables are damaged");
    }

    /// <summary>Writes a table with these two regions.</summary>
    public static void Write(Span<byte> bytes, Region bat, Region metadata)
    {
        bytes = bytes[..VhdxLayout.TableSize];
        bytes.Clear();
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, Signature);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes[8..], 2);
        WriteEntry(bytes[EntriesAt..], VhdxLayout.BatRegion, bat);
        WriteEntry(bytes[(EntriesAt + EntrySize)..], VhdxLayout.MetadataRegion, metadata);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes[4..], Crc32C.OfStructure(bytes));
    }

    private static void WriteEntry(Span<byte> entry, Guid id, Region region)
    {
        id.TryWriteBytes(entry);
        BinaryPrimitives.WriteInt64LittleEndian(entry[16..], region.Offset);
        BinaryPrimitives.WriteUInt32LittleEndian(entry[24..], (uint)region.Length);
        BinaryPrimitives.WriteUInt32LittleEndian(entry[28..], 1);
    }

    private static RegionTable Parse(ReadOnlySpan<byte> bytes, long fileLength)
    {
        uint count = BinaryPrimitives.ReadUInt32LittleEndian(bytes[8..]);
        if (count > VhdxLayout.MaxTableEntries)
        {
            throw VhdxError.Damaged($"the region table claims {count} entries");
        }

        var table = new RegionTable();
        for (int i = 0; i < (int)count; i++)
        {
            ReadOnlySpan<byte> entry = bytes.Slice(EntriesAt + (i * EntrySize), EntrySize);
            var id = new Guid(entry[..16]);
            ulong offset = BinaryPrimitives.ReadUInt64LittleEndian(entry[16..]);
            uint length = BinaryPrimitives.ReadUInt32LittleEndian(entry[24..]);
            bool isRequired = (BinaryPrimitives.ReadUInt32LittleEndian(entry[28..]) & 1) != 0;
            if (offset < VhdxLayout.MiB || offset % VhdxLayout.MiB != 0 || length == 0 || length % VhdxLayout.MiB != 0)
            {
                throw VhdxError.Damaged($"a region of {length} bytes at {offset} cannot be");
            }

            if (offset > (ulong)fileLength || length > (ulong)fileLength - offset)
            {
                throw VhdxError.Damaged($"the region of {length} bytes at {offset} ends past the end of the file ({fileLength} bytes)");
            }

            table.Add(id, new Region((long)offset, length), isRequired);
        }

        if (table.Bat.Length == 0 || table.Metadata.Length == 0)
        {
            throw VhdxError.Damaged(table.Bat.Length == 0 ? "there is no block allocation table" : "there is no metadata region");
        }

        return table;
    }

    private void Add(Guid id, Region region, bool isRequired)
    {
        All.Add(region);
        if (id == VhdxLayout.BatRegion && Bat.Length == 0)
        {
            Bat = region;
        }
        else if (id == VhdxLayout.MetadataRegion && Metadata.Length == 0)
        {
            Metadata = region;
        }
        else if (id == VhdxLayout.BatRegion || id == VhdxLayout.MetadataRegion)
        {
            throw VhdxError.Damaged($"there are two regions {id}");
        }
        else if (isRequired)
        {
            throw VhdxError.Unsupported($"it needs the unknown region {id}");
        }
    }
}
