using WinLoop.Images.Qcow2;
using WinLoop.Images.Tests.Vhdx;
using WinLoop.Storage;
using WinLoop.TestKit;

namespace WinLoop.Images.Tests.Qcow2;

/// <summary>Large disks in little memory, and requests that need no memory at all.</summary>
public sealed class LargeDiskTests(ITestOutputHelper output)
{
    private const long TiB = 1L << 40;

    /// <summary>The map of 2 TiB is 256 MiB; what is in memory of it is bounded, and little is read when it is opened.</summary>
    [Fact]
    public void Two_tebibytes_take_a_few_mebibytes()
    {
        Shell.Require("qemu-img");
        using var folder = new TemporaryFolder();
        string path = folder.File("x");
        using (LoopDevice file = LoopDevice.Open(path, new LoopDeviceOptions { IsExact = true }))
        {
            Qcow2Image.Create(file, 2 * TiB);
        }

        const int Count = 6000; // an L2 table each, and all that there are
        long step = 2 * TiB / Count / 512 * 512;
        long before = GC.GetTotalMemory(forceFullCollection: true);
        using (IBlockDevice disk = DiskFiles.Open(path))
        {
            for (int i = 0; i < Count; i++)
            {
                disk.Write(BitConverter.GetBytes(i + 1), i * step);
            }

            disk.Flush();
            long used = GC.GetTotalMemory(forceFullCollection: true) - before;
            output.WriteLine($"{used / 1024} KiB after {Count} places");
            Assert.True(used < 12 << 20, $"{used} bytes");
        }

        byte[] read = new byte[4];
        long allocated = GC.GetAllocatedBytesForCurrentThread();
        using (IBlockDevice disk = DiskFiles.Open(path))
        {
            disk.Read(read, 0);
            output.WriteLine($"{(GC.GetAllocatedBytesForCurrentThread() - allocated) / 1024} KiB to open");
            Assert.True(GC.GetAllocatedBytesForCurrentThread() - allocated < 4 << 20);
            for (int i = 0; i < Count; i++)
            {
                disk.Read(read, i * step);
                Assert.Equal(i + 1, BitConverter.ToInt32(read));
            }

            // The scan at the opening is left out, and the writes are right all the same.
            for (int i = 0; i < Count; i += 50)
            {
                disk.Write([0xFF], (i * step) + 70_000);
            }
        }

        Qcow2Files.AssertSound(path);
    }

    [Fact]
    public void What_is_mapped_is_read_and_written_without_memory()
    {
        const int Size = 64 << 20;
        var file = new MemoryFile();
        Qcow2Image.Create(file, Size);
        using IBlockDevice disk = Qcow2Files.Open(file);
        byte[] block = new byte[100_000];
        for (int at = 0; at + block.Length <= Size; at += block.Length)
        {
            disk.Write(block, at);
        }

        disk.Flush();
        Pass();
        Assert.Equal(0, Allocations.Of(Pass));

        void Pass()
        {
            for (int at = 0; at + block.Length <= Size; at += block.Length)
            {
                disk.Read(block, at);
                disk.Write(block, at);
            }

            disk.Flush();
        }
    }

    /// <summary>A file may say that a cluster of the disk lies where a table is, and be too large to look at all of it.</summary>
    [Fact]
    public void A_table_is_not_written_through_the_disk()
    {
        Shell.Require("qemu-img");
        using var folder = new TemporaryFolder();
        string path = Path.Combine(folder.Path, "x");
        Shell.Script($"qemu-img create -q -f qcow2 {path} 64M; qemu-io -f qcow2 -c 'write 0 64k' {path}; qemu-img snapshot -c one {path}; qemu-io -f qcow2 -c 'write 0 64k' {path}");
        byte[] bytes = File.ReadAllBytes(path);
        long l1 = Word(Qcow2Header.L1OffsetAt), l2 = Word((int)l1) & (long)L2Entry.OffsetMask, table = Word(Qcow2Header.RefcountTableOffsetAt);
        long block = Word((int)table);
        foreach (long place in (long[])[0, l1, l2, table, block])
        {
            var file = new MemoryFile(bytes);
            byte[] entry = new byte[8];
            System.Buffers.Binary.BinaryPrimitives.WriteUInt64BigEndian(entry, (ulong)place | L2Entry.Copied);
            file.Write(entry, l2 + 8);
            using IBlockDevice disk = Qcow2Files.Open(file);
            Assert.False(disk.IsReadOnly);
            byte[] before = DiskFiles.ReadAll(file);
            if (place == 0)
            {
                continue; // no place at all: unallocated
            }

            foreach (Action change in (Action[])[() => disk.Write([1], 65536), () => disk.WriteZeroes(65536, 65536), () => disk.Discard(65536, 65536)])
            {
                Assert.Contains("table", Assert.Throws<BlockDeviceException>(change).Message, StringComparison.Ordinal);
            }

            Assert.Equal(before, DiskFiles.ReadAll(file));
        }

        long Word(int at) => (long)System.Buffers.Binary.BinaryPrimitives.ReadUInt64BigEndian(bytes.AsSpan(at));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void After_a_failed_flush_there_is_no_second_try(int failing)
    {
        var file = new MemoryFile();
        Qcow2Image.Create(file, 16 << 20);
        var faulty = new FailingFile(file);
        IBlockDevice disk = Qcow2Files.Open(faulty);
        disk.Write([1, 2, 3], 0);
        faulty.FlushesLeft = failing - 1;
        Assert.Throws<BlockDeviceException>(() =>
        {
            disk.Flush();
            disk.Write([1], 8 << 20);
            disk.Flush();
        });
        faulty.FlushesLeft = int.MaxValue;
        Assert.Throws<BlockDeviceException>(disk.Flush);
        Assert.Throws<BlockDeviceException>(() => disk.Write([1], 5));
        byte[] read = new byte[3];
        disk.Read(read, 0);
        Assert.Equal([1, 2, 3], read);
        int writes = faulty.Writes;
        disk.Dispose();
        Assert.Equal(writes, faulty.Writes);
    }

    private sealed class FailingFile(MemoryFile inner) : IGrowableDevice
    {
        public int FlushesLeft { get; set; } = int.MaxValue;

        public int Writes { get; private set; }

        public long Length => inner.Length;

        public bool IsReadOnly => false;

        public int SectorSize => 512;

        public void Read(Span<byte> buffer, long offset) => inner.Read(buffer, offset);

        public void Write(ReadOnlySpan<byte> buffer, long offset, WriteTag tag = WriteTag.Data)
        {
            Writes++;
            inner.Write(buffer, offset, tag);
        }

        public void Flush()
        {
            if (FlushesLeft-- <= 0)
            {
                throw new BlockDeviceException(BlockDeviceError.Io, "the flush failed");
            }
        }

        public void Discard(long offset, long length) => inner.Discard(offset, length);

        public void WriteZeroes(long offset, long length, WriteTag tag = WriteTag.Data) => inner.WriteZeroes(offset, length, tag);

        public void SetLength(long length) => inner.SetLength(length);

        public void Dispose()
        {
        }
    }
}
