using WinLoop.Mounting.Logging;
using WinLoop.Mounting.Windows;

namespace WinLoop.Mounting;

/// <summary>What the user asked for.</summary>
public sealed record MountRequest
{
    /// <summary>The image file or block device, as given.</summary>
    public required string Image { get; init; }
    /// <summary>Where to mount it, as given; null = a directory made for it.</summary>
    public string? Directory { get; init; }
    /// <summary>Number in the partition table, from 1; null = the only ext partition, or the whole image.</summary>
    public int? Partition { get; init; }
    /// <summary>How.</summary>
    public MountOptions Options { get; init; } = new();
    /// <summary>The mount's log.</summary>
    public LogOptions Log { get; init; } = new();
    /// <summary>What only Windows has.</summary>
    public WindowsMountOptions Windows { get; init; } = new();
}
