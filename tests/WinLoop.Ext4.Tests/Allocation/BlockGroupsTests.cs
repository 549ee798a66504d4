using WinLoop.Ext4.Allocation;
using WinLoop.Ext4.Format;
using WinLoop.TestKit;

namespace WinLoop.Ext4.Tests.Allocation;

public sealed class BlockGroupsTests
{
    public static TheoryData<int, string> Layouts => new()
    {
        { 64, "-b 1024" },
        { 64, "-b 4096" },
        { 600, "-b 4096" },
        { 200, "-b 1024 -O ^flex_bg" },
        { 200, "-b 2048 -O ^64bit" },
        { 200, "-b 1024 -O ^metadata_csum,uninit_bg,^64bit" },
        { 200, "-b 1024 -O ^metadata_csum,^uninit_bg" },
        { 200, "-b 1024 -O ^metadata_csum,uninit_bg,^flex_bg,^resize_inode" },
        { 200, "-b 1024 -g 1024 -O sparse_super2" },
        { 200, "-b 1024 -G 4 -N 1024 -O ^sparse_super,^resize_inode" },
        { 777, "-b 4096 -g 4000" },
    };

    [Theory]
    [MemberData(nameof(Layouts))]
    public void DescriptorsBitmapsAndZoneAgreeWithDumpe2fs(int megabytes, string options)
    {
        using TestImage image = TestImage.Make(megabytes, options);
        List<DumpedGroup> dumped = DumpedGroups.Read(image.Path);
        using Ext4Volume volume = image.Mount(new Ext4MountOptions { IsReadOnly = true });
        BlockGroups groups = volume.Groups;
        Assert.Equal(dumped.Count, (int)volume.Geometry.GroupCount);

        // One by one, before the whole table is read.
        var last = dumped[^1];
        Assert.Equal(last.InodeTable, groups.InodeTable(last.Number));
        Assert.False(groups.IsLoaded);
        groups.LoadAll();

        var metadata = new HashSet<ulong>();
        foreach (DumpedGroup expected in dumped)
        {
            ref GroupState state = ref groups.Get(expected.Number);
            Assert.Equal(expected.BlockBitmap, state.BlockBitmap);
            Assert.Equal(expected.InodeBitmap, state.InodeBitmap);
            Assert.Equal(expected.InodeTable, state.InodeTable);
            Assert.Equal(expected.FreeBlocks, state.FreeBlocks);
            Assert.Equal(expected.FreeInodes, state.FreeInodes);
            Assert.Equal(expected.Directories, state.UsedDirectories);
            Assert.Equal(expected.UnusedInodes, state.InodeTableUnused);
            Assert.Equal(expected.Flags.Contains("BLOCK_UNINIT", StringComparison.Ordinal), state.Has(GroupFlags.BlockUninit));
            Assert.Equal(expected.Flags.Contains("INODE_UNINIT", StringComparison.Ordinal), state.Has(GroupFlags.InodeUninit));
            foreach ((ulong from, ulong to) in expected.Metadata)
            {
                for (ulong block = from; block <= to; block++)
                {
                    metadata.Add(block);
                }
            }
        }
        for (ulong block = volume.Geometry.FirstDataBlock; block < volume.Geometry.BlocksCount; block++)
        {
            Assert.True(metadata.Contains(block) == groups.IsSystemZone(block, 1), $"block {block}");
        }
        Assert.True(groups.IsSystemZone(volume.Geometry.BlocksCount - 1, 2));
        Assert.True(groups.IsSystemZone(ulong.MaxValue, ulong.MaxValue));

        (ulong freeBlocks, ulong freeInodes) = groups.CountFree();
        Assert.Equal((ulong)dumped.Sum(g => g.FreeBlocks), freeBlocks);
        Assert.Equal((ulong)dumped.Sum(g => g.FreeInodes), freeInodes);
        CompareBitmaps(volume, dumped);
    }

    [Fact]
    public void BitmapsWrittenByTheKernelAgreeWithDumpe2fs()
    {
        using TestImage image = TestImage.Make(300, "-b 1024 -N 20000");
        image.WithKernel("for i in $(seq 40); do mkdir $M/d$i; head -c ${i}777 /dev/zero > $M/d$i/f; done; rm -r $M/d7 $M/d21");
        List<DumpedGroup> dumped = DumpedGroups.Read(image.Path);
        using Ext4Volume volume = image.Mount(new Ext4MountOptions { IsReadOnly = true });
        CompareBitmaps(volume, dumped);
    }

    private static void CompareBitmaps(Ext4Volume volume, List<DumpedGroup> dumped)
    {
        Geometry geometry = volume.Geometry;
        foreach (DumpedGroup expected in dumped)
        {
            lock (volume.Groups.LockOf(expected.Number))
            {
                GroupBitmap blocks = volume.Blocks.Bitmaps.Get(expected.Number);
                for (uint bit = 0; bit < geometry.BlocksInGroup(expected.Number); bit++)
                {
                    ulong block = geometry.GroupStart(expected.Number) + bit;
                    Assert.True(expected.FreeBlockNumbers.Contains(block) == Bitmap.AreClear(blocks.Disk, (int)bit, 1), $"block {block}");
                }
                GroupBitmap inodes = volume.InodeNumbers.Bitmaps.Get(expected.Number);
                for (uint bit = 0; bit < geometry.InodesPerGroup; bit++)
                {
                    uint inode = (expected.Number * geometry.InodesPerGroup) + bit + 1;
                    Assert.True(expected.FreeInodeNumbers.Contains(inode) == Bitmap.AreClear(inodes.Disk, (int)bit, 1), $"inode {inode}");
                }
            }
        }
    }

    [Theory]
    [InlineData(0x1E)] // the checksum
    [InlineData(0x0C)] // the free count
    [InlineData(0x08)] // the inode table's place
    public void DamagedDescriptorIsFound(int offset)
    {
        using TestImage image = TestImage.Make(64, "-b 4096");
        Flip(image.Path, 4096 + offset);
        using Ext4Volume volume = image.Mount(new Ext4MountOptions { IsReadOnly = true });
        Assert.Throws<Ext4CorruptException>(() => volume.Groups.InodeTable(0));
        Assert.Throws<Ext4CorruptException>(volume.Groups.LoadAll);
    }

    [Fact]
    public void OverlappingMetadataIsFound()
    {
        using TestImage image = TestImage.Make(64, "-b 1024 -O ^metadata_csum,^uninit_bg,^has_journal");
        // Group 1's inode bitmap moves onto its block bitmap; nothing has a checksum here.
        byte[] raw = File.ReadAllBytes(image.Path);
        int second = (2 * 1024) + 64;
        raw.AsSpan(second, 4).CopyTo(raw.AsSpan(second + 4));
        File.WriteAllBytes(image.Path, raw);
        using Ext4Volume volume = image.Mount(new Ext4MountOptions { IsReadOnly = true });
        Assert.Throws<Ext4CorruptException>(volume.Groups.LoadAll);
    }

    [Fact]
    public void HugeTablesAreNotReadToJudgeOneTree()
    {
        using TestImage image = TestImage.Make(600, "-b 1024 -g 256 -N 20000 -O ^metadata_csum,^uninit_bg,^resize_inode");
        // Group 5's block bitmap moves to where nobody who looks at that block's neighbourhood sees it.
        const uint Moved = 512200;
        using (FileStream file = File.Open(image.Path, System.IO.FileMode.Open))
        {
            file.Position = (2 * 1024) + (5 * 64);
            file.Write(BitConverter.GetBytes(Moved));
        }
        using Ext4Volume volume = image.Mount(new Ext4MountOptions { IsReadOnly = true });
        BlockGroups groups = volume.Groups;
        Assert.True(groups.IsSystemZone(512001, 1));
        Assert.True(groups.IsSystemZone(512000, 3));
        Assert.True(groups.IsSystemZone(258, 1));
        Assert.False(groups.IsSystemZone(Moved - 100, 100));
        Assert.False(groups.IsLoaded);
        Assert.False(groups.IsSystemZone(Moved, 1));
        // Before anything is allocated the truth comes out.
        Assert.Throws<Ext4CorruptException>(groups.LoadAll);
        Assert.False(groups.IsLoaded);
    }

    [Fact]
    public void DamagedBitmapTakesItsGroupOutOfUse()
    {
        using TestImage image = TestImage.Make(64, "-b 1024");
        List<DumpedGroup> dumped = DumpedGroups.Read(image.Path);
        DumpedGroup damaged = dumped[0];
        Flip(image.Path, (long)(damaged.BlockBitmap * 1024) + 700);
        using Ext4Volume volume = image.Mount(new Ext4MountOptions { IsReadOnly = true });
        BlockReservation taken = volume.Blocks.Reserve(new Inode(20), 0, 5000, 10, Caller.Root);
        Assert.Equal(10u, taken.Length);
        Assert.NotEqual(0u, volume.Geometry.GroupOfBlock(taken.Physical));
        Assert.Throws<Ext4CorruptException>(() => volume.Blocks.Bitmaps.Get(0));
    }

    private static void Flip(string path, long offset)
    {
        using FileStream file = File.Open(path, System.IO.FileMode.Open);
        file.Position = offset;
        int old = file.ReadByte();
        file.Position = offset;
        file.WriteByte((byte)(old ^ 0x10));
    }
}
