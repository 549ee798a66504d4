using WinLoop.Ext4.Check;
using WinLoop.Ext4.Check.Repair;
using WinLoop.Mounting;

namespace WinLoop.Cli.Output;

/// <summary>The answer of <c>check</c>.</summary>
internal sealed record CheckAnswer
{
    public required string Image { get; init; }
    public int? Partition { get; init; }
    public long Offset { get; init; }
    /// <summary>No errors; after a repair, none are left.</summary>
    public bool Clean { get; init; }
    /// <summary>The journal has to be replayed; the check was of the volume after that.</summary>
    public bool NeedsRecovery { get; init; }
    public int Errors { get; init; }
    /// <summary>What the next writable mount settles by itself.</summary>
    public int Pending { get; init; }
    /// <summary>There are more findings than are listed.</summary>
    public bool Truncated { get; init; }
    /// <summary>It was so damaged that the check had to stop early.</summary>
    public bool Incomplete { get; init; }
    public uint UsedInodes { get; init; }
    public uint Inodes { get; init; }
    public uint Directories { get; init; }
    public ulong UsedBlocks { get; init; }
    public ulong Blocks { get; init; }
    public IReadOnlyList<FindingAnswer> Findings { get; init; } = [];
    /// <summary>Null unless a repair was asked for.</summary>
    public RepairAnswer? Repair { get; init; }

    internal static CheckAnswer From(OpenedImage image, CheckReport report, RepairReport? repair) => new()
    {
        Image = image.Path,
        Partition = image.Partition,
        Offset = image.Offset,
        Clean = (repair?.After ?? report).IsClean && (repair == null || repair.IsRepaired || report.IsClean),
        NeedsRecovery = report.NeedsRecovery,
        Errors = report.ErrorCount,
        Pending = report.PendingCount,
        Truncated = report.IsTruncated,
        Incomplete = report.IsIncomplete,
        UsedInodes = report.UsedInodes,
        Inodes = report.Inodes,
        Directories = report.Directories,
        UsedBlocks = report.UsedBlocks,
        Blocks = report.Blocks,
        Findings = [.. report.Findings.Select(FindingAnswer.From)],
        Repair = repair == null ? null : new RepairAnswer(repair.IsRepaired, repair.Actions, [.. repair.After.Findings.Select(FindingAnswer.From)]),
    };
}

/// <summary>One finding; <paramref name="Class"/> is stable, the text is not.</summary>
internal sealed record FindingAnswer(int Pass, string Class, int Code, string Severity, uint? Inode, ulong? Block, uint? Group, string Text)
{
    internal static FindingAnswer From(Finding finding) => new(
        finding.Pass, finding.Code.ToString(), (int)finding.Code, finding.Severity switch
        {
            FindingSeverity.Note => "note",
            FindingSeverity.Pending => "pending",
            _ => "error",
        }, finding.Inode, finding.Block, finding.Group, finding.Text);
}

/// <summary>What a repair did.</summary>
/// <param name="Done">The image was changed, and both checks say that it is clean now.</param>
/// <param name="Actions">What was changed, or would have been.</param>
/// <param name="Left">What could not be repaired.</param>
internal sealed record RepairAnswer(bool Done, IReadOnlyList<string> Actions, IReadOnlyList<FindingAnswer> Left);
