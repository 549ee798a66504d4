using System.Buffers.Binary;
using WinLoop.Images.AndroidSparse;
using WinLoop.Images.Tests.Vhdx;
using WinLoop.Storage;
using WinLoop.TestKit;

namespace WinLoop.Images.Tests.AndroidSparse;

/// <summary>Android sparse images against libsparse's own tools, in both directions, and hostile ones.</summary>
public sealed class AndroidSparseTests(ITestOutputHelper output)
{
    private const int MiB = 1 << 20;

    [Theory]
    [InlineData(4096, 20 * MiB)]
    [InlineData(1024, 3 * MiB)]
    [InlineData(65536, 9 * MiB)]
    public void WhatImg2simgMakes_ReadsTheSame(int block, int size)
    {
        Shell.Require("img2simg");
        int seed = DiskFiles.Seed();
        output.WriteLine($"seed {seed}");
        byte[] model = Content(size, seed);
        using var folder = new TemporaryFolder();
        string raw = folder.File("raw"), path = Path.Combine(folder.Path, "x.simg");
        DiskFiles.WriteSparse(raw, model);
        Shell.Script($"img2simg {raw} {path} {block}");
        byte[] before = File.ReadAllBytes(path);
        var notes = new List<string>();
        using (LoopDevice file = LoopDevice.Open(path, new LoopDeviceOptions { IsExact = true }))
        using (IBlockDevice disk = ImageFormats.Find(file)!.Open(file, new ImageFormatOptions { Note = notes.Add }))
        {
            Assert.Contains("cannot be written", Assert.Single(notes), StringComparison.Ordinal);
            Assert.True(disk.IsReadOnly);
            Assert.Equal(BlockDeviceError.ReadOnly, Assert.Throws<BlockDeviceException>(() => disk.Write([1], 0)).Error);
            Assert.Equal(model, DiskFiles.ReadAll(disk));
            ReadRandomly(disk, model, new Random(seed));
        }

        Assert.Equal(before, File.ReadAllBytes(path));
    }

    // What the build system's own img2simg makes of holes, and Debian's does not.
    [Fact]
    public void BlocksNobodyCaresAbout_AreZeroes()
    {
        Shell.Require("simg2img");
        byte[] model = Content(2 * MiB, 3);
        model.AsSpan(MiB, 64 * 1024).Clear();
        var made = new MemoryFile();
        AndroidSparseImage.Write(new MemoryDevice(model), made);
        byte[] image = DiskFiles.ReadAll(made);
        int skipped = 0;
        using var bytes = new MemoryStream();
        bytes.Write(image.AsSpan(0, 28));
        foreach (long at in ChunkOffsets(image).ToArray())
        {
            Span<byte> chunk = image.AsSpan((int)at, (int)BinaryPrimitives.ReadUInt32LittleEndian(image.AsSpan((int)at + 8)));
            if (BinaryPrimitives.ReadUInt16LittleEndian(chunk) == 0xCAC2 && BinaryPrimitives.ReadUInt32LittleEndian(chunk[12..]) == 0)
            {
                BinaryPrimitives.WriteUInt16LittleEndian(chunk, 0xCAC3);
                BinaryPrimitives.WriteUInt32LittleEndian(chunk[8..], 12);
                chunk = chunk[..12];
                skipped++;
            }

            bytes.Write(chunk);
        }

        Assert.NotEqual(0, skipped);
        using var folder = new TemporaryFolder();
        string path = Path.Combine(folder.Path, "x.simg"), raw = Path.Combine(folder.Path, "raw");
        File.WriteAllBytes(path, bytes.ToArray());
        Shell.Script($"simg2img {path} {raw}");
        using IBlockDevice disk = DiskFiles.Open(path);
        Assert.Equal(model, DiskFiles.ReadAll(disk));
        Assert.Equal(model, File.ReadAllBytes(raw));
        ReadRandomly(disk, model, new Random(1));
    }

    [Theory]
    [InlineData(20 * MiB)]
    [InlineData((5 * MiB) + 512)]
    [InlineData(100 * MiB)] // a run of more than the longest chunk
    public void WhatIsWrittenHere_Simg2imgReadsTheSame(int size)
    {
        Shell.Require("simg2img");
        int seed = DiskFiles.Seed();
        output.WriteLine($"seed {seed}");
        byte[] model = Content(size, seed, share: size == 100 * MiB ? 1 : 0.5);
        using var folder = new TemporaryFolder();
        string path = folder.File("x.simg"), raw = Path.Combine(folder.Path, "raw");
        using (LoopDevice file = LoopDevice.Open(path, new LoopDeviceOptions { IsExact = true }))
        {
            Assert.InRange(AndroidSparseImage.Write(new MemoryDevice(model), file), 1, size + 4095L);
        }

        Shell.Script($"simg2img {path} {raw}");
        byte[] back = File.ReadAllBytes(raw);
        Assert.Equal((size + 4095) / 4096 * 4096, back.Length);
        Assert.True(back.AsSpan(0, size).SequenceEqual(model), $"seed {seed}");
        Assert.False(back.AsSpan(size).ContainsAnyExcept((byte)0));
        using IBlockDevice disk = DiskFiles.Open(path);
        Assert.Equal(back, DiskFiles.ReadAll(disk));
    }

    [Fact]
    public void HostileFiles_EndInOneClearException()
    {
        int seed = DiskFiles.Seed();
        int count = int.TryParse(Environment.GetEnvironmentVariable("WINLOOP_HOSTILE"), out int wanted) ? wanted : 20_000;
        var made = new MemoryFile();
        byte[] model = Content(2 * MiB, 7);
        AndroidSparseImage.Write(new MemoryDevice(model), made);
        byte[] image = DiskFiles.ReadAll(made);
        long[] chunks = [.. ChunkOffsets(image)];
        var kinds = new SortedDictionary<string, int>();
        long largest = 0;
        for (int i = 0; i < count; i++)
        {
            var random = new Random(unchecked((seed * 31) + i));
            byte[] bytes = random.Next(20) == 0 ? image[..random.Next(image.Length)] : (byte[])image.Clone();
            for (int n = random.Next(4) == 0 ? 3 : 1; n > 0 && bytes.Length > 40; n--)
            {
                long place = random.Next(3) == 0 ? random.Next(28) / 2 * 2 : chunks[random.Next(chunks.Length)] + (random.Next(3) * 4);
                if (place + 4 <= bytes.Length)
                {
                    Span<byte> field = bytes.AsSpan((int)place, 4);
                    uint old = BinaryPrimitives.ReadUInt32LittleEndian(field);
                    BinaryPrimitives.WriteUInt32LittleEndian(field, random.Next(8) switch
                    {
                        0 => 0, 1 => uint.MaxValue, 2 => 1u << random.Next(32), 3 => old + 1, 4 => old - 1, 5 => 0xCAC1u + (uint)random.Next(4),
                        6 => old * 2, _ => (uint)random.Next(),
                    });
                }
            }

            long before = GC.GetAllocatedBytesForCurrentThread();
            string end;
            try
            {
                end = Use(bytes, random);
            }
            catch (ImageFormatException e)
            {
                Assert.StartsWith("Android sparse image: ", e.Message, StringComparison.Ordinal);
                end = e.Error.ToString();
            }
            catch (Exception e) when (e is not BlockDeviceException)
            {
                throw new InvalidOperationException($"seed {seed}, file {i}", e);
            }

            largest = Math.Max(largest, GC.GetAllocatedBytesForCurrentThread() - before);
            kinds[end] = kinds.GetValueOrDefault(end) + 1;
        }

        output.WriteLine($"most memory {largest / 1024} KiB, seed {seed}: {string.Join(", ", kinds)}");
        Assert.True(kinds.GetValueOrDefault("Damaged") > count / 20 && kinds.GetValueOrDefault("opened") > count / 50, string.Join(", ", kinds));
        Assert.True(largest < 16 * MiB, $"{largest} bytes");
    }

    private static string Use(byte[] bytes, Random random)
    {
        var file = new MemoryFile(bytes);
        if (!new AndroidSparseFormat().Matches(file))
        {
            return "raw";
        }

        using IBlockDevice disk = new AndroidSparseFormat().Open(file, new ImageFormatOptions());
        byte[] buffer = new byte[8192];
        for (int i = 0; i < 6; i++)
        {
            long at = random.NextInt64(disk.Length);
            int length = (int)Math.Min(buffer.Length, disk.Length - at);
            disk.Read(buffer.AsSpan(0, length), at);
            Assert.InRange(disk.ZeroRun(at, disk.Length - at), 0, disk.Length - at);
        }

        return "opened";
    }

    private static void ReadRandomly(IBlockDevice disk, byte[] model, Random random)
    {
        byte[] buffer = new byte[300_000];
        for (int i = 0; i < 300; i++)
        {
            int at = random.Next(model.Length), length = Math.Min(random.Next(buffer.Length), model.Length - at);
            disk.Read(buffer.AsSpan(0, length), at);
            Assert.True(buffer.AsSpan(0, length).SequenceEqual(model.AsSpan(at, length)), $"at {at}, {length} bytes");
            long zeroes = disk.ZeroRun(at, length);
            Assert.False(model.AsSpan(at, (int)zeroes).ContainsAnyExcept((byte)0));
        }
    }

    private static IEnumerable<long> ChunkOffsets(byte[] image)
    {
        for (long at = 28; at < image.Length; at += BinaryPrimitives.ReadUInt32LittleEndian(image.AsSpan((int)at + 8)))
        {
            yield return at;
        }
    }

    // Noise, holes, and runs of one pattern.
    private static byte[] Content(int size, int seed, double share = 0.5)
    {
        byte[] bytes = DiskFiles.Noise(size, seed, share);
        var random = new Random(seed);
        for (int i = 0; i < size / MiB; i++)
        {
            int at = random.Next(size / 4096) * 4096, length = Math.Min(random.Next(1, 20) * 4096, size - at);
            uint pattern = (uint)random.Next();
            for (int n = 0; n + 4 <= length && share < 1; n += 4)
            {
                BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(at + n), pattern);
            }
        }

        return bytes;
    }
}
