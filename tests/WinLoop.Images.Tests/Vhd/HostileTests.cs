using System.Buffers.Binary;
using System.Diagnostics;
using WinLoop.Images.Tests.PowerCuts;
using WinLoop.Images.Tests.Vhdx;
using WinLoop.Images.Vhd;
using WinLoop.Storage;

namespace WinLoop.Images.Tests.Vhd;

/// <summary>Hostile VHD files: one clear exception, in bounded time and memory. WINLOOP_HOSTILE is their number.</summary>
public sealed class HostileTests(ITestOutputHelper output)
{
    private const int MiB = 1 << 20;
    private const int Size = 6 * MiB;
    private const int Table = 1536;

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
            bool isFixed = random.Next(4) == 0;
            StateFile file = targets[isFixed ? 1 : 0];
            file.Reset();
            file.IsReadOnly = false;
            string what = $"seed {seed}, file {i}: ";
            for (int n = random.Next(4) == 0 ? 3 : 1; n > 0; n--)
            {
                what += Mutate(file, isFixed, random);
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
        VhdImage.Create(file, Size, isFixed, MiB);
        using (IBlockDevice disk = new VhdFormat().Open(file, new ImageFormatOptions()))
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
            if (!new VhdFormat().Matches(file))
            {
                return "raw";
            }

            using IBlockDevice disk = new VhdFormat().Open(file, new ImageFormatOptions { IsReadOnly = isReadOnly });
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

            disk.Flush();
            return "opened";
        }
        catch (ImageFormatException e)
        {
            Assert.True(e.Message.StartsWith("VHD: ", StringComparison.Ordinal) && !e.Message.Contains('\n', StringComparison.Ordinal), $"{what}: {e.Message}");
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

    private static string Mutate(StateFile file, bool isFixed, Random random)
    {
        int kind = random.Next(isFixed ? 2 : 5);
        if (kind == 0 && random.Next(2) == 0)
        {
            file.SetLength(random.Next(3) == 0 ? random.NextInt64(1L << 62) : random.NextInt64(8 * MiB));
            return $"length {file.Length} ";
        }

        if (file.Length < 4096)
        {
            return "nothing ";
        }

        switch (kind)
        {
            case 0:
                long at = random.NextInt64(Math.Min(file.Length, 8L * MiB) - 16);
                byte[] noise = new byte[random.Next(1, 16)];
                random.NextBytes(noise);
                file.Write(noise, at);
                return $"bytes {at} ";
            case 1:
                string what = "footer ";
                (int field, int size) = random.Next(8) switch
                {
                    0 => (8, 4), 1 => (12, 4), 2 => (16, 8), 3 => (56, 4), 4 => (60, 4), 5 => (84, 1), _ => (48, 8),
                };
                int salt = random.Next();
                foreach (long place in isFixed ? (long[])[file.Length - 512] : [0, file.Length - 512])
                {
                    if (random.Next(4) != 0)
                    {
                        what += Change(file, place, field, size, VhdFooter.Size, 64, new Random(salt));
                    }
                }

                return what;
            case 2:
                (field, size) = random.Next(5) switch { 0 => (16, 8), 1 => (24, 4), 2 => (28, 4), 3 => (0, 4), _ => (32, 4) };
                return "header " + Change(file, 512, field, size, VhdDynamicHeader.Size, 36, random);
            default:
                return "table " + Change(file, Table, 4 * random.Next(8), 4, 512, -1, random);
        }
    }

    private static string Change(StateFile file, long place, int field, int size, int length, int checksumAt, Random random)
    {
        byte[] bytes = new byte[length], wide = new byte[8];
        file.Read(bytes, place);
        bytes.AsSpan(field, size).CopyTo(wide.AsSpan(8 - size));
        ulong old = BinaryPrimitives.ReadUInt64BigEndian(wide);
        ulong value = random.Next(10) switch
        {
            0 => 0,
            1 => 1,
            2 => ulong.MaxValue,
            3 => 1UL << random.Next(64),
            4 => old + 1,
            5 => old - 1,
            6 => old + 512,
            7 => (ulong)random.Next(16384) * 512,
            8 => (ulong)random.Next(16384),
            _ => (ulong)random.NextInt64(),
        };
        BinaryPrimitives.WriteUInt64BigEndian(wide, value);
        wide.AsSpan(8 - size).CopyTo(bytes.AsSpan(field, size));
        if (checksumAt >= 0)
        {
            BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(checksumAt), VhdFooter.Sum(bytes, checksumAt));
        }

        file.Write(bytes, place);
        return $"{place}+{field}={value:x} ";
    }
}
