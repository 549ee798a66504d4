using System.Security.Cryptography;
using WinLoop.Ext4;
using WinLoop.TestKit;

namespace WinLoop.CrashTests;

/// <summary>
/// Cuts in the middle of operations on one file's mapping, also those that take several transactions. Every
/// free block of the image holds a mark that no one ever writes: whoever reads it reads somebody's old bytes.
/// </summary>
public sealed class MappingCrashTests(ITestOutputHelper output)
{
    private const byte Stale = 0xEE;
    private const int BlockSize = 1024;

    [Theory]
    [InlineData("")]
    [InlineData("-O orphan_file")]
    [InlineData("-O ^has_journal")]
    public void NoStateShowsWhatWasNeverWritten(string options)
    {
        byte[] image = MakeImage(options, out uint number);
        int seed = Environment.TickCount;
        var random = new Random(seed);
        output.WriteLine($"seed {seed}");
        using var device = new CrashDevice(image);
        var sizes = new HashSet<long> { 0 };
        using (Ext4Volume volume = Ext4Volume.Mount(device, new Ext4MountOptions { UseBackgroundCommit = false }))
        {
            Inode inode = volume.GetInode(number);
            foreach (Action<Ext4Volume, Inode, Random> step in Steps())
            {
                step(volume, inode, random);
                sizes.Add(volume.GetAttributes(inode).Size);
                volume.Synchronize(inode, dataOnly: false);
            }
            volume.Release(inode);
        }
        if (options.Contains("^has_journal", StringComparison.Ordinal))
        {
            // Nothing is promised after a cut; but the end has to be sound.
            JudgeClean(device, "the end");
            return;
        }
        CrashState[] states = [.. CrashState.Enumerate(device.Log, random)];
        var seen = new HashSet<string>();
        int most = int.Parse(Environment.GetEnvironmentVariable("WINLOOP_STATES") ?? "150");
        foreach (CrashState state in states.Where(_ => random.NextDouble() < (double)most / states.Length))
        {
            byte[] cut = state.Build(image, device.Log);
            if (seen.Add(Convert.ToHexString(SHA1.HashData(cut))))
            {
                Judge(cut, number, $"seed {seed}, {state}");
            }
        }
        output.WriteLine($"{device.Log.Count} writes and flushes, {states.Length} states, {seen.Count} judged");
    }

    private static IEnumerable<Action<Ext4Volume, Inode, Random>> Steps()
    {
        yield return (v, f, r) => Scatter(v, f, r, 700);
        yield return (v, f, r) => v.Allocate(f, AllocateMode.CollapseRange, 101 * BlockSize, 57 * BlockSize, Caller.Root);
        yield return (v, f, r) => v.Allocate(f, AllocateMode.InsertRange, 30 * BlockSize, 99 * BlockSize, Caller.Root);
        yield return (v, f, r) => v.Allocate(f, AllocateMode.PunchHole | AllocateMode.KeepSize, 12345, 300_000, Caller.Root);
        yield return (v, f, r) => v.Allocate(f, AllocateMode.Default, 5000, 900_000, Caller.Root);
        yield return (v, f, r) => Scatter(v, f, r, 60);
        yield return (v, f, r) => v.Allocate(f, AllocateMode.ZeroRange, 700_001, 300_000, Caller.Root);
        yield return (v, f, r) => v.SetAttributes(f, new AttributeChanges { Size = 33_333 }, Caller.Root);
        yield return (v, f, r) => v.Write(f, Bytes(r, 7000), 100_003, Caller.Root);
        yield return (v, f, r) => Scatter(v, f, r, 500);
        yield return (v, f, r) => v.SetAttributes(f, new AttributeChanges { Size = 0 }, Caller.Root);
        yield return (v, f, r) => v.Write(f, Bytes(r, 200_001), 77, Caller.Root);
        yield return (v, f, r) => v.Allocate(f, AllocateMode.InsertRange, 100 * BlockSize, 5 * BlockSize, Caller.Root);
        yield return (v, f, r) => v.Allocate(f, AllocateMode.CollapseRange, 0, 20 * BlockSize, Caller.Root);
    }

    // Parts of every other block: many extents, zeroes around each.
    private static void Scatter(Ext4Volume volume, Inode inode, Random random, int count)
    {
        for (int i = 0; i < count; i++)
        {
            volume.Write(inode, Bytes(random, random.Next(1, BlockSize)), (i * 2L * BlockSize) + random.Next(BlockSize), Caller.Root);
        }
    }

    private static void Judge(byte[] cut, uint number, string state)
    {
        using var device = new CrashDevice(cut);
        using (Ext4Volume volume = Ext4Volume.Mount(device, new Ext4MountOptions { UseBackgroundCommit = false }))
        {
            Assert.False(volume.IsReadOnly, $"{state}: mounted read-only: {volume.ReadOnlyReason}");
            Inode inode = volume.GetInode(number);
            long size = volume.GetAttributes(inode).Size;
            Assert.InRange(size, 0, 4 << 20);
            var content = new byte[size];
            Assert.Equal(size, volume.Read(inode, content, 0));
            int stale = content.AsSpan().IndexOf(Stale);
            Assert.True(stale < 0, $"{state}: byte {stale} of {size} was never written");
            // What is behind the end is zero too once the file grows over it.
            volume.SetAttributes(inode, new AttributeChanges { Size = size + 5000 }, Caller.Root);
            var tail = new byte[5000];
            volume.Read(inode, tail, size);
            Assert.True(tail.AsSpan().IndexOfAnyExcept((byte)0) < 0, $"{state}: bytes behind the end at {size}");
            volume.SetAttributes(inode, new AttributeChanges { Size = size }, Caller.Root);
            volume.Release(inode);
        }
        JudgeClean(device, state);
    }

    private static void JudgeClean(CrashDevice device, string state)
    {
        string path = Path.GetTempFileName();
        try
        {
            byte[] recovered = new byte[device.Length];
            device.Read(recovered, 0);
            File.WriteAllBytes(path, recovered);
            Shell.Result result = Shell.Run("e2fsck", ["-fn", path]);
            Assert.True(result.ExitCode == 0, $"{state}: e2fsck -fn exits {result.ExitCode}\n{result.All}");
        }
        finally
        {
            File.Delete(path);
        }
    }

    private static byte[] Bytes(Random random, int length)
    {
        var bytes = new byte[length];
        random.NextBytes(bytes);
        foreach (ref byte b in bytes.AsSpan())
        {
            b &= 0x7F;
        }
        return bytes;
    }

    private static byte[] MakeImage(string options, out uint number)
    {
        Shell.RequireLoopMounts();
        using TestImage image = TestImage.Make(8, $"-b 1024 -N 64 {(options.Contains("^has_journal", StringComparison.Ordinal) ? "" : "-J size=1")} {options}");
        number = uint.Parse(image.WithKernel("touch $M/f; (tr '\\0' '\\356' < /dev/zero | cat > $M/filler) 2>/dev/null || true; sync; rm $M/filler; stat -c %i $M/f"));
        byte[] bytes = File.ReadAllBytes(image.Path);
        Assert.True(bytes.AsSpan().Count(Stale) > bytes.Length / 2);
        return bytes;
    }
}
