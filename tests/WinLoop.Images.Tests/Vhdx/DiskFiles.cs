using WinLoop.Images.Vhdx;
using WinLoop.Storage;
using WinLoop.TestKit;

namespace WinLoop.Images.Tests.Vhdx;

/// <summary>Files with disks in them, and what the tests do with all of them.</summary>
internal static class DiskFiles
{
    /// <summary>Opens a container on the host by what it holds.</summary>
    public static IBlockDevice Open(string path, bool isReadOnly = false)
    {
        LoopDevice file = LoopDevice.Open(path, new LoopDeviceOptions { IsExact = true, IsReadOnly = isReadOnly });
        try
        {
            string folder = Path.GetDirectoryName(path)!;
            return ImageFormats.Find(file)!.Open(file, new ImageFormatOptions
            {
                IsReadOnly = isReadOnly,
                OpenRelated = (name, isWritable) => LoopDevice.Open(
                    Path.Combine(folder, name), new LoopDeviceOptions { IsExact = true, IsReadOnly = !isWritable }),
            });
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Opens a VHDX in memory.</summary>
    public static IBlockDevice Open(IGrowableDevice file, bool isReadOnly = false) =>
        new VhdxFormat().Open(file, new ImageFormatOptions { IsReadOnly = isReadOnly });

    /// <summary>The seed of a random test: WINLOOP_SEED, or a new one.</summary>
    public static int Seed() => int.TryParse(Environment.GetEnvironmentVariable("WINLOOP_SEED"), out int seed) ? seed : Environment.TickCount;

    /// <summary>All bytes of a device that is not large; what it calls zeroes is zeroes.</summary>
    public static byte[] ReadAll(IBlockDevice device)
    {
        byte[] all = new byte[device.Length];
        device.Read(all, 0);
        for (int at = 0; at < all.Length;)
        {
            int zeroes = (int)device.ZeroRun(at, all.Length - at);
            Assert.False(all.AsSpan(at, zeroes).ContainsAnyExcept((byte)0), $"{zeroes} bytes at {at} are said to be zero");
            at += Math.Max(zeroes, 50_000);
        }

        return all;
    }

    /// <summary>Content with holes: runs of noise of random lengths between zeroes.</summary>
    public static byte[] Noise(int size, int seed, double share = 0.5)
    {
        var random = new Random(seed);
        byte[] bytes = new byte[size];
        for (int at = 0; at < size;)
        {
            int run = Math.Min(size - at, random.Next(1, 600) * 1024);
            if (random.NextDouble() < share)
            {
                random.NextBytes(bytes.AsSpan(at, run));
            }

            at += run;
        }

        return bytes;
    }

    /// <summary>Writes a raw file with holes where there are zeroes.</summary>
    public static void WriteSparse(string path, ReadOnlySpan<byte> content)
    {
        using Microsoft.Win32.SafeHandles.SafeFileHandle file = File.OpenHandle(path, FileMode.Create, FileAccess.Write);
        RandomAccess.SetLength(file, content.Length);
        const int Chunk = 1 << 16;
        for (int at = 0; at < content.Length; at += Chunk)
        {
            ReadOnlySpan<byte> part = content.Slice(at, Math.Min(Chunk, content.Length - at));
            if (part.ContainsAnyExcept((byte)0))
            {
                RandomAccess.Write(file, part, at);
            }
        }
    }

    /// <summary>Random writes and zeroes, of any alignment, in a disk and in its model.</summary>
    public static void WriteRandomly(IBlockDevice disk, byte[] model, Random random, int count, int maximum = 200_000)
    {
        byte[] noise = new byte[maximum];
        for (int i = 0; i < count; i++)
        {
            int length = random.Next(4) == 0 ? random.Next(1, maximum) : random.Next(1, 5000);
            length = Math.Min(length, model.Length);
            int offset = random.Next(model.Length - length + 1);
            if (random.Next(2) == 0)
            {
                offset = offset / 4096 * 4096;
                length = Math.Min((length + 4095) / 4096 * 4096, model.Length - offset);
                length = Math.Min(length, maximum);
            }

            switch (random.Next(8))
            {
                case 0:
                    disk.WriteZeroes(offset, length);
                    model.AsSpan(offset, length).Clear();
                    break;
                case 1 when i % 3 == 0:
                    disk.Flush();
                    break;
                default:
                    random.NextBytes(noise.AsSpan(0, length));
                    disk.Write(noise.AsSpan(0, length), offset);
                    noise.AsSpan(0, length).CopyTo(model.AsSpan(offset));
                    break;
            }
        }
    }

    /// <summary>Asserts that qemu finds no error in a container and reads the same from it as from a raw file.</summary>
    public static void AssertQemuAgrees(string format, string path, string rawPath)
    {
        if (format == "vhdx")
        {
            Shell.Result check = Shell.Run("qemu-img", ["check", "-f", "vhdx", path]);
            Assert.True(check.ExitCode == 0, $"qemu-img check: {check.ExitCode}\n{check.All}");
        }

        Shell.Result compare = Shell.Run("qemu-img", ["compare", "-f", format, "-F", "raw", path, rawPath]);
        Assert.True(compare.ExitCode == 0, $"qemu-img compare: {compare.ExitCode}\n{compare.All}");
    }
}
