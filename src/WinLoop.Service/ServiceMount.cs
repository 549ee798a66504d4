namespace WinLoop.Service;

/// <summary>One mount of the service.</summary>
public sealed record ServiceMount
{
    /// <summary>The state of a mount that works.</summary>
    public const string Mounted = "mounted";
    /// <summary>The state of a kept mount whose image cannot be opened without its user.</summary>
    public const string Waiting = "waiting";
    /// <summary>The state of a kept mount that did not come back.</summary>
    public const string Missing = "missing";

    /// <summary>Names it in requests.</summary>
    public required string Id { get; init; }
    /// <summary>The drive (<c>X:</c>) or directory.</summary>
    public string Directory { get; init; } = "";
    /// <summary>Absolute path of the image.</summary>
    public string Image { get; init; } = "";
    /// <summary>Number in the partition table; null if the volume was not found through one.</summary>
    public int? Partition { get; init; }
    /// <summary>First byte of the volume in the image.</summary>
    public long Offset { get; init; }
    /// <summary>Bytes of the volume.</summary>
    public long Size { get; init; }
    /// <summary>Bytes that are free; null if unknown.</summary>
    public long? Free { get; init; }
    /// <summary>Volume label.</summary>
    public string Label { get; init; } = "";
    /// <summary>Volume UUID.</summary>
    public string Uuid { get; init; } = "";
    /// <summary>True if nothing can be written.</summary>
    public bool ReadOnly { get; init; }
    /// <summary>Why it is read-only although that was not asked for.</summary>
    public string? ReadOnlyReason { get; init; }
    /// <summary><see cref="Mounted"/>, <c>closing</c>, <see cref="Waiting"/> or <see cref="Missing"/>.</summary>
    public string State { get; init; } = Mounted;
    /// <summary>Why it is in this state, where that needs saying.</summary>
    public string? Reason { get; init; }
    /// <summary>Type as the system shows it.</summary>
    public string FileSystem { get; init; } = "";
    /// <summary>The device as the system shows it.</summary>
    public string Device { get; init; } = "";
    /// <summary>Whose it is: a SID, or a user id in decimal.</summary>
    public string Owner { get; init; } = "";
    /// <summary>The serving process.</summary>
    public int Pid { get; init; }
    /// <summary>When it was mounted.</summary>
    public DateTimeOffset Since { get; init; }
    /// <summary>It comes back when the service starts.</summary>
    public bool Kept { get; init; }
}

/// <summary>What a service tells of itself.</summary>
public sealed record ServiceInfo
{
    /// <summary>Version of the product.</summary>
    public string Version { get; init; } = "";
    /// <summary>Version of the protocol.</summary>
    public int Protocol { get; init; }
    /// <summary>Its process.</summary>
    public int Pid { get; init; }
    /// <summary>Mounts of all users.</summary>
    public int Mounts { get; init; }
    /// <summary>When it started.</summary>
    public DateTimeOffset Since { get; init; }
    /// <summary>Kept mounts of this client that wait for it.</summary>
    public IReadOnlyList<WaitingMount> Waiting { get; init; } = [];
}

/// <summary>A kept mount whose image only its user can open.</summary>
/// <param name="Id">Names it in requests.</param>
/// <param name="Image">Absolute path.</param>
/// <param name="ReadOnly">It is mounted read-only.</param>
public sealed record WaitingMount(string Id, string Image, bool ReadOnly);

/// <summary>The answer to a request that mounts.</summary>
/// <param name="Mount">The mount.</param>
/// <param name="Notes">Sentences for the user.</param>
public sealed record MountResult(ServiceMount Mount, IReadOnlyList<string> Notes);
