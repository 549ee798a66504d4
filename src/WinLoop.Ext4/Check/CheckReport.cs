namespace WinLoop.Ext4.Check;

/// <summary>The outcome of a check.</summary>
public sealed class CheckReport
{
    /// <summary>What was found, by pass and place.</summary>
    public IReadOnlyList<Finding> Findings { get; internal set; } = [];

    /// <summary>Findings of severity <see cref="FindingSeverity.Error"/>, including those that are not listed.</summary>
    public int ErrorCount { get; internal set; }

    /// <summary>Findings that the next writable mount settles.</summary>
    public int PendingCount { get; internal set; }

    /// <summary>More was found than <see cref="Findings"/> holds.</summary>
    public bool IsTruncated { get; internal set; }

    /// <summary>The check had to stop before its last pass.</summary>
    public bool IsIncomplete { get; internal set; }

    /// <summary>No damage.</summary>
    public bool IsClean => ErrorCount == 0;

    /// <summary>No damage, and nothing that a mount would have to put right, a journal to be replayed apart.</summary>
    public bool IsSpotless => ErrorCount == 0 && PendingCount == 0;

    /// <summary>The journal holds transactions; what was checked is the volume after their replay, in memory.</summary>
    public bool NeedsRecovery { get; internal set; }

    /// <summary>Transactions replayed into memory.</summary>
    public int ReplayedTransactions { get; internal set; }

    /// <summary>Inodes in use.</summary>
    public uint UsedInodes { get; internal set; }

    /// <summary>Inodes in the volume.</summary>
    public uint Inodes { get; internal set; }

    /// <summary>Directories.</summary>
    public uint Directories { get; internal set; }

    /// <summary>Blocks in use.</summary>
    public ulong UsedBlocks { get; internal set; }

    /// <summary>Blocks in the volume.</summary>
    public ulong Blocks { get; internal set; }

    /// <summary>True if something of the class was found and is listed.</summary>
    public bool Has(FindingCode code)
    {
        foreach (Finding finding in Findings)
        {
            if (finding.Code == code)
            {
                return true;
            }
        }
        return false;
    }
}
