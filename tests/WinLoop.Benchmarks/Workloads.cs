using System.Diagnostics;
using System.Runtime.InteropServices;

namespace WinLoop.Benchmarks;

/// <summary>The workloads, in a fixed order; every loop ends after <see cref="Cap"/> seconds at most.</summary>
internal sealed unsafe class Workloads(PeerMount mount, Images images, Results results, string peer, string[] only)
{
    private const double Cap = 2;
    private const int SequentialMegabytes = 256, Files = 3000, Directories = 20, RandomOps = 4000, Syncs = 50, Lookups = 3000;

    public void RunAll()
    {
        Group("mount", MountTime);
        mount.Mount();
        Group("data", Data);
        Group("meta", Metadata);
        Group("dir", LargeDirectory);
        Group("tree", Tree);
        mount.Unmount();
        int verdict = Tool.TryRun($"e2fsck -fn {mount.Image} >/dev/null 2>&1");
        if (verdict != 0)
        {
            Console.Error.WriteLine($"{peer}: e2fsck -fn exits {verdict}");
        }
        if (mount.PeakMemory > 0)
        {
            results.Add("server_peak_rss", peer, mount.PeakMemory, "MiB", higherIsBetter: false);
        }
    }

    private void Group(string name, Action run)
    {
        if (only.Length == 0 || only.Contains(name))
        {
            run();
        }
    }

    private void MountTime()
    {
        Native.Evict(images.Large);
        results.Add("mount_64g", peer, mount.Mount(images.Large) * 1e3, "ms", higherIsBetter: false);
        results.Add("umount_64g", peer, mount.Unmount() * 1e3, "ms", higherIsBetter: false);
    }

    private void Data()
    {
        string file = mount.Path + "/seq.bin";
        byte* buffer = (byte*)NativeMemory.AlignedAlloc(1 << 20, 4096);
        new Random(1).NextBytes(new Span<byte>(buffer, 1 << 20));
        try
        {
            int fd = Native.OpenOrThrow(file, Native.WriteOnly | Native.Create | Native.Truncate);
            long start = Stopwatch.GetTimestamp();
            for (int i = 0; i < SequentialMegabytes; i++)
            {
                Native.Pwrite(fd, buffer, 1 << 20, (long)i << 20);
            }
            Native.Fsync(fd);
            Rate("seq_write", SequentialMegabytes * 1.048576, start, "MB/s");
            _ = Native.Close(fd);
            SequentialRead(file, "seq_read_warm", buffer);
            mount.Remount();
            SequentialRead(file, "seq_read_cold", buffer);
            mount.Remount();
            RandomReads(file, "rand_read_4k_1job", 1);
            mount.Remount();
            RandomReads(file, "rand_read_4k_4job", 4);
            SequentialRead(file, null, buffer);
            RandomReads(file, "rand_read_4k_warm", 1);
            mount.Remount();
            RandomWrites(file, buffer);
            Native.Unlink(file);
        }
        finally
        {
            NativeMemory.AlignedFree(buffer);
        }
    }

    private void SequentialRead(string file, string? name, byte* buffer)
    {
        int fd = Native.OpenOrThrow(file, Native.ReadOnly);
        long start = Stopwatch.GetTimestamp(), at = 0;
        for (long n; (n = Native.Pread(fd, buffer, 1 << 20, at)) > 0; at += n)
        {
        }
        if (name is not null)
        {
            Rate(name, at / 1e6, start, "MB/s");
        }
        _ = Native.Close(fd);
    }

    private void RandomReads(string file, string name, int jobs)
    {
        long done = 0;
        long start = Stopwatch.GetTimestamp();
        var threads = Enumerable.Range(0, jobs).Select(job => new Thread(() =>
        {
            var random = new Random(7 + job);
            byte* buffer = stackalloc byte[4096];
            int fd = Native.OpenOrThrow(file, Native.ReadOnly);
            for (int i = 0; i < RandomOps / (jobs == 1 ? 1 : 2) && Stopwatch.GetElapsedTime(start).TotalSeconds < Cap; i++)
            {
                Native.Pread(fd, buffer, 4096, random.NextInt64(SequentialMegabytes * 256L) << 12);
                Interlocked.Increment(ref done);
            }
            _ = Native.Close(fd);
        })).ToList();
        threads.ForEach(t => t.Start());
        threads.ForEach(t => t.Join());
        Rate(name, done, start, "IOPS");
    }

    private void RandomWrites(string file, byte* buffer)
    {
        var random = new Random(7);
        int fd = Native.OpenOrThrow(file, Native.WriteOnly);
        long start = Stopwatch.GetTimestamp();
        int done = 0;
        for (; done < RandomOps && Stopwatch.GetElapsedTime(start).TotalSeconds < Cap; done++)
        {
            Native.Pwrite(fd, buffer, 4096, random.NextInt64(SequentialMegabytes * 256L) << 12);
        }
        Rate("rand_overwrite_4k_nosync", done, start, "ops/s");
        Native.Fsync(fd);
        Rate("rand_overwrite_4k", done, start, "ops/s");
        start = Stopwatch.GetTimestamp();
        for (done = 0; done < Syncs && Stopwatch.GetElapsedTime(start).TotalSeconds < Cap; done++)
        {
            Native.Pwrite(fd, buffer, 4096, random.NextInt64(SequentialMegabytes * 256L) << 12);
            Native.Fsync(fd);
        }
        Rate("rand_write_4k_fsync", done, start, "ops/s");
        _ = Native.Close(fd);
    }

    private void Metadata()
    {
        byte* data = stackalloc byte[4096];
        new Random(3).NextBytes(new Span<byte>(data, 4096));
        for (int d = 0; d < Directories; d++)
        {
            Directory.CreateDirectory($"{mount.Path}/s{d}");
        }
        var names = Enumerable.Range(0, Files).Select(i => $"{mount.Path}/s{i % Directories}/file-{i}").ToList();
        long start = Stopwatch.GetTimestamp();
        int made = 0;
        for (; made < names.Count && (made % 32 != 0 || Stopwatch.GetElapsedTime(start).TotalSeconds < Cap); made++)
        {
            int fd = Native.OpenOrThrow(names[made], Native.WriteOnly | Native.Create | Native.Exclusive);
            Native.Pwrite(fd, data, 4096, 0);
            _ = Native.Close(fd);
        }
        Rate("meta_create_4k", made, start, "ops/s");
        Native.SyncFs(mount.Path);
        Rate("meta_create_4k_sync", made, start, "ops/s");
        names = names[..made];
        Loop("meta_stat_warm", names, n => Native.Exists(n));
        mount.Remount();
        Loop("meta_stat_cold", names, n => Native.Exists(n));
        var moves = names.Take(1000).Select(n => (n, n + ".r")).Concat(
            names.Take(1000).Select((n, i) => (n + ".r", $"{mount.Path}/s{(i + 7) % Directories}/x{i}"))).ToList();
        Loop("meta_rename", moves, m => Native.Rename(m.Item1, m.Item2));
        Native.SyncFs(mount.Path);
        string[] left = Enumerable.Range(0, Directories).SelectMany(d => Directory.GetFiles($"{mount.Path}/s{d}")).ToArray();
        new Random(5).Shuffle(left);
        start = Stopwatch.GetTimestamp();
        int removed = Loop("meta_unlink", left, n => Native.Unlink(n));
        Native.SyncFs(mount.Path);
        Rate("meta_unlink_sync", removed, start, "ops/s");
    }

    private void LargeDirectory()
    {
        string big = mount.Path + "/big";
        mount.Remount();
        List("dir50k_list_cold", big);
        List("dir50k_list_warm", big);
        mount.Remount();
        var random = new Random(11);
        var some = Enumerable.Range(0, Lookups).Select(_ => $"{big}/{Images.LargeDirectoryName(random.Next(Images.LargeDirectoryEntries))}").ToList();
        Loop("dir50k_lookup_cold", some, n => Native.Exists(n));
        Loop("dir50k_lookup_miss", Enumerable.Range(0, Lookups / 2).Select(i => $"{big}/nope-{i}").ToList(), n => Native.Exists(n));
        var fresh = Enumerable.Range(0, Lookups / 4).Select(i => $"{big}/new-file-{i}").ToList();
        int made = Loop("dir50k_create", fresh, n => Native.Close(Native.OpenOrThrow(n, Native.WriteOnly | Native.Create)));
        Loop("dir50k_unlink", fresh[..made], n => Native.Unlink(n));
        Loop("dir50k_ls_l", Directory.EnumerateFileSystemEntries(big).ToList(), n => Native.Exists(n), "entries/s");
    }

    private void List(string name, string directory)
    {
        long start = Stopwatch.GetTimestamp();
        Rate(name, Directory.EnumerateFileSystemEntries(directory).Count(), start, "entries/s");
    }

    private void Tree()
    {
        string folder = mount.Path + "/x";
        Directory.CreateDirectory(folder);
        long start = Stopwatch.GetTimestamp();
        Tool.Run($"tar xf {images.Tree} -C {folder}");
        Rate("tree_untar", Images.TreeFiles, start, "files/s");
        Native.SyncFs(mount.Path);
        Rate("tree_untar_sync", Images.TreeFiles, start, "files/s");
        mount.Remount();
        foreach (string name in new[] { "tree_read_cold", "tree_read_warm" })
        {
            start = Stopwatch.GetTimestamp();
            Tool.Run($"find {folder} -type f -print0 | xargs -0 -n 500 cat > /dev/null");
            Rate(name, Images.TreeFiles, start, "files/s");
        }
        mount.Remount();
        start = Stopwatch.GetTimestamp();
        Tool.Run($"rm -rf {folder}");
        Rate("tree_rm_rf_cold", Images.TreeFiles, start, "files/s");
    }

    private int Loop<T>(string name, IReadOnlyList<T> items, Action<T> action, string unit = "ops/s")
    {
        long start = Stopwatch.GetTimestamp();
        int done = 0;
        for (; done < items.Count && (done % 32 != 0 || Stopwatch.GetElapsedTime(start).TotalSeconds < Cap); done++)
        {
            action(items[done]);
        }
        Rate(name, done, start, unit);
        return done;
    }

    private void Rate(string name, double amount, long start, string unit) =>
        results.Add(name, peer, amount / Stopwatch.GetElapsedTime(start).TotalSeconds, unit, higherIsBetter: true);
}
