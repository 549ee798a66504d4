using System.Diagnostics;
using System.Text.Json;
using WinLoop.Mounting.Conversion;

namespace WinLoop.Cli.Tests;

/// <summary>Conversion: the same disk for qemu, whole or not at all, and the source is as it was.</summary>
[Collection(MountNamespaces.Name)]
public sealed class ConvertTests : IDisposable
{
    private readonly Workspace _work = new();

    public void Dispose() => _work.Dispose();

    /// <summary>Our formats, and what qemu calls them.</summary>
    public static TheoryData<string, string> Formats => new() { { "raw", "raw" }, { "vhdx", "vhdx" }, { "vhdx-fixed", "vhdx" }, { "vhd", "vpc" }, { "vhd-fixed", "vpc" }, { "vdi", "vdi" }, { "vdi-fixed", "vdi" } };

    [Theory]
    [MemberData(nameof(Formats))]
    public void The_disk_is_the_same_there_and_back(string format, string qemu)
    {
        Shell.Require("mkfs.ext4", "e2fsck", "qemu-img");
        string image = _work.MakeImage("a.img", "40M"), made = _work["made"], back = _work["back.img"];
        File.WriteAllBytes(_work["content"], [.. Enumerable.Range(0, 5_000_000).Select(i => (byte)(i * 7 / 3))]);
        WinLoopProgram.Succeed("cp", _work["content"], image + ":/");
        string hash = Workspace.HashOf(image);

        JsonElement answer = WinLoopProgram.Json("convert", image, made, "-O", format);
        Assert.Equal(40 << 20, answer.GetProperty("size").GetInt64());
        Assert.Equal(format, answer.GetProperty("format").GetString());
        Assert.InRange(answer.GetProperty("copied").GetInt64(), 5_000_000, 20_000_000);
        Shell.Script($"qemu-img compare -f raw -F {qemu} {image} {made}");
        if (format != "vhd-fixed") // whose end is no sector of the disk
        {
            Assert.True(WinLoopProgram.Json("check", made).GetProperty("clean").GetBoolean());
        }
        WinLoopProgram.Succeed("convert", made, back);
        Assert.Equal(hash, Workspace.HashOf(back));
        Assert.Equal(hash, Workspace.HashOf(image));
        Workspace.AssertClean(back);
    }

    [Fact]
    public void Every_format_is_in_the_list_above_and_in_the_manual()
    {
        foreach (TargetFormat format in TargetFormat.All)
        {
            Assert.Contains(Formats, row => row.Data.Item1 == format.Name);
            Assert.Equal(format.Extensions.Count == 0 ? null : format, TargetFormat.OfFile("x" + format.Extensions.FirstOrDefault()));
        }
    }

    [Fact]
    public void A_whole_disk_comes_with_its_partitions()
    {
        Shell.Require("sfdisk", "mkfs.ext4");
        string part = _work.MakeImage("part", "24M"), disk = _work["disk.img"];
        Shell.Script($"truncate -s 40M {disk}; printf '2048,16384,c\n20480,,L\n' | sfdisk -q {disk}; dd if={part} of={disk} bs=512 seek=20480 conv=notrunc status=none");
        WinLoopProgram.Succeed("convert", disk, _work["disk.vhdx"]);
        WinLoopProgram.Fail(5, "not an ext", "ls", _work["disk.vhdx"] + ":/", "-p", "1");
        WinLoopProgram.Succeed("ls", _work["disk.vhdx"] + ":/");
    }

    [Fact]
    public void An_image_may_be_replaced_by_itself()
    {
        string image = _work.MakeImage("a.img", "16M");
        string hash = Workspace.HashOf(image);
        WinLoopProgram.Fail(1, "the file exists", "convert", image, image, "-O", "vhdx");
        Assert.Equal(hash, Workspace.HashOf(image));
        WinLoopProgram.Succeed("convert", image, image, "-O", "vhdx", "--force");
        Assert.Equal("VHDX", WinLoopProgram.Json("info", image).GetProperty("format").GetString());
        WinLoopProgram.Succeed("convert", image, image, "-O", "raw", "-F");
        Assert.Equal(hash, Workspace.HashOf(image));
        Assert.Equal(["a.img"], Names());
    }

    [Fact]
    public void A_file_that_is_no_whole_number_of_sectors_keeps_its_end()
    {
        byte[] bytes = new byte[100_001];
        new Random(1).NextBytes(bytes);
        File.WriteAllBytes(_work["odd.img"], bytes);
        WinLoopProgram.Succeed("convert", _work["odd.img"], _work["copy.img"]);
        Assert.Equal(bytes, File.ReadAllBytes(_work["copy.img"]));
        WinLoopProgram.Succeed("convert", _work["odd.img"], _work["odd.vhdx"]);
        WinLoopProgram.Succeed("convert", _work["odd.vhdx"], _work["back.img"]);
        byte[] back = File.ReadAllBytes(_work["back.img"]);
        Assert.Equal(100_352, back.Length);
        Assert.Equal(bytes, back[..bytes.Length]);
        Assert.False(back.AsSpan(bytes.Length).ContainsAnyExcept((byte)0));
    }

    [Fact]
    public void Holes_are_not_read()
    {
        using (FileStream file = File.Create(_work["large.img"]))
        {
            file.SetLength(1L << 40);
            file.Position = 1L << 39;
            file.Write("in the middle"u8);
        }
        long before = Stopwatch.GetTimestamp();
        JsonElement answer = WinLoopProgram.Json("convert", _work["large.img"], _work["large.vhdx"]);
        WinLoopProgram.Succeed("convert", _work["large.vhdx"], _work["back.img"]);
        // Two passes over a tebibyte of zeroes take minutes.
        Assert.True(Stopwatch.GetElapsedTime(before) < TimeSpan.FromSeconds(60));
        Assert.InRange(answer.GetProperty("copied").GetInt64(), 1, 1 << 20);
        Assert.InRange(new FileInfo(_work["large.vhdx"]).Length, 1, 64 << 20);
        using FileStream back = File.OpenRead(_work["back.img"]);
        Assert.Equal(1L << 40, back.Length);
        byte[] middle = new byte[13];
        back.Position = 1L << 39;
        back.ReadExactly(middle);
        Assert.Equal("in the middle"u8, middle);
        Assert.InRange(long.Parse(Shell.Script($"du -k {_work["back.img"]} | cut -f1"), System.Globalization.CultureInfo.InvariantCulture), 0, 1024);
    }

    [Fact]
    public void What_fails_leaves_no_file_and_the_old_one()
    {
        WinLoopProgram.RequireMounts();
        string image = _work.MakeImage("a.img", "16M"), small = _work.MakeDirectory("small");
        File.WriteAllText(_work["old.vhd"], "old");
        WinLoopProgram.Fail(3, "no such file", "convert", _work["missing"], _work["old.vhd"], "-F");
        WinLoopProgram.Fail(2, "there is no format 'qcow'", "convert", image, _work["x"], "-O", "qcow");
        WinLoopProgram.Fail(2, "says no format", "convert", image, _work["x"]);
        WinLoopProgram.Fail(3, "there is no directory", "convert", image, _work["none/x.vhd"]);
        WinLoopProgram.Fail(2, "it is a directory", "convert", image, small, "-O", "vhd", "-F");
        Shell.Script($"truncate -s 3T {_work["huge.img"]}");
        WinLoopProgram.Fail(5, "has no disk of", "convert", _work["huge.img"], _work["old.vhd"], "-F");
        Assert.Equal("old", File.ReadAllText(_work["old.vhd"]));

        Shell.Script($"head -c 6000000 /dev/urandom > {_work["noise.img"]}; mount -t tmpfs -o size=2M none {small}");
        try
        {
            WinLoopProgram.Fail(1, "", "convert", _work["noise.img"], Path.Combine(small, "x.vhdx"));
            Assert.Empty(Directory.GetFileSystemEntries(small));
        }
        finally
        {
            Shell.Script($"umount {small}");
        }

        string directory = _work.Mount(image);
        WinLoopProgram.Fail(6, directory, "convert", image, _work["x.vhdx"]);
        WinLoopProgram.Fail(6, "", "convert", _work["noise.img"], image, "-F");
        WinLoopProgram.Succeed("unmount", directory);
        Workspace.AssertClean(image);
        Assert.DoesNotContain(Names(), n => n.EndsWith(".new", StringComparison.Ordinal));
        Assert.False(File.Exists(_work["x.vhdx"]));
    }

    private string[] Names() => [.. Directory.GetFileSystemEntries(_work.Folder).Select(n => Path.GetFileName(n)).Order(StringComparer.Ordinal)];
}
