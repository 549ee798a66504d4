using WinLoop.Ext4;
using WinLoop.Ext4.Format;
using WinLoop.Storage;

namespace WinLoop.Mounting;

/// <summary>Whether and how a volume can be mounted.</summary>
public enum Mountability
{
    /// <summary>Read and written.</summary>
    ReadWrite,
    /// <summary>Only read.</summary>
    ReadOnly,
    /// <summary>Not at all.</summary>
    No,
}

/// <summary>What the superblock of a volume says, and what follows from it; nothing is changed.</summary>
public sealed class VolumeFacts
{
    private readonly HashSet<string> _refused;
    private readonly HashSet<string> _readOnly;

    private VolumeFacts(Superblock superblock, Geometry geometry, Mountability mountability, string? reason)
    {
        (Superblock, Geometry, Mountability, Reason) = (superblock, geometry, mountability, reason);
        (IReadOnlyList<string> refused, IReadOnlyList<string> readOnly) = FeatureSupport.Check(superblock);
        (_refused, _readOnly) = ([.. refused], [.. readOnly]);
    }

    /// <summary>The superblock.</summary>
    public Superblock Superblock { get; }

    /// <summary>Sizes and counts.</summary>
    public Geometry Geometry { get; }

    /// <summary>The verdict.</summary>
    public Mountability Mountability { get; }

    /// <summary>Why not, or why only read-only; null otherwise.</summary>
    public string? Reason { get; }

    /// <summary>All features with what WinLoop can do with them, in the order of dumpe2fs.</summary>
    public IEnumerable<(string Name, Mountability Support)> Features =>
        FeatureNames.Of(Superblock.Compat).Concat(FeatureNames.Of(Superblock.Incompat)).Concat(FeatureNames.Of(Superblock.RoCompat))
            .Select(name => (name, _refused.Contains(name) ? Mountability.No : _readOnly.Contains(name) ? Mountability.ReadOnly : Mountability.ReadWrite));

    /// <summary><c>clean</c>, <c>needs recovery</c>, <c>not clean</c> or <c>damaged</c>.</summary>
    public string State =>
        (Superblock.State & Superblock.StateError) != 0 ? "damaged"
        : Superblock.Has(IncompatFeatures.Recover) ? "needs recovery"
        : (Superblock.State & Superblock.StateValid) == 0 ? "not clean"
        : "clean";

    /// <summary><c>ext2</c>, <c>ext3</c> or <c>ext4</c>, as blkid tells them apart.</summary>
    public string Type =>
        (Superblock.Incompat & ~(IncompatFeatures.FileType | IncompatFeatures.Recover | IncompatFeatures.MetaBg)) != 0 ||
        (Superblock.RoCompat & ~(RoCompatFeatures.SparseSuper | RoCompatFeatures.LargeFile | RoCompatFeatures.BtreeDir)) != 0 ? "ext4"
        : Superblock.Has(CompatFeatures.HasJournal) ? "ext3" : "ext2";

    /// <summary>Reads the superblock.</summary>
    /// <param name="volume">The volume's device.</param>
    /// <param name="readOnlyReason">Why the image itself cannot be written; null if it can.</param>
    /// <exception cref="Ext4CorruptException">No ext file system, or a damaged superblock.</exception>
    public static VolumeFacts Read(IBlockDevice volume, string? readOnlyReason)
    {
        Superblock superblock = SuperblockReader.Read(volume);
        Geometry geometry;
        try
        {
            geometry = Geometry.Create(superblock, volume.Length);
            FeatureSupport.RequireMountable(superblock);
        }
        catch (Ext4NotSupportedException e)
        {
            return new VolumeFacts(superblock, Geometry.Create(superblock, volume.Length), Mountability.No, e.Message);
        }
        string? reason = readOnlyReason ?? Ext4Volume.WhyReadOnly(superblock, isDeviceReadOnly: false);
        return new VolumeFacts(superblock, geometry, reason == null ? Mountability.ReadWrite : Mountability.ReadOnly, reason);
    }
}
