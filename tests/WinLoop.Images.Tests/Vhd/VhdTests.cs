using System.Buffers.Binary;
using WinLoop.Images.Tests.PowerCuts;
using WinLoop.Images.Tests.Vhdx;
using WinLoop.Images.Vhd;
using WinLoop.Storage;
using WinLoop.TestKit;

namespace WinLoop.Images.Tests.Vhd;

/// <summary>VHD, fixed and dynamic, against qemu-img and over power cuts.</summary>
public sealed class VhdTests(ITestOutputHelper output)
{
    private const int MiB = 1 << 20;

    public static TheoryData<string, int> Formats => new()
    {
        { "subformat=dynamic", 20 * MiB },
        { "subformat=dynamic,force_size=on", (33 * MiB) + 512 },
        { "subformat=fixed", 9 * MiB },
        { "subformat=fixed,force_size=on", (5 * MiB) + 1024 },
    };

    [Theory]
    [MemberData(nameof(Formats))]
    public void WhatQemuMakes_ReadsTheSame_AndIsSoundAfterOurWrites(string options, int size)
    {
        Shell.Require("qemu-img", "qemu-io");
        int seed = DiskFiles.Seed();
        output.WriteLine($"seed {seed}");
        using var folder = new TemporaryFolder();
        string raw = folder.File("raw"), path = Path.Combine(folder.Path, "x.img");
        DiskFiles.WriteSparse(raw, DiskFiles.Noise(size, seed));
        Shell.Script($"qemu-img convert -f raw -O vpc -o {options} {raw} {path}; qemu-img convert -f vpc -O raw {path} {raw}");
        byte[] model = File.ReadAllBytes(raw), before = File.ReadAllBytes(path); // it may have rounded the size
        using (IBlockDevice disk = DiskFiles.Open(path, isReadOnly: true))
        {
            Assert.Equal(model, DiskFiles.ReadAll(disk));
            Assert.Throws<BlockDeviceException>(() => disk.Write(new byte[512], 0));
        }

        DiskFiles.Open(path).Dispose();
        Assert.Equal(before, File.ReadAllBytes(path));
        for (int i = 0; i < 6; i++)
        {
            int at = (int)((long)model.Length * i / 6 / 512 * 512), length = Math.Min(70 * 1024, model.Length - at);
            Shell.Script($"qemu-io -f vpc -c 'write -P {0x41 + i} {at} {length}' {path}");
            model.AsSpan(at, length).Fill((byte)(0x41 + i));
        }

        using (IBlockDevice disk = DiskFiles.Open(path))
        {
            Assert.Equal(model, DiskFiles.ReadAll(disk));
            DiskFiles.WriteRandomly(disk, model, new Random(seed), 60);
            Assert.Equal(model, DiskFiles.ReadAll(disk));
        }

        DiskFiles.WriteSparse(raw, model);
        DiskFiles.AssertQemuAgrees("vpc", path, raw);
    }

    [Theory]
    [InlineData(false, 0, (40 * MiB) + 512)]
    [InlineData(false, 512 * 1024, 9 * MiB)]
    [InlineData(true, 0, (7 * MiB) + 512)]
    public void WhatIsMadeHere_IsSoundForQemu(bool isFixed, int blockSize, int size)
    {
        Shell.Require("qemu-img", "qemu-io");
        using var folder = new TemporaryFolder();
        string raw = folder.File("raw", size), path = folder.File("x");
        using (LoopDevice file = LoopDevice.Open(path, new LoopDeviceOptions { IsExact = true }))
        {
            VhdImage.Create(file, size, isFixed, blockSize);
        }

        DiskFiles.AssertQemuAgrees("vpc", path, raw);
        byte[] model = new byte[size];
        var random = new Random(size);
        for (int round = 0; round < 3; round++)
        {
            using IBlockDevice disk = DiskFiles.Open(path);
            DiskFiles.WriteRandomly(disk, model, random, 60, 3_000_000);
            Assert.Equal(model, DiskFiles.ReadAll(disk));
        }

        DiskFiles.WriteSparse(raw, model);
        DiskFiles.AssertQemuAgrees("vpc", path, raw);
        Shell.Script($"qemu-io -f vpc -c 'write -P 0x77 {size / 2 / 512 * 512} 512' {path}");
        model.AsSpan(size / 2 / 512 * 512, 512).Fill(0x77);
        using IBlockDevice again = DiskFiles.Open(path, isReadOnly: true);
        Assert.Equal(model, DiskFiles.ReadAll(again));
    }

    [Fact]
    public void AnyCut_LeavesWhatWasFlushed()
    {
        const int Size = (12 * MiB) + 512;
        int seed = DiskFiles.Seed();
        var random = new Random(seed);
        var file = new MemoryFile();
        VhdImage.Create(file, Size, blockSize: MiB);
        CutRecording recording = CutRecording.Begin(DiskFiles.ReadAll(file), new byte[Size]);
        for (int session = 0; session < 3; session++)
        {
            using IBlockDevice disk = new VhdFormat().Open(recording.File, new ImageFormatOptions());
            CutWork.Run(recording, disk, random, 20);
        }

        int states = 0, withoutEnd = 0;
        foreach ((StateFile state, Expectation expected, _, string name) in recording.States(seed, subsets: 3))
        {
            states++;
            byte[] end = new byte[VhdFooter.Size];
            state.Read(end, state.Length - end.Length);
            withoutEnd += VhdFooter.TryRead(end, out _) ? 0 : 1;
            Judge(state, expected, name, random);
        }

        output.WriteLine($"{recording.File.Log.Count} operations, {states} states, {withoutEnd} without a footer at the end, seed {seed}");
        Assert.True(states > 200 && withoutEnd > 0, $"{states} states, {withoutEnd} without the footer, seed {seed}");
    }

    [Fact]
    public void SeveralThreads()
    {
        const int Size = 64 * MiB, Lanes = 4;
        int seed = DiskFiles.Seed();
        var file = new MemoryFile();
        VhdImage.Create(file, Size, blockSize: MiB);
        byte[] model = new byte[Size];
        using (IBlockDevice disk = new VhdFormat().Open(file, new ImageFormatOptions()))
        {
            Parallel.For(0, Lanes, new ParallelOptions { MaxDegreeOfParallelism = Lanes }, lane =>
            {
                var random = new Random(seed + lane);
                byte[] noise = new byte[100_000];
                for (int i = 0; i < 200; i++)
                {
                    // All lanes write into the same blocks.
                    int length = random.Next(1, noise.Length), at = (random.Next(Size / MiB) * MiB) + (lane * MiB / Lanes) + random.Next((MiB / Lanes) - length);
                    random.NextBytes(noise.AsSpan(0, length));
                    disk.Write(noise.AsSpan(0, length), at);
                    noise.AsSpan(0, length).CopyTo(model.AsSpan(at));
                    if (i % 20 == 0)
                    {
                        disk.Flush();
                    }
                }
            });
            Assert.True(DiskFiles.ReadAll(disk).AsSpan().SequenceEqual(model), $"seed {seed}");
        }

        using IBlockDevice again = new VhdFormat().Open(file, new ImageFormatOptions());
        Assert.True(DiskFiles.ReadAll(again).AsSpan().SequenceEqual(model), $"seed {seed}");
    }

    [Fact]
    public void DifferencingVhd_IsRefusedByName()
    {
        var file = new MemoryFile();
        VhdImage.Create(file, 4 * MiB);
        foreach (long place in (long[])[0, file.Length - 512])
        {
            byte[] footer = new byte[512];
            file.Read(footer, place);
            BinaryPrimitives.WriteUInt32BigEndian(footer.AsSpan(60), 4);
            BinaryPrimitives.WriteUInt32BigEndian(footer.AsSpan(64), VhdFooter.Sum(footer, 64));
            file.Write(footer, place);
        }

        var e = Assert.Throws<ImageFormatException>(() => new VhdFormat().Open(file, new ImageFormatOptions()));
        Assert.Equal(ImageFormatError.Unsupported, e.Error);
        Assert.Contains("differencing VHD", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void MappedBlocks_AreReadAndWrittenWithoutMemory()
    {
        var file = new MemoryFile();
        VhdImage.Create(file, 8 * MiB);
        using IBlockDevice disk = new VhdFormat().Open(file, new ImageFormatOptions());
        byte[] buffer = new byte[300_000];
        disk.Write(new byte[8 * MiB], 0);
        // The runtime allocates a few kilobytes when it compiles a method again, at a time of its choosing.
        long least = long.MaxValue;
        for (int round = 0; round < 8 && least > 0; round++)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            for (int i = 0; i < 1000; i++)
            {
                disk.Read(buffer, i * 7919L % (8 * MiB - buffer.Length));
                disk.Write(buffer.AsSpan(0, 5000), i * 6007L % (8 * MiB - buffer.Length));
            }

            least = Math.Min(least, GC.GetAllocatedBytesForCurrentThread() - before);
        }

        Assert.Equal(0, least);
    }

    private static void Judge(StateFile state, Expectation expected, string name, Random random)
    {
        byte[] content;
        state.IsReadOnly = true; // a write would throw
        using (IBlockDevice disk = new VhdFormat().Open(state, new ImageFormatOptions()))
        {
            content = DiskFiles.ReadAll(disk);
        }

        Assert.True(expected.Check(content) is not { } wrong, $"{name}: {expected.Check(content)}");
        if (random.Next(4) != 0)
        {
            return;
        }

        state.IsReadOnly = false;
        using (IBlockDevice disk = new VhdFormat().Open(state, new ImageFormatOptions()))
        {
            for (int at = 1000; at < disk.Length; at += MiB)
            {
                disk.Write([1, 2, 3], at);
                new byte[] { 1, 2, 3 }.CopyTo(content, at);
            }
        }

        byte[] end = new byte[VhdFooter.Size];
        state.Read(end, state.Length - end.Length);
        Assert.True(VhdFooter.TryRead(end, out _), $"{name}: no footer at the end after writes");
        using IBlockDevice again = new VhdFormat().Open(state, new ImageFormatOptions());
        Assert.True(DiskFiles.ReadAll(again).AsSpan().SequenceEqual(content), $"{name}: writes after the cut went wrong");
    }
}
