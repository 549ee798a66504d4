using WinLoop.Ext4.Format;
using WinLoop.Ext4.Tests.Create;
using WinLoop.TestKit;

namespace WinLoop.Ext4.Tests.Format;

public sealed class SuperblockReaderTests
{
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2047)]
    [InlineData(2048)]
    [InlineData(1 << 20)]
    public void EmptyDevicesAreNotExt4(long length)
    {
        using var device = new SparseFile(length);
        Ext4CorruptException e = Assert.Throws<Ext4CorruptException>(() => SuperblockReader.Read(device));
        Assert.Contains("not an ext2, ext3 or ext4 file system", e.Message, StringComparison.Ordinal);
        Assert.Null(SuperblockReader.FindBackup(device));
    }

    [Fact]
    public void EveryChangedByteIsNoticed()
    {
        using TestImage image = TestImage.Make(16);
        using var device = new SparseFile(image.Path);
        Superblock good = SuperblockReader.Read(device);
        var random = new Random(5);
        for (int i = 0; i < 200; i++)
        {
            // The feature bits decide whether there is a checksum at all.
            int at = random.Next(Superblock.Size);
            if (at is >= 0x38 and < 0x3A or >= 0x64 and < 0x68)
            {
                continue;
            }
            var bad = new Superblock(good.Raw);
            bad.Raw[at] ^= (byte)(1 << random.Next(8));
            device.Write(bad.Raw, Superblock.Offset);
            Assert.Contains("checksum", Assert.Throws<Ext4CorruptException>(() => SuperblockReader.Read(device)).What, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("-b 1024", 20, 1024, 8193)]
    [InlineData("-b 2048", 64, 2048, 16384)]
    [InlineData("-b 4096", 200, 4096, 32768)]
    [InlineData("-b 4096 -O ^metadata_csum,^64bit", 200, 4096, 32768)]
    [InlineData("-b 1024 -O sparse_super2", 20, 1024, 8193)]
    [InlineData("-b 1024 -O ^sparse_super,^resize_inode", 20, 1024, 8193)]
    public void BackupIsFoundWhenThePrimaryIsGone(string options, int megabytes, int blockSize, ulong block)
    {
        using TestImage image = TestImage.Make(megabytes, options);
        using var device = new SparseFile(image.Path);
        Superblock primary = SuperblockReader.Read(device);
        device.Write(new byte[Superblock.Size], Superblock.Offset);
        Check();

        // The first backup is gone as well: the next one. sparse_super2 has it in the last group, wherever that is.
        if (!options.Contains("sparse_super2", StringComparison.Ordinal))
        {
            device.Write(new byte[100], (long)block * blockSize);
            ulong next = options.Contains("^sparse", StringComparison.Ordinal) ? (3ul * 8192) + 1 : (3ul * 8 * (ulong)blockSize) + (blockSize == 1024 ? 1u : 0u);
            if (next < primary.BlocksCount)
            {
                block = next;
                Check();
            }
        }

        void Check()
        {
            SuperblockBackup backup = Assert.NotNull(SuperblockReader.FindBackup(device));
            Assert.Equal(block, backup.Block);
            Assert.Equal(blockSize, backup.BlockSize);
            Assert.Equal(primary.Uuid.ToArray(), backup.Superblock.Uuid.ToArray());
            Assert.Equal(primary.BlocksCount, backup.Superblock.BlocksCount);
        }
    }

    [Fact]
    public void FileInTheVolumeThatLooksLikeABackupOfAnotherSizeIsNotTaken()
    {
        using TestImage image = TestImage.Make(200, "-b 4096");
        using var device = new SparseFile(image.Path);
        Superblock copy = new(SuperblockReader.Read(device).Raw) { BlockGroupNumber = 1, BlocksCount = 1 << 20 };
        copy.UpdateChecksum();
        device.Write(copy.Raw, 32768L * 4096);
        device.Write(new byte[Superblock.Size], Superblock.Offset);
        Assert.Null(SuperblockReader.FindBackup(device));
    }
}
