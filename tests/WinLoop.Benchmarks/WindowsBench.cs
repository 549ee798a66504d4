using System.Diagnostics;
using WinLoop.Ext4;
using WinLoop.Mounting.Windows;
using WinLoop.Storage;

namespace WinLoop.Benchmarks;

/// <summary>The Windows side in process, one thread, warm: nanoseconds and bytes per callback, without a host above it.</summary>
internal static class WindowsBench
{
    private const int Files = 10_000;
    private const string Path35 = @"\projects\winloop\sources\reader.cs";

    public static void Run(string work)
    {
        string image = Path.Combine(work, "windows.img");
        Tool.Run($"rm -f {image} && truncate -s 1G {image} && mkfs.ext4 -q -F {image}");
        using (var volume = Ext4Volume.Mount(LoopDevice.Open(image, new LoopDeviceOptions()), new Ext4MountOptions()))
        using (var files = new WindowsFileSystem(volume, new WindowsOptions()))
        {
            foreach (string directory in (string[])[@"\projects", @"\projects\winloop", @"\projects\winloop\sources", @"\big"])
            {
                Close(files, Create(files, directory, 1));
            }
            WindowsFile file = Create(files, Path35, 0);
            byte[] block = new byte[4096];
            files.Write(file, new byte[1 << 20], 0, false, false, out _, out _);
            string[] names = [.. Enumerable.Range(0, Files).Select(i => $@"\big\file-{i * 7919 % Files:D5}.txt")];
            Console.WriteLine("| callback | ns | bytes allocated |");
            Console.WriteLine("|---|---|---|");
            Measure("Create + Close, one directory", Files, i => Close(files, Create(files, names[i], 0)), warm: false);
            Measure("GetSecurityByName, 35 characters", 500_000, _ => files.GetSecurityByName(Path35, out uint _, out byte[] _));
            Measure("GetSecurityByName, other case", 500_000, _ => files.GetSecurityByName(@"\PROJECTS\WinLoop\Sources\READER.cs", out uint _, out byte[] _));
            Measure("GetSecurityByName, missing name", 500_000, _ => files.GetSecurityByName(@"\projects\winloop\sources\missing.h", out uint _, out byte[] _));
            Measure("GetSecurityByName + Open + Cleanup + Close", 300_000, _ =>
            {
                files.GetSecurityByName(Path35, out uint _, out byte[] _);
                files.Open(Path35, 0, 0x1F01FF, out WindowsFile? open, out WindowsFileInfo _);
                Close(files, open!);
            });
            Measure("the same, over 10,000 files", 300_000, i =>
            {
                string name = names[i % Files];
                files.GetSecurityByName(name, out uint _, out byte[] _);
                files.Open(name, 0, 0x1F01FF, out WindowsFile? open, out WindowsFileInfo _);
                Close(files, open!);
            });
            Measure("GetFileInfo", 1_000_000, _ => files.GetFileInfo(file, out WindowsFileInfo _));
            Measure("Read 4 KiB", 500_000, i => files.Read(file, block, (ulong)(i & 255) << 12, out int _));
            Measure("Write 4 KiB, in place, paging", 300_000, i => files.Write(file, block, (ulong)(i & 255) << 12, false, true, out int _, out WindowsFileInfo _));
            WindowsFile grown = Create(files, @"\grown", 0);
            Measure("SetFileSize + 4 KiB, paging Write of it", 20_000, i =>
            {
                files.SetFileSize(grown, (ulong)(i + 1) << 12, false, out WindowsFileInfo _);
                files.Write(grown, block, (ulong)i << 12, false, true, out int _, out WindowsFileInfo _);
            }, warm: false);
            Close(files, grown);
            files.Open(@"\big", 0, 0, out WindowsFile? big, out WindowsFileInfo _);
            char[] actual = new char[255];
            Measure("GetDirInfoByName", 300_000, i => files.GetDirInfoByName(big!, names[i % Files].AsSpan(5), actual, out int _, out WindowsFileInfo _));
            MeasureListing(files, "first page of a changed directory of 10,000, per entry of the directory", restart: true, change: true);
            MeasureListing(files, "first page of an unchanged one, per entry of the directory", restart: true, change: false);
            MeasureListing(files, "following pages, per entry", restart: false, change: false);
            Close(files, big!);
            Close(files, file);
        }
        Tool.Run($"e2fsck -fn {image} > /dev/null && rm {image}");
    }

    // Pages of 300 entries, by name markers.
    private static void MeasureListing(WindowsFileSystem files, string name, bool restart, bool change)
    {
        const int Page = 300, Rounds = 100;
        char[] marker = new char[255];
        int markerLength = 0, room = 0, given = 0;
        WindowsDirectorySink sink = (entry, in _) =>
        {
            if (room-- == 0)
            {
                return false;
            }
            entry.CopyTo(marker);
            markerLength = entry.Length;
            given++;
            return true;
        };
        TimeSpan time = default;
        long bytes = 0;
        int counted = 0;
        for (int round = 0; round < Rounds; round++)
        {
            if (change)
            {
                WindowsFile added = Create(files, @"\big\added", 0);
                files.Cleanup(added, default, CleanupFlags.Delete);
                files.Close(added);
            }
            files.Open(@"\big", 0, 0, out WindowsFile? directory, out WindowsFileInfo _);
            bool isFirst = true;
            for (bool isEnd = false; !isEnd; isFirst = false)
            {
                room = Page;
                given = 0;
                long allocated = GC.GetAllocatedBytesForCurrentThread();
                long start = Stopwatch.GetTimestamp();
                files.ReadDirectory(directory!, marker.AsSpan(0, markerLength), !isFirst, sink, out isEnd);
                if (isFirst == restart && round > Rounds / 2)
                {
                    time += Stopwatch.GetElapsedTime(start);
                    bytes += GC.GetAllocatedBytesForCurrentThread() - allocated;
                    // The first page carries the reading and sorting of all names.
                    counted += restart ? Files : given;
                }
            }
            Close(files, directory!);
        }
        Console.WriteLine($"| {name} | {time.TotalNanoseconds / counted:0} | {bytes / counted} |");
    }

    private static WindowsFile Create(WindowsFileSystem files, string path, uint options)
    {
        files.Create(path, new CreateParameters { CreateOptions = options }, out WindowsFile? file, out WindowsFileInfo _);
        return file ?? throw new InvalidOperationException(path);
    }

    private static void Close(WindowsFileSystem files, WindowsFile file)
    {
        files.Cleanup(file, default, CleanupFlags.None);
        files.Close(file);
    }

    private static void Measure(string name, int count, Action<int> action, bool warm = true)
    {
        // Tiered compilation has done its work after this.
        for (int i = 0; warm && i < count / 4; i++)
        {
            action(i);
        }
        long allocated = GC.GetAllocatedBytesForCurrentThread();
        long start = Stopwatch.GetTimestamp();
        for (int i = 0; i < count; i++)
        {
            action(i);
        }
        double time = Stopwatch.GetElapsedTime(start).TotalNanoseconds / count;
        Console.WriteLine($"| {name} | {time:0} | {(GC.GetAllocatedBytesForCurrentThread() - allocated) / count} |");
    }
}
