using WinLoop.Ext4.Format;
using WinLoop.Ext4.Tests.Create;
using WinLoop.TestKit;

namespace WinLoop.Ext4.Tests.Format;

public sealed class FeatureSupportTests
{
    [Theory]
    [InlineData("")]
    [InlineData("-O metadata_csum_seed,orphan_file")]
    [InlineData("-O ^metadata_csum,uninit_bg")]
    [InlineData("-O ^metadata_csum,^64bit,^flex_bg,^has_journal")]
    [InlineData("-O ^sparse_super,^resize_inode,^dir_index,^ext_attr")]
    [InlineData("-O sparse_super2,fast_commit,stable_inodes")]
    public void SupportedMixesAreWritable(string options)
    {
        Superblock sb = Make(options);
        FeatureSupport.RequireMountable(sb);
        Assert.Null(FeatureSupport.ReadOnlyReason(sb));
    }

    [Theory]
    [InlineData("-O inline_data", "inline_data")]
    [InlineData("-O ea_inode", "ea_inode")]
    [InlineData("-O encrypt", "encrypt")]
    [InlineData("-O casefold", "casefold")]
    [InlineData("-O mmp", "mmp")]
    [InlineData("-O large_dir", "large_dir")]
    [InlineData("-O meta_bg,^resize_inode", "meta_bg")]
    [InlineData("-O bigalloc", "bigalloc")]
    [InlineData("-O encrypt,inline_data,bigalloc", "inline_data,encrypt,bigalloc")]
    public void OthersAreRefusedByName(string options, string names)
    {
        Superblock sb = Make(options);
        Ext4NotSupportedException e = Assert.Throws<Ext4NotSupportedException>(() => FeatureSupport.RequireMountable(sb));
        Assert.Equal(names, e.Feature);
        Assert.Equal(names.Split(','), FeatureSupport.Check(sb).Refused);
        Assert.All(names.Split(','), name => Assert.Contains(name, e.Message, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("-O quota", "quota")]
    [InlineData("-O project,quota", "quota, project")]
    [InlineData("-O verity", "verity")]
    public void ReadOnlyFeaturesGiveTheReason(string options, string names)
    {
        Superblock sb = Make(options);
        FeatureSupport.RequireMountable(sb);
        Assert.Contains(names, FeatureSupport.ReadOnlyReason(sb), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("-t ext2")]
    [InlineData("-t ext3")]
    [InlineData("-r 0 -O none")]
    public void BlockMappedVolumesAreReadOnly(string options)
    {
        Superblock sb = Make(options);
        FeatureSupport.RequireMountable(sb);
        Assert.Contains("block-mapped", FeatureSupport.ReadOnlyReason(sb), StringComparison.Ordinal);
    }

    [Fact]
    public void UnknownBitsAreNamedByNumber()
    {
        Superblock sb = Make("");
        sb.Incompat |= (IncompatFeatures)(1u << 30);
        Assert.Equal("FEATURE_I30", Assert.Throws<Ext4NotSupportedException>(() => FeatureSupport.RequireMountable(sb)).Feature);
        sb = Make("");
        sb.RoCompat |= (RoCompatFeatures)(1u << 31) | RoCompatFeatures.ReadOnly | RoCompatFeatures.SharedBlocks;
        FeatureSupport.RequireMountable(sb);
        Assert.Equal(["read-only", "shared_blocks", "FEATURE_R31"], FeatureSupport.Check(sb).ReadOnly);
        sb = Make("");
        sb.Compat |= (CompatFeatures)(1u << 31);
        FeatureSupport.RequireMountable(sb);
        Assert.Null(FeatureSupport.ReadOnlyReason(sb));
    }

    [Fact]
    public void JournalDevicesAreNotVolumes()
    {
        Shell.Require("mke2fs");
        using var device = new SparseFile(4 << 20);
        Shell.Script($"mke2fs -q -F -O journal_dev {device.Path}");
        Assert.Equal("journal_dev", Assert.Throws<Ext4NotSupportedException>(() => FeatureSupport.RequireMountable(SuperblockReader.Read(device))).Feature);
    }

    [Fact]
    public void ExternalJournalIsRefused()
    {
        Superblock sb = Make("");
        sb.JournalInode = 0;
        Assert.Contains("another device", Assert.Throws<Ext4NotSupportedException>(() => FeatureSupport.RequireMountable(sb)).Message, StringComparison.Ordinal);
    }

    private static Superblock Make(string options)
    {
        using TestImage image = TestImage.Make(64, options);
        using var device = new SparseFile(image.Path);
        return SuperblockReader.Read(device);
    }
}
