using Microsoft.Extensions.Logging;

namespace WinLoop.Mounting.Logging;

/// <summary>Where a mount's log goes and what it tells.</summary>
public sealed record LogOptions
{
    /// <summary>The file's absolute path; null = no file.</summary>
    public string? File { get; init; }
    /// <summary>What is less is left out; with <see cref="LogLevel.Trace"/> every request is a line.</summary>
    public LogLevel Level { get; init; } = LogLevel.Information;
    /// <summary>A file that is larger, in bytes, is put away as FILE.1.</summary>
    public long MaxSize { get; init; } = 10L << 20;
    /// <summary>How many files are kept, the current one included.</summary>
    public int Files { get; init; } = 5;
}
