using WinLoop.Images.Qcow2;
using WinLoop.Images.Tests.Vhdx;
using WinLoop.Storage;
using WinLoop.TestKit;

namespace WinLoop.Images.Tests.Qcow2;

/// <summary>Disks above backing files: read through, copied before a write, and chains of them.</summary>
public sealed class BackingTests
{
    private const int MiB = 1 << 20;
    private const int Size = (6 * MiB) + 512;

    /// <summary>Format of the backing file (and what the header says of it), options of the file above.</summary>
    public static TheoryData<string, string, string> Backings => new()
    {
        { "raw", "-F raw", "" },
        { "raw", "-F raw", "-o compat=0.10" },
        { "qcow2", "-F qcow2", "-o cluster_size=512" },
        { "qcow2", "-F qcow2", "-o cluster_size=2M" },
        { "vhdx", "-F vhdx", "" },
        { "vpc", "-F vpc", "" },
    };

    [Theory]
    [MemberData(nameof(Backings))]
    public void Reads_through_and_copies_before_a_write(string format, string says, string options)
    {
        Shell.Require("qemu-img");
        using var folder = new TemporaryFolder();
        string raw = folder.File("raw"), below = Path.Combine(folder.Path, "below"), path = Path.Combine(folder.Path, "above");
        byte[] content = DiskFiles.Noise(Size, 3), model = new byte[Size + (2 * MiB)]; // the disk is larger than what it is made on
        content.CopyTo(model, 0);
        DiskFiles.WriteSparse(raw, content);
        Shell.Script($"qemu-img convert -f raw -O {format} {(format == "vpc" ? "-o force_size" : "")} {raw} {below}");
        Shell.Script($"cd {folder.Path}; qemu-img create -q -f qcow2 -b below {says} {options} above {model.Length}");
        byte[] belowBefore = File.ReadAllBytes(below);
        using (IBlockDevice disk = DiskFiles.Open(path, isReadOnly: true))
        {
            Assert.Equal(model, DiskFiles.ReadAll(disk));
        }

        var random = new Random(4);
        for (int round = 0; round < 2; round++)
        {
            using IBlockDevice disk = DiskFiles.Open(path);
            DiskFiles.WriteRandomly(disk, model, random, 60);
            Assert.Equal(model, DiskFiles.ReadAll(disk));
        }

        Qcow2Files.AssertQemuAgrees(path, model);
        Assert.Equal(belowBefore, File.ReadAllBytes(below));
    }

    [Fact]
    public void The_format_in_the_header_decides_and_without_it_the_content()
    {
        Shell.Require("qemu-img");
        using var folder = new TemporaryFolder();
        byte[] content = DiskFiles.Noise(MiB, 8);
        DiskFiles.WriteSparse(Path.Combine(folder.Path, "raw"), content);
        Shell.Script($"cd {folder.Path}; qemu-img convert -f raw -O qcow2 raw below");
        byte[] below = File.ReadAllBytes(Path.Combine(folder.Path, "below"));
        foreach ((string? said, byte[] expected) in new (string?, byte[])[] { ("raw", below), ("qcow2", content), (null, content) })
        {
            var file = new MemoryFile();
            Qcow2Image.Create(file, 4 * MiB, new Qcow2CreateOptions { BackingFile = "below", BackingFormat = said });
            using IBlockDevice disk = Qcow2Files.Open(file, backing: new MemoryFile(below));
            byte[] read = new byte[expected.Length];
            disk.Read(read, 0);
            Assert.Equal(expected, read);
        }

        Qcow2Image.Create(new MemoryFile(), MiB);
        AssertRefused("vhdx", "is not a VHDX");
        AssertRefused("bochs", "'bochs'");

        void AssertRefused(string said, string message)
        {
            var file = new MemoryFile();
            Qcow2Image.Create(file, 4 * MiB, new Qcow2CreateOptions { BackingFile = "below", BackingFormat = said });
            ImageFormatException e = Assert.Throws<ImageFormatException>(() => Qcow2Files.Open(file, backing: new MemoryFile(below)));
            Assert.Contains(message, e.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void A_chain_is_followed_through_folders_and_has_an_end()
    {
        Shell.Require("qemu-img");
        using var folder = new TemporaryFolder();
        byte[] model = DiskFiles.Noise(2 * MiB, 9);
        Directory.CreateDirectory(Path.Combine(folder.Path, "a", "b"));
        DiskFiles.WriteSparse(Path.Combine(folder.Path, "a", "b", "raw"), model);
        Shell.Script($"cd {folder.Path}/a; qemu-img create -q -f qcow2 -b b/raw -F raw middle; cd ..; qemu-img create -q -f qcow2 -b a/middle -F qcow2 -o cluster_size=4k top");
        foreach (string name in (string[])["a/middle", "top"])
        {
            using IBlockDevice disk = DiskFiles.Open(Path.Combine(folder.Path, name));
            DiskFiles.WriteRandomly(disk, model, new Random(1), 30, 50_000);
        }

        Qcow2Files.AssertQemuAgrees(Path.Combine(folder.Path, "top"), model);

        var own = new MemoryFile();
        Qcow2Image.Create(own, MiB, new Qcow2CreateOptions { BackingFile = "itself" });
        ImageFormatException e = Assert.Throws<ImageFormatException>(() => Qcow2Files.Open(own, isReadOnly: true, backing: own));
        Assert.Equal(ImageFormatError.Parent, e.Error);
        Assert.Contains("its own", e.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("json:{\"driver\":\"nbd\"}", "json:")]
    [InlineData("nbd://host/disk", "nbd:")]
    public void What_is_no_file_is_refused_by_name(string name, string shown)
    {
        var file = new MemoryFile();
        Qcow2Image.Create(file, MiB, new Qcow2CreateOptions { BackingFile = name });
        ImageFormatException e = Assert.Throws<ImageFormatException>(() => Qcow2Files.Open(file, backing: new MemoryFile(MiB)));
        Assert.Contains(shown, e.Message, StringComparison.Ordinal);
        e = Assert.Throws<ImageFormatException>(() => Qcow2Files.Open(file));
        Assert.Equal(ImageFormatError.Parent, e.Error); // nobody to open anything
    }
}
