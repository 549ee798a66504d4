using System.Buffers.Binary;
using System.Diagnostics;
using System.Text;
using WinLoop.Images.Tests.PowerCuts;
using WinLoop.Images.Tests.Vhdx;
using WinLoop.Images.Vmdk;
using WinLoop.Storage;

namespace WinLoop.Images.Tests.Vmdk;

/// <summary>Hostile VMDK files: one clear exception, in bounded time and memory. WINLOOP_HOSTILE is their number.</summary>
public sealed class HostileTests(ITestOutputHelper output)
{
    private const int MiB = 1 << 20;
    private const int Size = 40 * MiB;
    private const int PartSize = 3 * MiB;

    private enum Kind
    {
        Sparse,
        Stream,
        Split,
        Delta,
    }

    [Fact]
    public void HostileFiles_EndInOneClearException()
    {
        int seed = DiskFiles.Seed();
        int count = int.TryParse(Environment.GetEnvironmentVariable("WINLOOP_HOSTILE"), out int wanted) ? wanted : 20_000;
        StateFile[][] targets = [[MakeSparse()], [new StateFile(SparseTests.Stream(DiskFiles.Noise(PartSize, 8)))], MakeSplit(), MakeDelta()];
        var kinds = new SortedDictionary<string, int>();
        TimeSpan slowest = default;
        long largest = 0;
        string slow = "";
        for (int i = 0; i < count; i++)
        {
            var random = new Random(unchecked((seed * 31) + i));
            var kind = (Kind)random.Next(4);
            StateFile[] files = targets[(int)kind];
            Array.ForEach(files, file =>
            {
                file.IsReadOnly = false;
                file.Reset();
            });
            string what = $"seed {seed}, file {i}, {kind}: ";
            for (int n = random.Next(4) == 0 ? 3 : 1; n > 0; n--)
            {
                what += Mutate(files, kind, random);
            }

            long before = GC.GetAllocatedBytesForCurrentThread(), start = Stopwatch.GetTimestamp();
            string end = Use(files, random, what);
            TimeSpan time = Stopwatch.GetElapsedTime(start);
            long memory = GC.GetAllocatedBytesForCurrentThread() - before;
            Assert.True(time < TimeSpan.FromSeconds(10) && memory < 64L * MiB, $"{what}: {time}, {memory} bytes");
            (slowest, slow) = time > slowest ? (time, what) : (slowest, slow);
            largest = Math.Max(largest, memory);
            kinds[end] = kinds.GetValueOrDefault(end) + 1;
        }

        output.WriteLine($"slowest {slowest.TotalMilliseconds:f0} ms ({slow}), most memory {largest / 1024} KiB, seed {seed}: {string.Join(", ", kinds)}");
        Assert.True(kinds.GetValueOrDefault("Damaged") > count / 20, "the mutations do not reach the checks");
        Assert.True(kinds.GetValueOrDefault("Unsupported") > count / 100, "the mutations do not reach the checks");
        Assert.True(kinds.GetValueOrDefault("opened") > count / 50, "hardly anything opens");
        Assert.True(kinds.GetValueOrDefault("device: Io") > 0, "no compressed grain was damaged");
    }

    private static StateFile MakeSparse()
    {
        var file = new MemoryFile();
        VmdkImage.Create(file, Size);
        using (IBlockDevice disk = VmdkFiles.Open(file))
        {
            disk.Write(DiskFiles.Noise(MiB, 2), MiB);
            disk.Write([1], Size - 1);
        }

        return new StateFile(DiskFiles.ReadAll(file));
    }

    private static StateFile[] MakeSplit()
    {
        byte[] text = VmdkFiles.Descriptor(
            "custom", $"RW {PartSize / 512} SPARSE \"0\"", $"RW {PartSize / 512} SPARSE \"1\"", $"RW {MiB / 512} FLAT \"2\" 0");
        byte[][] bytes = [VmdkFiles.SparsePart(PartSize), VmdkFiles.SparsePart(PartSize), DiskFiles.Noise(MiB, 3), text];
        MemoryFile[] files = [.. bytes.Select(content => new MemoryFile(content))];
        using (IBlockDevice disk = VmdkFiles.Open(files[3], ByName(files)))
        {
            disk.Write(DiskFiles.Noise(MiB, 2), PartSize - 70_000);
        }

        return [.. files.Select(file => new StateFile(DiskFiles.ReadAll(file)))];
    }

    private static StateFile[] MakeDelta()
    {
        MemoryFile parent = new(VmdkFiles.Sparse(Size, null)), child = new(VmdkFiles.Sparse(Size, "0"));
        using (IBlockDevice disk = VmdkFiles.Open(parent))
        {
            disk.Write(DiskFiles.Noise(MiB, 2), MiB);
        }

        // Its identifier has changed with that.
        byte[] bytes = DiskFiles.ReadAll(parent);
        VmdkFiles.Sparse(Size, null).AsSpan(512, 20 * 512).CopyTo(bytes.AsSpan(512));
        parent.Write(bytes, 0);
        using (IBlockDevice disk = VmdkFiles.Open(child, ByName([parent, child])))
        {
            disk.Write(DiskFiles.Noise(MiB, 3), 2 * MiB);
        }

        return [new StateFile(bytes), new StateFile(DiskFiles.ReadAll(child))];
    }

    private static Dictionary<string, IGrowableDevice> ByName(IGrowableDevice[] files)
    {
        var names = new Dictionary<string, IGrowableDevice>();
        for (int i = 0; i < files.Length - 1; i++)
        {
            names[$"{i}"] = files[i];
        }

        return names;
    }

    private static string Use(StateFile[] files, Random random, string what)
    {
        bool isReadOnly = files.Any(file => file.Length > 1L << 30) || random.Next(2) == 0;
        Array.ForEach(files, file => file.IsReadOnly = isReadOnly);
        Dictionary<string, IGrowableDevice> related = ByName(files);
        try
        {
            if (!new VmdkFormat().Matches(files[^1]))
            {
                return "raw";
            }

            using IBlockDevice disk = new VmdkFormat().Open(files[^1], new ImageFormatOptions
            {
                IsReadOnly = isReadOnly,
                OpenRelated = (name, _) => related.TryGetValue(name, out IGrowableDevice? file)
                    ? file : throw new BlockDeviceException(BlockDeviceError.NotFound, "no such file"),
            });
            byte[] buffer = new byte[64 * 1024];
            for (int i = 0; i < 12; i++)
            {
                long at = i < 8 ? Math.Min((long)i * PartSize / 4, disk.Length) : (long)(random.NextDouble() * disk.Length);
                int length = (int)Math.Min(buffer.Length, disk.Length - at);
                disk.Read(buffer.AsSpan(0, length), at);
                if (!disk.IsReadOnly && i % 3 == 0)
                {
                    disk.Write(buffer.AsSpan(0, length), at);
                }
            }

            disk.Flush();
            return "opened";
        }
        catch (ImageFormatException e)
        {
            Assert.True(
                e.Message.StartsWith("VMDK: ", StringComparison.Ordinal) && !e.Message.Contains('\n', StringComparison.Ordinal) && e.Message.Length < 400,
                $"{what}: {e.Message}");
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

    private static string Mutate(StateFile[] files, Kind kind, Random random)
    {
        StateFile file = files[random.Next(files.Length)];
        if (kind == Kind.Split && random.Next(2) == 0)
        {
            return ChangeText(files[^1], 0, random);
        }

        switch (random.Next(12))
        {
            case 0:
                file.SetLength(random.Next(3) == 0 ? random.NextInt64(1L << 62) : random.NextInt64(3 * MiB));
                return $"length {file.Length} ";
            case 1 or 2 when file.Length > 4096:
                long at = random.NextInt64(Math.Min(file.Length, 2L * MiB) - 16);
                byte[] noise = new byte[random.Next(1, 16)];
                random.NextBytes(noise);
                file.Write(noise, at);
                return $"bytes {at} ";
            case 3 or 4 when kind != Kind.Split:
                return ChangeText(file, 512, random);
            case 4 or 5 or 6 when kind == Kind.Stream && file.Length > 2048:
                // The footer, a directory in front of it, and the markers of grains.
                return random.Next(3) switch
                {
                    0 => "footer " + Field(file, file.Length - 1024, random),
                    1 => "end " + Change(file, file.Length - 512 * random.Next(1, 16), 4 * random.Next(4), 4, random),
                    _ => "marker " + Change(file, 512L * random.Next(128, Math.Max(129, (int)Math.Min(file.Length / 512, 1000))), 4 * random.Next(3), 4, random),
                };
            case < 9:
                return "header " + Field(file, 0, random);
            default:
                // Directories and tables, wherever they are.
                long sector = kind == Kind.Stream ? Math.Max(0, (file.Length / 512) - random.Next(12)) : random.Next(20, 60);
                return "table " + Change(file, sector * 512, 4 * random.Next(16), 4, random);
        }
    }

    private static string Field(StateFile file, long place, Random random)
    {
        (int field, int size) = random.Next(12) switch
        {
            0 => (4, 4), 1 => (8, 4), 2 => (12, 8), 3 => (20, 8), 4 => (28, 8), 5 => (36, 8), 6 => (44, 4), 7 => (48, 8), 8 => (56, 8), 9 => (64, 8),
            10 => (72, 1), _ => (77, 2),
        };
        return Change(file, place, field, size, random);
    }

    private static string Change(StateFile file, long place, int field, int size, Random random)
    {
        place += field;
        if (place < 0 || place > file.Length - 8)
        {
            return "nothing ";
        }

        byte[] bytes = new byte[8];
        file.Read(bytes.AsSpan(0, size), place);
        ulong old = BinaryPrimitives.ReadUInt64LittleEndian(bytes);
        ulong value = random.Next(11) switch
        {
            0 => 0,
            1 => 1,
            2 => ulong.MaxValue,
            3 => 1UL << random.Next(64),
            4 => old + 1,
            5 => old - 1,
            6 => old + 128,
            7 => old * 2,
            8 => (ulong)random.Next(6000),
            9 => old ^ (1UL << random.Next(32)),
            _ => (ulong)random.NextInt64(),
        };
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, value);
        file.Write(bytes.AsSpan(0, size), place);
        return $"{place}={value:x} ";
    }

    private static string ChangeText(StateFile file, long place, Random random)
    {
        byte[] bytes = new byte[(int)Math.Clamp(file.Length - place, 0, 2000)];
        file.Read(bytes, Math.Min(place, file.Length));
        string text = Encoding.Latin1.GetString(bytes).TrimEnd('\0');
        if (text.Length < 10)
        {
            return "no text ";
        }

        string[] words = ["\"", "\n", "\r\n", "=", "0", "99999999999999999999", "137438953472", "-1", "RW", "RDONLY", "NOACCESS", "FLAT", "ZERO", "SESPARSE",
            "CID=", "parentCID=0", "# ", "\0", "\u00ff\u00fe", "\"1\"", " ", "\t", "SPARSE \"2\"", "RW 8 ZERO\n", "createType=\"vmfs\"\n", "version=2\n",
            "parentFileNameHint=\"0\"\n", "ffffffff", "12345678"];
        string word = words[random.Next(words.Length)];
        int at = random.Next(text.Length - 4);
        string changed = random.Next(4) switch
        {
            0 => text.Remove(at, random.Next(1, Math.Min(20, text.Length - at))),
            1 => text.Insert(at, word),
            2 => string.Concat(text.AsSpan(0, at), word, text.AsSpan(Math.Min(text.Length, at + word.Length))),
            _ => text.Insert(at, string.Concat(Enumerable.Repeat(word, random.Next(1, 400)))),
        };
        byte[] result = Encoding.Latin1.GetBytes(changed);
        if (place == 0)
        {
            file.SetLength(result.Length);
        }

        int room = (int)Math.Min(place == 0 ? int.MaxValue : 20 * 512, file.Length - place);
        file.Write(result.AsSpan(0, Math.Min(result.Length, room)), place);
        return $"text {at} ";
    }
}
