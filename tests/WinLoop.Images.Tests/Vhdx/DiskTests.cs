using WinLoop.Images.Vhdx;
using WinLoop.Storage;
using WinLoop.TestKit;

namespace WinLoop.Images.Tests.Vhdx;

/// <summary>The disk in a VHDX by itself: threads, memory, failures of the file below, the guids of the header.</summary>
public sealed class DiskTests(ITestOutputHelper output)
{
    private const int MiB = 1 << 20;

    [Fact]
    public void ReadersAndWriters_OnSeveralThreads()
    {
        int seed = DiskFiles.Seed();
        output.WriteLine($"seed {seed}");
        const int Size = 64 * MiB, Lanes = 4, Lane = Size / Lanes;
        var file = new MemoryFile();
        VhdxImage.Create(file, Size);
        byte[] model = new byte[Size];
        using (IBlockDevice disk = DiskFiles.Open(file))
        {
            Parallel.For(0, Lanes, new ParallelOptions { MaxDegreeOfParallelism = Lanes }, lane =>
            {
                // A lane is every fourth MiB, so that all of them allocate all the time.
                var random = new Random(seed + lane);
                byte[] noise = new byte[100_000], back = new byte[noise.Length];
                for (int i = 0; i < 300; i++)
                {
                    int at = (random.Next(Lane / MiB) * Lanes * MiB) + (lane * MiB) + random.Next(MiB - noise.Length);
                    int length = random.Next(1, noise.Length);
                    random.NextBytes(noise.AsSpan(0, length));
                    disk.Write(noise.AsSpan(0, length), at);
                    disk.Read(back.AsSpan(0, length), at);
                    Assert.True(back.AsSpan(0, length).SequenceEqual(noise.AsSpan(0, length)));
                    noise.AsSpan(0, length).CopyTo(model.AsSpan(at));
                    if (i % 20 == 0)
                    {
                        disk.Flush();
                    }
                }
            });
            Assert.Equal(model, DiskFiles.ReadAll(disk));
        }

        using IBlockDevice again = DiskFiles.Open(file);
        Assert.Equal(model, DiskFiles.ReadAll(again));
    }

    [Fact]
    public void MappedBlocks_AreReadAndWrittenWithoutMemory()
    {
        var file = new MemoryFile();
        VhdxImage.Create(file, 8 * MiB);
        using IBlockDevice disk = DiskFiles.Open(file);
        byte[] buffer = new byte[300_000];
        disk.Write(new byte[8 * MiB], 0);
        disk.Flush();
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
    public void MorePagesThanAnEntryHasRoomFor_AreCommittedOnTheWay()
    {
        // Every write is to another page of the table: 300 of them, and an entry takes 126.
        const long Step = 512L * MiB;
        var file = new MemoryFile();
        VhdxImage.Create(file, 300 * Step, new VhdxCreateOptions { BlockSize = MiB });
        using (IBlockDevice disk = DiskFiles.Open(file))
        {
            for (int i = 0; i < 300; i++)
            {
                disk.Write([(byte)i, 1], i * Step);
            }

            disk.Flush();
        }

        using IBlockDevice again = DiskFiles.Open(file, isReadOnly: true);
        byte[] two = new byte[2];
        for (int i = 0; i < 300; i++)
        {
            again.Read(two, i * Step);
            Assert.Equal([(byte)i, 1], two);
        }
    }

    [Fact]
    public void Guids_ChangeWithTheFirstWrite_AndTheLogIsEmptyAfterClose()
    {
        var file = new MemoryFile();
        VhdxImage.Create(file, 4 * MiB);
        VhdxHeader made = Header(file);
        using (IBlockDevice disk = DiskFiles.Open(file))
        {
            disk.Flush();
            Assert.Equal(made, Header(file));
            disk.Write([1], 0);
            VhdxHeader written = Header(file);
            Assert.NotEqual(made.FileWriteGuid, written.FileWriteGuid);
            Assert.NotEqual(made.DataWriteGuid, written.DataWriteGuid);
            Assert.Equal(made.Sequence + 1, written.Sequence);
            Assert.Equal(Guid.Empty, written.LogGuid);
            disk.Flush();
            Assert.NotEqual(Guid.Empty, Header(file).LogGuid);
            disk.Write([1], 100);
            Assert.Equal(written.DataWriteGuid, Header(file).DataWriteGuid);
        }

        Assert.Equal(Guid.Empty, Header(file).LogGuid);
    }

    [Fact]
    public void ReplayIntoTheFile_ChangesOnlyTheGuidOfTheFile()
    {
        var file = new MemoryFile();
        VhdxImage.Create(file, 4 * MiB);
        IBlockDevice lost = DiskFiles.Open(file);
        lost.Write([1, 2, 3], 5000);
        lost.Flush();
        VhdxHeader dirty = Header(file);
        DiskFiles.Open(file).Dispose();
        VhdxHeader clean = Header(file);
        Assert.Equal(dirty.DataWriteGuid, clean.DataWriteGuid);
        Assert.NotEqual(dirty.FileWriteGuid, clean.FileWriteGuid);
        Assert.Equal(Guid.Empty, clean.LogGuid);
    }

    [Fact]
    public void FileThatLostItsEnd_IsNamed()
    {
        var file = new MemoryFile();
        VhdxImage.Create(file, 4 * MiB);
        IBlockDevice lost = DiskFiles.Open(file);
        lost.Write(new byte[2 * MiB], 0);
        lost.Flush();
        file.SetLength(file.Length - MiB);
        var e = Assert.Throws<ImageFormatException>(() => DiskFiles.Open(file, isReadOnly: true));
        Assert.Equal(ImageFormatError.Damaged, e.Error);
        Assert.Contains("its end is missing", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void FullDisk_FailsTheWrite_AndNothingElse()
    {
        var file = new MemoryFile(0, limit: 6 * MiB);
        VhdxImage.Create(file, 64 * MiB);
        byte[] model = new byte[64 * MiB];
        using (IBlockDevice disk = DiskFiles.Open(file))
        {
            disk.Write([1], 10 * MiB);
            model[10 * MiB] = 1;
            disk.Write([2], 20 * MiB);
            model[20 * MiB] = 2;
            var e = Assert.Throws<BlockDeviceException>(() => disk.Write([3], 30 * MiB));
            Assert.Equal(BlockDeviceError.NoSpace, e.Error);
            disk.Write([4], 11 * MiB - 1);
            model[(11 * MiB) - 1] = 4;
            disk.Flush();
            Assert.Equal(model, DiskFiles.ReadAll(disk));
        }

        using IBlockDevice again = DiskFiles.Open(file);
        Assert.Equal(model, DiskFiles.ReadAll(again));
    }

    /// <summary>Any write or flush of the file fails, once: the disk says so, a later flush does not hide it, and what an
    /// earlier one has promised is there.</summary>
    [Fact]
    public void FailureBelow_IsNotHidden()
    {
        for (int failAt = 0; failAt < 60; failAt++)
        {
            var inner = new MemoryFile();
            VhdxImage.Create(inner, 32 * MiB);
            var file = new FaultyFile(inner) { FailAt = failAt };
            byte[] promised = new byte[32 * MiB];
            int failures = 0;
            using (IBlockDevice disk = DiskFiles.Open(file))
            {
                for (int i = 0; i < 12; i++)
                {
                    int at = (i * 2 * MiB) + 700;
                    bool wrote = Try(() => disk.Write([(byte)(i + 1)], at), ref failures);
                    bool flushed = Try(disk.Flush, ref failures);
                    if (wrote && flushed)
                    {
                        promised[at] = (byte)(i + 1);
                    }

                    Assert.False(file.FlushFailed && flushed, $"a flush after a failed one succeeded ({failAt})");
                }

                Assert.True(failures > 0 || !file.HasFailed, $"operation {failAt} failed and nobody was told");
            }

            using IBlockDevice again = DiskFiles.Open(inner);
            byte[] now = DiskFiles.ReadAll(again);
            for (int at = 0; at < now.Length; at++)
            {
                at += now.AsSpan(at).CommonPrefixLength(promised.AsSpan(at));
                Assert.True(at >= now.Length || promised[at] == 0, $"byte {at} is lost ({failAt})");
            }
        }
    }

    private static bool Try(Action action, ref int failures)
    {
        try
        {
            action();
            return true;
        }
        catch (BlockDeviceException)
        {
            failures++;
            return false;
        }
    }

    private static VhdxHeader Header(IBlockDevice file) => VhdxHeaders.Read(file).Current;

    /// <summary>A file of which one operation fails.</summary>
    private sealed class FaultyFile(MemoryFile inner) : IGrowableDevice
    {
        private int _count;

        public int FailAt { get; init; }

        public bool HasFailed { get; private set; }

        public bool FlushFailed { get; private set; }

        public long Length => inner.Length;

        public bool IsReadOnly => false;

        public int SectorSize => 512;

        public void Read(Span<byte> buffer, long offset) => inner.Read(buffer, offset);

        public void Write(ReadOnlySpan<byte> buffer, long offset, WriteTag tag = WriteTag.Data)
        {
            Count("write");
            inner.Write(buffer, offset, tag);
        }

        public void WriteZeroes(long offset, long length, WriteTag tag = WriteTag.Data)
        {
            Count("zero");
            inner.WriteZeroes(offset, length, tag);
        }

        public void Discard(long offset, long length) => WriteZeroes(offset, length);

        public void SetLength(long length)
        {
            Count("set the length");
            inner.SetLength(length);
        }

        public void Flush()
        {
            try
            {
                Count("flush");
            }
            catch (BlockDeviceException)
            {
                FlushFailed = true;
                throw;
            }
        }

        public void Dispose()
        {
        }

        private void Count(string what)
        {
            if (_count++ == FailAt)
            {
                HasFailed = true;
                throw new BlockDeviceException(BlockDeviceError.Io, $"injected: cannot {what}");
            }
        }
    }
}
