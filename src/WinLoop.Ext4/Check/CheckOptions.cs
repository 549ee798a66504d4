namespace WinLoop.Ext4.Check;

/// <summary>How far a check has come.</summary>
/// <param name="Pass">1, 2 or 5: the passes that take time.</param>
/// <param name="Done">Groups (1, 5) or directory blocks (2) done.</param>
/// <param name="Total">Of how many.</param>
public readonly record struct CheckProgress(int Pass, long Done, long Total);

/// <summary>How a check is done.</summary>
public sealed record CheckOptions
{
    /// <summary>The default.</summary>
    public static CheckOptions Default { get; } = new();

    /// <summary>Findings that are kept; more are only counted.</summary>
    public int MaximumFindings { get; init; } = 10_000;

    /// <summary>Threads to use; 0 = as many as there are processors. Small volumes are checked by one.</summary>
    public int Threads { get; init; } = 1;

    /// <summary>Called now and then, from any thread, never twice at once.</summary>
    public Action<CheckProgress>? Progress { get; init; }

    /// <summary>Ends the check with <see cref="OperationCanceledException"/>.</summary>
    public CancellationToken Cancellation { get; init; }

    /// <summary>Compare the backups of superblock and group descriptors too. They are no part of the living volume,
    /// and it takes two reads per backup.</summary>
    public bool CheckBackups { get; init; } = true;
}
