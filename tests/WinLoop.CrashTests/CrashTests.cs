using WinLoop.TestKit;
using WinLoop.TestKit.FileSystems;

namespace WinLoop.CrashTests;

/// <summary>The power is cut at every write of a workload, in any order that the flushes allow.</summary>
public sealed class CrashTests(ITestOutputHelper output)
{
    /// <summary>Images whose metadata is written differently.</summary>
    public static TheoryData<string, int> Images => new()
    {
        { "-b 1024", 1024 },
        { "-b 4096", 4096 },
        { "-b 1024 -O orphan_file", 1024 },
        { "-b 1024 -O ^metadata_csum,^64bit", 1024 },
    };

    private static byte[] MakeImage(string options)
    {
        Shell.RequireLoopMounts();
        using TestImage image = TestImage.Make(options.Contains("4096", StringComparison.Ordinal) ? 12 : 5, $"{options} -J size={(options.Contains("4096", StringComparison.Ordinal) ? 4 : 1)} -N 256");
        return File.ReadAllBytes(image.Path);
    }

    [Theory]
    [MemberData(nameof(Images))]
    public void Namespace_operations(string options, int blockSize)
    {
        using var work = new CrashWorkload(MakeImage(options), blockSize);
        work.Do("mkdir d0", fs => fs.MakeDirectory("d0", 0x1ED));
        work.Do("create d0/a", fs => fs.Create("d0/a", 0x1A4));
        work.Do("write d0/a", fs => fs.Write("d0/a", 0, Bytes(1, 3000)));
        work.Sync();
        work.Do("create d0/b", fs => fs.Create("d0/b", 0x1A4));
        work.Do("write d0/b", fs => fs.Write("d0/b", 0, Bytes(2, 9000)));
        work.Do("rename d0/b d0/a", fs => fs.Rename("d0/b", "d0/a", 0));
        work.Sync();
        work.Do("mkdir d1", fs => fs.MakeDirectory("d1", 0x1ED));
        work.Do("rename d0/a d1/c", fs => fs.Rename("d0/a", "d1/c", 0));
        work.Do("rmdir d0", fs => fs.RemoveDirectory("d0"));
        work.Do("symlink", fs => fs.Symlink("d1/long", new string('x', 300)));
        work.Do("link", fs => fs.Link("d1/c", "hard"));
        work.Sync();
        work.Do("unlink", fs => fs.Unlink("d1/c"));
        work.Do("setxattr", fs => fs.SetAttribute("hard", "user.big", Bytes(3, 600), 0));
        work.Do("unlink hard", fs => fs.Unlink("hard"));
        work.Do("mkdir d1/e", fs => fs.MakeDirectory("d1/e", 0x1ED));
        work.Sync();
        Judge(work, blockSize);
    }

    [Theory]
    [MemberData(nameof(Images))]
    public void Data_and_truncates(string options, int blockSize)
    {
        using var work = new CrashWorkload(MakeImage(options), blockSize);
        work.Do("create f", fs => fs.Create("f", 0x1A4));
        work.Do("write f", fs => fs.Write("f", 0, Bytes(4, 50_000)));
        work.Sync();
        work.Do("truncate f", fs => fs.Truncate("f", 12_345));
        work.Do("append f", fs => fs.Write("f", 12_345, Bytes(5, 20_000)));
        work.Do("punch f", fs => fs.Allocate("f", 3, 4096, 8192));
        work.Sync();
        work.Do("fallocate g", fs => fs.Create("g", 0x1A4));
        work.Do("fallocate g", fs => fs.Allocate("g", 0, 0, 300_000));
        work.Do("write g", fs => fs.Write("g", 100_000, Bytes(6, 10_000)));
        work.Sync();
        work.Do("zero g", fs => fs.Allocate("g", 0x10, 90_000, 15_000));
        work.Do("truncate g", fs => fs.Truncate("g", 0));
        work.Do("unlink f", fs => fs.Unlink("f"));
        work.Do("create h", fs => fs.Create("h", 0x1A4));
        work.Do("write h", fs => fs.Write("h", 0, Bytes(7, 60_000)));
        work.Sync();
        Judge(work, blockSize);
    }

    [Theory]
    [MemberData(nameof(Images))]
    public void Random_operations_with_syncs(string options, int blockSize)
    {
        int seed = int.TryParse(Environment.GetEnvironmentVariable("WINLOOP_CRASH_SEED"), out int given) ? given : Environment.TickCount & 0xFFFFFF;
        output.WriteLine($"seed {seed}");
        using var work = new CrashWorkload(MakeImage(options), blockSize);
        var generator = new OperationGenerator(seed, 4 << 20, blockSize, allowsShifts: false);
        for (int i = 0; i < 160; i++)
        {
            work.Next(generator);
            if (i % 20 == 19)
            {
                work.Sync();
            }
        }
        Judge(work, blockSize, seed);
    }

    // Directories grow and go, and their blocks come back as file data: recovery must not bring them back.
    [Fact]
    public void Freed_metadata_is_not_replayed_over_data()
    {
        using var work = new CrashWorkload(MakeImage("-b 1024"), 1024);
        work.Do("mkdir d", fs => fs.MakeDirectory("d", 0x1ED));
        for (int i = 0; i < 120; i++)
        {
            int n = i;
            work.Do($"create {n}", fs => fs.Create($"d/{n:D4}-a-name-that-fills-the-blocks-quickly", 0x1A4));
        }
        work.Sync();
        for (int i = 0; i < 120; i++)
        {
            int n = i;
            work.Do($"unlink {n}", fs => fs.Unlink($"d/{n:D4}-a-name-that-fills-the-blocks-quickly"));
        }
        work.Do("rmdir d", fs => fs.RemoveDirectory("d"));
        work.Sync();
        work.Do("create f", fs => fs.Create("f", 0x1A4));
        work.Do("write f", fs => fs.Write("f", 0, Bytes(8, 400_000)));
        work.Sync();
        Judge(work, 1024);
    }

    private void Judge(CrashWorkload work, int blockSize, int seed = 1)
    {
        using var judge = new CrashJudge(work, blockSize, output, fsckEvery: 5, kernelEvery: 25);
        int states = judge.JudgeAll(seed);
        Assert.True(states >= 30, $"only {states} states: the recording is broken");
    }

    private static byte[] Bytes(int seed, int count)
    {
        byte[] data = new byte[count];
        new Random(seed).NextBytes(data);
        return data;
    }
}
