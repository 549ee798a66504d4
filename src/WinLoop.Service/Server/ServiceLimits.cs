namespace WinLoop.Service.Server;

/// <summary>What the service gives to all and to one user, so that nobody can take it from the others.</summary>
internal sealed record ServiceLimits
{
    /// <summary>Connections at a time.</summary>
    internal int Connections { get; init; } = 64;
    /// <summary>Connections of one user.</summary>
    internal int ConnectionsPerUser { get; init; } = 8;
    /// <summary>Mounts.</summary>
    internal int Mounts { get; init; } = 256;
    /// <summary>Mounts of one user who is no administrator.</summary>
    internal int MountsPerUser { get; init; } = 32;
    /// <summary>The largest metadata cache of a user's mount in bytes.</summary>
    internal long CacheBytes { get; init; } = 256L << 20;
    /// <summary>A request must be here, whole, so soon after the connection or the last answer.</summary>
    internal TimeSpan Request { get; init; } = TimeSpan.FromSeconds(5);
    /// <summary>An answer must be taken in this time.</summary>
    internal TimeSpan Answer { get; init; } = TimeSpan.FromSeconds(5);
    /// <summary>Closing an image may take this long.</summary>
    internal TimeSpan Unmount { get; init; } = TimeSpan.FromMinutes(10);
    /// <summary>Closing all of them at the end of the service.</summary>
    internal TimeSpan Stop { get; init; } = TimeSpan.FromSeconds(50);
}
