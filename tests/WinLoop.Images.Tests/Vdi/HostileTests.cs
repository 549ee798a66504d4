using System.Buffers.Binary;
using System.Diagnostics;
using WinLoop.Images.Tests.PowerCuts;
using WinLoop.Images.Tests.Vhdx;
using WinLoop.Images.Vdi;
using WinLoop.Storage;

namespace WinLoop.Images.Tests.Vdi;

/// <summary>Hostile VDI files: one clear exception, in bounded time and memory. WINLOOP_HOSTILE is their number.</summary>
public sealed class HostileTests(ITestOutputHelper output)
{
    private const int MiB = 1 << 20;
    private const int Size = 6 * MiB;

    [Fact]
    public void HostileFiles_EndInOneClearException()
    {
        int seed = DiskFiles.Seed();
        int count = int.TryParse(Environment.GetEnvironmentVariable("WINLOOP_HOSTILE"), out int wanted) ? wanted : 10_000;
        StateFile[] targets = [Make(isFixed: false), Make(isFixed: true)];
        var kinds = new SortedDictionary<string, int>();
        TimeSpan slowest = default;
        long largest = 0;
        for (int i = 0; i < count; i++)
        {
            var random = new Random(unchecked((seed * 31) + i));
            StateFile file = targets[random.Next(4) == 0 ? 1 : 0];
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
            Assert.True(time < TimeSpan.FromSeconds(10) && memory < 256L * MiB, $"{what}: {time}, {memory} bytes");
            slowest = time > slowest ? time : slowest;
            largest = Math.Max(largest, memory);
            kinds[end] = kinds.GetValueOrDefault(end) + 1;
        }

        output.WriteLine($"slowest {slowest.TotalMilliseconds:f0} ms, most memory {largest / 1024} KiB, seed {seed}: {string.Join(", ", kinds)}");
        Assert.True(kinds.GetValueOrDefault("Damaged") > count / 20, "the mutations do not reach the checks");
        Assert.True(kinds.GetValueOrDefault("opened") > count / 50, "hardly anything opens");
    }

    private static StateFile Make(bool isFixed)
    {
        var file = new MemoryFile();
        VdiImage.Create(file, Size, isFixed);
        using (IBlockDevice disk = new VdiFormat().Open(file, new ImageFormatOptions()))
        {
            disk.Write(DiskFiles.Noise(3 * MiB, 2), MiB);
        }

        return new StateFile(DiskFiles.ReadAll(file));
    }

    private static string Use(StateFile file, Random random, string what)
    {
        bool isReadOnly = file.Length > 1L << 30 || random.Next(2) == 0;
        file.IsReadOnly = isReadOnly;
        try
        {
            if (!new VdiFormat().Matches(file))
            {
                return "raw";
            }

            using IBlockDevice disk = new VdiFormat().Open(file, new ImageFormatOptions { IsReadOnly = isReadOnly });
            byte[] buffer = new byte[64 * 1024];
            for (int i = 0; i < 12; i++)
            {
                long at = i < 8 ? Math.Min((long)i * Size / 8, disk.Length) : (long)(random.NextDouble() * disk.Length);
                int length = (int)Math.Min(buffer.Length, disk.Length - at);
                disk.Read(buffer.AsSpan(0, length), at);
                disk.ZeroRun(at, length);
                if (!isReadOnly && i % 3 == 0)
                {
                    disk.Write(buffer.AsSpan(0, length), at);
                }
            }

            disk.Flush();
            return "opened";
        }
        catch (ImageFormatException e)
        {
            Assert.True(e.Message.StartsWith("VDI: ", StringComparison.Ordinal) && !e.Message.Contains('\n', StringComparison.Ordinal), $"{what}: {e.Message}");
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

    private static string Mutate(StateFile file, Random random)
    {
        int kind = random.Next(6);
        if (kind == 0)
        {
            file.SetLength(random.Next(3) == 0 ? random.NextInt64(1L << 62) : random.NextInt64(10 * MiB));
            return $"length {file.Length} ";
        }

        if (file.Length < 2 * MiB)
        {
            return "nothing ";
        }

        (long place, int size) = kind switch
        {
            1 => (random.NextInt64(512), 1),
            2 or 3 => (MiB + (4 * random.Next(8)), 4),
            _ => random.Next(11) switch
            {
                0 => (0x44, 4), 1 => (0x4C, 4), 2 => (0x168, 4), 3 or 4 => (0x170, 8), 5 => (0x178, 4), 6 => (0x17C, 4), 7 => (0x180, 4),
                8 => (0x154, 4), 9 => (0x158, 4), _ => ((long)0x184, 4),
            },
        };
        byte[] bytes = new byte[8];
        file.Read(bytes.AsSpan(0, size), place);
        ulong old = BinaryPrimitives.ReadUInt64LittleEndian(bytes);
        ulong value = random.Next(10) switch
        {
            0 => 0, 1 => 1, 2 => ulong.MaxValue, 3 => 1UL << random.Next(64), 4 => old + 1, 5 => old - 1, 6 => old + 512,
            7 => (ulong)random.Next(16384) * 512, 8 => (ulong)random.Next(16), _ => (ulong)random.NextInt64(),
        };
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, value);
        file.Write(bytes.AsSpan(0, size), place);
        return $"{place}:{size}={value:x} ";
    }
}
