using WinLoop.Ext4.Create;
using WinLoop.Ext4.Format;
using WinLoop.Ext4.Tests.Create;
using static System.Buffers.Binary.BinaryPrimitives;

namespace WinLoop.Ext4.Tests.Format;

public sealed class GeometryTests
{
    private const long Length = 1L << 30;

    [Fact]
    public void NumbersOfADefaultVolume()
    {
        Geometry geometry = Geometry.Create(Valid(), Length);
        Assert.Equal(4096, geometry.BlockSize);
        Assert.Equal(262144ul, geometry.BlocksCount);
        Assert.Equal(8u, geometry.GroupCount);
        Assert.Equal(8192u, geometry.InodesPerGroup);
        Assert.Equal(512u, geometry.InodeTableBlocks);
        Assert.Equal(64, geometry.DescriptorSize);
        Assert.Equal(1u, geometry.DescriptorBlocks);
        Assert.Equal(127u, geometry.ReservedDescriptorBlocks);
        Assert.Equal(16u, geometry.GroupsPerFlex);
        Assert.Equal(7u * 32768, geometry.GroupStart(7));
        Assert.Equal(32768u, geometry.BlocksInGroup(7));
        Assert.Equal(0u, geometry.GroupOfInode(8192));
        Assert.Equal(1u, geometry.GroupOfInode(8193));
        Assert.Equal(1u, geometry.GroupOfBlock(32768));
        Assert.True(geometry.IsValidRange(0, 262144));
        Assert.False(geometry.IsValidRange(1, 262144));
        Assert.False(geometry.IsValidRange(262144, 0));
        Assert.False(geometry.IsValidRange(ulong.MaxValue, 1));
        Assert.False(geometry.IsValidRange(5, ulong.MaxValue));
    }

    [Fact]
    public void BackupsArePowersOfThreeFiveAndSeven()
    {
        Geometry geometry = Geometry.Create(Valid(), Length);
        Assert.Equal([0, 1, 3, 5, 7, 9, 25, 27, 49, 81, 125, 243, 343, 625, 729],
            Enumerable.Range(0, 1000).Where(g => geometry.HasSuperblock((uint)g)));
        Superblock sb = Valid();
        sb.RoCompat &= ~RoCompatFeatures.SparseSuper;
        Assert.True(Enumerable.Range(0, 1000).All(g => Geometry.Create(sb, Length).HasSuperblock((uint)g)));
        sb.Compat |= CompatFeatures.SparseSuper2;
        sb.BackupGroup0 = 1;
        sb.BackupGroup1 = 7;
        Assert.Equal([0, 1, 7], Enumerable.Range(0, 1000).Where(g => Geometry.Create(sb, Length).HasSuperblock((uint)g)));
    }

    [Theory]
    [InlineData("s_inodes_count", 0x00, 4, 0)]
    [InlineData("s_inodes_count", 0x00, 4, 65535)]
    [InlineData("s_inodes_count", 0x00, 4, 0xFFFFFFFF)]
    [InlineData("s_blocks_count", 0x04, 4, 0)]
    [InlineData("s_blocks_count", 0x04, 4, 262145)]
    [InlineData("s_blocks_count", 0x150, 4, 1)]
    [InlineData("s_blocks_count", 0x150, 4, 0xFFFFFFFF)]
    [InlineData("s_inodes_count", 0x04, 4, 100)]
    [InlineData("s_r_blocks_count", 0x08, 4, 262145)]
    [InlineData("s_r_blocks_count", 0x154, 4, 1)]
    [InlineData("s_first_data_block", 0x14, 4, 1)]
    [InlineData("s_first_data_block", 0x14, 4, 0xFFFFFFFF)]
    [InlineData("s_log_block_size", 0x18, 4, 7)]
    [InlineData("s_log_block_size", 0x18, 4, 0x80000002)]
    [InlineData("s_log_cluster_size", 0x1C, 4, 3)]
    [InlineData("s_clusters_per_group", 0x20, 4, 0)]
    [InlineData("s_clusters_per_group", 0x24, 4, 32760)]
    [InlineData("s_inodes_per_group", 0x28, 4, 0)]
    [InlineData("s_inodes_per_group", 0x28, 4, 8)]
    [InlineData("s_inodes_per_group", 0x28, 4, 8191)]
    [InlineData("s_inodes_per_group", 0x28, 4, 32776)]
    [InlineData("s_inodes_per_group", 0x28, 4, 0xFFFFFFF8)]
    [InlineData("s_rev_level", 0x4C, 4, 2)]
    [InlineData("s_first_ino", 0x54, 4, 0)]
    [InlineData("s_first_ino", 0x54, 4, 10)]
    [InlineData("s_first_ino", 0x54, 4, 0xFFFFFFFF)]
    [InlineData("s_inode_size", 0x58, 2, 0)]
    [InlineData("s_inode_size", 0x58, 2, 64)]
    [InlineData("s_inode_size", 0x58, 2, 384)]
    [InlineData("s_inode_size", 0x58, 2, 8192)]
    [InlineData("s_inode_size", 0x58, 2, 0xFFFF)]
    [InlineData("s_reserved_gdt_blocks", 0xCE, 2, 1025)]
    [InlineData("s_desc_size", 0xFE, 2, 0)]
    [InlineData("s_desc_size", 0xFE, 2, 32)]
    [InlineData("s_desc_size", 0xFE, 2, 96)]
    [InlineData("s_desc_size", 0xFE, 2, 2048)]
    [InlineData("s_log_groups_per_flex", 0x174, 1, 32)]
    [InlineData("s_log_groups_per_flex", 0x174, 1, 255)]
    [InlineData("s_checksum_type", 0x175, 1, 0)]
    [InlineData("s_checksum_type", 0x175, 1, 2)]
    public void ImpossibleFieldsAreNamed(string field, int at, int width, uint value)
    {
        Superblock sb = Valid();
        Store(sb.Raw[at..], width, value);
        Ext4CorruptException e = Assert.Throws<Ext4CorruptException>(() => Geometry.Create(sb, Length));
        Assert.Equal("superblock", e.Where);
        Assert.StartsWith(field + " ", e.What);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(12)]
    [InlineData(32776)]
    [InlineData(0xFFFFFFF8)]
    public void ImpossibleGroupSizesAreNamed(uint value)
    {
        Superblock sb = Valid();
        sb.BlocksPerGroup = sb.ClustersPerGroup = value;
        Assert.StartsWith("s_blocks_per_group ", Assert.Throws<Ext4CorruptException>(() => Geometry.Create(sb, Length)).What);
    }

    [Fact]
    public void DescriptorTableBeyondTheEndIsRefused()
    {
        Superblock sb = Valid();
        sb.BlocksCount = 100;
        sb.InodesCount = sb.InodesPerGroup;
        sb.ReservedBlocksCount = 0;
        Assert.StartsWith("group descriptor table ", Assert.Throws<Ext4CorruptException>(() => Geometry.Create(sb, Length)).What);
    }

    [Fact]
    public void FirstMetaGroupBeyondTheTableIsRefused()
    {
        Superblock sb = Valid();
        sb.Incompat |= IncompatFeatures.MetaBg;
        sb.FirstMetaBg = 2;
        Assert.StartsWith("s_first_meta_bg ", Assert.Throws<Ext4CorruptException>(() => Geometry.Create(sb, Length)).What);
    }

    [Fact]
    public void NoSuperblockMakesAnythingElseThanCorrupt()
    {
        uint[] extremes = [0, 1, 2, 7, 8, 31, 32, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFF8, 0xFFFFFFFF];
        var bytes = Valid().Raw.ToArray();
        for (int at = 0; at < 0x288; at++)
        {
            foreach (uint value in extremes)
            {
                foreach (int width in (ReadOnlySpan<int>)[1, 2, 4])
                {
                    Probe(at, width, value);
                }
            }
        }
        int seed = Random.Shared.Next();
        var random = new Random(seed);
        for (int i = 0; i < 200_000; i++)
        {
            var sb = new Superblock(bytes);
            for (int change = random.Next(1, 6); change > 0; change--)
            {
                // The fields that geometry is made of.
                int at = random.Next(3) == 0 ? random.Next(0x280) : random.GetItems([0x00, 0x04, 0x14, 0x18, 0x1C, 0x20, 0x24, 0x28, 0x4C, 0x58, 0x60, 0x64, 0xFE, 0x150, 0x174], 1)[0];
                Store(sb.Raw[at..], random.GetItems([1, 2, 4], 1)[0], random.Next(2) == 0 ? random.GetItems(extremes, 1)[0] : (uint)random.NextInt64(1L << 32));
            }
            Try(sb, $"seed {seed}, step {i}");
        }

        void Probe(int at, int width, uint value)
        {
            var sb = new Superblock(bytes);
            Store(sb.Raw[at..], width, value);
            Try(sb, $"{width} bytes at {at:X}: {value:X}");
        }

        static void Try(Superblock sb, string what)
        {
            try
            {
                Geometry geometry = Geometry.Create(sb, Length);
                _ = geometry.GroupStart(geometry.GroupCount - 1);
                Assert.InRange(geometry.BlocksInGroup(geometry.GroupCount - 1), 1u, geometry.BlocksPerGroup);
                _ = geometry.HasSuperblock(geometry.GroupCount - 1);
                _ = geometry.GroupOfBlock(geometry.BlocksCount - 1);
            }
            catch (Ext4CorruptException)
            {
            }
            catch (Exception e) when (e is not Xunit.Sdk.XunitException)
            {
                Assert.Fail($"{what}: {e}");
            }
        }
    }

    private static Superblock Valid()
    {
        using var device = new SparseFile(Length);
        return new Superblock(VolumeParameters.Compute(device, new Ext4CreateOptions()).Superblock.Raw);
    }

    private static void Store(Span<byte> at, int width, uint value)
    {
        switch (width)
        {
            case 1:
                at[0] = unchecked((byte)value);
                break;
            case 2:
                WriteUInt16LittleEndian(at, unchecked((ushort)value));
                break;
            default:
                WriteUInt32LittleEndian(at, value);
                break;
        }
    }
}
