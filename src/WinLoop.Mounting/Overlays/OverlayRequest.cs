namespace WinLoop.Mounting.Overlays;

/// <summary>Where the writes of a mount go instead of into the image.</summary>
public sealed record OverlayRequest
{
    /// <summary>The word for an overlay in memory.</summary>
    public const string Memory = "memory";

    /// <summary>The bound of an overlay in memory when none is given: 1 GiB.</summary>
    public const long DefaultLimit = 1L << 30;

    /// <summary>The smallest bound that leaves room for a journal's beginnings: 4 MiB.</summary>
    public const long MinimumLimit = 4L << 20;

    /// <summary>Absolute path of the overlay file; null = in memory, gone with the mount.</summary>
    public string? File { get; init; }

    /// <summary>Bytes of memory the changes may take; only in memory.</summary>
    public long Limit { get; init; } = DefaultLimit;

    /// <summary>As the user named it: a path, or <c>memory</c>.</summary>
    public string Name => File ?? Memory;
}
