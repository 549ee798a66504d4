using System.Globalization;
using WinLoop.TestKit;

namespace WinLoop.Ext4.Tests.Files;

/// <summary>Random operations on file content against a model, e2fsck and the kernel.</summary>
public sealed class RandomContentTests
{
    private const int Files = 3;

    [Theory]
    [InlineData("-b 1024", 96)]
    [InlineData("-b 2048", 96)]
    [InlineData("-b 4096", 96)]
    [InlineData("-b 1024 -O ^metadata_csum,^64bit,^has_journal,^huge_file", 64)]
    [InlineData("-b 1024 -g 512 -J size=1", 48)]
    public void ContentIsThatOfTheModel(string options, int megabytes)
    {
        Shell.RequireLoopMounts();
        int seed = int.Parse(Environment.GetEnvironmentVariable("WINLOOP_SEED") ?? Environment.TickCount.ToString(CultureInfo.InvariantCulture), CultureInfo.InvariantCulture);
        int operations = int.Parse(Environment.GetEnvironmentVariable("WINLOOP_OPERATIONS") ?? "1500", CultureInfo.InvariantCulture);
        TestContext.Current.TestOutputHelper?.WriteLine($"WINLOOP_SEED={seed}");
        using TestImage image = TestImage.Make(megabytes, options);
        string names = string.Join(' ', Enumerable.Range(0, Files).Select(i => $"f{i}"));
        uint[] inodes = [.. image.WithKernel($"cd $M; touch {names}; stat -c %i {names}").Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(uint.Parse)];
        var random = new Random(seed);
        int blockSize = int.Parse(options.Split(' ')[1], CultureInfo.InvariantCulture);
        var run = new ContentRun(random, blockSize, Files);
        try
        {
            for (int done = 0; done < operations; done += operations / 4)
            {
                using (Ext4Volume volume = image.Mount())
                {
                    run.Attach(volume, inodes);
                    run.AssertAllEqual("after a mount");
                    for (int i = 0; i < operations / 4; i++)
                    {
                        run.Step();
                    }
                    run.AssertAllEqual("before an unmount");
                    run.DropBlocksBehindEnd();
                    run.Detach();
                }
                image.AssertClean();
            }
        }
        catch (Exception e)
        {
            throw new InvalidOperationException($"seed {seed}, {options}, {run.History}", e);
        }
        using KernelMount kernel = KernelMount.Open(image);
        for (int i = 0; i < Files; i++)
        {
            using Microsoft.Win32.SafeHandles.SafeFileHandle file = File.OpenHandle(kernel[$"f{i}"]);
            run.Models[i].AssertEqual((offset, buffer) => RandomAccess.Read(file, buffer, offset), RandomAccess.GetLength(file), $"kernel's f{i}, seed {seed}");
        }
    }
}
