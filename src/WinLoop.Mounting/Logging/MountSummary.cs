using System.Globalization;
using WinLoop.Ext4;
using WinLoop.Ext4.Format;

namespace WinLoop.Mounting.Logging;

/// <summary>The one line that a log has for each mount: what, where, how, and why so.</summary>
public static class MountSummary
{
    /// <summary>Writes it.</summary>
    /// <param name="image">The mounted image.</param>
    /// <param name="directory">Where it is.</param>
    public static string Of(MountedImage image, string directory)
    {
        Ext4Volume volume = image.Volume;
        string features = string.Join(' ', (IEnumerable<string>)
            [.. FeatureNames.Of(volume.Superblock.Compat), .. FeatureNames.Of(volume.Superblock.Incompat), .. FeatureNames.Of(volume.Superblock.RoCompat)]);
        string mode = volume.IsReadOnly ? "read-only" : "read-write";
        string reason = image.ReadOnlyReason is { } why ? $" because {why}" : "";
        string part = image.Image.Partition is { } number ? $" partition {number.ToString(CultureInfo.InvariantCulture)}" : "";
        return $"mounted {image.Image.Path}{part} on {directory} {mode}{reason}; label '{image.Label}' uuid {image.Uuid} features {features}; " +
            $"recovery: {volume.RecoveryReport ?? "none"}";
    }
}
