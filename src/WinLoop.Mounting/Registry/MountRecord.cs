using WinLoop.Mounting.Linux;

namespace WinLoop.Mounting.Registry;

/// <summary>One mount as its serving process writes it down for the other commands.</summary>
public sealed record MountRecord
{
    /// <summary>Names the files of this mount in the registry.</summary>
    public required string Id { get; init; }
    /// <summary>Absolute path of the image, symlinks resolved.</summary>
    public required string Image { get; init; }
    /// <summary>Absolute path of the mount point, symlinks resolved.</summary>
    public required string Directory { get; init; }
    /// <summary>Number in the partition table; null if the volume was not found through one.</summary>
    public int? Partition { get; init; }
    /// <summary>First byte of the volume in the image.</summary>
    public long Offset { get; init; }
    /// <summary>Bytes of the volume.</summary>
    public long Size { get; init; }
    /// <summary>Volume label.</summary>
    public string Label { get; init; } = "";
    /// <summary>Volume UUID.</summary>
    public string Uuid { get; init; } = "";
    /// <summary>True if nothing can be written.</summary>
    public bool ReadOnly { get; init; }
    /// <summary>Why it is read-only although that was not asked for.</summary>
    public string? ReadOnlyReason { get; init; }
    /// <summary>Type as in the mount table.</summary>
    public string FileSystem { get; init; } = "";
    /// <summary>The device column of the mount table.</summary>
    public string Device { get; init; } = "";
    /// <summary>Who mounted it.</summary>
    public uint Owner { get; init; }
    /// <summary>The serving process.</summary>
    public int Pid { get; init; }
    /// <summary>Its start (<see cref="ProcessIdentity.StartTime"/>).</summary>
    public long StartTime { get; init; }
    /// <summary>When it was mounted.</summary>
    public DateTimeOffset Since { get; init; }
    /// <summary>The directory was made for this mount and goes with it.</summary>
    public bool OwnsDirectory { get; init; }
    /// <summary>Why the image could not be closed cleanly; set by a serving process that is about to end.</summary>
    public string? Failure { get; init; }

    /// <summary>The id by which the service knows it; null for a mount with a process of its own. Never in a file.</summary>
    [System.Text.Json.Serialization.JsonIgnore]
    public string? ServiceId { get; init; }

    /// <summary>The owner's SID on Windows, where the service says it. Never in a file.</summary>
    [System.Text.Json.Serialization.JsonIgnore]
    public string? OwnerSid { get; init; }

    /// <summary>The serving process.</summary>
    [System.Text.Json.Serialization.JsonIgnore]
    public ProcessIdentity Process => new(Pid, StartTime);
}

/// <summary>What has become of a mount.</summary>
public enum MountState
{
    /// <summary>It works.</summary>
    Mounted,
    /// <summary>Its directory is free again; the image is being closed.</summary>
    Closing,
    /// <summary>Its serving process has died; the directory is blocked until it is unmounted.</summary>
    Dead,
}

/// <summary>A mount with its state at the time of asking.</summary>
public sealed record KnownMount(MountRecord Record, MountState State, MountRegistry Registry);
