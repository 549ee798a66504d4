using WinLoop.Images.Tests.Vhdx;
using WinLoop.Images.Vmdk;
using WinLoop.Storage;
using WinLoop.TestKit;

namespace WinLoop.Images.Tests.Vmdk;

/// <summary>qemu-img is the oracle: what it makes reads the same here, and what is made or written here is sound for it.</summary>
public sealed class QemuTests(ITestOutputHelper output)
{
    private const int MiB = 1 << 20;

    public static TheoryData<string, int> Formats => new()
    {
        { "subformat=monolithicSparse", 40 * MiB },
        { "subformat=monolithicSparse,adapter_type=lsilogic", (7 * MiB) + 512 },
        { "subformat=monolithicSparse,zeroed_grain=on", (33 * MiB) + (3 * 512) },
        { "subformat=monolithicSparse,compat6=on", 9 * MiB },
        { "subformat=monolithicSparse,hwversion=14,toolsversion=10240", 65 * 1024 },
        { "subformat=monolithicFlat", (9 * MiB) + 1024 },
        { "subformat=twoGbMaxExtentSparse", (21 * MiB) + 512 },
        { "subformat=twoGbMaxExtentSparse,zeroed_grain=on", 10 * MiB },
        { "subformat=twoGbMaxExtentFlat", 11 * MiB },
    };

    [Theory]
    [MemberData(nameof(Formats))]
    public void WhatQemuMakes_ReadsTheSame_AndIsSoundAfterOurWrites(string options, int size)
    {
        Shell.Require("qemu-img", "qemu-io");
        int seed = DiskFiles.Seed();
        output.WriteLine($"seed {seed}");
        using var folder = new TemporaryFolder();
        string raw = folder.File("raw"), path = Path.Combine(folder.Path, "x.img");
        byte[] model = DiskFiles.Noise(size, seed);
        DiskFiles.WriteSparse(raw, model);
        Shell.Script($"qemu-img convert -f raw -O vmdk -o {options} {raw} {path}");
        Dictionary<string, byte[]> before = Files(folder.Path);
        using (IBlockDevice disk = DiskFiles.Open(path, isReadOnly: true))
        {
            Assert.Equal(size, disk.Length);
            Assert.Equal(model, DiskFiles.ReadAll(disk));
            Assert.Throws<BlockDeviceException>(() => disk.Write(new byte[512], 0));
        }

        // A disk that is opened for writing and only read is not written either.
        DiskFiles.Open(path).Dispose();
        Assert.All(Files(folder.Path), file => Assert.Equal(before[file.Key], file.Value));

        // qemu writes into it...
        for (int i = 0; i < 5; i++)
        {
            int at = (int)((long)size * i / 5 / 512 * 512), length = Math.Min(70 * 1024, size - at);
            Shell.Script($"qemu-io -f vmdk -c 'write {(i == 3 && options.Contains("zeroed", StringComparison.Ordinal) ? "-z" : $"-P {0x41 + i}")} {at} {length}' {path}");
            model.AsSpan(at, length).Fill((byte)(i == 3 && options.Contains("zeroed", StringComparison.Ordinal) ? 0 : 0x41 + i));
        }

        string id = ContentId(path);
        using (IBlockDevice disk = DiskFiles.Open(path))
        {
            Assert.Equal(model, DiskFiles.ReadAll(disk));
            // ... and so do we.
            DiskFiles.WriteRandomly(disk, model, new Random(seed), 60);
            Assert.Equal(model, DiskFiles.ReadAll(disk));
        }

        Assert.NotEqual(id, ContentId(path));
        DiskFiles.WriteSparse(raw, model);
        VmdkFiles.AssertQemuAgrees(path, raw);
        Shell.Script($"qemu-io -f vmdk -c 'write -P 0x77 {size / 2 / 512 * 512} 512' {path}");
        model.AsSpan(size / 2 / 512 * 512, 512).Fill(0x77);
        using IBlockDevice again = DiskFiles.Open(path, isReadOnly: true);
        Assert.Equal(model, DiskFiles.ReadAll(again));
    }

    [Theory]
    [InlineData("", 40 * MiB)]
    [InlineData("", (5 * MiB) + 512)]
    [InlineData(",adapter_type=lsilogic", 100 * 512)]
    public void StreamOptimized_IsReadOnly_AndSaysSo(string options, int size)
    {
        Shell.Require("qemu-img");
        int seed = DiskFiles.Seed();
        output.WriteLine($"seed {seed}");
        using var folder = new TemporaryFolder();
        string raw = folder.File("raw"), path = Path.Combine(folder.Path, "x.vmdk");
        byte[] model = DiskFiles.Noise(size, seed);
        for (int i = 0; i < size; i += 3)
        {
            model[i] = 7; // something to compress
        }

        DiskFiles.WriteSparse(raw, model);
        Shell.Script($"qemu-img convert -f raw -O vmdk -o subformat=streamOptimized{options} {raw} {path}");
        byte[] before = File.ReadAllBytes(path);
        var notes = new List<string>();
        using (LoopDevice file = LoopDevice.Open(path, new LoopDeviceOptions { IsExact = true }))
        using (IBlockDevice disk = new VmdkFormat().Open(file, new ImageFormatOptions { Note = notes.Add }))
        {
            Assert.True(disk.IsReadOnly);
            Assert.Contains("stream-optimized", Assert.Single(notes), StringComparison.Ordinal);
            Assert.Equal(model, DiskFiles.ReadAll(disk));
            var random = new Random(seed);
            byte[] part = new byte[200_000];
            for (int i = 0; i < 200; i++)
            {
                int length = random.Next(1, Math.Min(part.Length, size)), at = random.Next(size - length);
                disk.Prefetch(at, length);
                disk.Read(part.AsSpan(0, length), at);
                Assert.True(model.AsSpan(at, length).SequenceEqual(part.AsSpan(0, length)), $"{length} bytes at {at}, seed {seed}");
            }

            Assert.Throws<BlockDeviceException>(() => disk.Write(new byte[512], 0));
        }

        DiskFiles.Open(path, isReadOnly: true).Dispose();
        Assert.Equal(before, File.ReadAllBytes(path));
    }

    [Theory]
    [InlineData(40 * MiB)]
    [InlineData((70 * MiB) + 512)]
    [InlineData(512)]
    public void WhatIsMadeHere_IsSoundForQemu(int size)
    {
        Shell.Require("qemu-img", "qemu-io");
        using var folder = new TemporaryFolder();
        string raw = folder.File("raw", size), path = folder.File("x.img"); // the name says nothing
        using (LoopDevice file = LoopDevice.Open(path, new LoopDeviceOptions { IsExact = true }))
        {
            VmdkImage.Create(file, size);
        }

        VmdkFiles.AssertQemuAgrees(path, raw);
        byte[] model = new byte[size];
        var random = new Random(size);
        for (int round = 0; round < 3; round++)
        {
            using (IBlockDevice disk = DiskFiles.Open(path))
            {
                DiskFiles.WriteRandomly(disk, model, random, 60, 3_000_000);
                Assert.Equal(model, DiskFiles.ReadAll(disk));
            }

            using LoopDevice file = LoopDevice.Open(path, new LoopDeviceOptions { IsExact = true, IsReadOnly = true });
            VmdkFiles.AssertClosed(file);
        }

        DiskFiles.WriteSparse(raw, model);
        VmdkFiles.AssertQemuAgrees(path, raw);
        Shell.Script($"qemu-io -f vmdk -c 'write -P 0x77 {size / 2 / 512 * 512} 512' {path}");
        model.AsSpan(size / 2 / 512 * 512, 512).Fill(0x77);
        using IBlockDevice again = DiskFiles.Open(path, isReadOnly: true);
        Assert.Equal(model, DiskFiles.ReadAll(again));
    }

    [Theory]
    [InlineData("twoGbMaxExtentSparse")]
    [InlineData("twoGbMaxExtentFlat")]
    public void SeveralExtents_AreOneDisk(string subformat)
    {
        Shell.Require("qemu-img", "qemu-io");
        using var folder = new TemporaryFolder();
        string raw = folder.File("raw"), path = Path.Combine(folder.Path, "x y.vmdk");
        Shell.Script($"truncate -s 5G {raw}; qemu-img create -q -f vmdk -o subformat={subformat} '{path}' 5G");
        Assert.True(Directory.GetFiles(folder.Path).Length >= 5);
        byte[] noise = new byte[3 * MiB];
        new Random(5).NextBytes(noise);
        long[] places = [0, (2L << 30) - MiB, (4L << 30) - (2 * MiB) + 100, (5L << 30) - noise.Length];
        using (IBlockDevice disk = DiskFiles.Open(path))
        using (FileStream model = File.OpenWrite(raw))
        {
            foreach (long place in places)
            {
                disk.Write(noise, place);
                model.Position = place;
                model.Write(noise);
            }

            byte[] read = new byte[noise.Length];
            foreach (long place in places)
            {
                disk.Read(read, place);
                Assert.True(noise.AsSpan().SequenceEqual(read), $"at {place}");
            }
        }

        VmdkFiles.AssertQemuAgrees(path, raw);
        Shell.Script($"qemu-io -f vmdk -c 'write -P 0x77 2147418112 131072' '{path}'");
        string extent = Directory.GetFiles(folder.Path, "x y-*")[1];
        if (subformat == "twoGbMaxExtentSparse")
        {
            Assert.Contains("only a part", Assert.Throws<ImageFormatException>(() => DiskFiles.Open(extent)).Message, StringComparison.Ordinal);
        }

        using IBlockDevice again = DiskFiles.Open(path, isReadOnly: true);
        byte[] both = new byte[131072];
        again.Read(both, 2147418112);
        Assert.Equal(-1, both.AsSpan().IndexOfAnyExcept((byte)0x77));
    }

    private static Dictionary<string, byte[]> Files(string folder) =>
        Directory.GetFiles(folder).Where(path => !path.EndsWith("raw", StringComparison.Ordinal)).ToDictionary(path => path, File.ReadAllBytes);

    private static string ContentId(string path)
    {
        byte[] start = new byte[4096];
        using FileStream file = File.OpenRead(path);
        file.ReadAtLeast(start, start.Length, throwOnEndOfStream: false);
        string text = System.Text.Encoding.Latin1.GetString(start);
        return text.Substring(text.IndexOf("\nCID=", StringComparison.Ordinal), 13);
    }
}
