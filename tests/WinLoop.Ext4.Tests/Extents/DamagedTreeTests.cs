using System.Diagnostics;
using System.Globalization;
using WinLoop.Ext4.Format;
using WinLoop.Storage;
using WinLoop.TestKit;
using static System.Buffers.Binary.BinaryPrimitives;

namespace WinLoop.Ext4.Tests.Extents;

/// <summary>Extent trees and block maps with wrong numbers in them: every answer is an error that is meant for it.</summary>
public sealed class DamagedTreeTests
{
    private const int BlockSize = 1024;

    [Theory]
    [InlineData("-b 1024 -O ^metadata_csum")]
    [InlineData("-b 1024 -O ^metadata_csum,^extent,^64bit")]
    public void NothingButTheThreeKindsOfErrorsComesOut(string options)
    {
        Shell.RequireLoopMounts();
        int seed = Environment.TickCount;
        TestContext.Current.TestOutputHelper?.WriteLine($"seed {seed}");
        var random = new Random(seed);
        int rounds = int.Parse(Environment.GetEnvironmentVariable("WINLOOP_OPERATIONS") ?? "400", CultureInfo.InvariantCulture);
        byte[] clean = MakeImage(options, out uint[] numbers);
        int[] places = FindPlaces(clean, numbers);
        for (int round = 0; round < rounds; round++)
        {
            byte[] image = (byte[])clean.Clone();
            var changes = new List<string>();
            for (int i = random.Next(1, 4); i > 0; i--)
            {
                changes.Add(Damage(image, places, random));
            }
            var watch = Stopwatch.StartNew();
            try
            {
                Use(image, numbers, random);
            }
            catch (Exception e)
            {
                throw new InvalidOperationException($"seed {seed}, round {round}: {string.Join("; ", changes)}", e);
            }
            Assert.True(watch.ElapsedMilliseconds < 10_000, $"seed {seed}, round {round} took {watch.Elapsed}: {string.Join("; ", changes)}");
        }
    }

    private static void Use(byte[] image, uint[] numbers, Random random)
    {
        bool isReadOnly = random.Next(3) == 0;
        Allow(() =>
        {
            using var volume = Ext4Volume.Mount(new MemoryDevice(image), new Ext4MountOptions { IsReadOnly = isReadOnly, UseBackgroundCommit = false });
            foreach (uint number in numbers)
            {
                Allow(() =>
                {
                    Inode inode = volume.GetInode(number);
                    try
                    {
                        UseFile(volume, inode, isReadOnly, random);
                    }
                    finally
                    {
                        volume.Release(inode);
                    }
                });
            }
        });
    }

    private static void UseFile(Ext4Volume volume, Inode inode, bool isReadOnly, Random random)
    {
        var buffer = new byte[100_000];
        for (int i = 0; i < 4; i++)
        {
            long at = random.NextInt64(Math.Max(1, Math.Min(inode.Size, 1 << 21)));
            Allow(() => volume.Read(inode, buffer, at));
        }
        Allow(() =>
        {
            uint cursor = 0;
            for (int i = 0; i < 2000 && volume.Extents.MapNext(inode, ref cursor, out _); i++)
            {
            }
        });
        Allow(() => volume.Seek(inode, 0, hole: random.Next(2) == 0));
        for (int i = 0; i < 6 && !isReadOnly; i++)
        {
            long at = random.NextInt64(1 << 21) / BlockSize * BlockSize;
            long length = random.Next(1, 100) * BlockSize;
            switch (random.Next(7))
            {
                case 0: Allow(() => volume.Write(inode, buffer.AsSpan(0, random.Next(1, 20_000)), at, Caller.Root)); break;
                case 1: Allow(() => volume.Allocate(inode, AllocateMode.Default, at, length, Caller.Root)); break;
                case 2: Allow(() => volume.Allocate(inode, AllocateMode.PunchHole | AllocateMode.KeepSize, at, length, Caller.Root)); break;
                case 3: Allow(() => volume.Allocate(inode, AllocateMode.ZeroRange, at, length, Caller.Root)); break;
                case 4: Allow(() => volume.Allocate(inode, AllocateMode.CollapseRange, at, length, Caller.Root)); break;
                case 5: Allow(() => volume.Allocate(inode, AllocateMode.InsertRange, at, length, Caller.Root)); break;
                default: Allow(() => volume.SetAttributes(inode, new AttributeChanges { Size = random.Next(3) == 0 ? 0 : at }, Caller.Root)); break;
            }
        }
        Allow(() => volume.Synchronize(inode, dataOnly: false));
    }

    private static void Allow(Action action)
    {
        try
        {
            action();
        }
        catch (Exception e) when (e is Ext4Exception or Ext4CorruptException or Ext4NotSupportedException or BlockDeviceException)
        {
        }
    }

    private static string Damage(byte[] image, int[] places, Random random)
    {
        int start = places[random.Next(places.Length)];
        bool isHeader = random.Next(3) == 0;
        int at = start + (isHeader ? random.Next(6) * 2 : random.Next(30) * 2);
        if (random.Next(2) == 0)
        {
            ushort old = ReadUInt16LittleEndian(image.AsSpan(at));
            ushort value = (ushort)Draw(random, old, 16);
            WriteUInt16LittleEndian(image.AsSpan(at), value);
            return $"u16 {at} (place {start}) {old:X} -> {value:X}";
        }
        uint before = ReadUInt32LittleEndian(image.AsSpan(at));
        uint now = (uint)Draw(random, before, 32);
        WriteUInt32LittleEndian(image.AsSpan(at), now);
        return $"u32 {at} (place {start}) {before:X} -> {now:X}";
    }

    private static ulong Draw(Random random, ulong old, int bits)
    {
        ulong mask = (1UL << bits) - 1;
        return random.Next(9) switch
        {
            0 => 0,
            1 => 1,
            2 => mask,
            3 => mask >> 1,
            4 => (mask >> 1) + 1,
            5 => unchecked(old + 1) & mask,
            6 => unchecked(old - 1) & mask,
            7 => old ^ (1UL << random.Next(bits)),
            _ => (ulong)random.NextInt64() & mask & 0x3FFF,
        };
    }

    // A file with a deep tree, one with four extents, one with unwritten ones.
    private static byte[] MakeImage(string options, out uint[] numbers)
    {
        using TestImage image = TestImage.Make(4, options + " -J size=1 -N 32");
        using (KernelMount kernel = KernelMount.Open(image, "loop"))
        {
            using (FileStream deep = File.Create(kernel["deep"], 0))
            {
                for (int i = 0; i < 600; i++)
                {
                    deep.Position = (long)i * 2 * BlockSize;
                    deep.Write(new byte[BlockSize]);
                }
            }
            using FileStream small = File.Create(kernel["small"], 0);
            for (int i = 0; i < 4; i++)
            {
                small.Position = (long)i * 30 * BlockSize;
                small.Write(new byte[10 * BlockSize]);
            }
        }
        image.WithKernel("touch $M/pre; if ! fallocate -l 300K $M/pre; then head -c 300K /dev/zero > $M/pre; fi");
        numbers = [.. image.WithKernel("stat -c %i $M/deep $M/small $M/pre", "loop,ro").Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(uint.Parse)];
        return File.ReadAllBytes(image.Path);
    }

    // Byte offsets of the roots in the inodes and of the blocks that look like nodes or pointers.
    private static int[] FindPlaces(byte[] image, uint[] numbers)
    {
        var places = new List<int>();
        using var volume = Ext4Volume.Mount(new MemoryDevice(image, isReadOnly: true), new Ext4MountOptions { IsReadOnly = true });
        Geometry geometry = volume.Geometry;
        foreach (uint number in numbers)
        {
            int inode = ((int)volume.Groups.InodeTable(geometry.GroupOfInode(number)) * BlockSize) +
                        ((int)((number - 1) % geometry.InodesPerGroup) * geometry.InodeSize);
            places.Add(inode + InodeRecord.BlockAreaAt);
            places.Add(inode + InodeRecord.BlockAreaAt);
            if (!volume.GetInode(number).HasExtents)
            {
                for (int i = 12; i < 15; i++)
                {
                    int pointer = ReadInt32LittleEndian(image.AsSpan(inode + InodeRecord.BlockAreaAt + (i * 4)));
                    if (pointer != 0)
                    {
                        places.Add(pointer * BlockSize);
                        int below = ReadInt32LittleEndian(image.AsSpan(pointer * BlockSize));
                        places.Add(i > 12 ? below * BlockSize : pointer * BlockSize);
                    }
                }
            }
        }
        for (int block = 0; block < image.Length / BlockSize; block++)
        {
            if (ReadUInt16LittleEndian(image.AsSpan(block * BlockSize)) == ExtentNode.MagicValue)
            {
                places.Add(block * BlockSize);
            }
        }
        Assert.True(places.Count > 8);
        return [.. places];
    }
}
