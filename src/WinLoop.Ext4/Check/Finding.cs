namespace WinLoop.Ext4.Check;

/// <summary>How much a finding matters.</summary>
public enum FindingSeverity : byte
{
    /// <summary>Worth knowing; nothing is wrong with what is in use.</summary>
    Note,
    /// <summary>Left behind by a power cut; the next writable mount puts it right by itself.</summary>
    Pending,
    /// <summary>Damage.</summary>
    Error,
}

/// <summary>One thing that a check found.</summary>
/// <param name="Pass">The pass, 0..5, with e2fsck's meaning.</param>
/// <param name="Code">The class of the problem; stable.</param>
/// <param name="Severity">How much it matters.</param>
/// <param name="Inode">The inode it is about; null if none.</param>
/// <param name="Block">The block it is about, in blocks of the volume; null if none.</param>
/// <param name="Group">The block group it is about; null if none.</param>
/// <param name="Text">What is wrong, as one clause without a full stop. May quote bytes of the image.</param>
public readonly record struct Finding(
    int Pass, FindingCode Code, FindingSeverity Severity, uint? Inode, ulong? Block, uint? Group, string Text)
{
    /// <summary><c>pass N: inode N: what</c>.</summary>
    public override string ToString()
    {
        string where = Inode is { } inode ? $"inode {inode}: " : Group is { } group ? $"group {group}: " : Block is { } block ? $"block {block}: " : "";
        return $"pass {Pass}: {where}{Text}";
    }
}
