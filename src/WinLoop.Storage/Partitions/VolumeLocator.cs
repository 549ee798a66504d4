using System.Globalization;
using System.Text;

namespace WinLoop.Storage;

/// <summary>Where the volume is in an image.</summary>
/// <param name="Device">Its bytes: the image itself, or a window of it.</param>
/// <param name="Partition">The partition; null if the whole image is the volume.</param>
/// <param name="Offset">First byte in the image.</param>
/// <param name="Warnings">Sentences for the user about the partition table.</param>
public sealed record LocatedVolume(IBlockDevice Device, Partition? Partition, long Offset, IReadOnlyList<string> Warnings);

/// <summary>No volume, or more than one, could be meant.</summary>
public sealed class VolumeNotFoundException(string message, IReadOnlyList<Partition> candidates) : IOException(message)
{
    /// <summary>What the user can choose from: the ext partitions, or all of them if there is none.</summary>
    public IReadOnlyList<Partition> Candidates { get; } = candidates;
}

/// <summary>Finds the volume that is meant: the whole image, its only ext partition, or the one that was named.</summary>
public static class VolumeLocator
{
    /// <summary>Finds the volume.</summary>
    /// <param name="image">The image.</param>
    /// <param name="number">The number of a partition; null: the whole image if it has no partitions or is
    /// itself an ext file system, otherwise its only ext partition.</param>
    /// <param name="ownsImage">Disposing the volume's device disposes the image. On an exception it is not disposed.</param>
    /// <exception cref="VolumeNotFoundException">There is none, or the choice is not clear.</exception>
    /// <exception cref="PartitionTableException">The partition table is damaged.</exception>
    /// <exception cref="BlockDeviceException">The image cannot be read.</exception>
    public static LocatedVolume Locate(IBlockDevice image, int? number = null, bool ownsImage = false)
    {
        PartitionTable table = PartitionTable.Read(image);
        if (number is null && (table.IsWholeDeviceExt || table.Scheme == PartitionScheme.None))
        {
            // The caller keeps the image if it does not hand it over.
            IBlockDevice whole = ownsImage ? image : new SliceDevice(image, 0, image.Length);
            return new LocatedVolume(whole, null, 0, table.IsWholeDeviceExt ? [] : table.Warnings);
        }

        Partition partition = number is { } wanted ? ByNumber(table, wanted) : OnlyOne(table);
        return new LocatedVolume(
            new PartitionDevice(image, partition, ownsImage), partition, partition.Start, table.Warnings);
    }

    private static Partition ByNumber(PartitionTable table, int number)
    {
        if (table.Scheme == PartitionScheme.None)
        {
            throw new VolumeNotFoundException($"there is no partition {number}: the image has no partition table", []);
        }

        Partition? partition = table.Partitions.FirstOrDefault(p => p.Number == number);
        if (partition is null)
        {
            throw new VolumeNotFoundException($"there is no partition {number}; there {Describe(table.Partitions)}", table.Partitions);
        }

        return partition.IsExtended
            ? throw new VolumeNotFoundException(
                $"partition {number} is only a container of logical partitions; there {Describe(table.Partitions)}", table.Partitions)
            : partition;
    }

    private static Partition OnlyOne(PartitionTable table)
    {
        Partition[] candidates = [.. table.Partitions.Where(p => p.IsExtCandidate)];
        return candidates.Length switch
        {
            1 => candidates[0],
            0 => throw new VolumeNotFoundException(
                $"no partition holds an ext file system; there {Describe(table.Partitions)}", table.Partitions),
            _ => throw new VolumeNotFoundException(
                $"more than one partition holds an ext file system, choose one; there {Describe(candidates)}", candidates),
        };
    }

    private static string Describe(IReadOnlyList<Partition> partitions)
    {
        if (partitions.Count == 0)
        {
            return "are none";
        }

        const int most = 16;
        var text = new StringBuilder(partitions.Count == 1 ? "is " : "are ");
        for (int i = 0; i < Math.Min(partitions.Count, most); i++)
        {
            Partition partition = partitions[i];
            text.Append(i == 0 ? "" : ", ").Append(partition.Number).Append(" (")
                .Append(partition.Name.Length > 0 ? $"\"{partition.Name}\", " : "")
                .Append(partition.IsExtCandidate ? "ext" : partition.TypeName ?? $"type {partition.Type}")
                .Append(", ").Append(Size(partition.Length)).Append(')');
        }

        return text.Append(partitions.Count > most ? ", ..." : "").ToString();
    }

    private static string Size(long bytes)
    {
        string[] units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
        double value = bytes;
        int unit = 0;
        for (; value >= 1024 && unit < units.Length - 1; unit++)
        {
            value /= 1024;
        }

        return string.Create(CultureInfo.InvariantCulture, $"{value:0.#} {units[unit]}");
    }
}
