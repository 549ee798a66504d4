using System.Buffers.Binary;

namespace WinLoop.Storage;

/// <summary>
/// The partition at the end of an image whose partition table can be changed without doubt: an MBR with this one as a
/// primary partition, or a GPT that is sound in both its places. Its end can be moved.
/// </summary>
public sealed class LastPartition
{
    private const int RecordSize = 512, EntriesOffset = 446, EntrySize = 16, PrimaryEntries = 4, SectorsAt = 12;

    // What partitioning programs align to.
    private const long Alignment = 1 << 20;

    private readonly IBlockDevice _image;
    private readonly Partition _partition;
    private readonly GptEditor? _gpt;
    private readonly int _sector;

    private LastPartition(IBlockDevice image, Partition partition, GptEditor? gpt)
    {
        (_image, _partition, _gpt) = (image, partition, gpt);
        _sector = gpt?.SectorSize ?? image.SectorSize;
        Length = partition.Length;
    }

    /// <summary>First byte in the image.</summary>
    public long Start => _partition.Start;

    /// <summary>Bytes of the partition.</summary>
    public long Length { get; private set; }

    /// <summary>Bytes that the table can say of it.</summary>
    public long MaximumLength => _gpt is null ? uint.MaxValue * (long)_sector : (long.MaxValue / _sector * _sector) - Start - (_gpt.TailSectors * _sector);

    private long TailSectors => _gpt?.TailSectors ?? 0;

    /// <summary>Looks whether a partition is the last one, and its table one that can be changed; changes nothing.</summary>
    /// <param name="image">All of the image.</param>
    /// <param name="number">The partition's.</param>
    /// <param name="whyNot">Why its end cannot be moved; null if it can.</param>
    /// <exception cref="PartitionTableException">The table is damaged.</exception>
    /// <exception cref="BlockDeviceException">The device failed.</exception>
    public static LastPartition? TryFind(IBlockDevice image, int number, out string? whyNot)
    {
        ArgumentNullException.ThrowIfNull(image);
        PartitionTable table = PartitionTable.Read(image);
        Partition? partition = table.Partitions.FirstOrDefault(p => p.Number == number);
        GptEditor? gpt = null;
        whyNot = partition is null ? $"there is no partition {number}"
            : table.Warnings.Count > 0 ? $"the partition table is not quite sound: {table.Warnings[0]}"
            : table.Partitions.FirstOrDefault(p => p != partition && p.Start + p.Length > partition.Start) is { } other
                ? $"partition {number} is not the last one: partition {other.Number} does not end before it"
            : table.Scheme == PartitionScheme.Mbr && number > PrimaryEntries ? $"partition {number} is a logical one, inside an extended partition"
            : null;
        if (whyNot is null && table.Scheme == PartitionScheme.Gpt)
        {
            gpt = GptEditor.TryOpen(image, out whyNot);
        }
        return whyNot is null ? new LastPartition(image, partition!, gpt) : null;
    }

    /// <summary>Bytes that the partition can have in an image of some size; 0 if it has no place in it. May be more than
    /// <see cref="MaximumLength"/>.</summary>
    /// <param name="imageLength">Bytes of the image.</param>
    public long LengthIn(long imageLength) => Math.Max(0, (((imageLength / _sector) - TailSectors) * _sector) - Start);

    /// <summary>Bytes that the image must have at least.</summary>
    /// <param name="length">Bytes of the partition.</param>
    public long ImageLengthFor(long length) => RoundUp(Start + length, _sector) + (TailSectors * _sector);

    /// <summary>A length with which the partition ends where programs like it to: at a border of 1 MiB, where there is room.</summary>
    /// <param name="length">Bytes that it needs; no more than it has.</param>
    public long Align(long length)
    {
        long aligned = RoundUp(Start + length, Alignment) - Start;
        return aligned < Length ? aligned : Math.Min(Length, RoundUp(length, _sector));
    }

    /// <summary>
    /// Says in the table where the partition ends. A cut at any write leaves a table that is read as the old or as the
    /// new one: of an MBR one sector changes; of a GPT the backup is written first, at its new place, then the primary table.
    /// </summary>
    /// <param name="length">Bytes of the partition; rounded up to sectors.</param>
    /// <param name="imageLength">Bytes that the image will have; cutting off the rest is the caller's. No more than it has now,
    /// and enough for the partition.</param>
    /// <returns>Bytes that the image needs from now on: more than <paramref name="imageLength"/> if the two places of a GPT's backup
    /// would overlap, and nothing was changed.</returns>
    /// <exception cref="BlockDeviceException">The device failed.</exception>
    public long SetLength(long length, long imageLength)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, MaximumLength);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(imageLength, _image.Length);
        ArgumentOutOfRangeException.ThrowIfLessThan(imageLength, ImageLengthFor(length));
        long sectors = RoundUp(length, _sector) / _sector;
        if (_gpt is null)
        {
            WriteEntry(sectors);
        }
        else if (!_gpt.SetEnd(_partition, (Start / _sector) + sectors, imageLength / _sector))
        {
            return _image.Length;
        }
        Length = sectors * _sector;
        return imageLength;
    }

    private void WriteEntry(long sectors)
    {
        Span<byte> record = stackalloc byte[RecordSize];
        _image.Read(record, 0);
        Span<byte> entry = record.Slice(EntriesOffset + ((_partition.Number - 1) * EntrySize), EntrySize);
        BinaryPrimitives.WriteUInt32LittleEndian(entry[SectorsAt..], checked((uint)sectors));
        // Cylinder, head and sector of the last sector: what does not fit, as here, is said by all ones (with head 254).
        (entry[5], entry[6], entry[7]) = (0xFE, 0xFF, 0xFF);
        _image.Write(record, 0, WriteTag.Metadata);
        _image.Flush();
    }

    private static long RoundUp(long value, long unit) => (value + unit - 1) / unit * unit;
}
