using System.Buffers.Binary;
using System.Diagnostics;
using WinLoop.Images.Qcow2;
using WinLoop.Images.Tests.PowerCuts;
using WinLoop.Images.Tests.Vhdx;
using WinLoop.Storage;
using WinLoop.TestKit;

namespace WinLoop.Images.Tests.Qcow2;

/// <summary>Hostile qcow2 files: one clear exception, in bounded time and memory. WINLOOP_HOSTILE is their number.</summary>
public sealed class HostileTests(ITestOutputHelper output)
{
    private const int MiB = 1 << 20;
    private const int Size = MiB + (MiB / 2);

    [Fact]
    public void HostileFiles_EndInOneClearException()
    {
        Shell.Require("qemu-img");
        int seed = DiskFiles.Seed();
        int count = int.TryParse(Environment.GetEnvironmentVariable("WINLOOP_HOSTILE"), out int wanted) ? wanted : 20_000;
        StateFile[] targets = [Make("cluster_size=64k", true, ""), Make("cluster_size=512", false, ""), Make("cluster_size=4k", true, ""), Make("compat=0.10,cluster_size=8k", true, ""),
            Make("cluster_size=16k", false, "qemu-img snapshot -c one")];
        var kinds = new SortedDictionary<string, int>();
        TimeSpan slowest = default;
        long largest = 0;
        for (int i = 0; i < count; i++)
        {
            var random = new Random(unchecked((seed * 31) + i));
            StateFile file = targets[random.Next(targets.Length)];
            file.Reset();
            file.IsReadOnly = false;
            string what = $"seed {seed}, file {i}: ";
            for (int n = random.Next(4) == 0 ? 3 : 1; n > 0; n--)
            {
                what += Mutate(file, random);
            }

            long before = GC.GetAllocatedBytesForCurrentThread(), start = Stopwatch.GetTimestamp();
            string end = Use(file, random, what);
            TimeSpan time = Stopwatch.GetElapsedTime(start);
            long memory = GC.GetAllocatedBytesForCurrentThread() - before;
            Assert.True(time < TimeSpan.FromSeconds(10) && memory < 128L * MiB, $"{what}: {time}, {memory} bytes");
            slowest = time > slowest ? time : slowest;
            largest = Math.Max(largest, memory);
            kinds[end] = kinds.GetValueOrDefault(end) + 1;
        }

        output.WriteLine($"slowest {slowest.TotalMilliseconds:f0} ms, most memory {largest / 1024} KiB, seed {seed}: {string.Join(", ", kinds)}");
        Assert.True(kinds.GetValueOrDefault("Damaged") > count / 20, "the mutations do not reach the checks");
        Assert.True(kinds.GetValueOrDefault("opened") > count / 50, "hardly anything opens");
    }

    private static StateFile Make(string options, bool isCompressed, string then)
    {
        using var folder = new TemporaryFolder();
        string raw = Path.Combine(folder.Path, "raw"), path = Path.Combine(folder.Path, "x");
        byte[] content = DiskFiles.Noise(Size, 5);
        for (int i = 0; i < content.Length; i++)
        {
            content[i] &= 7;
        }

        DiskFiles.WriteSparse(raw, content);
        Shell.Script($"qemu-img convert -f raw -O qcow2 {(isCompressed ? "-c" : "")} -o {options} {raw} {path}");
        if (then.Length > 0)
        {
            Shell.Script($"{then} {path}");
        }

        using (IBlockDevice disk = DiskFiles.Open(path))
        {
            disk.Write(content.AsSpan(0, 100_000), MiB / 2); // some that is not compressed
        }

        return new StateFile(File.ReadAllBytes(path));
    }

    private static string Use(StateFile file, Random random, string what)
    {
        bool isReadOnly = file.Length > 1L << 30 || random.Next(2) == 0;
        file.IsReadOnly = isReadOnly;
        int notes = 0;
        try
        {
            if (!new Qcow2Format().Matches(file))
            {
                return "raw";
            }

            using IBlockDevice disk = new Qcow2Format().Open(file, new ImageFormatOptions { IsReadOnly = isReadOnly, Note = _ => notes++ });
            Assert.True(isReadOnly == disk.IsReadOnly || notes > 0, $"{what}: read-only without a note");
            byte[] buffer = new byte[20 * 1024];
            for (int i = 0; i < 12; i++)
            {
                long at = i < 8 ? Math.Min((long)i * Size / 8, disk.Length) : (long)(random.NextDouble() * disk.Length);
                int length = (int)Math.Min(buffer.Length, disk.Length - at);
                disk.Read(buffer.AsSpan(0, length), at);
                if (!disk.IsReadOnly && i % 3 == 0)
                {
                    disk.Write(buffer.AsSpan(0, length), at);
                }
                else if (!disk.IsReadOnly && i % 3 == 1)
                {
                    disk.WriteZeroes(at, length);
                }
            }

            disk.Flush();
            return disk.IsReadOnly && !isReadOnly ? "read-only" : "opened";
        }
        catch (ImageFormatException e)
        {
            Assert.True(e.Message.StartsWith("qcow2: ", StringComparison.Ordinal) && !e.Message.Contains('\n', StringComparison.Ordinal), $"{what}: {e.Message}");
            return e.Error.ToString();
        }
        catch (BlockDeviceException e)
        {
            Assert.True(e.Error == BlockDeviceError.Io && e.Message.StartsWith("qcow2: ", StringComparison.Ordinal), $"{what}: {e.Message}");
            return $"device: {e.Error}";
        }
        catch (Exception e)
        {
            throw new InvalidOperationException(what, e);
        }
    }

    private static string Mutate(StateFile file, Random random)
    {
        if (file.Length < 4096)
        {
            return "nothing ";
        }

        byte[] head = new byte[512];
        file.Read(head, 0);
        long Place(int at) => (long)Math.Min(BinaryPrimitives.ReadUInt64BigEndian(head.AsSpan(at)) & L2Entry.OffsetMask, (ulong)file.Length - 16);
        switch (random.Next(9))
        {
            case 0 when random.Next(2) == 0:
                file.SetLength(random.Next(3) == 0 ? random.NextInt64(1L << 62) : random.NextInt64(4 * MiB));
                return $"length {file.Length} ";
            case 0:
                long at = random.NextInt64(Math.Min(file.Length, 4L * MiB) - 16);
                byte[] noise = new byte[random.Next(1, 16)];
                random.NextBytes(noise);
                file.Write(noise, at);
                return $"bytes {at} ";
            case 1 or 2:
                (int field, int size) = random.Next(16) switch
                {
                    0 => (4, 4), 1 => (8, 8), 2 => (16, 4), 3 => (20, 4), 4 => (24, 8), 5 => (32, 4), 6 => (36, 4), 7 => (40, 8), 8 => (48, 8),
                    9 => (56, 4), 10 => (60, 4), 11 => (72, 8), 12 => (96, 4), 13 => (100, 4), 14 => (104, 4), _ => (108, 4),
                };
                return "header " + Change(file, field, size, random);
            case 3:
                return "L1 " + Change(file, Place(Qcow2Header.L1OffsetAt) + (8 * random.Next(3)), 8, random);
            case 4:
                return "refcount table " + Change(file, Place(Qcow2Header.RefcountTableOffsetAt) + (8 * random.Next(3)), 8, random);
            default:
                // An entry of a table of the second level.
                long table = Place(random.Next(4) == 0 ? Qcow2Header.RefcountTableOffsetAt : Qcow2Header.L1OffsetAt) + (8 * random.Next(2));
                byte[] entry = new byte[8];
                file.Read(entry, Math.Min(table, file.Length - 8));
                long offset = (long)(BinaryPrimitives.ReadUInt64BigEndian(entry) & L2Entry.OffsetMask);
                return offset + 4096 > file.Length ? "nothing " : "entry " + Change(file, offset + (8 * random.Next(60)), 8, random);
        }
    }

    private static string Change(StateFile file, long place, int size, Random random)
    {
        place = Math.Min(place, file.Length - size);
        byte[] wide = new byte[8];
        file.Read(wide.AsSpan(8 - size), place);
        ulong old = BinaryPrimitives.ReadUInt64BigEndian(wide);
        ulong value = random.Next(12) switch
        {
            0 => 0,
            1 => 1,
            2 => ulong.MaxValue,
            3 => 1UL << random.Next(64),
            4 => old + 1,
            5 => old - 1,
            6 => old ^ (1UL << random.Next(size * 8)),
            7 => (old & L2Entry.Copied) | ((ulong)random.Next(64) << 16),
            8 => (old & L2Entry.Copied) | ((ulong)random.Next(8192) * 512),
            9 => (ulong)random.Next(16384),
            10 => old | (1UL << 62),
            _ => (ulong)random.NextInt64(),
        };
        BinaryPrimitives.WriteUInt64BigEndian(wide, value);
        file.Write(wide.AsSpan(8 - size), place);
        return $"{place}={value:x} ";
    }
}
