namespace WinLoop.Ext4.Format;

/// <summary>Which features this engine reads and writes.</summary>
public static class FeatureSupport
{
    private const IncompatFeatures Mountable = IncompatFeatures.FileType | IncompatFeatures.Recover |
        IncompatFeatures.Extents | IncompatFeatures.Bit64 | IncompatFeatures.FlexBg | IncompatFeatures.CsumSeed;

    // ro_compat, but its bitmaps count clusters: not even reading free space works without knowing it.
    private const RoCompatFeatures Refused = RoCompatFeatures.BigAlloc;

    private const RoCompatFeatures Writable = RoCompatFeatures.SparseSuper | RoCompatFeatures.LargeFile |
        RoCompatFeatures.HugeFile | RoCompatFeatures.GdtCsum | RoCompatFeatures.DirNlink | RoCompatFeatures.ExtraIsize |
        RoCompatFeatures.MetadataCsum | RoCompatFeatures.OrphanPresent;

    // What e2fsck 1.47 checks.
    private const RoCompatFeatures Known = Writable | Refused | RoCompatFeatures.Quota | RoCompatFeatures.ReadOnly |
        RoCompatFeatures.Project | RoCompatFeatures.SharedBlocks | RoCompatFeatures.Verity;

    /// <summary>Sorts the features that are not fully supported. Compatible features never matter.</summary>
    /// <returns>The names of those that refuse the mount, and of those that make it read-only.</returns>
    public static (IReadOnlyList<string> Refused, IReadOnlyList<string> ReadOnly) Check(Superblock sb)
    {
        List<string> refused = [.. FeatureNames.Of(sb.Incompat & ~Mountable), .. FeatureNames.Of(sb.RoCompat & Refused)];
        return (refused, FeatureNames.Of(sb.RoCompat & ~Writable & ~Refused));
    }

    /// <summary>Refuses a volume that cannot be mounted at all.</summary>
    /// <exception cref="Ext4NotSupportedException">Names the features.</exception>
    public static void RequireMountable(Superblock sb)
    {
        if (sb.Has(IncompatFeatures.JournalDev))
        {
            throw new Ext4NotSupportedException("journal_dev", "this is the external journal of another volume, not a file system");
        }
        (IReadOnlyList<string> refused, _) = Check(sb);
        if (refused.Count > 0)
        {
            throw new Ext4NotSupportedException(string.Join(',', refused),
                $"the volume uses {string.Join(", ", refused)}, which WinLoop does not support");
        }
        if (sb.Has(CompatFeatures.HasJournal) && sb.JournalInode == 0)
        {
            throw new Ext4NotSupportedException("external journal", "the volume keeps its journal on another device");
        }
    }

    /// <summary>Refuses a volume with read-only features unknown here: it can be read, but what on it is right
    /// cannot be told.</summary>
    /// <exception cref="Ext4NotSupportedException">Names the features.</exception>
    public static void RequireKnown(Superblock sb)
    {
        RoCompatFeatures unknown = sb.RoCompat & ~Known;
        if (unknown != 0)
        {
            string names = string.Join(", ", FeatureNames.Of(unknown));
            throw new Ext4NotSupportedException(names, $"the volume uses {names}, which WinLoop does not know");
        }
    }

    /// <summary>Why a mountable volume can only be read; null if it can be written.</summary>
    public static string? ReadOnlyReason(Superblock sb)
    {
        (_, IReadOnlyList<string> readOnly) = Check(sb);
        if (readOnly.Count > 0)
        {
            return $"the volume uses {string.Join(", ", readOnly)}, which WinLoop can only read";
        }
        return sb.Has(IncompatFeatures.Extents) ? null : "block-mapped files (no extent feature)";
    }
}
