using WinLoop.TestKit;
using WinLoop.TestKit.FileSystems;

namespace WinLoop.KernelTests.RandomOperations;

/// <summary>
/// The same random steps on the engine, on a model in memory and on the kernel's ext4: every answer and, at
/// checkpoints, the whole trees have to be equal. Set WINLOOP_RANDOM_OPERATIONS for more steps and
/// WINLOOP_RANDOM_SEED for one seed.
/// </summary>
public sealed class RandomOperationTests(ITestOutputHelper output)
{
    /// <summary>Images that write differently.</summary>
    public static TheoryData<string, int> Images => new()
    {
        { "-b 4096", 4096 },
        { "-b 1024", 1024 },
        { "-b 2048 -O orphan_file,metadata_csum_seed", 2048 },
        { "-b 1024 -I 128 -O ^metadata_csum", 1024 },
        { "-b 4096 -O ^has_journal", 4096 },
        { "-b 1024 -O ^64bit,^flex_bg,^dir_index -J size=1", 1024 },
    };

    [Theory]
    [MemberData(nameof(Images))]
    public void Engine_model_and_kernel_agree(string options, int blockSize)
    {
        Shell.RequireLoopMounts();
        int seed = Comparison.Seed(), steps = Comparison.Steps(4000);
        output.WriteLine($"seed {seed}, {steps} steps, {options}");
        using TestImage ours = TestImage.Make(512, options);
        using TestImage kernels = TestImage.Make(512, options);
        long maximum = (long)uint.MaxValue * blockSize;
        long maximumTime = options.Contains("-I 128", StringComparison.Ordinal) ? int.MaxValue : long.MaxValue;
        using (KernelMount mount = KernelMount.Open(kernels, "loop,noatime"))
        {
            using var engine = new EngineFileSystem(() => ours.Mount());
            using var model = new ModelFileSystem(maximum, blockSize, maximumTime);
            using var kernel = new PosixFileSystem(mount.Path);
            Comparison.Run(new OperationGenerator(seed, maximum, blockSize), [engine, model, kernel], steps);
        }
        ours.AssertClean();
        Comparison.AssertSameThroughKernel(kernels, ours);
    }
}
