using System.Diagnostics;
using WinLoop.Images.Qcow2;
using WinLoop.Images.Tests.Vhdx;
using WinLoop.Storage;
using WinLoop.TestKit;

namespace WinLoop.Images.Tests.Qcow2;

/// <summary>Threads that read, write, zero and flush at the same time, each in its own stripes of all clusters, while
/// clusters are copied, given back and used again.</summary>
public sealed class ThreadTests(ITestOutputHelper output)
{
    private const int MiB = 1 << 20;
    private const int Size = 12 * MiB;
    private const int Stripe = 3000; // several threads in each cluster
    private const int Threads = 4;

    [Theory]
    [InlineData("-c -o cluster_size=64k", false)]
    [InlineData("-c -o cluster_size=4k", false)]
    [InlineData("-o cluster_size=512,refcount_bits=64", false)]
    [InlineData("-o cluster_size=16k", true)]
    public void Nobody_sees_what_another_one_does(string options, bool hasSnapshot)
    {
        Shell.Require("qemu-img");
        int seed = DiskFiles.Seed();
        using var folder = new TemporaryFolder();
        string raw = Path.Combine(folder.Path, "raw"), path = Path.Combine(folder.Path, "x");
        byte[] model = DiskFiles.Noise(Size, seed, 0.9);
        for (int i = 0; i < Size; i++)
        {
            model[i] &= 7;
        }

        DiskFiles.WriteSparse(raw, model);
        Shell.Script($"qemu-img convert -f raw -O qcow2 {options} {raw} {path}");
        if (hasSnapshot)
        {
            Shell.Script($"qemu-img snapshot -c one {path}");
        }

        long requests = 0;
        using (IBlockDevice disk = DiskFiles.Open(path))
        {
            long end = Stopwatch.GetTimestamp() + (Stopwatch.Frequency * 6 / 5);
            Parallel.For(0, Threads, new ParallelOptions { MaxDegreeOfParallelism = Threads }, thread =>
            {
                var random = new Random((seed * 31) + thread);
                byte[] buffer = new byte[Stripe];
                int stripes = Size / Stripe / Threads;
                while (Stopwatch.GetTimestamp() < end)
                {
                    int at = ((random.Next(stripes) * Threads) + thread) * Stripe, length = random.Next(1, Stripe);
                    Span<byte> mine = model.AsSpan(at, length), part = buffer.AsSpan(0, length);
                    Interlocked.Increment(ref requests);
                    switch (random.Next(8))
                    {
                        case 0:
                            disk.WriteZeroes(at, length);
                            mine.Clear();
                            break;
                        case 1 when random.Next(20) == 0:
                            disk.Flush();
                            break;
                        case < 4:
                            random.NextBytes(part);
                            part.CopyTo(mine);
                            disk.Write(part, at);
                            break;
                        default:
                            disk.Read(part, at);
                            Assert.True(part.SequenceEqual(mine), $"{length} bytes at {at}, thread {thread}, seed {seed}");
                            break;
                    }
                }
            });
            Assert.Equal(model, DiskFiles.ReadAll(disk));
        }

        output.WriteLine($"{requests} requests, seed {seed}");
        Qcow2Files.AssertQemuAgrees(path, model);
    }
}
