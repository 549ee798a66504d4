using WinLoop.Images.Vhdx;
using WinLoop.Storage;
using WinLoop.TestKit;

namespace WinLoop.Images.Tests.Vhdx;

/// <summary>qemu-img is the oracle: what it makes reads the same here, and what is made here is sound for it.</summary>
public sealed class QemuTests
{
    private const int MiB = 1 << 20;

    public static TheoryData<string, int, int> Formats => new()
    {
        { "subformat=dynamic,block_size=1M", 10 * MiB, 1 },
        { "subformat=dynamic,block_size=2M", (7 * MiB) + 512, 2 },
        { "subformat=dynamic,block_size=8M", (41 * MiB) + (3 * 512), 3 },
        { "subformat=dynamic,block_size=32M", 40 * MiB, 4 },
        { "subformat=dynamic,block_size=256M", 12 * MiB, 5 },
        { "subformat=fixed", (9 * MiB) + 1024, 6 },
        { "subformat=fixed,block_size=16M", 20 * MiB, 7 },
        { "subformat=dynamic,block_size=1M,log_size=4M", 516 * MiB, 8 }, // more blocks than a page of the table has entries
        { "subformat=dynamic,block_state_zero=off", 20 * MiB, 9 },
    };

    [Theory]
    [MemberData(nameof(Formats))]
    public void WhatQemuMakes_ReadsTheSame_AndIsSoundAfterOurWrites(string options, int size, int seed)
    {
        Shell.Require("qemu-img", "qemu-io");
        using var folder = new TemporaryFolder();
        string raw = folder.File("raw"), path = Path.Combine(folder.Path, "x.vhdx");
        byte[] model = DiskFiles.Noise(size, seed, size > 100 * MiB ? 0.01 : 0.5);
        DiskFiles.WriteSparse(raw, model);
        Shell.Script($"qemu-img convert -f raw -O vhdx -o {options} {raw} {path}");
        byte[] before = File.ReadAllBytes(path);
        using (IBlockDevice disk = DiskFiles.Open(path, isReadOnly: true))
        {
            Assert.Equal(size, disk.Length);
            Assert.Equal(model, DiskFiles.ReadAll(disk));
            Assert.Throws<BlockDeviceException>(() => disk.Write(new byte[512], 0));
        }

        // A disk that is opened for writing and only read is not written either.
        DiskFiles.Open(path).Dispose();
        Assert.Equal(before, File.ReadAllBytes(path));

        // qemu writes into it...
        for (int i = 0; i < 6; i++)
        {
            int at = (int)((long)size * i / 6 / 512 * 512), length = Math.Min(70 * 1024, size - at);
            Shell.Script($"qemu-io -f vhdx -c 'write -P {0x41 + i} {at} {length}' {path}");
            model.AsSpan(at, length).Fill((byte)(0x41 + i));
        }

        using (IBlockDevice disk = DiskFiles.Open(path))
        {
            Assert.Equal(model, DiskFiles.ReadAll(disk));
            // ... and so do we.
            DiskFiles.WriteRandomly(disk, model, new Random(seed), 60);
            Assert.Equal(model, DiskFiles.ReadAll(disk));
        }

        DiskFiles.WriteSparse(raw, model);
        DiskFiles.AssertQemuAgrees("vhdx", path, raw);
        using IBlockDevice again = DiskFiles.Open(path, isReadOnly: true);
        Assert.Equal(model, DiskFiles.ReadAll(again));
    }

    public static TheoryData<bool, int, int, int> Created => new()
    {
        { false, 0, 512, 10 * MiB },
        { false, 0, 512, (514 * MiB) + 512 },
        { false, 4 * MiB, 4096, 30 * MiB },
        { false, 256 * MiB, 512, 257 * MiB },
        { true, 0, 512, (6 * MiB) + 512 },
        { true, 2 * MiB, 4096, 9 * MiB },
    };

    [Theory]
    [MemberData(nameof(Created))]
    public void WhatIsMadeHere_IsSoundForQemu(bool isFixed, int blockSize, int sectorSize, int size)
    {
        Shell.Require("qemu-img", "qemu-io");
        using var folder = new TemporaryFolder();
        string raw = folder.File("raw", size), path = folder.File("x.img"); // the name says nothing
        using (LoopDevice file = LoopDevice.Open(path, new LoopDeviceOptions { IsExact = true }))
        {
            VhdxImage.Create(file, size, new VhdxCreateOptions { IsFixed = isFixed, BlockSize = blockSize, LogicalSectorSize = sectorSize });
        }

        if (sectorSize == 512)
        {
            DiskFiles.AssertQemuAgrees("vhdx", path, raw); // qemu has no disks of 4096-byte sectors
        }

        byte[] model = new byte[size];
        var random = new Random(size);
        for (int round = 0; round < 3; round++)
        {
            using IBlockDevice disk = DiskFiles.Open(path);
            Assert.Equal(sectorSize, disk.SectorSize);
            DiskFiles.WriteRandomly(disk, model, random, 80, 3_000_000);
            Assert.Equal(model, DiskFiles.ReadAll(disk));
        }

        DiskFiles.WriteSparse(raw, model);
        if (sectorSize == 512)
        {
            DiskFiles.AssertQemuAgrees("vhdx", path, raw);
            Shell.Script($"qemu-io -f vhdx -c 'write -P 0x77 {size / 2 / 512 * 512} 512' {path}");
            model.AsSpan(size / 2 / 512 * 512, 512).Fill(0x77);
        }

        using IBlockDevice again = DiskFiles.Open(path, isReadOnly: true);
        Assert.Equal(model, DiskFiles.ReadAll(again));
    }
}
