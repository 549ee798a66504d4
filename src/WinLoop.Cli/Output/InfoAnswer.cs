namespace WinLoop.Cli.Output;

/// <summary>The answer of <c>info</c>; sizes in bytes.</summary>
internal sealed record InfoAnswer
{
    public required string Image { get; init; }
    public long Size { get; init; }
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
}

/// <summary>One entry of a partition table.</summary>
internal sealed record PartitionAnswer(int Number, long Start, long Size, string Type, string? Name, string? FileSystem);

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
}

/// <summary>One feature; <paramref name="Support"/> is <c>read-write</c>, <c>read-only</c> or <c>no</c>.</summary>
internal sealed record FeatureAnswer(string Name, string Support);
