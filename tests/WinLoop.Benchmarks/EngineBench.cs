using System.Diagnostics;
using System.Text;
using WinLoop.Ext4;
using WinLoop.Storage;

namespace WinLoop.Benchmarks;

/// <summary>The engine in process, without a host above it: microseconds of one thread per operation, on an
/// image that mkfs.ext4 made.</summary>
internal static class EngineBench
{
    private const int Names = 50_000;

    public static void Run(string work)
    {
        string image = Path.Combine(work, "engine.img");
        Tool.Run($"rm -f {image} && truncate -s 2G {image} && mkfs.ext4 -q -F {image}");
        using (Ext4Volume volume = Open(image))
        {
            using var references = new Held(volume);
            Inode root = references.Keep(volume.GetInode(Ext4Volume.RootInode));
            Inode big = references.Keep(volume.CreateDirectory(root, "big"u8, 0x1ED, Caller.Root));
            byte[][] names = [.. Enumerable.Range(0, Names).Select(i => Encoding.ASCII.GetBytes($"entry-{i * 2654435761L % (1L << 32):D10}-{i}.dat"))];
            Measure("create, one directory", Names, i => volume.Release(volume.Create(big, names[i], 0x81A4, 0, Caller.Root)));
            Measure("lookup, directory of 50,000", Names, i => volume.Release(volume.Lookup(big, names[i])!));
            byte[] missing = "no-such-name"u8.ToArray();
            Measure("lookup of a missing name", Names, i =>
            {
                missing[0] = (byte)('a' + (i % 26));
                missing[1] = (byte)('a' + (i / 26 % 26));
                volume.Lookup(big, missing);
            });
            Inode some = references.Keep(volume.Lookup(big, names[7])!);
            Measure("stat", 1_000_000, _ => volume.GetAttributes(some));
            int listed = 0;
            Measure("list, per entry", Names, _ =>
            {
                if (listed == 0)
                {
                    volume.ReadDirectory(big, 0, (_, _, _, _) => ++listed > 0);
                }
            });
            Inode file = references.Keep(volume.Create(root, "data"u8, 0x81A4, 0, Caller.Root));
            byte[] block = new byte[1 << 20];
            Measure("append 1 MiB", 512, i => volume.Write(file, block, (long)i << 20, Caller.Root));
            Measure("read 1 MiB", 512, i => volume.Read(file, block, (long)i << 20));
            var random = new Random(1);
            Measure("read 4 KiB, random", 300_000, _ => volume.Read(file, block.AsSpan(0, 4096), random.NextInt64(512 << 8) << 12));
            Measure("overwrite 4 KiB, random", 200_000, _ => volume.Write(file, block.AsSpan(0, 4096), random.NextInt64(512 << 8) << 12, Caller.Root));
            Inode small = references.Keep(volume.Create(root, "appended"u8, 0x81A4, 0, Caller.Root));
            Measure("append 4 KiB", 20_000, i => volume.Write(small, block.AsSpan(0, 4096), (long)i << 12, Caller.Root));
            Measure("create, write 4 KiB, sync each", 2_000, i =>
            {
                Inode inode = volume.Create(root, Encoding.ASCII.GetBytes($"s{i}"), 0x81A4, 0, Caller.Root);
                volume.Write(inode, block.AsSpan(0, 4096), 0, Caller.Root);
                volume.Synchronize(inode, dataOnly: false);
                volume.Release(inode);
            });
            Measure("rename", Names / 2, i => volume.Rename(big, names[i], big, Encoding.ASCII.GetBytes($"renamed-{i}"), RenameFlags.None, Caller.Root));
            Measure("unlink", Names / 2, i => volume.Unlink(big, names[(Names / 2) + i]));
        }
        Tool.Run($"e2fsck -fn {image} > /dev/null && rm {image}");
    }

    private static Ext4Volume Open(string image) =>
        Ext4Volume.Mount(LoopDevice.Open(image, new LoopDeviceOptions()), new Ext4MountOptions());

    private static void Measure(string name, int count, Action<int> action)
    {
        long allocated = GC.GetAllocatedBytesForCurrentThread();
        long start = Stopwatch.GetTimestamp();
        long cpu = ThreadCpuNanoseconds();
        for (int i = 0; i < count; i++)
        {
            action(i);
        }
        double wall = Stopwatch.GetElapsedTime(start).TotalMicroseconds / count;
        double used = (ThreadCpuNanoseconds() - cpu) / 1e3 / count;
        long bytes = (GC.GetAllocatedBytesForCurrentThread() - allocated) / count;
        Console.WriteLine($"| {name} | {wall:0.000} | {used:0.000} | {bytes} |");
    }

    private static long ThreadCpuNanoseconds() => Native.ThreadCpuNanoseconds();

    private sealed class Held(Ext4Volume volume) : IDisposable
    {
        private readonly List<Inode> _inodes = [];

        public Inode Keep(Inode inode)
        {
            _inodes.Add(inode);
            return inode;
        }

        public void Dispose() => _inodes.ForEach(i => volume.Release(i));
    }
}
