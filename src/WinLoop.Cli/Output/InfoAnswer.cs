using WinLoop.Ext4.Format;
using WinLoop.Mounting;
using WinLoop.Storage;

namespace WinLoop.Cli.Output;

/// <summary>The answer of <c>info</c>; sizes in bytes.</summary>
internal sealed record InfoAnswer
{
    public required string Image { get; init; }
    public long Size { get; init; }
    /// <summary>The container format, for example <c>VHDX</c>; null if there is none.</summary>
    public string? Format { get; init; }
    /// <summary><c>gpt</c>, <c>mbr</c> or null.</summary>
    public string? PartitionTable { get; init; }
    public IReadOnlyList<PartitionAnswer> Partitions { get; init; } = [];
    public VolumeAnswer? Volume { get; init; }
    /// <summary><c>read-write</c>, <c>read-only</c> or <c>no</c>.</summary>
    public required string Mountable { get; init; }
    /// <summary>Why not (fully); null for read-write.</summary>
    public string? Reason { get; init; }
    /// <summary>Where WinLoop has it mounted at the moment.</summary>
    public IReadOnlyList<string> MountedOn { get; init; } = [];

    internal static InfoAnswer From(ImageContents contents) => new()
    {
        Image = contents.Path,
        Size = contents.Size,
        Format = contents.Format,
        PartitionTable = contents.Table.Scheme switch
        {
            PartitionScheme.Gpt => "gpt",
            PartitionScheme.Mbr => "mbr",
            _ => null,
        },
        Partitions = [.. contents.Table.Partitions.Select(PartitionAnswer.From)],
        Volume = contents.Volume == null ? null : VolumeAnswer.From(contents.Volume, contents.Partition, contents.Offset),
        Mountable = Name(contents.Volume?.Mountability ?? Mountability.No),
        Reason = contents.Volume == null ? contents.Problem : contents.Volume.Reason,
        MountedOn = contents.MountedOn,
    };

    internal static string Name(Mountability mountability) => mountability switch
    {
        Mountability.ReadWrite => "read-write",
        Mountability.ReadOnly => "read-only",
        _ => "no",
    };
}

/// <summary>One entry of a partition table.</summary>
internal sealed record PartitionAnswer(int Number, long Start, long Size, string Type, string? TypeName, string? Name, string? FileSystem)
{
    internal static PartitionAnswer From(Partition p) =>
        new(p.Number, p.Start, p.Length, p.Type, p.TypeName, p.Name.Length == 0 ? null : p.Name, p.IsExtCandidate ? "ext" : null);
}

/// <summary>One feature; <paramref name="Support"/> is <c>read-write</c>, <c>read-only</c> or <c>no</c>.</summary>
internal sealed record FeatureAnswer(string Name, string Support);

/// <summary>What the superblock says.</summary>
internal sealed record VolumeAnswer
{
    public int? Partition { get; init; }
    public long Offset { get; init; }
    /// <summary><c>ext2</c>, <c>ext3</c> or <c>ext4</c>, as the features tell.</summary>
    public required string Type { get; init; }
    public required string Label { get; init; }
    public required string Uuid { get; init; }
    public long Size { get; init; }
    public long Free { get; init; }
    public long Reserved { get; init; }
    public int BlockSize { get; init; }
    public ulong Blocks { get; init; }
    public uint Inodes { get; init; }
    public uint FreeInodes { get; init; }
    public int InodeSize { get; init; }
    public bool Journal { get; init; }
    public IReadOnlyList<FeatureAnswer> Features { get; init; } = [];
    /// <summary><c>clean</c>, <c>needs recovery</c>, <c>not clean</c> or <c>damaged</c>.</summary>
    public required string State { get; init; }
    /// <summary>Errors that were found since the last check.</summary>
    public uint Errors { get; init; }
    public string? LastMountedOn { get; init; }
    public DateTimeOffset? Created { get; init; }
    public DateTimeOffset? LastMounted { get; init; }
    public DateTimeOffset? LastWritten { get; init; }
    public DateTimeOffset? LastChecked { get; init; }

    internal static VolumeAnswer From(VolumeFacts facts, int? partition, long offset)
    {
        Superblock sb = facts.Superblock;
        Geometry geometry = facts.Geometry;
        return new VolumeAnswer
        {
            Partition = partition,
            Offset = offset,
            Type = facts.Type,
            Label = sb.Label,
            Uuid = new Guid(sb.Uuid, bigEndian: true).ToString(),
            Size = Bytes(geometry.BlocksCount, geometry),
            Free = Bytes(sb.FreeBlocksCount, geometry),
            Reserved = Bytes(sb.ReservedBlocksCount, geometry),
            BlockSize = geometry.BlockSize,
            Blocks = geometry.BlocksCount,
            Inodes = geometry.InodesCount,
            FreeInodes = sb.FreeInodesCount,
            InodeSize = geometry.InodeSize,
            Journal = sb.Has(CompatFeatures.HasJournal),
            Features = [.. facts.Features.Select(f => new FeatureAnswer(f.Name, InfoAnswer.Name(f.Support)))],
            State = facts.State,
            Errors = sb.ErrorCount,
            LastMountedOn = sb.LastMountedOn.Length == 0 ? null : sb.LastMountedOn,
            Created = Time(sb.MakeTime),
            LastMounted = Time(sb.MountTime),
            LastWritten = Time(sb.WriteTime),
            LastChecked = Time(sb.LastCheckTime),
        };
    }

    // A free count may be any number; the other counts were checked.
    private static long Bytes(ulong blocks, Geometry geometry) => (long)(Math.Min(blocks, geometry.BlocksCount) * (ulong)geometry.BlockSize);

    private static DateTimeOffset? Time(long seconds) => seconds == 0 ? null : DateTimeOffset.FromUnixTimeSeconds(seconds);
}
