namespace WinLoop.Ext4.Check.Repair;

/// <summary>How to repair.</summary>
public sealed record RepairOptions
{
    /// <summary>Remove damaged directory entries and move what lost its name to lost+found. Without it only what can be
    /// computed from the rest is written.</summary>
    public bool MayDiscard { get; init; }

    /// <summary>How the checks are done.</summary>
    public CheckOptions Check { get; init; } = CheckOptions.Default;
}

/// <summary>What a repair came to.</summary>
public sealed class RepairReport
{
    /// <summary>The volume as it was.</summary>
    public required CheckReport Before { get; init; }

    /// <summary>The volume as it is, or would be if it was not written.</summary>
    public required CheckReport After { get; init; }

    /// <summary>What was changed, in the order of the changes.</summary>
    public IReadOnlyList<string> Actions { get; init; } = [];

    /// <summary>True if the volume was changed, and is without a finding now.</summary>
    public bool IsRepaired { get; init; }
}
