using WinLoop.TestKit;
using static System.Buffers.Binary.BinaryPrimitives;

namespace WinLoop.Ext4.Tests.Files;

/// <summary>Several threads on the same and on different files.</summary>
public sealed class ConcurrentContentTests
{
    private const int Threads = 6;

    [Theory]
    [InlineData("-b 1024 -J size=1")]
    [InlineData("-b 4096")]
    public void ThreadsKeepToTheirOwnBytes(string options)
    {
        Shell.RequireLoopMounts();
        int seed = Environment.TickCount;
        TestContext.Current.TestOutputHelper?.WriteLine($"seed {seed}");
        using TestImage image = TestImage.Make(96, options);
        string names = string.Join(' ', Enumerable.Range(0, Threads + 1).Select(i => $"f{i}"));
        uint[] numbers = [.. image.WithKernel($"cd $M; touch {names}; stat -c %i {names}").Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(uint.Parse)];
        var models = new FileModel[Threads];
        const int slots = 4000;
        var shared = new long[slots];
        using (Ext4Volume volume = image.Mount())
        {
            Inode common = volume.GetInode(numbers[Threads]);
            volume.Write(common, new byte[slots * 500], 0, Caller.Root);
            var failures = new List<Exception>();
            Thread[] threads = [.. Enumerable.Range(0, Threads).Select(t => new Thread(() =>
            {
                try
                {
                    Work(volume, volume.GetInode(numbers[t]), models[t] = new FileModel(volume.Geometry.BlockSize), common, shared, t, new Random(seed + t));
                }
                catch (Exception e)
                {
                    lock (failures)
                    {
                        failures.Add(e);
                    }
                }
            }))];
            Array.ForEach(threads, t => t.Start());
            Array.ForEach(threads, t => t.Join());
            Assert.Empty(failures);
            for (int t = 0; t < Threads; t++)
            {
                Inode inode = volume.GetInode(numbers[t]);
                models[t].AssertEqual((offset, buffer) => volume.Read(inode, buffer, offset), volume.GetAttributes(inode).Size, $"f{t}, seed {seed}");
                volume.Release(inode, 2);
            }
            AssertShared((offset, buffer) => volume.Read(common, buffer, offset), shared);
            volume.Release(common);
        }
        image.AssertClean();
        using KernelMount kernel = KernelMount.Open(image);
        for (int t = 0; t < Threads; t++)
        {
            using Microsoft.Win32.SafeHandles.SafeFileHandle file = File.OpenHandle(kernel[$"f{t}"]);
            models[t].AssertEqual((offset, buffer) => RandomAccess.Read(file, buffer, offset), RandomAccess.GetLength(file), $"kernel's f{t}, seed {seed}");
        }
        using Microsoft.Win32.SafeHandles.SafeFileHandle sharedFile = File.OpenHandle(kernel[$"f{Threads}"]);
        AssertShared((offset, buffer) => RandomAccess.Read(sharedFile, buffer, offset), shared);
    }

    private static void Work(Ext4Volume volume, Inode own, FileModel model, Inode common, long[] shared, int thread, Random random)
    {
        var buffer = new byte[50_000];
        Span<byte> slot = stackalloc byte[8];
        for (int i = 0; i < 1500; i++)
        {
            // Its own slots of the common file; everybody's slots lie in everybody's blocks.
            int number = (random.Next(shared.Length / Threads) * Threads) + thread;
            if (number < shared.Length)
            {
                WriteInt64LittleEndian(slot, shared[number] = random.NextInt64());
                volume.Write(common, slot, number * 500, Caller.Root, updateTimes: i % 2 == 0);
            }
            volume.Read(common, buffer, random.Next(shared.Length) * 500);
            long offset = random.NextInt64(Math.Max(1, model.Size + 2000));
            int length = random.Next(1, i % 10 == 0 ? 40_000 : 2000);
            switch (random.Next(12))
            {
                case 0:
                    volume.SetAttributes(own, new AttributeChanges { Size = offset }, Caller.Root);
                    model.SetSize(offset);
                    break;
                case 1:
                    volume.Allocate(own, AllocateMode.PunchHole | AllocateMode.KeepSize, offset, length, Caller.Root);
                    model.Zero(offset, offset + length);
                    break;
                case 2:
                    volume.Allocate(own, AllocateMode.KeepSize, offset, length, Caller.Root);
                    break;
                case 3 when i % 5 == 0:
                    volume.Synchronize(own, dataOnly: false);
                    break;
                default:
                    random.NextBytes(buffer.AsSpan(0, length));
                    Assert.Equal(length, volume.Write(own, buffer.AsSpan(0, length), offset, Caller.Root));
                    model.Write(buffer.AsSpan(0, length), offset);
                    break;
            }
        }
    }

    private static void AssertShared(Func<long, byte[], int> read, long[] shared)
    {
        var slot = new byte[8];
        for (int i = 0; i < shared.Length; i++)
        {
            Assert.Equal(8, read(i * 500, slot));
            Assert.Equal(shared[i], ReadInt64LittleEndian(slot));
        }
    }
}
