using WinLoop.Ext4.Create;
using WinLoop.Ext4.Format;
using WinLoop.TestKit;

namespace WinLoop.Ext4.Tests.Create;

/// <summary>New volumes against those of mkfs.ext4 (e2fsprogs 1.47.0), byte for byte.</summary>
public sealed class MkfsComparisonTests
{
    private const string Uuid = "c0ffee00-1234-4678-9abc-def012345678", HashSeed = "0badcafe-4321-4765-8cba-0fed87654321";
    private const long Time = 1_700_000_000;

    private static readonly Ext4CreateOptions s_defaults = new()
    {
        Uuid = Guid.Parse(Uuid),
        HashSeed = Guid.Parse(HashSeed),
        Time = new Timestamp(Time, 0),
        IsZeroed = true,
    };

    [Theory]
    [InlineData("130K"), InlineData("200K"), InlineData("400K"), InlineData("720K")]
    [InlineData("1M"), InlineData("2M"), InlineData("3M"), InlineData("4M"), InlineData("7M"), InlineData("8M"), InlineData("16M")]
    [InlineData("100M"), InlineData("128M"), InlineData("131077K"), InlineData("300M"), InlineData("393300K"), InlineData("511M")]
    [InlineData("512M"), InlineData("1000001K"), InlineData("1G"), InlineData("1048577K"), InlineData("2G"), InlineData("4000M")]
    [InlineData("16385M"), InlineData("20G"), InlineData("100G"), InlineData("300G"), InlineData("1100G")]
    public void DefaultsAreTheSame(string size) => Compare(size, s_defaults, "");

    [Theory]
    [InlineData("1G", 1024), InlineData("20G", 1024), InlineData("60G", 1024)]
    [InlineData("100M", 2048), InlineData("1G", 2048), InlineData("20G", 2048)]
    [InlineData("16M", 4096), InlineData("100M", 4096)]
    public void BlockSizesAreTheSame(string size, int blockSize) =>
        Compare(size, s_defaults with { BlockSize = blockSize }, $"-b {blockSize}");

    [Theory]
    [InlineData("4M"), InlineData("100M"), InlineData("1G"), InlineData("20G")]
    public void Without64BitIsTheSame(string size) => Compare(size, s_defaults with { Is64Bit = false }, "-O ^64bit");

    [Theory]
    [InlineData("4M"), InlineData("100M"), InlineData("1G"), InlineData("20G")]
    public void WithoutChecksumsIsTheSame(string size) =>
        Compare(size, s_defaults with { HasMetadataChecksums = false }, "-O ^metadata_csum");

    [Theory]
    [InlineData("1M"), InlineData("100M"), InlineData("1G"), InlineData("20G")]
    public void UpstreamFeaturesAreTheSame(string size) =>
        Compare(size, s_defaults with { HasChecksumSeed = true, HasOrphanFile = true }, "-O metadata_csum_seed,orphan_file");

    [Theory]
    [InlineData("4M"), InlineData("100M"), InlineData("1G")]
    public void WithoutJournalIsTheSame(string size) => Compare(size, s_defaults with { HasJournal = false }, "-O ^has_journal");

    [Theory]
    [InlineData("4M", 128), InlineData("1G", 128), InlineData("100M", 512), InlineData("1G", 1024)]
    public void InodeSizesAreTheSame(string size, int inodeSize) =>
        Compare(size, s_defaults with { InodeSize = inodeSize }, $"-I {inodeSize}");

    [Theory]
    [InlineData("100M", 1024), InlineData("100M", 65536), InlineData("1G", 4096), InlineData("1G", 1048576), InlineData("20G", 4096)]
    public void InodeRatiosAreTheSame(string size, int bytesPerInode) =>
        Compare(size, s_defaults with { BytesPerInode = bytesPerInode }, $"-i {bytesPerInode}");

    [Theory]
    [InlineData("100M"), InlineData("1G"), InlineData("3G")]
    public void LargeInodeTablesAreTheSame(string size) =>
        Compare(size, s_defaults with { BlockSize = 1024, InodeSize = 512, BytesPerInode = 1024 }, "-b 1024 -I 512 -i 1024");

    [Theory]
    [InlineData("100M", ""), InlineData("1G", ""), InlineData("100M", "metadata_csum_seed,orphan_file")]
    public void EightInodesPerGroupAreTheSame(string size, string features) => Compare(size,
        s_defaults with { BlockSize = 1024, BytesPerInode = 1048576, HasChecksumSeed = features.Length != 0, HasOrphanFile = features.Length != 0 },
        "-b 1024 -i 1048576" + (features.Length == 0 ? "" : " -O " + features));

    [Fact]
    public void LabelOwnerReserveAndJournalSizeAreTheSame() => Compare("100M",
        s_defaults with { Label = "Größe", RootUid = 100_000, RootGid = 1000, ReservedPercent = 1.5, JournalBlocks = 8192 },
        "-L Größe -E root_owner=100000:1000 -m 1.5 -J size=8");

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void RandomSizesAreTheSame(int seed)
    {
        var random = new Random(seed);
        for (int i = 0; i < 12; i++)
        {
            long kilobytes = (long)Math.Exp(random.NextDouble() * (Math.Log(40e6) - Math.Log(1024)) + Math.Log(1024));
            int[] blockSizes = [0, 1024, 2048, 4096];
            int blockSize = blockSizes[random.Next(4)];
            Compare($"{kilobytes}K", s_defaults with { BlockSize = blockSize }, blockSize == 0 ? "" : $"-b {blockSize}");
        }
    }

    private static void Compare(string size, Ext4CreateOptions options, string mkfsOptions)
    {
        Shell.Require("mkfs.ext4", "e2fsck");
        Assert.SkipUnless(OperatingSystem.IsLinux(), "needs Linux");
        Assert.SkipUnless(Shell.Run("mkfs.ext4", ["-V"]).All.Contains("1.47.0", StringComparison.Ordinal), "compares with mkfs.ext4 1.47.0 only");
        long length = Parse(size);
        using var theirs = new SparseFile(length);
        // The extended options of a test come on top of the common ones.
        string extended = $"hash_seed={HashSeed}";
        if (mkfsOptions.Contains("-E ", StringComparison.Ordinal))
        {
            mkfsOptions = mkfsOptions.Replace("-E ", $"-E {extended},", StringComparison.Ordinal);
        }
        else
        {
            mkfsOptions += $" -E {extended}";
        }
        Shell.Script($"E2FSPROGS_FAKE_TIME={Time} mkfs.ext4 -q -F -U {Uuid} -O {Features(options)} {mkfsOptions} {theirs.Path}");

        using var ours = new SparseFile(length);
        Ext4Creator.Create(ours, options);
        Assert.True(ours.EndsFlushed);

        string differences = ImageComparison.Describe(theirs, ours);
        Shell.Result verdict = Shell.Run("e2fsck", ["-fn", ours.Path]);
        Assert.True(verdict.ExitCode == 0 && !verdict.All.Contains('?', StringComparison.Ordinal), $"{size} {mkfsOptions}: e2fsck: {verdict.All}");
        Assert.True(differences.Length == 0, $"{size} {mkfsOptions}: {differences}");
    }

    // Whatever /etc/mke2fs.conf says: Debian's defaults.
    private static string Features(Ext4CreateOptions options) =>
        (options.HasChecksumSeed ? "metadata_csum_seed" : "^metadata_csum_seed") + (options.HasOrphanFile ? ",orphan_file" : ",^orphan_file");

    private static long Parse(string size) => long.Parse(size[..^1], System.Globalization.CultureInfo.InvariantCulture) << size[^1] switch
    {
        'K' => 10,
        'M' => 20,
        _ => 30,
    };
}
