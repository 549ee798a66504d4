namespace WinLoop.WinFsp.Callbacks;

/// <summary>Bounds of reparse data.</summary>
internal static class ReparseLimits
{
    /// <summary>Bytes of the longest REPARSE_DATA_BUFFER (MAXIMUM_REPARSE_DATA_BUFFER_SIZE).</summary>
    public const int MaxData = 16384;
}
