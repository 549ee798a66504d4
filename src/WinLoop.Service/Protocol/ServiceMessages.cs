using System.Text.Json.Serialization;
using WinLoop.Mounting.Statistics;

namespace WinLoop.Service.Protocol;

/// <summary>What a client may ask.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<ServiceCommand>))]
internal enum ServiceCommand
{
    /// <summary>Who are you? Also tells the client's own mounts that wait for it.</summary>
    Ping,
    /// <summary>Mount an image.</summary>
    Mount,
    /// <summary>Undo a mount.</summary>
    Unmount,
    /// <summary>The mounts the client may know of.</summary>
    List,
    /// <summary>The figures of a mount.</summary>
    Statistics,
    /// <summary>Bring back a kept mount that waits for its user.</summary>
    Resume,
    /// <summary>Everything written so far onto the medium.</summary>
    Sync,
    /// <summary>Unmount everything and end; for a host that is no Windows service.</summary>
    Stop,
}

/// <summary>One request. Text is what mount(8) and the command line write, so that it is read by the same parsers.</summary>
internal sealed record ServiceRequest
{
    /// <summary>The client's protocol (<see cref="ServiceProtocol.Version"/>).</summary>
    public int Version { get; init; }
    /// <summary>What is asked.</summary>
    public ServiceCommand Command { get; init; }
    /// <summary>For <see cref="ServiceCommand.Mount"/>.</summary>
    public MountOrder? Mount { get; init; }
    /// <summary>The mount that is meant, where one is.</summary>
    public string? Id { get; init; }
    /// <summary>Unmount although files are open.</summary>
    public bool Force { get; init; }
}

/// <summary>A mount that is asked for, and as it is remembered.</summary>
internal sealed record MountOrder
{
    /// <summary>Absolute path of the image, links resolved. On Linux only a name for it: the image is the descriptor that
    /// comes with the request.</summary>
    public string Image { get; init; } = "";
    /// <summary>Where to mount it; null = chosen by the service.</summary>
    public string? Directory { get; init; }
    /// <summary>Number in the partition table.</summary>
    public int? Partition { get; init; }
    /// <summary>The list of <c>mount -o</c>.</summary>
    public string Options { get; init; } = "";
    /// <summary>What only Windows has.</summary>
    public WindowsWords Windows { get; init; } = new();
    /// <summary>Mount it again whenever the service starts.</summary>
    public bool Keep { get; init; }
}

/// <summary>The answer to one request: an error, or what was asked for.</summary>
internal sealed record ServiceAnswer
{
    /// <summary>The service's protocol.</summary>
    public int Version { get; init; } = ServiceProtocol.Version;
    /// <summary>Why it was not done; null if it was.</summary>
    public ServiceError? Error { get; init; }
    /// <summary>Sentences for the user.</summary>
    public IReadOnlyList<string> Notes { get; init; } = [];
    /// <summary>To a ping.</summary>
    public ServiceInfo? Info { get; init; }
    /// <summary>The mount that was made or undone.</summary>
    public ServiceMount? Mount { get; init; }
    /// <summary>To a list.</summary>
    public IReadOnlyList<ServiceMount>? Mounts { get; init; }
    /// <summary>The figures.</summary>
    public MountStatistics? Statistics { get; init; }
}

/// <summary>A failure as <see cref="Mounting.MountException"/> has it.</summary>
/// <param name="ExitCode">The kind.</param>
/// <param name="Message">What failed and why.</param>
/// <param name="Hint">What to do.</param>
internal sealed record ServiceError(int ExitCode, string Message, string? Hint);
