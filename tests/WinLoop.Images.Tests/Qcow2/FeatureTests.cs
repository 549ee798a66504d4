using System.Buffers.Binary;
using WinLoop.Images.Qcow2;
using WinLoop.Images.Tests.Vhdx;
using WinLoop.Storage;
using WinLoop.TestKit;

namespace WinLoop.Images.Tests.Qcow2;

/// <summary>What is refused by name, what is read only and says so, and what is written with care.</summary>
public sealed class FeatureTests
{
    private const int MiB = 1 << 20;

    [Theory]
    [InlineData("-o data_file=data", "external data file")]
    [InlineData("-o extended_l2=on,cluster_size=128k", "extended L2")]
    [InlineData("-o compression_type=zstd", "zstd")]
    [InlineData("--object secret,id=s,data=x -o encrypt.format=aes,encrypt.key-secret=s", "AES")]
    [InlineData("", "LUKS", "printf '\\2' | dd of=x bs=1 seek=35 conv=notrunc status=none")] // qemu measures the processor first, and a busy one fails it
    public void Refused_by_name(string options, string name, string then = "")
    {
        Shell.Require("qemu-img");
        using var folder = new TemporaryFolder();
        Shell.Script($"cd {folder.Path}; qemu-img create -q -f qcow2 {options} x 8M; {then}");
        ImageFormatException e = Assert.Throws<ImageFormatException>(() => DiskFiles.Open(Path.Combine(folder.Path, "x"), isReadOnly: true));
        Assert.Equal(ImageFormatError.Unsupported, e.Error);
        Assert.Contains(name, e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void An_unknown_feature_is_named_as_the_file_names_it()
    {
        Shell.Require("qemu-img");
        using var folder = new TemporaryFolder();
        string path = Path.Combine(folder.Path, "x");
        Shell.Script($"qemu-img create -q -f qcow2 {path} 8M");
        byte[] bytes = File.ReadAllBytes(path);
        bytes[Qcow2Header.IncompatibleAt + 6] = 4; // bit 10
        ImageFormatException e = Assert.Throws<ImageFormatException>(() => Qcow2Files.Open(new MemoryFile(bytes)));
        Assert.Contains("bit 10", e.Message, StringComparison.Ordinal);

        // The table of names that qemu writes has 'dirty bit' for bit 0; make it the name of bit 10.
        int at = bytes.AsSpan().IndexOf("dirty bit"u8);
        bytes[at - 1] = 10;
        e = Assert.Throws<ImageFormatException>(() => Qcow2Files.Open(new MemoryFile(bytes)));
        Assert.Contains("'dirty bit'", e.Message, StringComparison.Ordinal);
        Assert.Contains("version 1", Assert.Throws<ImageFormatException>(() =>
        {
            bytes[Qcow2Header.VersionAt + 3] = 1;
            return Qcow2Files.Open(new MemoryFile(bytes));
        }).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(1, "dirty")]
    [InlineData(2, "corrupt")]
    public void Marked_files_are_read_and_not_written(byte bits, string word)
    {
        var file = new MemoryFile();
        Qcow2Image.Create(file, 4 * MiB);
        using (IBlockDevice disk = Qcow2Files.Open(file))
        {
            disk.Write([1, 2, 3], 100);
        }

        file.Write([bits], Qcow2Header.IncompatibleAt + 7);
        var notes = new List<string>();
        using (IBlockDevice disk = new Qcow2Format().Open(file, new ImageFormatOptions { Note = notes.Add }))
        {
            Assert.True(disk.IsReadOnly);
            Assert.Contains(word, Assert.Single(notes), StringComparison.Ordinal);
            byte[] read = new byte[3];
            disk.Read(read, 100);
            Assert.Equal([1, 2, 3], read);
        }

        notes.Clear();
        new Qcow2Format().Open(file, new ImageFormatOptions { Note = notes.Add, IsReadOnly = true }).Dispose();
        Assert.Empty(notes); // nobody asked for writing
    }

    [Fact]
    public void A_snapshot_keeps_what_it_had()
    {
        Shell.Require("qemu-img", "qemu-io");
        using var folder = new TemporaryFolder();
        foreach (string options in (string[])["cluster_size=64k", "cluster_size=4k,compat=0.10", "cluster_size=512,refcount_bits=8"])
        {
            const int Size = 3 * MiB;
            string raw = Path.Combine(folder.Path, "raw"), path = Path.Combine(folder.Path, "x");
            byte[] old = DiskFiles.Noise(Size, 6, 0.7), model = (byte[])old.Clone();
            DiskFiles.WriteSparse(raw, old);
            Shell.Script($"qemu-img convert -f raw -O qcow2 -o {options} {raw} {path}; qemu-img snapshot -c one {path}");
            using (IBlockDevice disk = DiskFiles.Open(path))
            {
                DiskFiles.WriteRandomly(disk, model, new Random(7), 80);
            }

            byte[] middle = (byte[])model.Clone();
            Qcow2Files.AssertQemuAgrees(path, model);
            Shell.Script($"qemu-img snapshot -c two {path}");
            using (IBlockDevice disk = DiskFiles.Open(path))
            {
                DiskFiles.WriteRandomly(disk, model, new Random(8), 80);
                Assert.Equal(model, DiskFiles.ReadAll(disk));
            }

            Qcow2Files.AssertQemuAgrees(path, model);
            Shell.Script($"qemu-img snapshot -a one {path}");
            Qcow2Files.AssertQemuAgrees(path, old);
            Shell.Script($"qemu-img snapshot -a two {path}; qemu-img snapshot -d one {path}");
            Qcow2Files.AssertQemuAgrees(path, middle);

            // Going back and deleting leaves clusters without the flag that says that nobody else has them.
            using (IBlockDevice disk = DiskFiles.Open(path))
            {
                DiskFiles.WriteRandomly(disk, middle, new Random(9), 80);
            }

            Qcow2Files.AssertQemuAgrees(path, middle);
        }
    }

    [Fact]
    public void Bitmaps_become_invalid_with_the_first_write_and_not_before()
    {
        Shell.Require("qemu-img");
        using var folder = new TemporaryFolder();
        string path = Path.Combine(folder.Path, "x");
        Shell.Script($"qemu-img create -q -f qcow2 {path} 8M; qemu-img bitmap --add {path} b0");
        byte[] before = File.ReadAllBytes(path);
        Assert.NotEqual(0UL, BinaryPrimitives.ReadUInt64BigEndian(before.AsSpan(Qcow2Header.AutoclearAt)));
        DiskFiles.Open(path).Dispose();
        Assert.Equal(before, File.ReadAllBytes(path));
        byte[] model = new byte[8 * MiB];
        using (IBlockDevice disk = DiskFiles.Open(path))
        {
            DiskFiles.WriteRandomly(disk, model, new Random(5), 40);
        }

        Assert.Equal(0UL, BinaryPrimitives.ReadUInt64BigEndian(File.ReadAllBytes(path).AsSpan(Qcow2Header.AutoclearAt)));
        Qcow2Files.AssertQemuAgrees(path, model, mayLeak: true); // the bitmap's clusters are nobody's now
    }

    [Fact]
    public void What_a_cut_has_left_behind_is_used_again()
    {
        Shell.Require("qemu-img");
        using var folder = new TemporaryFolder();
        string path = folder.File("x");
        using (LoopDevice file = LoopDevice.Open(path, new LoopDeviceOptions { IsExact = true }))
        {
            Qcow2Image.Create(file, 32 * MiB);
        }

        byte[] model = new byte[32 * MiB];
        using (IBlockDevice disk = DiskFiles.Open(path))
        {
            DiskFiles.WriteRandomly(disk, model, new Random(2), 20);
        }

        // Counted, and nobody refers to them: 40 clusters at the end.
        byte[] bytes = File.ReadAllBytes(path);
        int first = (bytes.Length + 65535) / 65536, block = (int)BinaryPrimitives.ReadUInt64BigEndian(bytes.AsSpan(65536));
        Array.Resize(ref bytes, (first + 40) * 65536);
        for (int i = 0; i < 40; i++)
        {
            bytes[block + (2 * (first + i)) + 1] = 1;
            bytes.AsSpan((first + i) * 65536, 65536).Fill(0xEE);
        }

        File.WriteAllBytes(path, bytes);
        Assert.Contains("40 leaked", Shell.Run("qemu-img", ["check", "-f", "qcow2", path]).All, StringComparison.Ordinal);
        using (IBlockDevice disk = DiskFiles.Open(path))
        {
            for (int at = 100; at < model.Length; at += 65536)
            {
                disk.Write([7], at);
                model[at] = 7;
            }

            Assert.Equal(model, DiskFiles.ReadAll(disk));
        }

        Qcow2Files.AssertQemuAgrees(path, model); // none is left
    }
}
