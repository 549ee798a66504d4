using System.Buffers.Binary;

namespace WinLoop.Storage;

/// <summary>
/// The partition at the end of an image whose partition table can be changed without doubt: an MBR with this one as a
/// primary partition, or a GPT that is sound in both its places. Made smaller, and the image with it.
/// </summary>
public sealed class LastPartition
{
    private const int RecordSize = 512, EntriesOffset = 446, EntrySize = 16, PrimaryEntries = 4, SectorsAt = 12;

    // What partitioning programs align to; the image ends at such a border, too.
    private const long Alignment = 1 << 20;

    private readonly IBlockDevice _image;
    private readonly PartitionScheme _scheme;
    private readonly Partition _partition;

    private LastPartition(IBlockDevice image, PartitionScheme scheme, Partition partition) =>
        (_image, _scheme, _partition) = (image, scheme, partition);

    /// <summary>Looks whether a partition is the last one, and its table one that can be changed; changes nothing.</summary>
    /// <param name="image">All of the image.</param>
    /// <param name="number">The partition's.</param>
    /// <param name="whyNot">Why it cannot be made smaller; null if it can.</param>
    /// <exception cref="PartitionTableException">The table is damaged.</exception>
    /// <exception cref="BlockDeviceException">The device failed.</exception>
    public static LastPartition? TryFind(IBlockDevice image, int number, out string? whyNot)
    {
        ArgumentNullException.ThrowIfNull(image);
        PartitionTable table = PartitionTable.Read(image);
        Partition? partition = table.Partitions.FirstOrDefault(p => p.Number == number);
        whyNot = partition is null ? $"there is no partition {number}"
            : table.Warnings.Count > 0 ? $"the partition table is not quite sound: {table.Warnings[0]}"
            : table.Partitions.FirstOrDefault(p => p != partition && p.Start + p.Length > partition.Start) is { } other
                ? $"partition {number} is not the last one: partition {other.Number} does not end before it"
            : table.Scheme == PartitionScheme.Mbr && number > PrimaryEntries ? $"partition {number} is a logical one, inside an extended partition"
            : table.Scheme == PartitionScheme.Gpt ? GptEditor.WhyNot(image)
            : null;
        return whyNot is null ? new LastPartition(image, table.Scheme, partition!) : null;
    }

    /// <summary>
    /// Says in the table that the partition is smaller. A cut at any write leaves a table that is read as the old or as the
    /// new one: of an MBR one sector changes; of a GPT the new backup is written first, where the partition was, then the
    /// primary table, while the old backup is at the end of the image still.
    /// </summary>
    /// <param name="length">Bytes of the partition; no more than it has.</param>
    /// <returns>Bytes that the image needs from now on; cutting off the rest is the caller's.</returns>
    /// <exception cref="BlockDeviceException">The device failed.</exception>
    public long Shrink(long length)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, _partition.Length);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(length);
        int sector = _scheme == PartitionScheme.Gpt ? GptEditor.SectorSizeOf(_image) : _image.SectorSize;
        // In whole sectors, and where there is room up to a border.
        long old = _partition.Start + _partition.Length, end = RoundUp(_partition.Start + length, Alignment);
        end = end < old ? end : RoundUp(_partition.Start + length, sector);
        if (end >= old)
        {
            return _image.Length;
        }
        if (_scheme == PartitionScheme.Gpt)
        {
            return GptEditor.Shrink(_image, _partition, end);
        }
        ShrinkEntry((end - _partition.Start) / sector);
        return end;
    }

    private void ShrinkEntry(long sectors)
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
