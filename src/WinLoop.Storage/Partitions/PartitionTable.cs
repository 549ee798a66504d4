namespace WinLoop.Storage;

/// <summary>The partitions of a device.</summary>
public sealed class PartitionTable
{
    private PartitionTable(PartitionScheme scheme, IReadOnlyList<Partition> partitions, IReadOnlyList<string> warnings, bool isWholeDeviceExt)
    {
        Scheme = scheme;
        Partitions = partitions;
        Warnings = warnings;
        IsWholeDeviceExt = isWholeDeviceExt;
    }

    /// <summary>What kind of table there is.</summary>
    public PartitionScheme Scheme { get; }

    /// <summary>In the order of their numbers. Empty if there is no table.</summary>
    public IReadOnlyList<Partition> Partitions { get; }

    /// <summary>Sentences for the user: what was odd about the table and how it was read nevertheless.</summary>
    public IReadOnlyList<string> Warnings { get; }

    /// <summary>The device itself holds an ext file system. A table on it, if one is listed, is then a leftover.</summary>
    public bool IsWholeDeviceExt { get; }

    /// <summary>Reads the table of a device, of whatever kind.</summary>
    /// <exception cref="PartitionTableException">There is a table and it is damaged beyond use.</exception>
    /// <exception cref="BlockDeviceException">The device failed.</exception>
    public static PartitionTable Read(IBlockDevice device)
    {
        ArgumentNullException.ThrowIfNull(device);
        bool isExt = ExtProbe.IsExt(device, 0, device.Length);
        var warnings = new List<string>();
        try
        {
            (PartitionScheme scheme, List<Partition> partitions) = ReadTable(device, warnings);
            return new PartitionTable(scheme, partitions, warnings, isExt);
        }
        catch (PartitionTableException e) when (isExt)
        {
            // Remains of a table in front of a file system that fills the device.
            warnings.Add(e.Message);
            return new PartitionTable(PartitionScheme.None, [], warnings, isExt);
        }
    }

    private static (PartitionScheme Scheme, List<Partition> Partitions) ReadTable(IBlockDevice device, List<string> warnings)
    {
        MbrTable? mbr = MbrTable.Read(device);
        if (mbr is null)
        {
            return (PartitionScheme.None, []);
        }

        if (mbr.IsProtective)
        {
            return (PartitionScheme.Gpt, GptTable.Read(device, warnings));
        }

        return (PartitionScheme.Mbr, mbr.GetPartitions(device, warnings));
    }
}
