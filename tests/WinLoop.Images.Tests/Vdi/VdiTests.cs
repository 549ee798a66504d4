using System.Buffers.Binary;
using WinLoop.Images.Tests.PowerCuts;
using WinLoop.Images.Tests.Vhdx;
using WinLoop.Images.Vdi;
using WinLoop.Storage;
using WinLoop.TestKit;

namespace WinLoop.Images.Tests.Vdi;

/// <summary>VDI, fixed and dynamic, against qemu-img and over power cuts.</summary>
public sealed class VdiTests(ITestOutputHelper output)
{
    private const int MiB = 1 << 20;

    [Theory]
    [InlineData("static=off", 20 * MiB)]
    [InlineData("static=off", (33 * MiB) + 512)]
    [InlineData("static=on", (9 * MiB) + 4096)]
    public void WhatQemuMakes_ReadsTheSame_AndIsSoundAfterOurWrites(string options, int size)
    {
        Shell.Require("qemu-img", "qemu-io");
        int seed = DiskFiles.Seed();
        output.WriteLine($"seed {seed}");
        using var folder = new TemporaryFolder();
        string raw = folder.File("raw"), path = Path.Combine(folder.Path, "x.img");
        byte[] model = DiskFiles.Noise(size, seed);
        DiskFiles.WriteSparse(raw, model);
        Shell.Script($"qemu-img convert -f raw -O vdi -o {options} {raw} {path}");
        byte[] before = File.ReadAllBytes(path);
        using (IBlockDevice disk = DiskFiles.Open(path, isReadOnly: true))
        {
            Assert.Equal(model, DiskFiles.ReadAll(disk));
            Assert.Throws<BlockDeviceException>(() => disk.Write(new byte[512], 0));
        }

        DiskFiles.Open(path).Dispose();
        Assert.Equal(before, File.ReadAllBytes(path));
        for (int i = 0; i < 6; i++)
        {
            int at = (int)((long)size * i / 6 / 512 * 512), length = Math.Min(70 * 1024, size - at);
            Shell.Script($"qemu-io -f vdi -c 'write -P {0x41 + i} {at} {length}' {path}");
            model.AsSpan(at, length).Fill((byte)(0x41 + i));
        }

        using (IBlockDevice disk = DiskFiles.Open(path))
        {
            Assert.Equal(model, DiskFiles.ReadAll(disk));
            DiskFiles.WriteRandomly(disk, model, new Random(seed), 60);
            Assert.Equal(model, DiskFiles.ReadAll(disk));
        }

        DiskFiles.WriteSparse(raw, model);
        AssertQemuAgrees(path, raw);
    }

    [Theory]
    [InlineData(false, (40 * MiB) + 512)]
    [InlineData(true, (7 * MiB) + 512)]
    public void WhatIsMadeHere_IsSoundForQemu(bool isFixed, int size)
    {
        Shell.Require("qemu-img", "qemu-io");
        using var folder = new TemporaryFolder();
        string raw = folder.File("raw", size), path = folder.File("x");
        using (LoopDevice file = LoopDevice.Open(path, new LoopDeviceOptions { IsExact = true }))
        {
            VdiImage.Create(file, size, isFixed);
        }

        AssertQemuAgrees(path, raw);
        byte[] model = new byte[size];
        var random = new Random(size);
        for (int round = 0; round < 3; round++)
        {
            using IBlockDevice disk = DiskFiles.Open(path);
            if (round == 0)
            {
                Assert.Equal(isFixed ? 0 : size, disk.ZeroRun(0, size));
            }

            DiskFiles.WriteRandomly(disk, model, random, 60, 3_000_000);
            Assert.Equal(model, DiskFiles.ReadAll(disk));
        }

        DiskFiles.WriteSparse(raw, model);
        AssertQemuAgrees(path, raw);
        Shell.Script($"qemu-io -f vdi -c 'write -P 0x77 {size / 2 / 512 * 512} 512' {path}");
        model.AsSpan(size / 2 / 512 * 512, 512).Fill(0x77);
        using IBlockDevice again = DiskFiles.Open(path, isReadOnly: true);
        Assert.Equal(model, DiskFiles.ReadAll(again));
    }

    [Fact]
    public void AnyCut_LeavesWhatWasFlushed_AndNoCountThatIsTooSmall()
    {
        const int Size = (12 * MiB) + 512;
        int seed = DiskFiles.Seed();
        var random = new Random(seed);
        var file = new MemoryFile();
        VdiImage.Create(file, Size);
        CutRecording recording = CutRecording.Begin(DiskFiles.ReadAll(file), new byte[Size]);
        for (int session = 0; session < 3; session++)
        {
            using IBlockDevice disk = new VdiFormat().Open(recording.File, new ImageFormatOptions());
            CutWork.Run(recording, disk, random, 20);
        }

        int states = 0;
        foreach ((StateFile state, Expectation expected, _, string name) in recording.States(seed, subsets: 3))
        {
            states++;
            Judge(state, expected, name, random);
        }

        output.WriteLine($"{recording.File.Log.Count} operations, {states} states, seed {seed}");
        Assert.True(states > 200, $"{states} states, seed {seed}");
    }

    [Theory]
    [InlineData(0x4C, 4u, "differencing VDI")]
    [InlineData(0x4C, 3u, "differencing VDI")]
    [InlineData(0x1A8, 7u, "differencing VDI")]
    [InlineData(0x44, 0x00020000u, "version 2.0")]
    [InlineData(0x178, 1u << 30, "blocks of 1073741824 bytes")]
    public void WhatIsNotSupported_IsRefusedByName(int field, uint value, string says)
    {
        var file = new MemoryFile();
        VdiImage.Create(file, 4 * MiB);
        byte[] bytes = new byte[4];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, value);
        file.Write(bytes, field);
        var e = Assert.Throws<ImageFormatException>(() => new VdiFormat().Open(file, new ImageFormatOptions()));
        Assert.Equal(ImageFormatError.Unsupported, e.Error);
        Assert.Contains(says, e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Sizes()
    {
        Assert.Throws<ArgumentException>(() => VdiImage.Create(new MemoryFile(), 100));
        Assert.Throws<ArgumentException>(() => VdiImage.Create(new MemoryFile(), 0));
        Assert.Throws<ArgumentException>(() => VdiImage.Create(new MemoryFile(), (1L << 44) + 512));
        Assert.False(new VdiFormat().Matches(new MemoryFile()));
    }

    private static void AssertQemuAgrees(string path, string raw)
    {
        Shell.Result check = Shell.Run("qemu-img", ["check", "-f", "vdi", path]);
        Assert.True(check.ExitCode == 0, check.All);
        Shell.Result compare = Shell.Run("qemu-img", ["compare", "-f", "raw", "-F", "vdi", raw, path]);
        Assert.True(compare.ExitCode == 0, compare.All);
    }

    private static void Judge(StateFile state, Expectation expected, string name, Random random)
    {
        byte[] content, header = new byte[VdiHeader.Size];
        state.IsReadOnly = true; // a write would throw
        using (IBlockDevice disk = new VdiFormat().Open(state, new ImageFormatOptions()))
        {
            content = DiskFiles.ReadAll(disk);
        }

        Assert.True(expected.Check(content) is not { } wrong, $"{name}: {expected.Check(content)}");
        // VirtualBox would overwrite a block that the count does not count.
        state.Read(header, 0);
        VdiHeader parsed = VdiHeader.Read(header, state.Length);
        BlockMap map = BlockMap.Read(state, parsed.MapOffset, parsed.Blocks, isBigEndian: false);
        for (int i = 0; i < map.Count; i++)
        {
            Assert.True(map[i] >= VdiDisk.Zero || map[i] < VdiHeader.Allocated(header), $"{name}: block {i} is not counted");
        }

        if (random.Next(4) != 0)
        {
            return;
        }

        state.IsReadOnly = false;
        using (IBlockDevice disk = new VdiFormat().Open(state, new ImageFormatOptions()))
        {
            for (int at = 1000; at < disk.Length; at += MiB)
            {
                disk.Write([1, 2, 3], at);
                new byte[] { 1, 2, 3 }.CopyTo(content, at);
            }
        }

        using IBlockDevice again = new VdiFormat().Open(state, new ImageFormatOptions());
        Assert.True(DiskFiles.ReadAll(again).AsSpan().SequenceEqual(content), $"{name}: writes after the cut went wrong");
    }
}
