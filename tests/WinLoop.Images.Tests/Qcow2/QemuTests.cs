using WinLoop.Images.Qcow2;
using WinLoop.Images.Tests.Vhdx;
using WinLoop.Storage;
using WinLoop.TestKit;

namespace WinLoop.Images.Tests.Qcow2;

/// <summary>qemu-img is the oracle: what it makes reads the same here, and what is made or changed here is sound for it.</summary>
public sealed class QemuTests
{
    private const int MiB = 1 << 20;

    /// <summary>Options, whether compressed, size, seed.</summary>
    public static TheoryData<string, bool, int, int> Formats => new()
    {
        { "compat=1.1", false, (10 * MiB) + 512, 1 },
        { "compat=0.10", false, (10 * MiB) + 1536, 2 },
        { "compat=1.1", true, (10 * MiB) + 512, 3 },
        { "compat=0.10,cluster_size=4k", true, 7 * MiB, 4 },
        { "cluster_size=512", false, 3 * MiB, 5 },
        { "cluster_size=512,refcount_bits=64", false, 2 * MiB, 6 },
        { "cluster_size=512", true, 2 * MiB, 7 },
        { "cluster_size=1k,refcount_bits=1", false, 5 * MiB, 8 },
        { "cluster_size=4k,refcount_bits=2", true, 9 * MiB, 9 },
        { "cluster_size=8k,refcount_bits=4", true, 9 * MiB, 10 },
        { "cluster_size=16k,refcount_bits=8", false, 9 * MiB, 11 },
        { "cluster_size=32k,refcount_bits=32", true, 9 * MiB, 12 },
        { "cluster_size=2M", false, 30 * MiB, 13 },
        { "cluster_size=2M", true, 30 * MiB, 14 },
        { "cluster_size=256k,lazy_refcounts=on", true, 12 * MiB, 15 },
        { "preallocation=metadata", false, 12 * MiB, 16 },
        { "preallocation=falloc", false, 6 * MiB, 17 },
        { "preallocation=full,cluster_size=8k", false, 6 * MiB, 18 },
    };

    [Theory]
    [MemberData(nameof(Formats))]
    public void WhatQemuMakes_ReadsTheSame_AndIsSoundAfterOurWrites(string options, bool isCompressed, int size, int seed)
    {
        Shell.Require("qemu-img", "qemu-io");
        using var folder = new TemporaryFolder();
        string raw = folder.File("raw"), path = Path.Combine(folder.Path, "image"); // the name says nothing
        byte[] model = DiskFiles.Noise(size, seed);
        // Half of the noise in a form that can be compressed.
        for (int i = 0; i < size; i++)
        {
            model[i] = (i >> 19 & 1) == 0 ? model[i] : (byte)(model[i] & 3);
        }

        DiskFiles.WriteSparse(raw, model);
        Shell.Script($"qemu-img convert -f raw -O qcow2 {(isCompressed ? "-c" : "")} -o {options} {raw} {path}");
        byte[] before = File.ReadAllBytes(path);
        using (IBlockDevice disk = DiskFiles.Open(path, isReadOnly: true))
        {
            Assert.Equal(size, disk.Length);
            Assert.Equal(model, DiskFiles.ReadAll(disk));
            var random = new Random(seed);
            byte[] part = new byte[200_000];
            for (int i = 0; i < 50; i++)
            {
                int length = random.Next(1, part.Length), at = random.Next(size - length);
                disk.Read(part.AsSpan(0, length), at);
                Assert.True(part.AsSpan(0, length).SequenceEqual(model.AsSpan(at, length)), $"{length} at {at}");
            }

            Assert.Throws<BlockDeviceException>(() => disk.Write(new byte[512], 0));
        }

        // A disk that is opened for writing and only read is not written either.
        DiskFiles.Open(path).Dispose();
        Assert.Equal(before, File.ReadAllBytes(path));

        // qemu writes into it...
        for (int i = 0; i < 4; i++)
        {
            int at = (int)((long)size * i / 4 / 512 * 512), length = Math.Min(70 * 1024, size - at);
            string zero = i == 2 ? "-z" : $"-P {0x41 + i}";
            Shell.Script($"qemu-io -f qcow2 -c 'write {zero} {at} {length}' {path}");
            model.AsSpan(at, length).Fill((byte)(i == 2 ? 0 : 0x41 + i));
        }

        for (int round = 0; round < 2; round++)
        {
            using IBlockDevice disk = DiskFiles.Open(path);
            Assert.Equal(model, DiskFiles.ReadAll(disk));
            // ... and so do we.
            DiskFiles.WriteRandomly(disk, model, new Random(seed + round), 60);
            Assert.Equal(model, DiskFiles.ReadAll(disk));
        }

        Qcow2Files.AssertQemuAgrees(path, model);
        using IBlockDevice again = DiskFiles.Open(path, isReadOnly: true);
        Assert.Equal(model, DiskFiles.ReadAll(again));
    }

    /// <summary>Version, cluster size, bits of a count, size of the disk.</summary>
    public static TheoryData<int, int, int, int> Created => new()
    {
        { 3, 65536, 16, 10 * MiB },
        { 2, 65536, 16, (10 * MiB) + 512 },
        { 3, 512, 16, 4 * MiB },
        { 3, 512, 64, 4 * MiB }, // the refcount table grows several times
        { 3, 1024, 1, 8 * MiB },
        { 3, 4096, 2, 20 * MiB },
        { 3, 4096, 4, 20 * MiB },
        { 3, 8192, 8, 20 * MiB },
        { 2, 512, 16, 6 * MiB },
        { 3, 2 * MiB, 16, 50 * MiB },
    };

    [Theory]
    [MemberData(nameof(Created))]
    public void WhatIsMadeHere_IsSoundForQemu(int version, int clusterSize, int refcountBits, int size)
    {
        Shell.Require("qemu-img", "qemu-io");
        using var folder = new TemporaryFolder();
        string path = folder.File("x.img");
        using (LoopDevice file = LoopDevice.Open(path, new LoopDeviceOptions { IsExact = true }))
        {
            Qcow2Image.Create(file, size, new Qcow2CreateOptions { Version = version, ClusterSize = clusterSize, RefcountBits = refcountBits });
        }

        byte[] model = new byte[size];
        Qcow2Files.AssertQemuAgrees(path, model);
        var random = new Random(size);
        for (int round = 0; round < 3; round++)
        {
            using IBlockDevice disk = DiskFiles.Open(path);
            DiskFiles.WriteRandomly(disk, model, random, 80, 2_000_000);
            Assert.Equal(model, DiskFiles.ReadAll(disk));
        }

        Qcow2Files.AssertQemuAgrees(path, model);
        Shell.Script($"qemu-io -f qcow2 -c 'write -P 0x77 {size / 2 / 512 * 512} 512' {path}");
        model.AsSpan(size / 2 / 512 * 512, 512).Fill(0x77);
        using IBlockDevice again = DiskFiles.Open(path, isReadOnly: true);
        Assert.Equal(model, DiskFiles.ReadAll(again));
    }
}
