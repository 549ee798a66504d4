using WinLoop.TestKit;

namespace WinLoop.Ext4.Tests.Journal;

/// <summary>The feature flag that says that the orphan file may hold something.</summary>
public sealed class OrphanMarkTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_mark_without_orphans_is_gone_after_a_mount_that_changes_nothing(bool isReadOnly)
    {
        Shell.Require("debugfs");
        using TestImage image = TestImage.Make(8, "-O orphan_file");
        Shell.Script($"debugfs -w -R 'feature orphan_present' {image.Path} 2>&1");
        Assert.Contains("orphan_present is set", Shell.Run("e2fsck", ["-fn", image.Path]).All, StringComparison.Ordinal);
        string before = Shell.Script($"sha256sum {image.Path}");
        using (Ext4Volume volume = image.Mount(new Ext4MountOptions { IsReadOnly = isReadOnly }))
        {
            Assert.Null(volume.RecoveryReport);
        }
        if (isReadOnly)
        {
            Assert.Equal(before, Shell.Script($"sha256sum {image.Path}"));
            return;
        }
        image.AssertClean();
    }
}
