using WinLoop.Ext4.Format;
using WinLoop.Ext4.Tests.Create;
using WinLoop.TestKit;

namespace WinLoop.Ext4.Tests.Format;

/// <summary>Checksums of volumes that mkfs.ext4 made and the kernel filled.</summary>
public sealed class ChecksumTests
{
    [Theory]
    [InlineData("-b 1024")]
    [InlineData("-b 2048")]
    [InlineData("-b 4096")]
    [InlineData("-b 1024 -I 128")]
    [InlineData("-b 1024 -I 1024")]
    [InlineData("-b 1024 -O ^64bit")]
    [InlineData("-b 1024 -O metadata_csum_seed,orphan_file")]
    [InlineData("-b 1024 -O ^metadata_csum,uninit_bg")]
    [InlineData("-b 1024 -O ^metadata_csum,uninit_bg,^64bit")]
    [InlineData("-b 4096 -O ^metadata_csum,uninit_bg,^64bit -I 128")]
    [InlineData("-b 1024 -O ^metadata_csum")]
    public void EveryOneIsRightAndEveryChangeIsNoticed(string options)
    {
        using TestImage image = TestImage.Make(48, options);
        image.WithKernel("""
            mkdir $M/d; for i in $(seq 1 40); do mkdir $M/d$i; echo $i > $M/d$i/f; done
            ln -s target $M/d/fast; ln -s $(printf 'x%.0s' $(seq 1 100)) $M/d/slow; mknod $M/d/device c 5 1; mkfifo $M/d/fifo
            touch -d '1950-01-02 03:04:05.678' $M/d/old; touch -d '2200-01-01' $M/d/new || true
            chown 100000:200000 $M/d/old; rm $M/d7/f
            """);
        using var device = new SparseFile(image.Path);
        Superblock sb = SuperblockReader.Read(device);
        Geometry geometry = Geometry.Create(sb, device.Length);
        var random = new Random(6);

        var table = new byte[geometry.DescriptorBlocks * (uint)geometry.BlockSize];
        device.Read(table, ((long)geometry.FirstDataBlock + 1) * geometry.BlockSize);
        int inodes = 0;
        for (uint group = 0; group < geometry.GroupCount; group++)
        {
            CheckBackup(device, geometry, group, sb);
            var raw = table.AsSpan((int)group * geometry.DescriptorSize, geometry.DescriptorSize);
            var descriptor = new GroupDescriptor(raw);
            Assert.Equal(descriptor.Checksum, descriptor.ComputeChecksum(geometry, sb.Uuid, group));
            if (geometry.HasMetadataChecksums || geometry.HasGdtChecksums)
            {
                Assert.NotEqual(descriptor.Checksum, descriptor.ComputeChecksum(geometry, sb.Uuid, group + 1));
                byte[] changed = raw.ToArray();
                int at = random.Next(0x1E);
                changed[at] ^= 0x10;
                Assert.NotEqual(descriptor.Checksum, new GroupDescriptor(changed).ComputeChecksum(geometry, sb.Uuid, group));
            }
            inodes += CheckInodes(device, geometry, group, descriptor, random);
        }
        Assert.True(inodes > 60, $"only {inodes} inodes");
    }

    private static void CheckBackup(SparseFile device, Geometry geometry, uint group, Superblock primary)
    {
        if (group == 0 || !geometry.HasSuperblock(group))
        {
            return;
        }
        var raw = new byte[Superblock.Size];
        device.Read(raw, (long)geometry.GroupStart(group) * geometry.BlockSize);
        var backup = new Superblock(raw);
        Assert.Equal(Superblock.MagicValue, backup.Magic);
        Assert.True(backup.HasValidChecksum);
        Assert.Equal(group, backup.BlockGroupNumber);
        Assert.Equal(0, backup.State & Superblock.StateValid);
        Assert.Equal(primary.BlocksCount, backup.BlocksCount);
        if (geometry.HasMetadataChecksums)
        {
            backup.Raw[0x200] ^= 1;
            Assert.False(backup.HasValidChecksum);
        }
    }

    private static int CheckInodes(SparseFile device, Geometry geometry, uint group, GroupDescriptor descriptor, Random random)
    {
        if ((descriptor.Flags & GroupFlags.InodeUninit) != 0)
        {
            return 0;
        }
        var bitmap = new byte[geometry.BlockSize];
        device.Read(bitmap, (long)descriptor.InodeBitmap * geometry.BlockSize);
        if (geometry.HasMetadataChecksums)
        {
            uint crc = Crc32C.Compute(geometry.ChecksumSeed, bitmap.AsSpan(0, (int)geometry.InodesPerGroup / 8));
            Assert.Equal(descriptor.InodeBitmapChecksum, descriptor.IsWide ? crc : crc & 0xFFFF);
        }
        int count = 0;
        var raw = new byte[geometry.InodeSize];
        for (uint slot = 0; slot < geometry.InodesPerGroup; slot++)
        {
            if ((bitmap[slot / 8] >> (int)(slot % 8) & 1) == 0)
            {
                continue;
            }
            count++;
            Assert.True(slot < geometry.InodesPerGroup - descriptor.InodeTableUnused);
            device.Read(raw, ((long)descriptor.InodeTable * geometry.BlockSize) + (slot * geometry.InodeSize));
            int extra = InodeRecord.ExtraSize(raw);
            if (!geometry.HasMetadataChecksums)
            {
                continue;
            }
            uint number = (group * geometry.InodesPerGroup) + slot + 1;
            uint seed = geometry.InodeSeed(number, BitConverter.ToUInt32(raw, InodeRecord.GenerationAt));
            Assert.True(InodeRecord.VerifyChecksum(raw, seed, extra), $"inode {number}");
            byte[] again = raw.ToArray();
            again[InodeRecord.ChecksumAt] ^= 0x55;
            Assert.False(InodeRecord.VerifyChecksum(again, seed, extra));
            InodeRecord.UpdateChecksum(again, seed, extra);
            Assert.Equal(raw, again);
            again[random.Next(InodeRecord.GenerationAt)] ^= 4;
            Assert.False(InodeRecord.VerifyChecksum(again, seed, extra));
        }
        return count;
    }
}
