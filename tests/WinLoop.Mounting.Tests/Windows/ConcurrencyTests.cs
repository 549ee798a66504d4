using System.Collections.Concurrent;
using WinLoop.Ext4;
using WinLoop.Mounting.Windows;

namespace WinLoop.Mounting.Tests.Windows;

public sealed class ConcurrencyTests(ITestOutputHelper output)
{
    private const int Threads = 8;

    [Theory]
    [InlineData(65536)]
    [InlineData(64)]
    public void EverythingAtOnce(int cachedNames)
    {
        int seed = Environment.TickCount;
        output.WriteLine($"seed {seed}");
        using var volume = new WindowsVolume(64, new WindowsOptions { CachedNames = cachedNames }, mount: new Ext4MountOptions { CachedInodes = 100 });
        for (int i = 0; i < 4; i++)
        {
            volume.MakeDirectory($"\\d{i}");
        }
        var failures = new ConcurrentQueue<Exception>();
        var threads = new Thread[Threads];
        for (int t = 0; t < Threads; t++)
        {
            var random = new Random(seed + t);
            threads[t] = new Thread(() =>
            {
                try
                {
                    for (int i = 0; i < 1500; i++)
                    {
                        Step(volume, random);
                    }
                }
                catch (Exception e)
                {
                    failures.Enqueue(e);
                }
            });
            threads[t].Start();
        }
        foreach (Thread thread in threads)
        {
            thread.Join();
        }
        Assert.True(failures.IsEmpty, string.Join('\n', failures));
        // What the cache says is what the volume says.
        var seen = new List<string>();
        foreach (string directory in volume.List("\\").Where(name => name != "lost+found"))
        {
            foreach (string name in volume.List("\\" + directory).Where(name => name is not "." and not ".."))
            {
                seen.Add($"\\{directory}\\{name}");
                Assert.True(volume.Exists($"\\{directory}\\{name}"), name);
                Assert.True(volume.Exists($"\\{directory}\\{name}".ToUpperInvariant()), name);
            }
        }
        List<string> Absent() => [.. from d in Enumerable.Range(0, 4) from n in Enumerable.Range(0, 30) from path in (string[])[$"\\d{d}\\n{n}", $"\\D{d}\\N{n}"]
            where volume.Exists(path) select path.ToLowerInvariant()];
        List<string> before = Absent();
        volume.Remount();
        Assert.Equal(before, Absent());
        Assert.All(seen, path => Assert.True(volume.Exists(path), path));
        volume.Finish();
    }

    private static string Name(Random random) => $"\\{(random.Next(2) == 0 ? 'd' : 'D')}{random.Next(4)}\\{(random.Next(2) == 0 ? 'n' : 'N')}{random.Next(30)}";

    private static void Step(WindowsVolume volume, Random random)
    {
        string path = Name(random);
        switch (random.Next(8))
        {
            case 0 or 1:
                (NtStatus created, WindowsFile? made, _) = volume.TryCreate(path, isDirectory: random.Next(4) == 0);
                Allow(created, NtStatus.Success, NtStatus.ObjectNameCollision, NtStatus.ObjectPathNotFound);
                if (made is not null)
                {
                    if (!made.IsDirectory)
                    {
                        Allow(volume.Files.Write(made, "data"u8, 0, false, false, out _, out _), NtStatus.Success);
                    }
                    volume.Close(made);
                }
                break;
            case 2:
                if (volume.TryOpen(path) is (NtStatus.Success, { } doomed, _))
                {
                    NtStatus status = volume.Files.SetDelete(doomed, path, true);
                    Allow(status, NtStatus.Success, NtStatus.DirectoryNotEmpty);
                    try
                    {
                        volume.Files.Cleanup(doomed, path, status == NtStatus.Success ? CleanupFlags.Delete : CleanupFlags.None);
                    }
                    catch (Ext4Exception e) when (e.Errno == Errno.ENOTEMPTY)
                    {
                    }
                    volume.Files.Close(doomed);
                }
                break;
            case 3:
                if (volume.TryOpen(path) is (NtStatus.Success, { } moved, _))
                {
                    NtStatus status;
                    try
                    {
                        status = volume.Files.Rename(moved, path, Name(random), random.Next(2) == 0);
                    }
                    catch (Ext4Exception e) when (e.Errno is Errno.ENOENT or Errno.EINVAL)
                    {
                        status = NtStatus.Success;
                    }
                    Allow(status, NtStatus.Success, NtStatus.ObjectNameCollision, NtStatus.AccessDenied, NtStatus.ObjectNameNotFound, NtStatus.ObjectPathNotFound);
                    volume.Close(moved);
                }
                break;
            case 4:
                (NtStatus opened, WindowsFile? file, WindowsFileInfo info) = volume.TryOpen(path);
                Allow(opened, NtStatus.Success, NtStatus.ObjectNameNotFound, NtStatus.ObjectPathNotFound);
                if (file is not null)
                {
                    string name = volume.NormalizedName(file);
                    Assert.StartsWith("\\", name);
                    if (!file.IsDirectory)
                    {
                        Assert.Contains(volume.Content(file), (string[])["", "data"]);
                    }
                    volume.Close(file);
                }
                break;
            case 5:
                List<string> names = volume.List(path[..3], page: 1 + random.Next(10));
                Assert.Equal(names.Count, names.Distinct().Count());
                break;
            default:
                NtStatus found = volume.Files.GetSecurityByName(path, out uint attributes, out _);
                Allow(found, NtStatus.Success, NtStatus.ObjectNameNotFound, NtStatus.ObjectPathNotFound);
                Assert.True(found != NtStatus.Success || attributes != 0);
                break;
        }
    }

    private static void Allow(NtStatus status, params ReadOnlySpan<NtStatus> allowed) => Assert.True(allowed.Contains(status), status.ToString());
}
