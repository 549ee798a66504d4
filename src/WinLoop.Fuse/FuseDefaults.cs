namespace WinLoop.Fuse;

/// <summary>Choices that were made by measurement; see docs/decisions.</summary>
internal static class FuseDefaults
{
    /// <summary>Let the kernel collect small writes.</summary>
    public const bool WritebackCache = false;

    /// <summary>Open files of writable mounts without asking the server.</summary>
    public const bool SkipOpen = true;
}
