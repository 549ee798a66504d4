using WinLoop.Storage;

namespace WinLoop.Mounting.Statistics;

/// <summary>The figures of one mount since it was mounted.</summary>
public sealed record MountStatistics
{
    /// <summary>Absolute path of the mount point.</summary>
    public string Directory { get; init; } = "";
    /// <summary>Absolute path of the image.</summary>
    public string Image { get; init; } = "";
    /// <summary>Seconds since it was mounted.</summary>
    public double Seconds { get; init; }
    /// <summary>Peak resident memory of the serving process in bytes.</summary>
    public long PeakMemory { get; init; }
    /// <summary>The queues on the way of a request, from the outside in.</summary>
    public IReadOnlyList<QueueFigures> Queues { get; init; } = [];
    /// <summary>Figures of the engine by name, for example <c>commits</c>.</summary>
    public IReadOnlyDictionary<string, long> Engine { get; init; } = new Dictionary<string, long>();
}

/// <summary>The figures of one request queue.</summary>
public sealed record QueueFigures
{
    /// <summary><c>host</c> or <c>device</c>.</summary>
    public string Name { get; init; } = "";
    /// <summary>How many requests may be in flight.</summary>
    public int Depth { get; init; }
    /// <summary>How many are.</summary>
    public int InFlight { get; init; }
    /// <summary>How often a request was not accepted and issued again.</summary>
    public long Requeues { get; init; }
    /// <summary>How often a request waited for a free place.</summary>
    public long TagWaits { get; init; }
    /// <summary>Operations that were asked for at least once.</summary>
    public IReadOnlyList<OperationFigures> Operations { get; init; } = [];

    /// <summary>The figures in the form that is shown; operations nobody asked for are left out.</summary>
    public static QueueFigures From(string name, QueueStatistics statistics) => new()
    {
        Name = name,
        Depth = statistics.Depth,
        InFlight = statistics.InFlight,
        Requeues = statistics.Requeues,
        TagWaits = statistics.TagWaits,
        Operations = [.. statistics.Operations.Where(o => o.Count > 0).Select(o => new OperationFigures
        {
            Name = o.Name,
            Count = o.Count,
            Errors = o.Errors,
            Bytes = o.Bytes,
            P50 = o.P50.TotalMicroseconds,
            P99 = o.P99.TotalMicroseconds,
            Max = o.Max.TotalMicroseconds,
        })],
    };
}

/// <summary>The figures of one operation; times in microseconds.</summary>
public sealed record OperationFigures
{
    /// <summary>The operation.</summary>
    public string Name { get; init; } = "";
    /// <summary>Requests that ended.</summary>
    public long Count { get; init; }
    /// <summary>Those of them that failed.</summary>
    public long Errors { get; init; }
    /// <summary>Bytes moved.</summary>
    public long Bytes { get; init; }
    /// <summary>Half took at most this long.</summary>
    public double P50 { get; init; }
    /// <summary>99 of 100 took at most this long.</summary>
    public double P99 { get; init; }
    /// <summary>The slowest.</summary>
    public double Max { get; init; }
}
