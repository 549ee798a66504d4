using System.Buffers.Binary;

namespace WinLoop.Storage.Tests;

public sealed class PartitionTableTests
{
    private const long Size = 8 << 20;

    [Fact]
    public void The_checksum_is_the_usual_one() => Assert.Equal(0xCBF43926u, Crc32.Compute("123456789"u8));

    [Theory]
    [InlineData(0)]
    [InlineData(100)]
    [InlineData(512)]
    [InlineData(Size)]
    public void Nothing_is_found_on_nothing(long length)
    {
        PartitionTable table = PartitionTable.Read(new MemoryDevice(length));
        Assert.Equal(PartitionScheme.None, table.Scheme);
        Assert.Empty(table.Partitions);
        Assert.False(table.IsWholeDeviceExt);
    }

    [Theory]
    [InlineData(512)]
    [InlineData(4096)]
    public void Mbr_with_logical_partitions(int sectorSize)
    {
        var device = new MemoryDevice(1000L * sectorSize, sectorSize);
        TableBuilder.SetEntry(device, 0, 0, 0x0C, 10, 50, status: 0x80);
        TableBuilder.SetEntry(device, 0, 2, 0x83, 60, 40);
        TableBuilder.SetEntry(device, 0, 3, 0x05, 100, 800);
        TableBuilder.SetEntry(device, 100, 0, 0x83, 1, 99);       // 101 to 199
        TableBuilder.SetEntry(device, 100, 1, 0x05, 100, 200);    // next record at 200
        TableBuilder.SetEntry(device, 200, 0, 0x82, 10, 90);      // 210 to 299
        TableBuilder.SetEntry(device, 200, 1, 0x05, 400, 200);    // next record at 500
        TableBuilder.SetEntry(device, 500, 0, 0x83, 2, 8);
        TableBuilder.SetExt(device, 101L * sectorSize);
        PartitionTable table = PartitionTable.Read(device);
        Assert.Equal(PartitionScheme.Mbr, table.Scheme);
        Assert.Empty(table.Warnings);
        Assert.Equal(
            [(1, 10, 50, "0c"), (3, 60, 40, "83"), (4, 100, 800, "05"), (5, 101, 99, "83"), (6, 210, 90, "82"), (7, 502, 8, "83")],
            table.Partitions.Select(p => (p.Number, p.Start / sectorSize, p.Length / sectorSize, p.Type)));
        Assert.Equal([5], table.Partitions.Where(p => p.IsExtCandidate).Select(p => p.Number));
        Assert.Equal([4], table.Partitions.Where(p => p.IsExtended).Select(p => p.Number));
        Assert.Equal(5, VolumeLocator.Locate(device).Partition!.Number);
    }

    [Fact]
    public void A_chain_in_a_circle_ends()
    {
        var device = new MemoryDevice(Size);
        TableBuilder.SetEntry(device, 0, 0, 0x0F, 100, 800);
        TableBuilder.SetEntry(device, 100, 0, 0x83, 1, 9);
        TableBuilder.SetEntry(device, 100, 1, 0x05, 100, 100);
        TableBuilder.SetEntry(device, 200, 0, 0x83, 1, 9);
        TableBuilder.SetEntry(device, 200, 1, 0x05, 0, 100); // back to 100
        PartitionTable table = PartitionTable.Read(device);
        Assert.Equal([1, 5, 6], table.Partitions.Select(p => p.Number));
        Assert.Single(table.Warnings);
    }

    [Fact]
    public void A_chain_that_is_too_long_ends()
    {
        var device = new MemoryDevice(Size);
        TableBuilder.SetEntry(device, 0, 0, 0x0F, 10, 10_000);
        for (uint i = 0; i < 300; i++)
        {
            TableBuilder.SetEntry(device, 10 + (i * 3), 0, 0x83, 1, 2);
            TableBuilder.SetEntry(device, 10 + (i * 3), 1, 0x05, (i + 1) * 3, 3);
        }

        PartitionTable table = PartitionTable.Read(device);
        Assert.Equal(101, table.Partitions.Count);
        Assert.Single(table.Warnings);
    }

    [Fact]
    public void A_chain_into_nowhere_ends()
    {
        var device = new MemoryDevice(Size);
        TableBuilder.SetEntry(device, 0, 0, 0x0F, 100, 800);
        TableBuilder.SetEntry(device, 100, 1, 0x05, uint.MaxValue, uint.MaxValue);
        TableBuilder.SetEntry(device, 0, 1, 0x05, 0, 800); // the table itself
        PartitionTable table = PartitionTable.Read(device);
        Assert.Equal([1], table.Partitions.Select(p => p.Number));
    }

    [Fact]
    public void Partitions_outside_of_the_image_are_ignored_or_cut()
    {
        var device = new MemoryDevice(100 * 512);
        TableBuilder.SetEntry(device, 0, 0, 0x83, 100, 5);
        TableBuilder.SetEntry(device, 0, 1, 0x83, uint.MaxValue, uint.MaxValue);
        TableBuilder.SetEntry(device, 0, 2, 0x83, 90, uint.MaxValue);
        TableBuilder.SetEntry(device, 0, 3, 0x83, 0, 5);
        PartitionTable table = PartitionTable.Read(device);
        Partition only = Assert.Single(table.Partitions);
        Assert.Equal((3, 90 * 512, 10 * 512), (only.Number, only.Start, only.Length));
        Assert.Equal(4, table.Warnings.Count);
    }

    [Fact]
    public void A_fat_boot_sector_is_not_a_table()
    {
        var device = new MemoryDevice(Size);
        device.Write(Pattern.Make(512, 1), 0);
        device.Write([0x33], 446);
        device.Write([0x55, 0xAA], 510);
        Assert.Equal(PartitionScheme.None, PartitionTable.Read(device).Scheme);
    }

    [Fact]
    public void A_file_system_on_the_whole_image_wins_over_a_stray_signature()
    {
        var device = new MemoryDevice(Size);
        TableBuilder.SetExt(device, 0);
        TableBuilder.SetEntry(device, 0, 0, 0x83, 2048, 1000);
        TableBuilder.SetExt(device, 2048 * 512);
        PartitionTable table = PartitionTable.Read(device);
        Assert.True(table.IsWholeDeviceExt);
        LocatedVolume volume = VolumeLocator.Locate(device);
        Assert.Null(volume.Partition);
        Assert.Equal(device.Length, volume.Device.Length);
        Assert.Equal(2048 * 512, VolumeLocator.Locate(device, 1).Offset); // whoever asks for it gets it

        TableBuilder.SetEntry(device, 0, 0, 0xEE, 1, 1000); // a GPT that is not there
        Assert.True(PartitionTable.Read(device).IsWholeDeviceExt);
        Assert.Null(VolumeLocator.Locate(device).Partition);
    }

    [Theory]
    [InlineData(512, 512)]
    [InlineData(4096, 4096)]
    [InlineData(4096, 512)]
    [InlineData(512, 4096)]
    public void Gpt_of_any_sector_size(int tableSector, int deviceSector)
    {
        var made = new MemoryDevice(Size, tableSector);
        TableBuilder.SetGpt(made, (64, 127, "boot"), (128, 1000, "root é\u0007\u202E"));
        TableBuilder.SetExt(made, 128L * tableSector);
        var bytes = new byte[Size];
        made.Read(bytes, 0);
        var device = new MemoryDevice(bytes, deviceSector);
        PartitionTable table = PartitionTable.Read(device);
        Assert.Equal(PartitionScheme.Gpt, table.Scheme);
        Assert.Empty(table.Warnings);
        Assert.Equal([(1, 64, 64, "boot"), (2, 128, 873, "root é??")],
            table.Partitions.Select(p => (p.Number, p.Start / tableSector, p.Length / tableSector, p.Name)));
        Assert.Equal("Linux", table.Partitions[0].TypeName);
        Assert.Equal(2, VolumeLocator.Locate(device).Partition!.Number);
    }

    [Theory]
    [InlineData(512 + 60)]  // the header
    [InlineData(1024 + 40)] // an entry
    public void The_backup_is_used_when_the_primary_is_damaged(int where)
    {
        var device = new MemoryDevice(Size);
        TableBuilder.SetGpt(device, (64, 127, "a"));
        device.Write([0xA5], where);
        PartitionTable table = PartitionTable.Read(device);
        Assert.Equal(64 * 512, Assert.Single(table.Partitions).Start);
        Assert.Contains("backup", Assert.Single(table.Warnings), StringComparison.Ordinal);

        device.Write([0xA5], Size - 512 + 60);
        Assert.Throws<PartitionTableException>(() => PartitionTable.Read(device));
    }

    [Fact]
    public void Hostile_headers_are_refused()
    {
        byte[] none = [];
        AssertRefused(d => TableBuilder.SetHeader(d, 1, 99, 2, none, count: uint.MaxValue, entrySize: 128));
        AssertRefused(d => TableBuilder.SetHeader(d, 1, 99, 2, none, count: 128, entrySize: 0));
        AssertRefused(d => TableBuilder.SetHeader(d, 1, 99, 2, none, count: 128, entrySize: uint.MaxValue));
        AssertRefused(d => TableBuilder.SetHeader(d, 1, 99, ulong.MaxValue, none));
        AssertRefused(d => TableBuilder.SetHeader(d, 1, 99, (Size / 512) - 1, none));
        AssertRefused(d => TableBuilder.SetHeader(d, 1, 99, long.MaxValue / 512, none));

        static void AssertRefused(Action<IBlockDevice> change)
        {
            var device = new MemoryDevice(Size);
            TableBuilder.SetEntry(device, 0, 0, 0xEE, 1, 100);
            change(device);
            Assert.Throws<PartitionTableException>(() => PartitionTable.Read(device));
        }
    }

    [Fact]
    public void Gpt_partitions_outside_of_the_image_are_ignored_or_cut()
    {
        var device = new MemoryDevice(Size);
        TableBuilder.SetGpt(device, (0, 5, "zero"), (10_000_000, 10_000_001, "far"), (50, 49, "backwards"),
            (100, ulong.MaxValue, "long"), (ulong.MaxValue, ulong.MaxValue, "max"));
        PartitionTable table = PartitionTable.Read(device);
        Partition only = Assert.Single(table.Partitions);
        Assert.Equal((4, 100 * 512, Size - (100 * 512)), (only.Number, only.Start, only.Length));
    }

    [Fact]
    public void Random_damage_never_does_harm()
    {
        const int seed = 11;
        var random = new Random(seed);
        for (int round = 0; round < 3000; round++)
        {
            var device = new MemoryDevice(1 << 20, random.Next(2) == 0 ? 512 : 4096);
            if (random.Next(2) == 0)
            {
                TableBuilder.SetGpt(device, (64, 127, "a"), (128, 200, "b"));
            }
            else
            {
                TableBuilder.SetEntry(device, 0, 0, 0x83, 10, 50);
                TableBuilder.SetEntry(device, 0, 1, 0x05, 60, 100);
                TableBuilder.SetEntry(device, 60, 0, 0x83, 1, 9);
                TableBuilder.SetEntry(device, 60, 1, 0x05, 20, 30);
                TableBuilder.SetEntry(device, 80, 0, 0x83, 1, 9);
            }

            bool isGpt = false;
            for (int change = random.Next(1, 6); change > 0; change--)
            {
                int sector = random.Next(5) switch { 0 => 0, 1 => 1, 2 => 2, 3 => 60, _ => 80 };
                byte[] value = [.. random.Next(4) switch
                {
                    0 => new byte[4],
                    1 => [0xFF, 0xFF, 0xFF, 0xFF],
                    2 => [1, 0, 0, 0],
                    _ => Pattern.Make(4, random.Next()),
                }];
                int inside = sector is 1 or 2 ? random.Next(124) : 446 + random.Next(60);
                device.Write(value, ((long)sector * device.SectorSize) + inside);
                isGpt |= sector == 1;
            }

            if (isGpt && random.Next(2) == 0)
            {
                Resign(device);
            }

            try
            {
                PartitionTable table = PartitionTable.Read(device);
                Assert.All(table.Partitions, p => Assert.True(p.Start > 0 && p.Length > 0 && p.Start + p.Length <= device.Length));
                VolumeLocator.Locate(device);
            }
            catch (Exception e) when (e is PartitionTableException or VolumeNotFoundException)
            {
            }
            catch (Exception e)
            {
                Assert.Fail($"seed {seed}, round {round}: {e}");
            }
        }

        static void Resign(IBlockDevice device)
        {
            byte[] header = new byte[device.SectorSize];
            device.Read(header, device.SectorSize);
            int size = (int)Math.Clamp(BinaryPrimitives.ReadUInt32LittleEndian(header.AsSpan(12)), 92, (uint)device.SectorSize);
            header.AsSpan(16, 4).Clear();
            BinaryPrimitives.WriteUInt32LittleEndian(header.AsSpan(16), Crc32.Compute(header.AsSpan(0, size)));
            device.Write(header, device.SectorSize);
        }
    }
}
