using System.Text.Json.Serialization;
using WinLoop.Service.Protocol;

namespace WinLoop.Service.Kept;

/// <summary>A mount that comes back when the service starts.</summary>
internal sealed record KeptMount
{
    /// <summary>Names it.</summary>
    public required string Id { get; init; }
    /// <summary>Whose it is: a SID, or a user id in decimal.</summary>
    public string Owner { get; init; } = "";
    /// <summary>His group, in the same form.</summary>
    public string Group { get; init; } = "";
    /// <summary>He was an administrator when he asked for it.</summary>
    public bool IsAdministrator { get; init; }
    /// <summary>What he asked for: the image's path, links resolved, and the options.</summary>
    public required MountOrder Order { get; init; }
    /// <summary>Which file the image was (<see cref="Mounts.ImageFingerprint"/>).</summary>
    public string Fingerprint { get; init; } = "";
    /// <summary>The image was open for writing.</summary>
    public bool IsWritable { get; init; }

    /// <summary>The mount that it is now; null if it is none.</summary>
    [JsonIgnore]
    public string? MountId { get; init; }
    /// <summary><see cref="ServiceMount.Waiting"/> or <see cref="ServiceMount.Missing"/> when it is none.</summary>
    [JsonIgnore]
    public string State { get; init; } = ServiceMount.Missing;
    /// <summary>Why it is none.</summary>
    [JsonIgnore]
    public string? Reason { get; init; }
}

/// <summary>The file of remembered mounts.</summary>
internal sealed record KeptFile
{
    /// <summary>Version of the file.</summary>
    public int Version { get; init; } = 1;
    /// <summary>The mounts.</summary>
    public IReadOnlyList<KeptMount> Mounts { get; init; } = [];
}
