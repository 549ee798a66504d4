using WinLoop.Images.Tests.Vhdx;
using WinLoop.Images.Vmdk;
using WinLoop.Storage;
using WinLoop.TestKit;

namespace WinLoop.Images.Tests.Vmdk;

/// <summary>VMDK without another program: threads, memory, failures.</summary>
public sealed class VmdkTests
{
    private const int MiB = 1 << 20;

    [Fact]
    public void SeveralThreads()
    {
        const int Size = 32 * MiB, Lanes = 4, Grain = 64 * 1024;
        int seed = DiskFiles.Seed();
        var file = new MemoryFile();
        VmdkImage.Create(file, Size);
        byte[] model = new byte[Size];
        using (IBlockDevice disk = VmdkFiles.Open(file))
        {
            Parallel.For(0, Lanes, new ParallelOptions { MaxDegreeOfParallelism = Lanes }, lane =>
            {
                var random = new Random(seed + lane);
                byte[] noise = new byte[Grain / Lanes];
                for (int i = 0; i < 400; i++)
                {
                    // All lanes write into the same grains.
                    int length = random.Next(1, noise.Length), at = (random.Next(Size / Grain) * Grain) + (lane * noise.Length) + random.Next(noise.Length - length);
                    random.NextBytes(noise.AsSpan(0, length));
                    disk.Write(noise.AsSpan(0, length), at);
                    noise.AsSpan(0, length).CopyTo(model.AsSpan(at));
                    if (i % 20 == 0)
                    {
                        disk.Flush();
                    }
                }
            });
            Assert.True(DiskFiles.ReadAll(disk).AsSpan().SequenceEqual(model), $"seed {seed}");
        }

        VmdkFiles.AssertClosed(file);
        using IBlockDevice again = VmdkFiles.Open(file);
        Assert.True(DiskFiles.ReadAll(again).AsSpan().SequenceEqual(model), $"seed {seed}");
    }

    [Fact]
    public void MappedGrains_AreReadAndWrittenWithoutMemory()
    {
        var file = new MemoryFile();
        VmdkImage.Create(file, 8 * MiB);
        using IBlockDevice disk = VmdkFiles.Open(file);
        byte[] buffer = new byte[300_000];
        disk.Write(new byte[8 * MiB], 0);
        Assert.Equal(0, Allocations.Of(() =>
        {
            for (int i = 0; i < 1000; i++)
            {
                disk.Read(buffer, i * 7919L % (8 * MiB - buffer.Length));
                disk.Write(buffer.AsSpan(0, 5000), i * 6007L % (8 * MiB - buffer.Length));
            }
        }));
    }

    [Fact]
    public void Holes_AreKnownWithoutReading_OverTheBordersOfExtents()
    {
        const int Part = 3 * MiB, Grain = 65536;
        var files = new Dictionary<string, IGrowableDevice> { ["a"] = new MemoryFile(VmdkFiles.SparsePart(Part)), ["b"] = new MemoryFile(VmdkFiles.SparsePart(Part)) };
        var text = new MemoryFile(VmdkFiles.Descriptor("twoGbMaxExtentSparse", $"RW {Part / 512} SPARSE \"a\"", $"RW {Part / 512} SPARSE \"b\""));
        using IBlockDevice disk = VmdkFiles.Open(text, files);
        Assert.Equal(2 * Part, disk.ZeroRun(0, 2 * Part));
        Assert.Equal(1000, disk.ZeroRun(Part - 500, 1000));
        disk.Write([1], Part + Grain + 5);
        Assert.Equal(Part + Grain - 7, disk.ZeroRun(7, (2 * Part) - 7));
        Assert.Equal(0, disk.ZeroRun(Part + Grain + 100, 5));
        Assert.Equal(Part - (2 * Grain), disk.ZeroRun(Part + (2 * Grain), Part - (2 * Grain)));
        Assert.Equal(0, disk.ZeroRun(2 * Part, 0));
    }

    [Fact]
    public void AfterAFailedFlush_WritesAndFlushesFail_AndReadsGoOn()
    {
        var file = new FailingFile();
        VmdkImage.Create(file, 8 * MiB);
        using IBlockDevice disk = VmdkFiles.Open(file);
        disk.Write([1, 2, 3], MiB);
        disk.Flush();
        disk.Write([4, 5, 6], 3 * MiB);
        file.Fails = true;
        Assert.Throws<BlockDeviceException>(disk.Flush);
        file.Fails = false;
        Assert.Throws<BlockDeviceException>(disk.Flush);
        Assert.Throws<BlockDeviceException>(() => disk.Write([1], MiB));
        Assert.Throws<BlockDeviceException>(() => disk.WriteZeroes(0, 512));
        byte[] read = new byte[3];
        disk.Read(read, MiB);
        Assert.Equal([1, 2, 3], read);
    }

    [Fact]
    public void AFullHostDisk_FailsTheWrite_AndNothingElse()
    {
        var start = new MemoryFile();
        VmdkImage.Create(start, 8 * MiB);
        var file = new MemoryFile(DiskFiles.ReadAll(start), start.Length + (2 * MiB));
        using (IBlockDevice disk = VmdkFiles.Open(file))
        {
            disk.Write(new byte[MiB], 0);
            var e = Assert.Throws<BlockDeviceException>(() =>
            {
                for (int at = MiB; at < 8 * MiB; at += 65536)
                {
                    disk.Write([9], at);
                }
            });
            Assert.Equal(BlockDeviceError.NoSpace, e.Error);
            disk.Write([7], 100);
            disk.Flush();
        }

        VmdkFiles.AssertClosed(file);
        using IBlockDevice again = VmdkFiles.Open(file);
        byte[] read = new byte[1];
        again.Read(read, 100);
        Assert.Equal(7, read[0]);
    }

    [Fact]
    public void ACopyOfTheTablesThatDiffers_IsMendedWithTheFirstWrite()
    {
        var file = new MemoryFile();
        VmdkImage.Create(file, 80 * MiB);
        SparseHeader header = SparseHeader.Read(file);
        GrainTables tables = GrainTables.Read(file, header, isForWriting: true);
        long place = (tables.RedundantPlaces[1] * 512L) + 700;
        file.Write([1, 2, 3, 4], place);
        using (IBlockDevice disk = VmdkFiles.Open(file))
        {
            disk.Write([1], 0);
        }

        VmdkFiles.AssertClosed(file);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(511)]
    [InlineData(1L << 41)]
    [InlineData(long.MaxValue)]
    public void Create_RefusesASizeThatCannotBe(long size) => Assert.Throws<ArgumentException>(() => VmdkImage.Create(new MemoryFile(), size));

    [Fact]
    public void ADiskOfAlmost2TiB_OpensWithoutMuchMemory()
    {
        var file = new MemoryFile();
        VmdkImage.Create(file, (1L << 41) - (1L << 30));
        long before = GC.GetAllocatedBytesForCurrentThread();
        using IBlockDevice disk = VmdkFiles.Open(file);
        Assert.True(GC.GetAllocatedBytesForCurrentThread() - before < 16 * MiB, "too much memory");
        disk.Write([1, 2, 3], disk.Length - 3);
        disk.Flush();
        byte[] read = new byte[3];
        disk.Read(read, disk.Length - 3);
        Assert.Equal([1, 2, 3], read);
    }

    private sealed class FailingFile : IGrowableDevice
    {
        private readonly MemoryFile _file = new();

        public bool Fails { get; set; }

        public long Length => _file.Length;

        public bool IsReadOnly => false;

        public int SectorSize => 512;

        public void SetLength(long length) => _file.SetLength(length);

        public void Read(Span<byte> buffer, long offset) => _file.Read(buffer, offset);

        public void Write(ReadOnlySpan<byte> buffer, long offset, WriteTag tag = WriteTag.Data) => _file.Write(buffer, offset, tag);

        public void Flush()
        {
            if (Fails)
            {
                throw new BlockDeviceException(BlockDeviceError.Io, "made to fail");
            }
        }

        public void Discard(long offset, long length) => _file.Discard(offset, length);

        public void WriteZeroes(long offset, long length, WriteTag tag = WriteTag.Data) => _file.WriteZeroes(offset, length, tag);

        public void Dispose()
        {
        }
    }
}
