namespace WinLoop.Ext4.Format;

/// <summary>s_feature_compat (superblock 0x5C): safe to ignore when unknown.</summary>
[Flags]
public enum CompatFeatures : uint
{
#pragma warning disable CS1591 // the names are mke2fs's own
    None = 0,
    DirPrealloc = 0x1, ImagicInodes = 0x2, HasJournal = 0x4, ExtAttr = 0x8, ResizeInode = 0x10, DirIndex = 0x20,
    LazyBg = 0x40, ExcludeInode = 0x80, ExcludeBitmap = 0x100, SparseSuper2 = 0x200, FastCommit = 0x400,
    StableInodes = 0x800, OrphanFile = 0x1000,
}

/// <summary>s_feature_incompat (superblock 0x60): an unknown bit refuses the mount.</summary>
[Flags]
public enum IncompatFeatures : uint
{
    None = 0,
    Compression = 0x1, FileType = 0x2, Recover = 0x4, JournalDev = 0x8, MetaBg = 0x10, Extents = 0x40, Bit64 = 0x80,
    Mmp = 0x100, FlexBg = 0x200, EaInode = 0x400, DirData = 0x1000, CsumSeed = 0x2000, LargeDir = 0x4000,
    InlineData = 0x8000, Encrypt = 0x10000, CaseFold = 0x20000,
}

/// <summary>s_feature_ro_compat (superblock 0x64): an unknown bit makes the mount read-only.</summary>
[Flags]
public enum RoCompatFeatures : uint
{
    None = 0,
    SparseSuper = 0x1, LargeFile = 0x2, BtreeDir = 0x4, HugeFile = 0x8, GdtCsum = 0x10, DirNlink = 0x20,
    ExtraIsize = 0x40, HasSnapshot = 0x80, Quota = 0x100, BigAlloc = 0x200, MetadataCsum = 0x400, Replica = 0x800,
    ReadOnly = 0x1000, Project = 0x2000, SharedBlocks = 0x4000, Verity = 0x8000, OrphanPresent = 0x10000,
#pragma warning restore CS1591
}

/// <summary>The features' names, as mke2fs and dumpe2fs write them.</summary>
public static class FeatureNames
{
    private static readonly string?[] s_compat =
        ["dir_prealloc", "imagic_inodes", "has_journal", "ext_attr", "resize_inode", "dir_index", "lazy_bg",
         "snapshot_inode", "snapshot_bitmap", "sparse_super2", "fast_commit", "stable_inodes", "orphan_file"];

    private static readonly string?[] s_incompat =
        ["compression", "filetype", "needs_recovery", "journal_dev", "meta_bg", null, "extent", "64bit", "mmp",
         "flex_bg", "ea_inode", null, "dirdata", "metadata_csum_seed", "large_dir", "inline_data", "encrypt", "casefold"];

    private static readonly string?[] s_roCompat =
        ["sparse_super", "large_file", "btree_dir", "huge_file", "uninit_bg", "dir_nlink", "extra_isize", "snapshot",
         "quota", "bigalloc", "metadata_csum", "replica", "read-only", "project", "shared_blocks", "verity",
         "orphan_present"];

    /// <summary>The names of all set bits; an unknown bit is <c>FEATURE_C12</c>-like.</summary>
    public static IReadOnlyList<string> Of(CompatFeatures features) => Names((uint)features, s_compat, 'C');

    /// <inheritdoc cref="Of(CompatFeatures)"/>
    public static IReadOnlyList<string> Of(IncompatFeatures features) => Names((uint)features, s_incompat, 'I');

    /// <inheritdoc cref="Of(CompatFeatures)"/>
    public static IReadOnlyList<string> Of(RoCompatFeatures features) => Names((uint)features, s_roCompat, 'R');

    private static List<string> Names(uint bits, string?[] names, char kind)
    {
        var list = new List<string>();
        for (int i = 0; i < 32; i++)
        {
            if ((bits >> i & 1) != 0)
            {
                list.Add(i < names.Length && names[i] is { } name ? name : $"FEATURE_{kind}{i}");
            }
        }
        return list;
    }
}
