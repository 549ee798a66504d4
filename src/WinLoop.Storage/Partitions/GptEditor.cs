using System.Buffers.Binary;

namespace WinLoop.Storage;

/// <summary>Changes a GUID partition table that is sound in both its places (UEFI 2.10, 5.3): moves the end of the last
/// partition, and the backup behind it.</summary>
internal sealed class GptEditor
{
    private const ulong Signature = 0x5452415020494645; // "EFI PART"
    private const int HeaderSizeAt = 12, ChecksumAt = 16, SelfAt = 24, OtherAt = 32, LastUsableAt = 48, EntriesAt = 72, CountAt = 80, EntrySizeAt = 84,
        EntriesChecksumAt = 88, LastSectorAt = 40, FirstSectorAt = 32, ProtectiveAt = 446;
    private const int RecordSize = 512;
    private const byte ProtectiveType = 0xEE;

    private readonly IBlockDevice _image;
    private readonly byte[] _header;
    private readonly int _count, _entrySize;

    private GptEditor(IBlockDevice image, int sectorSize, byte[] header)
    {
        (_image, SectorSize, _header) = (image, sectorSize, header);
        _count = (int)BinaryPrimitives.ReadUInt32LittleEndian(header.AsSpan(CountAt));
        _entrySize = (int)BinaryPrimitives.ReadUInt32LittleEndian(header.AsSpan(EntrySizeAt));
    }

    /// <summary>Bytes per sector of the table.</summary>
    internal int SectorSize { get; }

    /// <summary>Sectors of the backup, which are the last ones of the image.</summary>
    internal long TailSectors => EntrySectors + 1;

    private long EntrySectors => ((_count * _entrySize) + SectorSize - 1) / SectorSize;

    // Where the backup of the table is that holds now.
    private long Backup
    {
        get => (long)Value(_header, OtherAt);
        set => BinaryPrimitives.WriteUInt64LittleEndian(_header.AsSpan(OtherAt), (ulong)value);
    }

    /// <summary>Looks whether the table can be changed. It was read, so its primary copy is sound or was passed over.</summary>
    /// <param name="image">All of the image. It may be longer than the table knows.</param>
    /// <param name="whyNot">Why it cannot; null if it can.</param>
    internal static GptEditor? TryOpen(IBlockDevice image, out string? whyNot)
    {
        int sector = SectorSizeOf(image);
        byte[]? primary = Read(image, sector, 1);
        if (primary is null)
        {
            whyNot = "the primary GPT is missing or damaged";
            return null;
        }
        ulong place = Value(primary, OtherAt);
        byte[]? backup = place < (ulong)(image.Length / sector) ? Read(image, sector, (long)place) : null;
        whyNot = backup is null ? "the backup of the GPT at the end of the image is missing or damaged"
            : Value(backup, OtherAt) != 1 ? "the two copies of the GPT do not name each other"
            : !primary.AsSpan(CountAt, 12).SequenceEqual(backup.AsSpan(CountAt, 12)) ? "the two copies of the GPT are not the same"
            : Value(primary, EntriesAt) != 2 ? "the entries of the GPT are not right behind its header"
            : null;
        return whyNot is null ? new GptEditor(image, sector, primary) : null;
    }

    /// <summary>Ends a partition at a sector, and has the table's backup at the end of the image.</summary>
    /// <param name="partition">The last one.</param>
    /// <param name="end">The sector behind it.</param>
    /// <param name="imageSectors">Sectors that the image will have; no more than now.</param>
    /// <returns>False if the image would be shorter by less than the backup is long: the old and the new one would overlap, and
    /// nothing was changed.</returns>
    internal bool SetEnd(Partition partition, long end, long imageSectors)
    {
        long now = _image.Length / SectorSize;
        if (imageSectors < now && imageSectors > now - TailSectors)
        {
            return false;
        }
        byte[] entries = new byte[EntrySectors * SectorSize];
        _image.Read(entries, 2L * SectorSize);
        Span<byte> entry = entries.AsSpan((partition.Number - 1) * _entrySize, _entrySize);
        if ((long)BinaryPrimitives.ReadUInt64LittleEndian(entry[FirstSectorAt..]) * SectorSize != partition.Start)
        {
            throw new PartitionTableException("the GPT was changed meanwhile");
        }
        // Who finds the primary table half written looks for the backup in the last sector of the image, as long as it is.
        if (imageSectors < now && Backup != now - 1)
        {
            WriteBoth(entries, now);
        }
        BinaryPrimitives.WriteUInt64LittleEndian(entry[LastSectorAt..], (ulong)end - 1);
        WriteBoth(entries, imageSectors);
        WriteProtective(imageSectors - 1);
        return true;
    }

    // Until the backup is written the old primary table holds; from then on one of the two does, whatever is written of the other.
    private void WriteBoth(byte[] entries, long imageSectors)
    {
        BinaryPrimitives.WriteUInt64LittleEndian(_header.AsSpan(LastUsableAt), (ulong)(imageSectors - TailSectors - 1));
        BinaryPrimitives.WriteUInt32LittleEndian(_header.AsSpan(EntriesChecksumAt), Crc32.Compute(entries.AsSpan(0, _count * _entrySize)));
        long backup = imageSectors - 1;
        WriteCopy(entries, self: backup, other: 1, at: imageSectors - TailSectors);
        WriteCopy(entries, self: 1, other: backup, at: 2);
    }

    private void WriteCopy(byte[] entries, long self, long other, long at)
    {
        BinaryPrimitives.WriteUInt64LittleEndian(_header.AsSpan(SelfAt), (ulong)self);
        Backup = other;
        BinaryPrimitives.WriteUInt64LittleEndian(_header.AsSpan(EntriesAt), (ulong)at);
        BinaryPrimitives.WriteUInt32LittleEndian(_header.AsSpan(ChecksumAt), 0);
        int size = (int)BinaryPrimitives.ReadUInt32LittleEndian(_header.AsSpan(HeaderSizeAt));
        BinaryPrimitives.WriteUInt32LittleEndian(_header.AsSpan(ChecksumAt), Crc32.Compute(_header.AsSpan(0, size)));
        _image.Write(entries, at * SectorSize, WriteTag.Metadata);
        _image.Write(_header, self * SectorSize, WriteTag.Metadata);
        _image.Flush();
    }

    // The MBR in front covers the disk as far as 32 bits reach.
    private void WriteProtective(long lastSector)
    {
        Span<byte> record = stackalloc byte[RecordSize];
        _image.Read(record, 0);
        for (int at = ProtectiveAt; at < ProtectiveAt + 64; at += 16)
        {
            if (record[at + 4] == ProtectiveType && BinaryPrimitives.ReadUInt32LittleEndian(record[(at + 8)..]) == 1)
            {
                BinaryPrimitives.WriteUInt32LittleEndian(record[(at + 12)..], (uint)Math.Min(lastSector, uint.MaxValue));
                _image.Write(record, 0, WriteTag.Metadata);
                _image.Flush();
                return;
            }
        }
    }

    private static int SectorSizeOf(IBlockDevice image)
    {
        Span<byte> header = stackalloc byte[8];
        foreach (int size in (ReadOnlySpan<int>)[512, 4096])
        {
            if (image.Length >= 2 * size)
            {
                image.Read(header, size);
                if (BinaryPrimitives.ReadUInt64LittleEndian(header) == Signature)
                {
                    return size;
                }
            }
        }
        return image.SectorSize;
    }

    // A header whose checksums and numbers are right, and whose entries are.
    private static byte[]? Read(IBlockDevice image, int sector, long at)
    {
        if (!GptTable.IsSound(image, sector, at))
        {
            return null;
        }
        byte[] header = new byte[sector];
        image.Read(header, at * sector);
        return header;
    }

    private static ulong Value(byte[] header, int at) => BinaryPrimitives.ReadUInt64LittleEndian(header.AsSpan(at));
}
