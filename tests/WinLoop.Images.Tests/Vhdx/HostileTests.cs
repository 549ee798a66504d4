using System.Buffers.Binary;
using System.Diagnostics;
using WinLoop.Images.Tests.PowerCuts;
using WinLoop.Images.Vhdx;
using WinLoop.Storage;

namespace WinLoop.Images.Tests.Vhdx;

/// <summary>Files that were made to do harm: one clear exception, in bounded time and memory. Checksums are put right after
/// a change, so that what is behind them is reached. WINLOOP_HOSTILE is the number of files, 20000 by itself.</summary>
public sealed class HostileTests(ITestOutputHelper output)
{
    private const int MiB = 1 << 20;
    private const int Size = 5 * MiB;
    private const long MemoryLimit = 256L * MiB;

    private static readonly TimeSpan s_timeLimit = TimeSpan.FromSeconds(10);

    [Fact]
    public void HostileFiles_EndInOneClearException()
    {
        int seed = DiskFiles.Seed();
        int count = int.TryParse(Environment.GetEnvironmentVariable("WINLOOP_HOSTILE"), out int wanted) ? wanted : 20_000;
        MemoryFile parent = MakeParent();
        Target[] targets = [new(MakeClean()), new(MakeDirty()), new(MakeDirtyZeroes()), new(MakeChild(parent))];
        var kinds = new SortedDictionary<string, int>();
        TimeSpan slowest = default;
        long largest = 0;
        for (int i = 0; i < count; i++)
        {
            var random = new Random(unchecked((seed * 31) + i));
            Target target = targets[random.Next(targets.Length)];
            target.File.Reset();
            target.File.IsReadOnly = false;
            string what = Mutate(target, random);
            long before = GC.GetAllocatedBytesForCurrentThread();
            long start = Stopwatch.GetTimestamp();
            string end = Use(target.File, parent, random, $"seed {seed}, file {i}: {what}");
            TimeSpan time = Stopwatch.GetElapsedTime(start);
            long memory = GC.GetAllocatedBytesForCurrentThread() - before;
            slowest = time > slowest ? time : slowest;
            largest = Math.Max(largest, memory);
            Assert.True(time < s_timeLimit && memory < MemoryLimit, $"seed {seed}, file {i}: {what}: {time}, {memory} bytes");
            kinds[end] = kinds.GetValueOrDefault(end) + 1;
        }

        output.WriteLine($"slowest {slowest.TotalMilliseconds:f0} ms, most memory {largest / 1024} KiB, seed {seed}");
        foreach ((string kind, int number) in kinds)
        {
            output.WriteLine($"{number,6} {kind}");
        }

        Assert.True(kinds.GetValueOrDefault("Damaged") > count / 10, "the mutations do not reach the checks");
        Assert.True(kinds.GetValueOrDefault("opened") > count / 50, "hardly anything opens: the mutations are all of one kind");
    }

    [Fact]
    public void ATableThatNeedsMoreThanItHas_IsRefused_AndALargeOneIsNotCopied()
    {
        // 64 TiB in blocks of 1 MiB: the table alone has 513 MiB, all of them zeroes.
        var file = new MemoryFile();
        VhdxImage.Create(file, 1L << 46, new VhdxCreateOptions { BlockSize = MiB });
        long before = GC.GetAllocatedBytesForCurrentThread();
        using (IBlockDevice disk = DiskFiles.Open(file))
        {
            disk.Write([1], (1L << 46) - 1);
            byte[] last = new byte[512];
            disk.Read(last, (1L << 46) - 512);
            Assert.Equal(1, last[511]);
        }

        Assert.True(GC.GetAllocatedBytesForCurrentThread() - before < 32 * MiB);
    }

    private static string Use(StateFile file, MemoryFile parent, Random random, string what)
    {
        bool isReadOnly = file.Length > 1L << 30 || random.Next(2) == 0;
        file.IsReadOnly = isReadOnly;
        try
        {
            using IBlockDevice disk = new VhdxFormat().Open(file, new ImageFormatOptions { IsReadOnly = isReadOnly, OpenRelated = (_, _) => parent });
            byte[] buffer = new byte[64 * 1024];
            for (int i = 0; i < 12; i++)
            {
                long at = i < 8 ? Math.Min((long)i * Size / 8, disk.Length) : (long)(random.NextDouble() * disk.Length);
                int length = (int)Math.Min(buffer.Length, disk.Length - at);
                disk.Read(buffer.AsSpan(0, length), at);
                if (!isReadOnly && i % 3 == 0)
                {
                    disk.Write(buffer.AsSpan(0, length), at);
                }
            }

            if (!isReadOnly)
            {
                disk.Flush();
            }

            return "opened";
        }
        catch (ImageFormatException e)
        {
            Assert.True(e.Message.StartsWith("VHDX: ", StringComparison.Ordinal) && !e.Message.Contains('\n', StringComparison.Ordinal), $"{what}: {e.Message}");
            return e.Error.ToString();
        }
        catch (BlockDeviceException e)
        {
            return $"device: {e.Error}";
        }
        catch (Exception e)
        {
            throw new InvalidOperationException(what, e);
        }
    }

    /// <summary>Changes one to three numbers, most of them fields, and puts checksums right.</summary>
    private static string Mutate(Target target, Random random)
    {
        string what = "";
        int changes = random.Next(4) == 0 ? 3 : 1;
        for (int i = 0; i < changes; i++)
        {
            what += random.Next(10) switch
            {
                0 or 1 => MutateHeader(target, random),
                2 => MutateRegions(target, random),
                3 or 4 => MutateMetadata(target, random),
                5 or 6 => MutateBat(target, random),
                7 or 8 => target.LogEntry >= 0 ? MutateLog(target, random) : MutateBat(target, random),
                _ => MutateFile(target, random),
            };
        }

        return what;
    }

    private static string MutateHeader(Target target, Random random)
    {
        (int at, int size) = ((int, int)[])[(8, 8), (16, 16), (32, 16), (48, 16), (64, 2), (66, 2), (68, 4), (72, 8), (0, 4)] is var fields
            ? fields[random.Next(fields.Length)] : default;
        string what = "";
        foreach (long place in (long[])[VhdxLayout.Header1, VhdxLayout.Header2])
        {
            if (random.Next(3) != 0)
            {
                what += ChangeField(target.File, place + at, size, random);
                Sum(target.File, place, VhdxLayout.HeaderSize);
            }
        }

        return "header " + what;
    }

    private static string MutateRegions(Target target, Random random)
    {
        int at = random.Next(6) == 0 ? 8 : 16 + (32 * random.Next(3)) + (random.Next(4) switch { 0 => 0, 1 => 24, 2 => 28, _ => 16 });
        string what = ChangeField(target.File, VhdxLayout.RegionTable1 + at, at % 32 == 0 ? 8 : 4, random);
        Sum(target.File, VhdxLayout.RegionTable1, VhdxLayout.TableSize);
        return "regions " + what;
    }

    private static string MutateMetadata(Target target, Random random)
    {
        if (random.Next(2) == 0)
        {
            int at = random.Next(8) == 0 ? 10 : 32 + (32 * random.Next(7)) + (random.Next(4) switch { 0 => 0, 1 => 16, 2 => 20, _ => 24 });
            return "metadata table " + ChangeField(target.File, target.Metadata + at, at == 10 ? 2 : 4, random);
        }

        int item = 4 * random.Next(80);
        return "metadata item " + ChangeField(target.File, target.Metadata + VhdxLayout.TableSize + item, random.Next(3) == 0 ? 8 : 4, random);
    }

    private static string MutateBat(Target target, Random random)
    {
        long entry = target.Bat + (8 * random.Next(random.Next(4) == 0 ? 5000 : 8));
        byte[] bytes = new byte[8];
        if (entry + bytes.Length > target.File.Length)
        {
            return "nothing ";
        }

        target.File.Read(bytes, entry);
        ulong old = BinaryPrimitives.ReadUInt64LittleEndian(bytes);
        ulong value = random.Next(4) switch
        {
            0 => (old & ~7UL) | (uint)random.Next(8),
            1 => ((ulong)random.Next(20) << 20) | (uint)random.Next(8),
            2 => ((ulong)random.NextInt64() << 20) | 6,
            _ => (ulong)random.NextInt64(),
        };
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, value);
        target.File.Write(bytes, entry);
        return $"BAT {entry}={value:x} ";
    }

    private static string MutateLog(Target target, Random random)
    {
        // The entry's header, or one of its descriptors.
        (int at, int size) = random.Next(2) == 0
            ? random.Next(6) switch { 0 => (8, 4), 1 => (12, 4), 2 => (16, 8), 3 => (24, 4), 4 => (48, 8), _ => (56, 8) }
            : (64 + (32 * random.Next(2)) + (random.Next(5) switch { 0 => 0, 1 => 4, 2 => 8, 3 => 24, _ => 16 }), random.Next(4) == 0 ? 4 : 8);
        string what = ChangeField(target.File, target.LogEntry + at, size, random);
        byte[] length = new byte[4];
        if (target.LogEntry + LogEntry.HeaderSize > target.File.Length)
        {
            return "nothing ";
        }

        target.File.Read(length, target.LogEntry + 8);
        uint bytes = BinaryPrimitives.ReadUInt32LittleEndian(length);
        if (bytes is > 0 and <= MiB && bytes % 8 == 0 && target.LogEntry + bytes <= target.File.Length)
        {
            Sum(target.File, target.LogEntry, (int)bytes);
        }

        return "log " + what;
    }

    private static string MutateFile(Target target, Random random)
    {
        switch (random.Next(3))
        {
            case 0:
                long length = random.Next(3) == 0 ? random.NextInt64(1L << 62) : random.NextInt64(12 * MiB);
                target.File.SetLength(length);
                return $"length {length} ";
            default:
                long at = random.NextInt64(Math.Max(1, Math.Min(target.File.Length, 12 * MiB) - 16));
                return "bytes " + ChangeField(target.File, at, random.Next(1, 16), random);
        }
    }

    private static string ChangeField(StateFile file, long at, int size, Random random)
    {
        if (at + size > file.Length)
        {
            return "nothing ";
        }

        byte[] bytes = new byte[size];
        file.Read(bytes, at);
        if (size is 2 or 4 or 8 && random.Next(8) != 0)
        {
            byte[] wide = new byte[8];
            bytes.CopyTo(wide, 0);
            ulong old = BinaryPrimitives.ReadUInt64LittleEndian(wide);
            ulong value = random.Next(12) switch
            {
                0 => 0,
                1 => 1,
                2 => ulong.MaxValue,
                3 => 1UL << random.Next(64),
                4 => old + 1,
                5 => old - 1,
                6 => old + MiB,
                7 => (ulong)random.Next(64) * MiB,
                8 => (ulong)random.NextInt64() & ~0xFFFFFUL,
                9 => old << 1,
                10 => (ulong)random.Next(300) * 4096,
                _ => (ulong)random.NextInt64(),
            };
            BinaryPrimitives.WriteUInt64LittleEndian(wide, value);
            wide.AsSpan(0, size).CopyTo(bytes);
        }
        else
        {
            random.NextBytes(bytes);
        }

        file.Write(bytes, at);
        return $"{at}={Convert.ToHexString(bytes)} ";
    }

    private static void Sum(StateFile file, long place, int length)
    {
        if (place + length > file.Length)
        {
            return;
        }

        byte[] bytes = new byte[length];
        file.Read(bytes, place);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(4), Crc32C.OfStructure(bytes));
        file.Write(bytes.AsSpan(0, 8), place);
    }

    private static MemoryFile MakeParent()
    {
        var file = new MemoryFile();
        VhdxImage.Create(file, Size);
        using IBlockDevice disk = DiskFiles.Open(file);
        disk.Write(DiskFiles.Noise(Size, 1), 0);
        return file;
    }

    private static byte[] MakeClean()
    {
        var file = new MemoryFile();
        VhdxImage.Create(file, Size);
        using (IBlockDevice disk = DiskFiles.Open(file))
        {
            disk.Write(DiskFiles.Noise(3 * MiB, 2), MiB);
        }

        return DiskFiles.ReadAll(file);
    }

    private static byte[] MakeDirty()
    {
        var file = new MemoryFile();
        VhdxImage.Create(file, Size);
        IBlockDevice disk = DiskFiles.Open(file);
        disk.Write(DiskFiles.Noise(2 * MiB, 3), MiB);
        disk.Flush();
        disk.Write([1, 2, 3], 4 * MiB);
        disk.Flush();
        return DiskFiles.ReadAll(file); // never closed
    }

    // As Hyper-V writes them: an entry that also zeroes a range.
    private static byte[] MakeDirtyZeroes()
    {
        byte[] file = MakeDirty();
        VhdxHeader header = VhdxHeaders.Read(new MemoryFile(file)).Current;
        var entry = new LogEntry(0, 4096, 0, 9, 2, (ulong)file.Length, (ulong)file.Length);
        Span<byte> sector = file.AsSpan((int)header.LogOffset, 4096);
        sector.Clear();
        entry.WriteTo(sector, header.LogGuid);
        for (int i = 0; i < 2; i++)
        {
            Span<byte> descriptor = sector.Slice(64 + (32 * i), 32);
            "zero"u8.CopyTo(descriptor);
            BinaryPrimitives.WriteUInt64LittleEndian(descriptor[8..], 8192);
            BinaryPrimitives.WriteUInt64LittleEndian(descriptor[16..], (3 * MiB) + (64 * 1024) + ((ulong)i * 65536));
            BinaryPrimitives.WriteUInt64LittleEndian(descriptor[24..], 9);
        }

        BinaryPrimitives.WriteUInt32LittleEndian(sector[4..], Crc32C.OfStructure(sector));
        return file;
    }

    private static byte[] MakeChild(MemoryFile parent)
    {
        var file = new MemoryFile();
        using (IBlockDevice opened = DiskFiles.Open(parent, isReadOnly: true))
        {
            VhdxImage.Create(file, Size, new VhdxCreateOptions { Parent = new VhdxParent(opened, "parent.vhdx") });
        }

        using (IBlockDevice disk = new VhdxFormat().Open(file, new ImageFormatOptions { OpenRelated = (_, _) => parent }))
        {
            disk.Write(DiskFiles.Noise(MiB, 4), MiB / 2);
        }

        return DiskFiles.ReadAll(file);
    }

    /// <summary>A file to change, and where its parts are.</summary>
    private sealed class Target
    {
        public Target(byte[] content)
        {
            File = new StateFile(content);
            VhdxHeader header = VhdxHeaders.Read(File).Current;
            RegionTable regions = RegionTable.Read(File);
            Bat = regions.Bat.Offset;
            Metadata = regions.Metadata.Offset;
            LogEntry = header.LogGuid == Guid.Empty
                ? -1 : (long)header.LogOffset + LogImage.Read(File, header).FindActiveSequence()[^1].Start;
        }

        public StateFile File { get; }

        public long Bat { get; }

        public long Metadata { get; }

        public long LogEntry { get; }
    }
}
